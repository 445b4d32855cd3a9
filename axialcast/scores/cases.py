"""Scores of some pairs beside those of all: by season, and by the hour that forecasts start at.

Shapes: i init times, l lead times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.names import LEAD_TIME, LEVEL
from axialcast.scores.passes import CHANNEL_AXIS
from axialcast.scores.sums import Sums
from axialcast.times.dates import Leads, Times, later, microseconds
from axialcast.times.months import month_numbers

__all__ = ["ALL_CASES", "CASES", "Cases", "beside", "of_all_cases", "of_some"]

CASES, ALL_CASES = "cases", "all"
"""Name of the coordinate that says which pairs scores are of, and of all pairs in it."""

SEASONS = {"DJF": (12, 1, 2), "MAM": (3, 4, 5), "JJA": (6, 7, 8), "SON": (9, 10, 11)}
"""Months, 1 to 12."""

HOUR = 3_600 * 10**6


@dataclass(frozen=True)
class Cases:
    """Which pairs are scored by themselves, beside all of them.

    Args:
        seasons: of the `valid` or the `init` time; None: none.
        init_hours: whether hours of the day (UTC) that forecasts start at are scored apart.
    """

    seasons: Literal["valid", "init"] | None = None
    init_hours: bool = False

    def pairs(self, init_times: Times, lead_times: Leads) -> dict[str, NDArray[np.bool_]]:
        """(i, l) by name, which pairs belong: seasons and hours that any does."""
        found, shape = {}, (len(init_times), len(lead_times))
        if self.seasons:
            times = init_times[:, None]
            times = later(times, lead_times) if self.seasons == "valid" else times
            months = month_numbers(times) % 12 + 1
            for name, of in SEASONS.items():
                found[name] = np.broadcast_to(np.isin(months, of), shape)
        if self.init_hours:
            minutes = microseconds(init_times) // (HOUR // 60) % (24 * 60)
            for minute in np.unique(minutes).tolist():
                name = f"{minute // 60:02}{f':{minute % 60:02}' if minute % 60 else ''} UTC"
                found[name] = np.broadcast_to((minutes == minute)[:, None], shape)
        return {name: which for name, which in found.items() if which.any()}


def of_some(sums: Sums, which: NDArray[np.bool_]) -> Sums:
    """What some pairs (i, l) say; the others say nothing.

    Args:
        sums: rows of all initial times.
    """
    found: Sums = {}
    for name, rows in sums.items():
        shape = [1] * rows.ndim
        shape[0], shape[CHANNEL_AXIS[name] - 1] = which.shape
        found[name] = rows * which.reshape(shape)
    return found


def beside(each: Sequence[xr.Dataset], names: Sequence[str]) -> xr.Dataset:
    """Scores of several choices of pairs along CASES."""
    label = xr.DataArray(list(names), dims=CASES, name=CASES)
    found = xr.concat(
        each,
        label,
        data_vars="all",
        coords="minimal",
        compat="override",
        join="exact",
        combine_attrs="override",
    )
    found[CASES].attrs["long_name"] = "season or hour (UTC) of the forecasts that are scored"
    return found.transpose("model", ..., "region", CASES, LEAD_TIME, LEVEL, missing_dims="ignore")


def of_all_cases(scores: xr.Dataset) -> xr.Dataset:
    """The scores of all pairs, of those that are there of some, too."""
    return scores.sel({CASES: ALL_CASES}, drop=True) if CASES in scores.dims else scores
