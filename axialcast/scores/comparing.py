"""Several runs on the pairs that they share: scores, and differences from the first of them.

Of what each pair says (see `axialcast.scores.by_init`), so that no forecast is read again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL
from axialcast.scores.by_init import statistics_of
from axialcast.scores.ensembles import ENSEMBLE_METRICS
from axialcast.scores.intervals import DEFAULT, by_lead, significant
from axialcast.scores.labels import INTERVAL, num_pairs_name
from axialcast.scores.metrics import METRICS
from axialcast.scores.uncertainty import Resampling

__all__ = ["FORECAST", "compared"]

FORECAST, TRUTH_TOLD_BY = "forecast", "persistence"
SAME = 1e-4
"""Relative difference up to which two runs were verified against the same."""

Statistics = dict[str, xr.DataArray]


def compared(
    runs: Mapping[str, xr.Dataset], *, how: Resampling = DEFAULT
) -> tuple[xr.Dataset, list[str]]:
    """Scores of the forecasts of several runs, and what is left out of the comparison.

    Args:
        runs: what each pair says, by the name of the run; the first is what others are compared
            with.
        how: intervals are found.

    Returns:
        For each variable, of dimensions (model, metric, region, lead_time, [level]), the models
        being the runs: `<variable>`, `<variable>_lower` and `_upper`; and the run's score less the
        first one's, `<variable>_difference` with `_lower`, `_upper`, `_p` and `_significant` (see
        `axialcast.scores.intervals.intervals`); `<variable>_num_pairs` (region, lead_time, [level])
        that all runs have. And lines that say what only some of the runs have.

    Raises:
        ValueError: there is one run, they share nothing, or were verified against other truths.
    """
    if len(runs) < 2:
        raise ValueError("a comparison needs two runs or more; name another one")
    shared, lines = _shared(runs)
    _check_truths(runs)
    names = list(runs)
    kept = dict(METRICS | ENSEMBLE_METRICS)
    if not _same_climate(shared):
        kept.pop("acc")
        lines.append("their climatologies differ, so acc is left out")
    pairs = [(place, 0) for place in range(1, len(names))]
    found = xr.Dataset()
    for variable, each in shared.items():
        statistics, metrics = _stacked(each, names), dict(kept)
        if "crps" not in statistics:
            metrics = {name: metric for name, metric in kept.items() if name in METRICS}
        sure = by_lead(statistics, metrics, pairs, how)
        example = next(iter(statistics.values()))
        found = found.merge(_labelled(variable, example, list(metrics), sure), join="outer")
    significant(found, 1 - how.level)
    found.attrs = {"interval_level": how.level, "interval_resamples": how.resamples}
    found.attrs |= {"num_init_times": example.sizes[INIT_TIME], "title": "axialcast comparison"}
    return found, lines


def _shared(runs: Mapping[str, xr.Dataset]) -> tuple[dict[str, list[Statistics]], list[str]]:
    """By variable, the forecasts' statistics of each run, where all have them; and what is not.

    Raises:
        ValueError: they share nothing.
    """
    whole = [statistics_of(run.sel(model=FORECAST, drop=True)) for run in runs.values()]
    variables = [name for name in whole[0] if all(name in run for run in whole)]
    if not variables:
        raise ValueError(
            f"{' and '.join(runs)}: verified no variable in common; compare runs that forecast the "
            "same"
        )
    lines, found = [], {}
    for run, name in zip(whole, runs, strict=True):
        if more := [variable for variable in run if variable not in variables]:
            lines.append(f"{name}: {', '.join(more)} left out, which others lack")
    for variable in variables:
        arrays = [run[variable]["error"] for run in whole]
        if len({array.dims for array in arrays}) > 1:
            raise ValueError(f"{variable}: has levels in some of the runs only; compare others")
        units = {str(array.attrs.get("units")) for array in arrays}
        if len(units) > 1:
            raise ValueError(f"{variable}: is in {' and in '.join(sorted(units))}; compare others")
        same = xr.align(*arrays, join="inner")[0]
        if not same.size:
            raise ValueError(
                f"{' and '.join(runs)}: share no pair of {variable}; verify them at the same "
                "initial times, lead times, levels and regions"
            )
        for dim in same.dims:
            most = max(array.sizes[dim] for array in arrays)
            line = f"{same.sizes[dim]:,} of up to {most:,} values of {dim} are in all runs"
            if same.sizes[dim] < most and line not in lines:
                lines.append(line)
        labels = {dim: same[dim] for dim in same.dims}
        found[variable] = [
            {name: array.sel(labels) for name, array in run[variable].items()} for run in whole
        ]
    return found, lines


def _check_truths(runs: Mapping[str, xr.Dataset]) -> None:
    """Refuses runs that were verified against other analyses.

    The errors of persistence tell, which follow from the analysis alone; where a run has none, the
    anomalies of the truth.
    """
    first, *others = runs.items()
    for name, other in others:
        told = [TRUTH_TOLD_BY in run["model"].values for run in (first[1], other)]
        model = TRUTH_TOLD_BY if all(told) else FORECAST
        statistic = "squared_error" if all(told) else "squared_truth_anomaly"
        each = [statistics_of(run.sel(model=model, drop=True)) for run in (first[1], other)]
        for variable in each[0].keys() & each[1].keys():
            arrays = [run[variable][statistic] for run in each]
            if not _are_same(*xr.align(*arrays, join="inner")):
                raise ValueError(
                    f"{first[0]} and {name}: {variable} was verified against other truths; verify "
                    "both with the same data.store, region and roles"
                )


def _same_climate(shared: Mapping[str, Sequence[Statistics]]) -> bool:
    """Whether anomalies depart from the same."""
    return all(
        _are_same(each[0]["squared_truth_anomaly"], other["squared_truth_anomaly"])
        for each in shared.values()
        for other in each[1:]
    )


def _are_same(left: xr.DataArray, right: xr.DataArray) -> bool:
    both = left.values, right.values
    known = np.isfinite(both[0]) & np.isfinite(both[1])
    scale = float(np.abs(both[0][known]).max(initial=0.0))
    return bool(np.allclose(both[0][known], both[1][known], rtol=SAME, atol=1e-6 * scale))


def _stacked(each: Sequence[Statistics], names: Sequence[str]) -> Statistics:
    """(init_time, model, region, lead_time, [level]) of all runs; NaN where one of them lacks it.

    What is said of ensembles is NaN of a run without, but for the CRPS, which is the absolute
    error of one member.
    """
    known = np.logical_and.reduce([np.isfinite(run["error"].values) for run in each])
    wanted = dict.fromkeys(name for run in each for name in run)
    found = {}
    for name in wanted:
        arrays = []
        for run in each:
            array = run.get(name)
            if array is None and name == "crps":
                array = run["absolute_error"]
            if array is None:
                array = xr.full_like(run["error"], np.nan)
            arrays.append(array.copy(data=np.where(known, array.values, np.nan)))
        joined = xr.concat(arrays, xr.DataArray(list(names), dims="model", name="model"))
        found[name] = joined.transpose(INIT_TIME, "model", "region", LEAD_TIME, ...)
    return found


def _labelled(
    variable: str, example: xr.DataArray, metrics: Sequence[str], sure: Any
) -> xr.Dataset:
    behind = ("region", LEAD_TIME, *([LEVEL] if LEVEL in example.dims else []))
    dims = ("metric", "model", *behind)
    units = example.attrs.get("units", "1")
    title = {INTERVAL: variable, "units": units}
    nothing = np.full_like(sure.scores[:, :1], np.nan)
    fields: dict[str, Any] = {
        variable: (dims, sure.scores, {"units": units}),
        f"{variable}_lower": (dims, sure.lower, title),
        f"{variable}_upper": (dims, sure.upper, title),
    }
    for end, values in (
        ("", sure.differences),
        ("_lower", sure.lower_difference),
        ("_upper", sure.upper_difference),
        ("_p", sure.chance),
    ):
        # The first run does not differ from itself.
        fields[f"{variable}_difference{end}"] = (dims, np.concatenate([nothing, values], 1), title)
    counts = np.isfinite(example.isel(model=0).values).sum(0)
    fields[num_pairs_name(variable)] = (behind, counts, {"units": "1"})
    coords = {name: example.coords[name] for name in ("model", *behind)} | {"metric": metrics}
    found = xr.Dataset(fields, coords)
    return found.transpose("model", "metric", "region", LEAD_TIME, LEVEL, missing_dims="ignore")
