"""Words for times that lie on no even axis, and what to do about the file."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.times.dates import Times
from axialcast.times.months import SHORTEST, month_numbers

__all__ = ["remedy_for"]


def remedy_for(times: Times, spacing: NDArray[np.timedelta64]) -> str:
    """What to do about times whose spacings (timedelta64[ns]) are no multiples of one.

    Times that are months apart would be understood if they stood for months, so what keeps them
    from that is said; those near to an even axis may be rounded.
    """
    if np.median(spacing) >= SHORTEST:
        return _of_months(times)
    seconds = spacing / np.timedelta64(1, "s")
    for near in (1, 60, 3600):
        even = np.round(np.median(seconds) / near) * near
        off = np.abs(seconds - np.round(seconds / even) * even).max() if even else np.inf
        if off < near / 4:
            return (
                "give a store of evenly spaced times, or, if times are off by rounding, set "
                f"data.round_times_seconds: {near}"
            )
    return "give a store of evenly spaced times"


def _of_months(times: Times) -> str:
    months = month_numbers(times)
    again = np.flatnonzero(np.diff(months) == 0)
    if len(again):
        first, second = times[again[0]], times[again[0] + 1]
        return (
            f"the month of {_day(first)} stands there twice, again as {_day(second)}; keep one, "
            f"for instance with: cdo delete,timestep={again[0] + 2} in.nc out.nc"
        )
    days = sorted({int(_day(time)[8:]) for time in times})
    return (
        f"they stand for no months, for they lie on days {days[0]} to {days[-1]} of these; date "
        "all by the first, the last, one other day or the middle, for instance with: "
        "cdo settaxis,2001-01-15,00:00:00,1month in.nc out.nc"
    )


def _day(time: Any) -> str:
    return str(time)[:10]
