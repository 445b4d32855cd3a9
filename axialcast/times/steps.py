"""Steps of time: exact ones (timedelta64[ns]), and calendar months (timedelta64[M]) for what comes
by the month, the season or the year, whose steps are of different lengths.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = [
    "DAY",
    "MONTH",
    "exact",
    "in_months",
    "multiple",
    "nominal",
    "parsed_step",
    "step_numbers",
    "step_of_numbers",
    "step_text",
]

DAY = np.timedelta64(86_400_000_000_000, "ns")
MONTH = np.timedelta64(1, "M")
MONTH_DAYS = 365.2425 / 12
"""Length of a month in the mean over the calendar's 400 years (days)."""

_MONTHS = {"month": 1, "months": 1, "season": 3, "seasons": 3, "year": 12, "years": 12}
_SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("week", "weeks"), 7 * 86_400),
}
_TEXT = re.compile(r"(\d+(?:\.\d+)?) *([a-z]+)")


def parsed_step(value: Any) -> np.timedelta64:
    """A step of text such as "6 h", "10 min", "1 day" or "3 months", or of a timedelta.

    Raises:
        ValueError: it is none, of nothing, of a part of a second or of a month.

    Example:
        >>> parsed_step("1 month"), parsed_step("90 min") == np.timedelta64(90, "m")
        (np.timedelta64(1,'M'), True)
    """
    if isinstance(value, str) and (match := _TEXT.fullmatch(value.strip().lower())):
        number, unit = float(match[1]), match[2]
        if unit in _MONTHS and number.is_integer():
            return np.timedelta64(int(number) * _MONTHS[unit], "M")
        if unit in _SECONDS and (number * _SECONDS[unit]).is_integer():
            return exact(number * _SECONDS[unit])
    elif isinstance(value, np.timedelta64) and in_months(value):
        return np.timedelta64(value, "M")
    if not isinstance(value, int | float | None) and not str(value).isdigit():  # of which unit?
        try:
            found = pd.Timedelta(value)
            if not pd.isna(found):
                return np.timedelta64(found.value, "ns")
        except (ValueError, TypeError):
            pass
    raise ValueError(
        f'got {value!r}, expected a number of s, min, h, days, months or years such as "6 h", '
        '"10 min" or "1 month"'
    )


def exact(seconds: float) -> np.timedelta64:
    """A step of so many seconds, rounded to whole ones."""
    return np.timedelta64(round(seconds) * 10**9, "ns")


def in_months(step: Any) -> bool:
    """Whether a step, or an array of such, counts calendar months."""
    return np.datetime_data(np.asarray(step).dtype)[0] in ("M", "Y")


def multiple(step: Any, of: np.timedelta64) -> int | None:
    """How many times `of` a step is; None where that is no whole number, or cannot be said."""
    if in_months(step) != in_months(of) or of <= np.zeros((), of.dtype):
        return None
    return None if step % of else int(step // of)


def nominal(step: Any) -> Any:
    """Steps as timedelta64[ns]: months by their mean length, for what need not be exact."""
    if not in_months(step):
        return step
    months = np.asarray(step).astype("timedelta64[M]").astype(np.int64)
    return np.round(months * MONTH_DAYS * 86_400).astype("timedelta64[s]").astype("timedelta64[ns]")


def step_text(steps: Any) -> str:
    """Steps in words, all in the largest unit that tells each of them by a whole number.

    Example:
        >>> step_text(np.timedelta64(600, "s")), step_text(np.array([24, 36], "m8[h]"))
        ('10 min', '24, 36 h')
        >>> step_text(np.timedelta64(1, "M")), step_text(np.array([1, 3], "m8[M]"))
        ('1 month', '1, 3 months')
    """
    every = np.atleast_1d(steps)
    if in_months(every):
        months = every.astype("timedelta64[M]").astype(np.int64).tolist()
        return f"{', '.join(map(str, months))} month{'' if months == [1] else 's'}"
    seconds: NDArray[Any] = every / np.timedelta64(1, "s")
    for unit, size in (("h", 3600), ("min", 60), ("s", 1)):
        if not (seconds % size).any() or unit == "s":
            break
    return f"{', '.join(f'{value / size:.15g}' for value in seconds)} {unit}"


def step_numbers(step: np.timedelta64) -> dict[str, float]:
    """A step as a number with its unit in its name, for JSON and attributes of files."""
    if in_months(step):
        return {"step_months": int(step.astype("timedelta64[M]").astype(np.int64))}
    return {"step_hours": float(step / np.timedelta64(1, "h"))}


def step_of_numbers(numbers: Mapping[str, float | None]) -> np.timedelta64:
    """The inverse of `step_numbers`; other numbers among them are not looked at."""
    if (months := numbers.get("step_months")) is not None:
        return np.timedelta64(int(months), "M")
    hours = numbers["step_hours"]
    assert hours is not None
    return exact(hours * 3600)
