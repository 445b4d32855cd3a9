"""What several runs say of the same pairs, verified against the same."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from axialcast.scores.by_init import CLIMATE, EVENTS, FRACTIONS, RAIN, statistics_of
from axialcast.scores.event_labels import threshold_name

__all__ = [
    "FORECAST",
    "Statistics",
    "check_truths",
    "same_climate",
    "shared_events",
    "shared_pairs",
]

FORECAST, TRUTH_TOLD_BY = "forecast", "persistence"
SAME = 1e-4
"""Relative difference up to which two runs were verified against the same."""

OBSERVED = "observed"
"""The statistic of events that is of the truth alone."""

WORDS = {EVENTS: "events", FRACTIONS: "events in squares", RAIN: "SEEPS"}

Statistics = dict[str, xr.DataArray]


def shared_pairs(
    runs: Mapping[str, xr.Dataset],
) -> tuple[dict[str, list[Statistics]], list[str]]:
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
    lines: list[str] = []
    found = {}
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
        found[variable] = _aligned([run[variable] for run in whole], lines)
        if not found[variable][0]["error"].size:
            raise ValueError(
                f"{' and '.join(runs)}: share no pair of {variable}; verify them at the same "
                "initial times, lead times, levels and regions"
            )
    return found, lines


def shared_events(
    runs: Mapping[str, xr.Dataset], variables: Sequence[str]
) -> tuple[dict[str, dict[str, list[Statistics]]], list[str]]:
    """The same of events and rain by what is judged, where they are the same; and what is not.

    Args:
        variables: that the runs share.
    """
    found: dict[str, dict[str, list[Statistics]]] = {judged: {} for judged in WORDS}
    lines: list[str] = []
    for judged, words in WORDS.items():
        whole = [statistics_of(run.sel(model=FORECAST, drop=True), judged) for run in runs.values()]
        for variable in variables:
            what = f"{words} of {variable} left out"
            having = [name for name, run in zip(runs, whole, strict=True) if variable in run]
            if len(having) == len(runs):
                each = _aligned([run[variable] for run in whole], lines)
                if not next(iter(each[0].values())).size:
                    lines.append(f"{what}, as the runs share none")
                elif judged != RAIN or _same_rain(each):
                    found[judged][variable] = each
                else:
                    lines.append(f"{what}, as its climate or what is dry differs or is not said")
            elif having:
                lines.append(f"{', '.join(having)}: {what}, which others lack")
    for variable, each in list(found[EVENTS].items()):
        dim = threshold_name(variable)
        words = each[0][OBSERVED][dim].values.tolist()
        same = [word for word in words if _same_event(each, {dim: word})]
        if others := [word for word in words if word not in same]:
            what = f"events of {variable} left out: {', '.join(others)}"
            lines.append(f"{what}, as their climates differ")
        for of in (of for of in (found[EVENTS], found[FRACTIONS]) if variable in of):
            of[variable] = [
                {name: array.sel({dim: same}) for name, array in run.items()}
                for run in of[variable]
            ]
            if not same:
                of.pop(variable)
    return found, lines


def check_truths(runs: Mapping[str, xr.Dataset]) -> None:
    """Refuses runs that were verified against other analyses.

    The errors of persistence tell, which follow from the analysis alone; where a run has none, the
    anomalies of the truth.

    Raises:
        ValueError: they were.
    """
    first, *others = runs.items()
    for name, other in others:
        told = [TRUTH_TOLD_BY in run["model"].values for run in (first[1], other)]
        model = TRUTH_TOLD_BY if all(told) else FORECAST
        statistic = "squared_error" if all(told) else "squared_truth_anomaly"
        each = [statistics_of(run.sel(model=model, drop=True)) for run in (first[1], other)]
        for variable in each[0].keys() & each[1].keys():
            arrays = xr.align(*(run[variable][statistic] for run in each), join="inner")
            regions = arrays[0]["region"].values.tolist()
            other_in = [
                region
                for region in regions
                if not _are_same(*(array.sel(region=region) for array in arrays))
            ]
            if other_in:
                where, keys = "", "data.store, region and roles"
                if other_in != regions:  # the analysis is the same, then
                    where = f" in the region {other_in[0]}"
                    keys = "verify.regions and verify.stations"
                raise ValueError(
                    f"{first[0]} and {name}: {variable} was verified against other truths{where}; "
                    f"verify both with the same {keys}"
                )


def same_climate(shared: Mapping[str, Sequence[Statistics]]) -> bool:
    """Whether anomalies depart from the same."""
    return all(
        _are_same(each[0]["squared_truth_anomaly"], other["squared_truth_anomaly"])
        for each in shared.values()
        for other in each[1:]
    )


def _same_event(each: Sequence[Statistics], at: Mapping[str, str]) -> bool:
    """Whether an event is there as often in all truths: a percentile may be of other years."""
    first, *others = (run[OBSERVED].sel(at) for run in each)
    return all(_are_same(first, other) for other in others)


def _same_rain(each: Sequence[Statistics]) -> bool:
    """Whether rain is judged by the same climate."""
    climates = {array.attrs.get(CLIMATE) for run in each for array in run.values()}
    return len(climates) == 1 and None not in climates


def _aligned(each: Sequence[Statistics], lines: list[str]) -> list[Statistics]:
    """Statistics where all runs have labels; of what some of them lack, a line is added."""
    arrays = [next(iter(run.values())) for run in each]
    same = xr.align(*arrays, join="inner")[0]
    for dim in same.dims:
        most = max(array.sizes[dim] for array in arrays)
        line = f"{same.sizes[dim]:,} of up to {most:,} values of {dim} are in all runs"
        if same.sizes[dim] < most and line not in lines:
            lines.append(line)
    labels = {dim: same[dim] for dim in same.dims}
    return [{name: array.sel(labels) for name, array in run.items()} for run in each]


def _are_same(left: xr.DataArray, right: xr.DataArray) -> bool:
    both = left.values, right.values
    known = np.isfinite(both[0]) & np.isfinite(both[1])
    scale = float(np.abs(both[0][known]).max(initial=0.0))
    return bool(np.allclose(both[0][known], both[1][known], rtol=SAME, atol=1e-6 * scale))
