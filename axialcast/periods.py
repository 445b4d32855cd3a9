"""Dates and periods as a config spells them."""

import re
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator

__all__ = ["Date", "InitTimes", "Period", "is_multiple", "period_bounds"]

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}([T ]\d{2}(:\d{2}(:\d{2})?)?)?)?)?")


def period_bounds(period: tuple[str, str]) -> tuple[np.datetime64, np.datetime64]:
    """First and last second of a period, as `.sel(time=slice(*period))` reads it.

    Example:
        >>> period_bounds(("2001", "2001-02"))
        (np.datetime64('2001-01-01T00:00:00'), np.datetime64('2001-02-28T23:59:59'))
    """
    first, last = (np.datetime64(date) for date in period)
    return first.astype("datetime64[s]"), (last + 1).astype("datetime64[s]") - 1


def _date(value: Any) -> str:
    text = str(value)
    if not _DATE.fullmatch(text):
        raise ValueError(f"got {value!r}, expected a date such as 2001, 2001-03 or 2001-03-31T06")
    try:
        np.datetime64(text)
    except ValueError:
        raise ValueError(f"got {value!r}: there is no such date") from None
    return text


def _period(value: Any) -> tuple[str, str]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f'got {value!r}, expected [first, last] such as ["2001", "2007"]')
    period = _date(value[0]), _date(value[1])
    first, last = period_bounds(period)
    if first > last:
        raise ValueError(f"{period[0]} comes after {period[1]}; put the earlier date first")
    return period


def _init_times(value: Any) -> Any:
    if value == "test":
        return value
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"got {value!r}, expected test (all of data.test) or a list of dates")
    return [_date(date) for date in value]


def is_multiple(hours: float, of: float) -> bool:
    """Whether a time is a whole multiple of another, to the second."""
    return round(hours * 3600) % round(of * 3600) == 0


Date = Annotated[str, BeforeValidator(_date)]
Period = Annotated[tuple[str, str], BeforeValidator(_period)]
InitTimes = Annotated[str | list[str], BeforeValidator(_init_times)]
