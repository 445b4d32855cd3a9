"""Thresholds in words: on which side of a number, or of a percentile of the climate, values are
events."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Threshold"]

_SIDES: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}
_WORDS = re.compile(r"(?P<side>[<>]=?)?\s*(?P<percentile>p)?\s*(?P<number>[-+]?[\d.]+(e[-+]?\d+)?)")


@dataclass(frozen=True, order=True)
class Threshold:
    """What makes a value an event.

    Args:
        is_percentile: whether the number is a percentile of the climate, 0 to 100.
        number: in the variable's units, or a percentile.
        side: `>=`, `>`, `<=` or `<`.

    Example:
        >>> Threshold.of("< p10"), Threshold.of(273.15).text
        (Threshold(is_percentile=True, number=10.0, side='<'), '>= 273.15')
    """

    is_percentile: bool
    number: float
    side: str

    @classmethod
    def of(cls, given: "float | str | Threshold") -> "Threshold":
        """A number is one that events begin at.

        Raises:
            ValueError: the words are none of a threshold.
        """
        if isinstance(given, Threshold):
            return given
        words = _WORDS.fullmatch(str(given).strip())
        try:
            number = float(words["number"]) if words else float("nan")
        except ValueError:
            number = float("nan")
        is_percentile = bool(words and words["percentile"])
        if not abs(number) < 1e30 or (is_percentile and not 0 <= number <= 100):
            raise ValueError(
                f"got {given!r}, expected a number such as 5, or words such as '> 5', '< 273.15' "
                "or, of the climate's percentiles, '>= p90' and '< p10'"
            )
        assert words
        return cls(is_percentile, number, words["side"] or ">=")

    @property
    def text(self) -> str:
        """In words that `of` reads."""
        return f"{self.side} {'p' if self.is_percentile else ''}{self.number:.12g}"

    def holds(self, values: Any, limit: Any) -> Any:
        """Where values are events, given what the number stands for; nowhere where NaN."""
        return _SIDES[self.side](values, limit)
