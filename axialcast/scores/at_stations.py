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
from axialcast.scores.cases import ALL_CASES, CASES, Cases
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
    *,
    cases: Cases | None = None,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Scores, and what each pair says, with `stations` among their regions.

    Args:
        scores: of `evaluate`; what stations do not say is NaN.
        by_init: of the same.
        found: see `at_stations`.
        channel: that was observed.
        init_times: (i,) of it.
        cases: that `evaluate` was given.
    """
    rows = _empty(by_init)
    level = {} if channel.level is None else {LEVEL: channel.level}
    labels = {INIT_TIME: init_times, LEAD_TIME: rows[LEAD_TIME]}
    for statistic, array in statistics_of(rows)[channel.variable].items():
        if statistic in found:
            dims = (INIT_TIME, "model", LEAD_TIME)
            values = xr.DataArray(found[statistic], labels | {"model": rows["model"]}, dims)
            values = values.reindex({INIT_TIME: rows[INIT_TIME]})
            rows[array.name].loc[{"region": STATIONS, **level}] = values.transpose(
                *(dim for dim in array.dims if dim in values.dims)
            )
    here = {"region": STATIONS, **level}
    statistics = {
        name: array.sel(here)
        for name, array in statistics_of(rows)[channel.variable].items()
        if name in found
    }
    known = METRICS | (ENSEMBLE_METRICS if ENSEMBLE_STATISTICS[0] in found else {})
    metrics = {name: known[name] for name in scores["metric"].values.tolist() if name in known}
    num = xr.DataArray(found["num"], labels, (INIT_TIME, LEAD_TIME))
    more, used = _empty(scores), f"{channel.variable}_num_observations"
    counted = []
    for case, which in _pairs(cases, num).items():
        at = here | ({} if case is None else {CASES: case})
        means = {name: array.where(which).mean(INIT_TIME) for name, array in statistics.items()}
        for name, metric in metrics.items():
            score = metric({name: array.values for name, array in means.items()})
            one = means["error"].copy(data=score)
            target = more[channel.variable].loc[at | {"metric": name}]
            more[channel.variable].loc[at | {"metric": name}] = one.transpose(*target.dims)
        pairs = ((num > 0) & which).sum(INIT_TIME)
        more[num_pairs_name(channel.variable)].loc[at] = pairs
        more[masked_name(channel.variable)].loc[at] = xr.zeros_like(pairs, float).where(pairs > 0)
        counted.append(num.where(which, 0).sum(INIT_TIME).astype(np.int64))
    scores = xr.concat([scores, more], "region", data_vars="minimal", combine_attrs="override")
    scores[used] = counted[0] if cases is None else xr.concat(counted, scores[CASES])
    scores[used].attrs = {"long_name": f"observations of {channel.variable} used", "units": "1"}
    return scores, xr.concat([by_init, rows], "region", data_vars="minimal")


def _pairs(cases: Cases | None, num: xr.DataArray) -> dict[str | None, xr.DataArray]:
    """(i, l) which pairs belong, by the case, all first; where there are no cases, by None.

    Args:
        num: (init_time, lead_time) with labels.
    """
    every = xr.full_like(num, True, dtype=bool)
    if cases is None:
        return {None: every}
    found = cases.pairs(num[INIT_TIME].values, leads_of(num))
    return {ALL_CASES: every, **{case: every.copy(data=which) for case, which in found.items()}}


def _empty(dataset: xr.Dataset) -> xr.Dataset:
    """The same of one region, `stations`, of which nothing is known."""
    one = dataset.isel(region=[0]).assign_coords(region=[STATIONS]).copy(deep=True)
    for name, array in one.data_vars.items():
        if "region" in array.dims:
            one[name][:] = np.nan if array.dtype.kind == "f" else 0
    return one[[name for name, array in one.data_vars.items() if "region" in array.dims]]
