"""Forecasts and baselines scored against stations: a value of the coordinate `region` more.

Shapes: i init times, l lead times, s stations, m models, h rows, w columns.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines.baseline import Baseline
from axialcast.baselines.climatology import Climatology
from axialcast.data.channels import Channel
from axialcast.grid import dims_of, grid_of
from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL, NUMBER
from axialcast.scores.by_init import statistics_of
from axialcast.scores.labels import masked_name, num_pairs_name
from axialcast.scores.matching import valid_times
from axialcast.scores.metrics import METRICS, STATISTICS
from axialcast.scores.stations import Neighbours, Observations

__all__ = ["STATIONS", "at_stations", "with_stations"]

STATIONS = "stations"
"""Name of the region."""

TOGETHER = 8
"""Initial times read at once."""


def at_stations(
    forecast: xr.Dataset,
    analysis: xr.Dataset,
    channel: Channel,
    observed: Observations,
    *,
    climatology: Climatology,
    baselines: Mapping[str, Baseline],
    correction: NDArray[np.float64] | float = 0.0,
) -> dict[str, NDArray[np.float64]]:
    """Statistics (i, m, l) of each pair by name, means over stations where all is known; and how
    many these are, (i, l), as `num`.

    Args:
        forecast: (init_time, [number], lead_time, [level], latitude, longitude); of an ensemble the
            mean is judged.
        analysis: that baselines start from.
        channel: that is observed.
        observed: at stations.
        climatology: that anomalies depart from, and which is the baseline of that name.
        baselines: other models, by name.
        correction: (s,) added to what models say at each station.
    """
    near = Neighbours.of(grid_of(forecast), observed.latitude, observed.longitude)
    parts = []
    leads = forecast[LEAD_TIME].values
    dims = dims_of(forecast.dims)
    for first in range(0, forecast.sizes[INIT_TIME], TOGETHER):
        one = forecast.isel({INIT_TIME: slice(first, first + TOGETHER)})
        inits = one[INIT_TIME].values

        def seen(array: xr.DataArray) -> NDArray[np.float64]:
            if NUMBER in array.dims:
                array = array.astype(np.float64).mean(NUMBER)
            values = array.transpose(INIT_TIME, LEAD_TIME, *dims).values
            return near.values(values) + correction

        models = [seen(channel.of(one))]
        for baseline in baselines.values():
            models.append(seen(channel.of(baseline.forecast(analysis, inits, leads))))
        truth = observed.at(valid_times(one))
        expected = seen(channel.of(climatology.forecast(analysis, inits, leads)))
        parts.append(_statistics(np.stack(models, 1), truth[:, None], expected[:, None]))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _statistics(
    models: NDArray[np.float64], truth: NDArray[np.float64], expected: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """(i, m, l) means over stations of the `STATISTICS`, of (i, m, l, s), (i, 1, l, s) twice."""
    known = np.isfinite(models).all(1, keepdims=True) & np.isfinite(truth) & np.isfinite(expected)
    num = known.sum(-1)
    error, anomaly, apart = models - truth, truth - expected, models - expected
    fields = (
        error,
        error**2,
        np.abs(error),
        apart * anomaly,
        apart**2,
        np.broadcast_to(anomaly**2, error.shape),
    )
    with np.errstate(invalid="ignore"):
        found = {
            name: np.where(known, field, 0.0).sum(-1) / np.where(num > 0, num, np.nan)
            for name, field in zip(STATISTICS, fields, strict=True)
        }
    return {**found, "num": num[:, 0]}


def with_stations(
    scores: xr.Dataset,
    by_init: xr.Dataset,
    found: Mapping[str, NDArray[np.float64]],
    channel: Channel,
    init_times: NDArray[Any],
) -> tuple[xr.Dataset, xr.Dataset]:
    """Scores, and what each pair says, with `stations` among their regions.

    Args:
        scores: of `evaluate`, with or without cases; what stations do not say is NaN.
        by_init: of the same.
        found: see `at_stations`.
        channel: that was observed.
        init_times: (i,) of it.
    """
    rows = _empty(by_init)
    level = {} if channel.level is None else {LEVEL: channel.level}
    for statistic, array in statistics_of(rows)[channel.variable].items():
        if statistic in found:
            labels = {INIT_TIME: init_times, "model": rows["model"], LEAD_TIME: rows[LEAD_TIME]}
            values = xr.DataArray(found[statistic], labels, (INIT_TIME, "model", LEAD_TIME))
            values = values.reindex({INIT_TIME: rows[INIT_TIME]})
            rows[array.name].loc[{"region": STATIONS, **level}] = values.transpose(
                *(dim for dim in array.dims if dim in values.dims)
            )
    means = {
        name: array.mean(INIT_TIME)
        for name, array in statistics_of(rows)[channel.variable].items()
        if name in STATISTICS
    }
    more = _empty(scores)
    whole = {"cases": "all"} if "cases" in scores.dims else {}
    for metric in [name for name in scores["metric"].values.tolist() if name in METRICS]:
        score = METRICS[metric]({name: array.values for name, array in means.items()})
        one = means["error"].copy(data=score).sel({"region": STATIONS, **level})
        at = {"region": STATIONS, "metric": metric, **level, **whole}
        target = more[channel.variable].loc[at]
        more[channel.variable].loc[at] = one.transpose(*target.dims)
    pairs = xr.DataArray((found["num"] > 0).sum(0), {LEAD_TIME: more[LEAD_TIME]}, (LEAD_TIME,))
    at = {"region": STATIONS, **level, **whole}
    more[num_pairs_name(channel.variable)].loc[at] = pairs
    more[masked_name(channel.variable)].loc[at] = 0.0
    used = f"{channel.variable}_num_observations"
    scores = xr.concat([scores, more], "region", data_vars="minimal", combine_attrs="override")
    scores[used] = xr.DataArray(found["num"].sum(0).astype(np.int64), pairs.coords)
    scores[used].attrs = {"long_name": f"observations of {channel.variable} used", "units": "1"}
    return scores, xr.concat([by_init, rows], "region", data_vars="minimal")


def _empty(dataset: xr.Dataset) -> xr.Dataset:
    """The same of one region, `stations`, of which nothing is known."""
    one = dataset.isel(region=[0]).assign_coords(region=[STATIONS]).copy(deep=True)
    for name, array in one.data_vars.items():
        if "region" in array.dims:
            one[name][:] = np.nan if array.dtype.kind == "f" else 0
    return one[[name for name, array in one.data_vars.items() if "region" in array.dims]]
