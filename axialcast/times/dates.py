"""Dates of any calendar: datetime64 for the standard one, cftime objects for all others."""

import re
from numbers import Number
from typing import Any

import cftime
import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Leads", "Times", "date_text", "datetimes", "later", "microseconds"]

Times = NDArray[Any]
"""datetime64[ns], or objects of cftime."""
Leads = NDArray[np.timedelta64]
"""Lead times."""

LONGEST = 100
"""Letters of what was given that an error shows."""


def date_text(time: Any) -> str:
    """A date of any calendar to the second, in ISO 8601: texts sort as dates do.

    Raises:
        ValueError: it has a fraction of a second.

    Example:
        >>> date_text(np.datetime64("2001-02-03T04"))
        '2001-02-03T04:00:00'
    """
    if not isinstance(time, np.datetime64):
        whole, text = time.microsecond == 0, str(time.strftime("%Y-%m-%dT%H:%M:%S"))
    else:
        whole, text = time.astype("M8[s]") == time, str(np.datetime_as_string(time, "s"))
    if not whole:
        exact = time if isinstance(time, np.datetime64) else time.isoformat()
        raise ValueError(f"init_times: expected whole seconds, got {exact}; round it")
    return text


def datetimes(values: Any, *, like: Times | None = None) -> Times:
    """Different times as an array, one or more.

    Args:
        values: datetimes, ISO 8601 text or cftime objects; one, or a sequence of such. Those with a
            time zone become UTC.
        like: times whose calendar text is read in; None: the standard one.

    Raises:
        ValueError: a value is no date of that calendar, or occurs twice, or there is none.
    """
    several = values if np.ndim(values) else [values]
    kind = type(like[0]) if like is not None and like.dtype == object else None
    try:
        if kind is not None:
            times = np.array([_cftime(value, kind) for value in several], object)
        elif len(several) and hasattr(several[0], "dayofyr"):
            times = np.asarray(several, object)
        else:
            times = _datetime64(several)
    except (ValueError, TypeError) as error:
        shown = " ".join(repr(values).split())
        shown = shown if len(shown) <= LONGEST else f"{shown[:LONGEST]} …"
        raise ValueError(f"init_times: expected datetimes, got {shown} ({error})") from None
    found, counts = np.unique(times, return_counts=True)
    if not len(times):
        raise ValueError("init_times: expected one or more times, got none")
    if len(found) < len(times):
        twice = date_text(found[np.argmax(counts)])
        raise ValueError(f"init_times: {twice} occurs {counts.max()} times; name it once")
    return times


def _datetime64(values: Any) -> Times:
    """(n,) datetime64[ns]; only what can be read in one way."""
    if any(isinstance(value, Number) for value in values):
        raise ValueError("a number; write dates as 2001-03-30T06")
    if any(isinstance(value, str) and not re.match(r"[-+]?\d", value) for value in values):
        raise ValueError("a word; write dates as 2001-03-30T06")  # pandas knows "now" and "today"
    try:
        found = pd.to_datetime(values, format="ISO8601")
        found = found.tz_convert(None) if found.tz is not None else found
        times = np.asarray(found.as_unit("ns"))
    except (ValueError, TypeError) as error:
        # pandas goes on with advice on its own arguments.
        reason = " ".join(str(error).partition(". You might want")[0].split())
        raise ValueError(f"{reason}; write dates as 2001-03-30T06") from None
    if np.isnat(times).any():
        raise ValueError("a date is missing; leave it out")
    return times


def _cftime(value: Any, kind: type) -> Any:
    if isinstance(value, kind):
        return value
    text = str(value)
    if not re.fullmatch(r"\d{4}(-\d{2}(-\d{2}([T ]\d{2}(:\d{2}){0,2}(\.0+)?)?)?)?", text):
        raise ValueError(f"expected a date such as 2001-03-30T06 or a {kind.__name__}")
    numbers = [int(part) for part in re.split(r"[-T :]", text.split(".")[0])]
    return kind(*numbers, *(1, 1, 1)[len(numbers) :])


def microseconds(values: Times) -> NDArray[np.int64]:
    """Microseconds from a midnight, the same for all dates of a calendar."""
    if values.dtype == object:
        calendar = values.flat[0].calendar
        numbers = cftime.date2num(values, "microseconds since 1970-01-01", calendar)
        return np.asarray(numbers, np.int64)
    return np.asarray(values.astype("datetime64[us]").astype(np.int64))


def later(times: Times, by: Any) -> Times:
    """`times` + `by`, timedelta64 of a shape that broadcasts.

    Months, as timedelta64[M], are counted in the calendar of the times: the day of the month and
    the hour stay as they are, but that a month without that day gives its last.
    """
    if np.datetime_data(np.asarray(by).dtype)[0] in ("M", "Y"):
        return _months_later(*np.broadcast_arrays(times, by.astype("timedelta64[M]")))
    shift = by.astype("timedelta64[us]").astype(object) if times.dtype == object else by
    return np.asarray(times + shift)


def _months_later(times: Times, by: Leads) -> Times:
    if times.dtype == object:
        moved = [_moved(time, n) for time, n in zip(times.flat, by.astype(int).flat, strict=True)]
        return np.reshape(np.array([*moved, None], object)[:-1], times.shape)
    months = times.astype("datetime64[M]")
    within, first = times - months, months + by
    after = first + np.timedelta64(1, "M")
    longest = after.astype("datetime64[D]") - first.astype("datetime64[D]")
    days = within.astype("timedelta64[D]")
    over = np.maximum(days - (longest - np.timedelta64(1, "D")), np.timedelta64(0, "D"))
    return np.asarray(first.astype(times.dtype) + within - over)


def _moved(time: Any, months: int) -> Any:
    year, month = divmod(12 * time.year + time.month - 1 + months, 12)
    first = time.replace(year=year, month=month + 1, day=1)
    return first.replace(day=min(time.day, first.daysinmonth))
