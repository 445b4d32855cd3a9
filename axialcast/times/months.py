"""What comes by the month: recognised by where in their months its times lie, and dated the first.

Files date a month by its first day, its last, a day that is always the same, or about its middle,
each of which is of another length. Here a month is its first day at 00 UTC, whatever the calendar.
"""

import logging
from typing import Any

import cftime
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.names import STORED_TIME, TIME
from axialcast.times.dates import Times

__all__ = ["are_months", "dated_by_month", "month_numbers", "month_starts"]

logger = logging.getLogger(__name__)

SHORTEST = np.timedelta64(27, "D")
"""From one time to the next where both stand for months."""
ABOUT = np.timedelta64(3, "D")
"""From the middle of its month to a time that stands for it: seasons have middles of their own, and
so have twelfths of a year."""


def dated_by_month(dataset: xr.Dataset, *, known: bool = False) -> xr.Dataset:
    """The dataset with the first of the month for times that stand for months.

    What the store says of them stays readable as the coordinate `stored_time`.

    Args:
        known: whether they do, where a single time does not tell.
    """
    times = dataset[TIME].values
    starts = month_starts(times) if known or are_months(times) else times
    if (starts == times).all():
        return dataset
    logger.info("%s: of months, and dated by the first of each; as stored: %s", TIME, STORED_TIME)
    attrs = dataset[TIME].attrs
    stored = {"long_name": "time as it is stored"}
    return dataset.assign_coords({TIME: (TIME, starts, attrs), STORED_TIME: (TIME, times, stored)})


def are_months(times: Times) -> bool:
    """Whether sorted times stand for calendar months, each for another one.

    They do if they are 27 days apart or more and all lie on the first day of their months, all on
    the last, all on another one that is the same, or all within three days of the middle.
    """
    if len(times) < 2 or times[1] - times[0] < SHORTEST:  # soon known of most
        return False
    spacing = np.diff(times)
    spacing = spacing.astype("timedelta64[us]") if times.dtype == object else spacing
    if (spacing < SHORTEST).any() or (np.diff(month_numbers(times)) < 1).any():
        return False
    since, until = _margins(times)
    days = np.unique(since // np.timedelta64(1, "D"))
    is_last = (until <= np.timedelta64(1, "D")).all()
    return len(days) == 1 or bool(is_last) or bool((np.abs(since - until) / 2 <= ABOUT).all())


def month_numbers(times: Times) -> NDArray[np.int64]:
    """Calendar months from January of the year 0 to each time, of the shape of the times."""
    if times.dtype == object:
        numbers = [12 * time.year + time.month - 1 for time in times.flat]
        return np.reshape(np.array(numbers, np.int64), times.shape)
    return times.astype("datetime64[M]").astype(np.int64) + 12 * 1970


def month_starts(times: Times) -> Times:
    """The first of each time's month, at 00 UTC."""
    if times.dtype == object:
        starts = [_start(time) for time in times.flat]
        return np.reshape(np.array(starts, object), times.shape)
    return times.astype("datetime64[M]").astype(times.dtype)


def _margins(times: Times) -> tuple[NDArray[np.timedelta64], NDArray[np.timedelta64]]:
    """Since the start of each time's month, and until its end."""
    starts = month_starts(times)
    if times.dtype == object:
        ends = np.array([_next(time) for time in starts], object)
        since, until = (
            (a - b).astype("timedelta64[us]") for a, b in ((times, starts), (ends, times))
        )
        return since, until
    ends = (starts.astype("datetime64[M]") + np.timedelta64(1, "M")).astype(times.dtype)
    return times - starts, ends - times


def _start(time: Any) -> Any:
    return time.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _next(start: cftime.datetime) -> Any:
    year, month = start.year + start.month // 12, start.month % 12 + 1
    return start.replace(year=year, month=month)
