"""Several runs on the pairs that they share: scores, and differences from the first of them.

Of what each pair says (see `axialcast.scores.by_init`), so that no forecast is read again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL
from axialcast.scores.by_init import PAIRS
from axialcast.scores.intervals import DEFAULT, JUDGES, by_lead, significant
from axialcast.scores.labels import INTERVAL, num_pairs_name
from axialcast.scores.metrics import METRICS
from axialcast.scores.shared_pairs import (
    Statistics,
    check_truths,
    same_climate,
    shared_events,
    shared_pairs,
)
from axialcast.scores.uncertainty import Metric, Resampling, Uncertain

__all__ = ["compared"]


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
        first one's (of a bias and other scores that should be a number: the distances from it),
        `<variable>_difference` with `_lower`, `_upper`, `_p` and `_significant` (see
        `axialcast.scores.intervals.intervals`); `<variable>_num_pairs` (region, lead_time, [level])
        that all runs have. Of events and rain the same as `<variable>_<metric>` and so on, along
        thresholds and neighbourhoods, where they are the same events. And lines that say what only
        some of the runs have.

    Raises:
        ValueError: there is one run, they share nothing, or were verified against other truths.
    """
    if len(runs) < 2:
        raise ValueError("a comparison needs two runs or more; name another one")
    names = list(runs)
    shared, lines = shared_pairs(runs)
    check_truths(runs)
    known = dict(JUDGES[PAIRS])
    if not same_climate(shared):
        known.pop("acc")
        lines.append("their climatologies differ, so acc is left out")
    found = xr.Dataset()
    for variable, each in shared.items():
        statistics, metrics = _stacked(each, names), known
        if "crps" not in statistics:
            metrics = {name: metric for name, metric in known.items() if name in METRICS}
        example, sure = _sure(statistics, metrics, how)
        found = found.merge(_labelled(variable, example, list(metrics), sure), join="outer")
    significant(found, 1 - how.level)
    events, more = shared_events(runs, list(shared))
    lines += [line for line in more if line not in lines]
    for judged, same in events.items():
        found = found.merge(_of_events(same, JUDGES[judged], names, how))
    found.attrs = {"interval_level": how.level, "interval_resamples": how.resamples}
    found.attrs |= {"num_init_times": example.sizes[INIT_TIME], "title": "axialcast comparison"}
    return found, lines


def _of_events(
    shared: Mapping[str, Sequence[Statistics]],
    metrics: Mapping[str, Metric],
    names: Sequence[str],
    how: Resampling,
) -> xr.Dataset:
    """`<variable>_<metric>` and so on, each with what is significant among all of its metric."""
    each = {
        variable: _sure(_stacked(statistics, names), metrics, how)
        for variable, statistics in shared.items()
    }
    found = xr.Dataset()
    for place, metric in enumerate(metrics):
        part = xr.Dataset()
        for variable, (example, every) in each.items():
            sure = Uncertain(*(array[place : place + 1] for array in every))
            part = part.merge(_labelled(f"{variable}_{metric}", example, [metric], sure))
        significant(part, 1 - how.level)
        found = found.merge(part.squeeze("metric", drop=True) if part else part)
    return found


def _sure(
    statistics: Statistics, metrics: Mapping[str, Metric], how: Resampling
) -> tuple[xr.DataArray, Uncertain]:
    """One of the statistics, and scores of all runs with differences from the first one's."""
    example = next(iter(statistics.values()))
    pairs = [(place, 0) for place in range(1, example.sizes["model"])]
    return example, by_lead(statistics, metrics, pairs, how)


def _stacked(each: Sequence[Statistics], names: Sequence[str]) -> Statistics:
    """(init_time, model, ..., region, lead_time, [level]) of all runs; NaN where one lacks it.

    What is said of ensembles is NaN of a run without, but for the CRPS, which is the absolute
    error of one member.
    """
    first = next(iter(each[0]))
    known = np.logical_and.reduce([np.isfinite(run[first].values) for run in each])
    wanted = dict.fromkeys(name for run in each for name in run)
    found = {}
    for name in wanted:
        arrays = []
        for run in each:
            array = run.get(name)
            if array is None and name == "crps":
                array = run["absolute_error"]
            if array is None:
                array = xr.full_like(run[first], np.nan)
            arrays.append(array.copy(data=np.where(known, array.values, np.nan)))
        joined = xr.concat(arrays, xr.DataArray(list(names), dims="model", name="model"))
        found[name] = joined.transpose(
            INIT_TIME, "model", ..., "region", LEAD_TIME, LEVEL, missing_dims="ignore"
        )
    return found


def _labelled(
    name: str, example: xr.DataArray, metrics: Sequence[str], sure: Uncertain
) -> xr.Dataset:
    """Scores and differences as `name`, `<name>_lower` and so on; without what is significant.

    Args:
        example: (init_time, model, ..., region, lead_time, [level]) of the statistics.
    """
    behind = tuple(map(str, example.dims[2:]))
    dims = ("metric", "model", *behind)
    units = example.attrs.get("units", "1")
    title = {INTERVAL: name, "units": units}
    nothing = np.full_like(sure.scores[:, :1], np.nan)
    fields: dict[str, Any] = {
        name: (dims, sure.scores, {"units": units}),
        f"{name}_lower": (dims, sure.lower, title),
        f"{name}_upper": (dims, sure.upper, title),
    }
    for end, values in (
        ("", sure.differences),
        ("_lower", sure.lower_difference),
        ("_upper", sure.upper_difference),
        ("_p", sure.chance),
    ):
        # The first run does not differ from itself.
        fields[f"{name}_difference{end}"] = (dims, np.concatenate([nothing, values], 1), title)
    counts = np.isfinite(example.isel(model=0).values).sum(0)
    fields[num_pairs_name(name)] = (behind, counts, {"units": "1"})
    coords = {dim: example.coords[dim] for dim in ("model", *behind)} | {"metric": list(metrics)}
    found = xr.Dataset(fields, coords)
    return found.transpose(
        "model", "metric", ..., "region", LEAD_TIME, LEVEL, missing_dims="ignore"
    )
