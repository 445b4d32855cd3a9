"""Dates, periods and intervals as a config spells them."""

import re
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator

from axialcast.times.steps import exact, in_months, parsed_step

__all__ = ["Date", "InitTimes", "Interval", "Period", "Step", "interval", "period_bounds"]

_INTERVAL = re.compile(r"(\d+(?:\.\d+)?) *(steps?|s|seconds?|min|minutes?|h|hours?|)")
_SECONDS = {"s": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
_SHORT_MONTHS = re.compile(r"\d{4}-02-(29|30)([T ]\d{2}(:\d{2}(:\d{2})?)?)?")
"""Dates that some calendars have and others lack."""
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}([T ]\d{2}(:\d{2}(:\d{2})?)?)?)?)?")


def period_bounds(period: tuple[str, str]) -> tuple[np.datetime64, np.datetime64]:
    """First and last second of a period, as `.sel(time=slice(*period))` reads it.

    Example:
        >>> period_bounds(("2001", "2001-02"))
        (np.datetime64('2001-01-01T00:00:00'), np.datetime64('2001-02-28T23:59:59'))
    """
    first, last = (np.datetime64(date) for date in period)
    unit: Any = np.datetime_data(last)
    end = (last + np.timedelta64(1, unit)).astype("datetime64[s]")
    return first.astype("datetime64[s]"), end - np.timedelta64(1, "s")


def interval(value: int | str) -> dict[str, float]:
    """`{"every_steps": …}` or `{"every_seconds": …}` of an interval such as 200 or "5 minutes".

    Raises:
        ValueError: it is neither.
    """
    match = _INTERVAL.fullmatch(str(value))
    if match and float(match[1]) > 0:
        unit = match[2] if match[2] == "s" else match[2].rstrip("s")
        if unit in _SECONDS:
            return {"every_seconds": float(match[1]) * _SECONDS[unit]}
        if match[1].isdigit():
            return {"every_steps": int(match[1])}
    raise ValueError(
        f"got {value!r}, expected a number of steps such as 200, or a time such as "
        '"5 minutes", "30 s" or "2 h"'
    )


def _interval(value: Any) -> Any:
    interval(value)
    return value


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
    if isinstance(value, dict):
        return _range(value)
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(
            f"got {value!r}, expected test (all of data.test), a list of dates, or a range such as "
            "{first: 2009-01-01, last: 2010-12-31, every: 7 days}"
        )
    return [str(d) if _SHORT_MONTHS.fullmatch(str(d)) else _date(d) for d in value]


def _range(value: dict[str, Any]) -> dict[str, str]:
    if set(value) != {"first", "last", "every"}:
        raise ValueError(
            f"got a range of {', '.join(map(str, value)) or 'nothing'}, expected first, last and "
            "every, such as {first: 2009-01-01, last: 2010-12-31, every: 7 days}"
        )
    first, last = _period([value["first"], value["last"]])
    return {"first": first, "last": last, "every": _step(value["every"])}


def _step(value: Any) -> str:
    step = parsed_step(value)
    if step <= np.zeros((), step.dtype) or (not in_months(step) and step % exact(1)):
        raise ValueError(f"got {value!r}, expected one or more whole seconds or months")
    return str(value)


Date = Annotated[str, BeforeValidator(_date)]
Period = Annotated[tuple[str, str], BeforeValidator(_period)]
Interval = Annotated[int | str, BeforeValidator(_interval)]
InitTimes = Annotated[str | list[str] | dict[str, str], BeforeValidator(_init_times)]
"""`test`, dates, or first, last and every of a range of them."""
Step = Annotated[str, BeforeValidator(_step)]
"""A time of so many seconds, minutes, hours, days or calendar months."""
