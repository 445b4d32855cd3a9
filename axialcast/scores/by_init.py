"""What each pair of forecast and truth says, labelled: of this, scores of any initial times follow.

Shapes: i init times, m models, l lead times, c channels, r regions.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL
from axialcast.scores.blocks import blocks_of

__all__ = [
    "CLIMATE",
    "EVENTS",
    "FRACTIONS",
    "JUDGED",
    "PAIRS",
    "RAIN",
    "STATISTIC",
    "VARIABLE",
    "ByInit",
    "statistics_of",
]

STATISTIC, VARIABLE, JUDGED = "statistic", "of_variable", "judged_as"
"""Attributes that say what a variable of these datasets is."""

CLIMATE = "climate"
"""Attribute of what judges rain: what is dry, and a checksum of the climate."""

PAIRS, EVENTS, FRACTIONS, RAIN = "pairs", "events", "fractions", "rain"
"""What statistics judge; that of pairs is not said."""


class ByInit:
    """Statistics of each pair; `evaluate` fills them in.

    Attributes:
        dataset: for each variable and statistic `<variable>_<statistic>` (init_time, model, region,
            lead_time, [level]), its mean over the area of the pair; NaN where nothing of the pair
            is known. A metric is a function of their means over initial times. Of events
            `<variable>_event_<statistic>` and `<variable>_fraction_<statistic>` have the dimensions
            `<variable>_threshold` and `neighbourhood` as well; of rain there is `<variable>_seeps`.
    """

    def __init__(self) -> None:
        self.dataset = xr.Dataset()

    def fill(
        self,
        rows: Mapping[str, NDArray[np.float64]],
        pairs: NDArray[Any],
        forecast: xr.Dataset,
        *,
        models: Sequence[str],
        regions: Sequence[str],
    ) -> None:
        """Takes statistics of all pairs.

        Args:
            rows: by name, (i, m, l, c, r).
            pairs: (i, l, c, r) whether there is anything to score.
            forecast: that was scored; rows are of its initial times in order.
        """
        init_times = np.concatenate([block.init_times for block in blocks_of(forecast)])
        absent = (pairs == 0)[:, None]
        fields: dict[str, xr.DataArray] = {}
        labels = {INIT_TIME: init_times, "model": list(models), "region": list(regions)}
        for name, array, places in _places(forecast):
            levels = [LEVEL] if isinstance(places, slice) else []
            dims = (INIT_TIME, "model", LEAD_TIME, *levels, "region")
            coords = {**labels, **{dim: forecast[dim].variable for dim in (LEAD_TIME, *levels)}}
            for statistic, values in rows.items():
                found = np.where(absent, np.nan, values)[:, :, :, places].astype(np.float32)
                attrs = {STATISTIC: statistic, VARIABLE: name}
                attrs["long_name"] = f"{statistic.replace('_', ' ')} of {name}"
                attrs["units"] = _units(statistic, str(array.attrs.get("units", "1")))
                fields[f"{name}_{statistic}"] = xr.DataArray(found, coords, dims, attrs=attrs)
        self.dataset = xr.Dataset(fields).transpose(
            INIT_TIME, "model", "region", LEAD_TIME, LEVEL, missing_dims="ignore"
        )
        self.dataset.attrs["title"] = "axialcast scores of each initial time"

    def add(self, rows: xr.Dataset) -> None:
        """Takes statistics of events or rain of all pairs, with their labels: see
        `axialcast.scores.event_labels`."""
        init_times = self.dataset[INIT_TIME]
        self.dataset = self.dataset.merge(rows.assign_coords({INIT_TIME: init_times}))


def statistics_of(by_init: xr.Dataset, judged: str = PAIRS) -> dict[str, dict[str, xr.DataArray]]:
    """Statistics by variable and by name.

    Args:
        judged: what they judge.
    """
    found: dict[str, dict[str, xr.DataArray]] = {}
    for array in by_init.data_vars.values():
        if STATISTIC in array.attrs and array.attrs.get(JUDGED, PAIRS) == judged:
            found.setdefault(array.attrs[VARIABLE], {})[array.attrs[STATISTIC]] = array
    return found


def _places(forecast: xr.Dataset) -> Iterator[tuple[str, xr.DataArray, Any]]:
    """Variables and where their channels are among all; a number for those without levels."""
    start = 0
    for name, array in forecast.data_vars.items():
        num = array.sizes.get(LEVEL, 1)
        yield str(name), array, slice(start, start + num) if LEVEL in array.dims else start
        start += num


def _units(statistic: str, units: str) -> str:
    """Of a statistic of a variable in such units."""
    if statistic in ("error", "absolute_error", "crps"):
        return units
    squares = ("squared", "variance", "anomaly_product", "expected_squared_error")
    return f"({units})2" if statistic.startswith(squares) else "1"
