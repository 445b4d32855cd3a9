"""What a value says of the time around its label: of an instant, or of an interval, and which.

CF's words (conventions 1.11, section 7.3) for what was done along time, and the interval as an
attribute of the variable: `cell_hours`, or `cell_months`, its begin and end counted from the label.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from axialcast.names import COORDINATE_ALIASES, LEAD_TIME, TIME, VALID_TIME, VALID_TIMES

__all__ = ["CELL_ATTRS", "CELL_METHODS", "POINT", "Cell", "methods_of"]

CELL_METHODS = "cell_methods"
POINT = "point"
UNITS = {"cell_hours": "h", "cell_months": "months"}
"""Attributes that hold an interval, and what they count."""
CELL_ATTRS = (CELL_METHODS, *UNITS)
METHOD = re.compile(r"((?:\w+:\s*)+)([^:]+?)\s*(?=\w+:|$)")
"""Dimensions and what was done along them, such as «time: mean»."""
TIMES = {TIME, VALID_TIME, *VALID_TIMES, LEAD_TIME, *COORDINATE_ALIASES[TIME]}
TIMES |= {*COORDINATE_ALIASES[LEAD_TIME]}


def methods_of(text: str) -> dict[str, str]:
    """What was done along each dimension; what stands in brackets is of the same kind.

    Example:
        >>> methods_of("area: time: mean (interval: 1 hour)")
        {'area': 'mean', 'time': 'mean'}
    """
    found: dict[str, str] = {}
    for dims, method in METHOD.findall(re.sub(r"\([^)]*\)", "", text)):
        for dim in re.findall(r"\w+", dims):
            name = TIME if dim in TIMES else dim
            found[name] = f"{found[name]}, {method.lower()}" if name in found else method.lower()
    return found


@dataclass(frozen=True)
class Cell:
    """The interval that a value is of.

    Args:
        method: what was done along time, in CF's words: point, mean, sum, maximum, …; several,
            one after another, with commas between them.
        span: begin and end, from the time that the value is labelled with; None: not stated.
        unit: of these, "cell_hours" or "cell_months".

    Example:
        >>> Cell.of({"cell_methods": "time: mean", "cell_hours": [0, 24]}).told
        'mean from 0 to +24 h'
    """

    method: str
    span: tuple[float, float] | None = None
    unit: str = "cell_hours"

    @classmethod
    def of(cls, attrs: Mapping[str, Any]) -> "Cell | None":
        """That of a variable with such attributes; None: they say nothing of time."""
        method = methods_of(str(attrs.get(CELL_METHODS, ""))).get(TIME)
        if method is None:
            return None
        for unit in UNITS:
            if unit in attrs:
                begin, end = np.asarray(attrs[unit], float).tolist()
                return cls(method, (begin, end), unit)
        return cls(method)

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> "Cell":
        """Of what JSON keeps."""
        span = known.get("span")
        return cls(known["method"], span and (span[0], span[1]), known.get("unit", "cell_hours"))

    @property
    def is_point(self) -> bool:
        return self.method == POINT

    def contradicts(self, other: "Cell") -> bool:
        """Whether they cannot be of the same kind; intervals alone where both are stated."""
        is_told = self.span is not None and other.span is not None
        return self.method != other.method or (is_told and self != other)

    @property
    def told(self) -> str:
        """In words."""
        if self.span is None:
            return self.method
        begin, end = (f"{one:+g}" if one else "0" for one in self.span)
        return f"{self.method} from {begin} to {end} {UNITS[self.unit]}"

    def attrs(self, dim: str = TIME) -> dict[str, Any]:
        """Attributes of a variable, whose times are along a dimension of this name."""
        said = " ".join(f"{dim}: {method}" for method in self.method.split(", "))
        return {CELL_METHODS: said} | ({self.unit: list(self.span)} if self.span else {})
