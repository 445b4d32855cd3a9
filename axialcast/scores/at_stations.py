"""Forecasts and baselines scored against stations: a value of the coordinate `region` more.

Shapes: i init times, l lead times, s stations, m models, k members, h rows, w columns.
"""

from collections.abc import Mapping, Sequence
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
from axialcast.scores.ensembles import ENSEMBLE_METRICS, ENSEMBLE_STATISTICS, judged, mean_of
from axialcast.scores.labels import masked_name, num_pairs_name
from axialcast.scores.matching import valid_times
from axialcast.scores.metrics import METRICS, STATISTICS
from axialcast.scores.observations import Observations
from axialcast.scores.stations import Neighbours
from axialcast.times.leads import leads_of

__all__ = ["STATIONS", "at_stations", "with_stations"]

STATIONS = "stations"
"""Name of the region."""

TOGETHER = 8
"""Initial times read at once."""
MEMBER_DIMS = 4
"""Dimensions of what members say; the mean of them, and what has none, has one less."""


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

    Of models of several members they are those of the mean, and besides those of
    `axialcast.scores.ensembles`: its fair CRPS and the variance between members; of a model that is
    none the CRPS is its absolute error, and the variance NaN, as on the grid.

    Args:
        forecast: (init_time, [number], lead_time, [level], latitude, longitude).
        analysis: that baselines start from.
        channel: that is observed.
        observed: at stations.
        climatology: that anomalies depart from, and which is the baseline of that name.
        baselines: other models, by name.
        correction: (s,) added to what models say at each station.
    """
    if forecast.sizes.get(NUMBER) == 1:
        forecast = forecast.isel({NUMBER: 0}, drop=True)
    near = Neighbours.of(grid_of(forecast), observed.latitude, observed.longitude)
    parts = []
    leads = leads_of(forecast)
    dims = dims_of(forecast.dims)
    for first in range(0, forecast.sizes[INIT_TIME], TOGETHER):
        one = forecast.isel({INIT_TIME: slice(first, first + TOGETHER)})
        inits = one[INIT_TIME].values

        def seen(array: xr.DataArray) -> NDArray[np.float64]:
            """([k], i, l, s) of a field, with the correction."""
            order = (NUMBER, INIT_TIME, LEAD_TIME, *dims)
            values = array.transpose(*(dim for dim in order if dim in array.dims)).values
            return near.values(values) + correction

        models = [seen(channel.of(one))]
        for baseline in baselines.values():
            models.append(seen(channel.of(baseline.forecast(analysis, inits, leads))))
        truth = observed.at(valid_times(one))
        expected = seen(channel.of(climatology.forecast(analysis, inits, leads)))
        of_means = np.stack([_mean(model) for model in models], 1)
        found = _statistics(of_means, truth[:, None], expected[:, None])
        if any(_is_ensemble(model) for model in models):
            found |= _of_members(models, of_means, truth, expected)
        parts.append(found)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _is_ensemble(model: NDArray[np.float64]) -> bool:
    return model.ndim == MEMBER_DIMS


def _mean(model: NDArray[np.float64]) -> NDArray[np.float64]:
    """(i, l, s) over the members that are known, of a model (k, i, l, s); others as they are."""
    return mean_of(model, axis=0) if _is_ensemble(model) else model


def _known(*fields: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where all of these are."""
    return np.asarray(np.logical_and.reduce([np.isfinite(field) for field in fields]))


def _share(field: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean over stations (last) where these are known; NaN where none is."""
    num = known.sum(-1)
    total = np.where(known, field, 0.0).sum(-1)
    return np.asarray(np.divide(total, num, out=np.full(total.shape, np.nan), where=num > 0))


def _of_members(
    models: Sequence[NDArray[np.float64]],
    means: NDArray[np.float64],
    truth: NDArray[np.float64],
    expected: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """(i, m, l) means over stations of what `axialcast.scores.ensembles.judged` says.

    Args:
        models: (k, i, l, s) of an ensemble, (i, l, s) of others.
        means: (i, m, l, s) of the same.
        truth, expected: (i, l, s).
    """
    known = _known(*means.swapaxes(0, 1), truth, expected)
    nothing = np.full(truth.shape, np.nan)
    rows = []
    for model in models:
        if _is_ensemble(model):
            said = judged(model.reshape(len(model), -1, 1), truth.reshape(-1, 1))
            three = (said.crps, said.variance, said.expected)
            fields = [field.reshape(truth.shape) for field in three]
        else:
            fields = [np.abs(model - truth), nothing, nothing]
        rows.append([_share(field, known) for field in fields])
    found = np.moveaxis(np.array(rows), 0, 2)
    return dict(zip(ENSEMBLE_STATISTICS, found, strict=True))


def _statistics(
    models: NDArray[np.float64], truth: NDArray[np.float64], expected: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """(i, m, l) means over stations of the `STATISTICS`, of (i, m, l, s), (i, 1, l, s) twice."""
    known = _known(models).all(1, keepdims=True) & _known(truth, expected)
    error, anomaly, apart = models - truth, truth - expected, models - expected
    fields = (
        error,
        error**2,
        np.abs(error),
        apart * anomaly,
        apart**2,
        np.broadcast_to(anomaly**2, error.shape),
    )
    return {
        **{
            name: _share(field, np.broadcast_to(known, error.shape))
            for name, field in zip(STATISTICS, fields, strict=True)
        },
        "num": known.sum(-1)[:, 0],
    }


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
        if name in found
    }
    more = _empty(scores)
    whole = {"cases": "all"} if "cases" in scores.dims else {}
    known = METRICS | (ENSEMBLE_METRICS if ENSEMBLE_STATISTICS[0] in found else {})
    for metric in [name for name in scores["metric"].values.tolist() if name in known]:
        score = known[metric]({name: array.values for name, array in means.items()})
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
