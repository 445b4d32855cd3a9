"""Blocks of initial times: what is scored, and kept, as one.

Which block an initial time is in follows from the time itself and from how large a forecast is,
never from which others there are. So forecasts that are added leave earlier blocks as they are.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.names import INIT_TIME
from axialcast.times.dates import Times, microseconds

__all__ = ["Block", "blocks_of"]

BLOCK_VALUES = 2**22
"""Values of a block of one initial time a day, at most, if it is longer than a day."""

LONGEST_DAYS = 64
EPOCH = np.datetime64("2000-01-01", "D")
EPOCH_TICKS, DAY_TICKS = int(EPOCH.astype("datetime64[us]").astype(np.int64)), 86_400 * 10**6


@dataclass(frozen=True, eq=False)
class Block:
    """The initial times of some calendar days.

    Args:
        day: the first day, whether or not there is an initial time on it; of other calendars than
            the standard one, a date that is as many days after 2000.
        positions: (i,) where they are in the forecast, in order of time.
        init_times: (i,) what they are.
    """

    day: np.datetime64
    positions: NDArray[np.intp]
    init_times: Times


def blocks_of(forecast: xr.Dataset) -> list[Block]:
    """The forecast's blocks in order of time.

    A block spans a power of two of days, at most 64: as many as hold no more than `BLOCK_VALUES`
    values with one initial time a day, or one day.
    """
    values = sum(array[0].size for array in forecast.data_vars.values())
    days = 1
    while days < LONGEST_DAYS and 2 * days * values <= BLOCK_VALUES:
        days *= 2
    times = forecast[INIT_TIME].values
    order = np.argsort(times, kind="stable")
    numbers = (microseconds(times[order]) - EPOCH_TICKS) // (DAY_TICKS * days)
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
    return [
        Block(EPOCH + np.timedelta64(numbers[start] * days, "D"), positions, times[positions])
        for start, positions in zip(starts, np.split(order, starts[1:]), strict=True)
    ]
