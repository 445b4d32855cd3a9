"""Dates from a first to a last one, at a frequency, in any calendar."""

from typing import Any

import numpy as np

from axialcast.times.dates import Times, datetimes, later
from axialcast.times.steps import nominal, parsed_step, step_text

__all__ = ["date_range", "period_ends"]

MOST = 10**6
"""Dates in a range: more of them is a slip of the pen."""
PRECISION = {4: "12 months", 7: "1 month", 10: "1 day", 13: "1 h", 16: "1 min"}
"""What a date of so many letters lasts."""


def period_ends(first: str, last: str, *, like: Times | None = None) -> Times:
    """(2,) the first instant of a period, and the first after it: it holds its last date wholly.

    Args:
        like: times whose calendar the dates are of; None: the standard one.
    """
    start, stop = (datetimes(date, like=like) for date in (first, last))
    lasts = parsed_step(PRECISION.get(len(last), "1 s"))
    return np.concatenate([start, later(stop, lasts)])


def date_range(first: str, last: str, every: Any, *, like: Times | None = None) -> Times:
    """(n,) the first date, and every so much later as long as that is not after the last.

    Args:
        first, last: dates as text; a last year, month or day includes all of it.
        every: a step, or its text such as "7 days" or "1 month".
        like: times whose calendar is counted in; None: the standard one.

    Raises:
        ValueError: a date or the frequency cannot be read, or there are none or far too many.

    Example:
        >>> date_range("2001-11-30", "2002", "3 months")[:2]
        array(['2001-11-30T00:00:00.000000000', '2002-02-28T00:00:00.000000000'],
              dtype='datetime64[ns]')
    """
    step, ends = parsed_step(every), period_ends(first, last, like=like)
    span = np.diff(ends).astype("timedelta64[us]")[0]
    num = int(span // nominal(step).astype("timedelta64[us]")) + 2
    nothing = np.timedelta64(0, "us")
    if not span > nothing or num > MOST:
        problem = "comes before the first" if span <= nothing else "is too far from it"
        raise ValueError(
            f"init_times: {first} to {last} every {step_text(step)}: the last date {problem}"
        )
    dates = later(ends[:1], np.arange(num) * step)
    return np.asarray(dates[dates < ends[1]])
