"""How sure scores are: intervals, and differences from the best baseline with their significance.

From block bootstraps over initial times, see `axialcast.scores.resampling`. Shapes: i init times, b
resamples, s statistics, g metrics, m models, r regions, l lead times, z levels.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import scipy.stats
import xarray as xr
from numpy.typing import NDArray

from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL
from axialcast.scores.better import kind_of
from axialcast.scores.by_init import EVENTS, FRACTIONS, PAIRS, RAIN, statistics_of
from axialcast.scores.cases import ALL_CASES, Cases, beside
from axialcast.scores.contingency import EVENT_METRICS
from axialcast.scores.ensembles import ENSEMBLE_METRICS
from axialcast.scores.event_labels import FSS, OF_EVENTS, SEEPS
from axialcast.scores.fractions import fractions_skill_score
from axialcast.scores.labels import INTERVAL, scored_names
from axialcast.scores.metrics import METRICS
from axialcast.scores.uncertainty import Metric, Resampling, Uncertain, uncertain
from axialcast.times.leads import leads_of

__all__ = ["Resampling", "intervals", "with_intervals"]

DEFAULT = Resampling()

SHARED = ("units", "units_metadata")
"""Attributes of a variable that its intervals have, too."""

JUDGES: Mapping[str, Mapping[str, Metric]] = {
    PAIRS: {**METRICS, **ENSEMBLE_METRICS},
    EVENTS: EVENT_METRICS,
    FRACTIONS: {FSS: fractions_skill_score},
    RAIN: {SEEPS: itemgetter(SEEPS)},
}
"""Metrics by what their statistics judge, and by name."""


def intervals(
    by_init: xr.Dataset,
    *,
    metrics: Sequence[str],
    how: Resampling = DEFAULT,
    own: Mapping[str, Metric] | None = None,
    reference: str = "forecast",
    cases: Cases | None = None,
) -> xr.Dataset:
    """Intervals of scores, and differences of the forecast from the best baseline.

    Args:
        by_init: statistics of each pair: see `axialcast.scores.by_init.ByInit`.
        metrics: wanted, of those that are functions of what is there.
        how: they are found.
        own: metrics by users' files, by name.
        reference: the model that others are compared with.
        cases: pairs that are looked at by themselves, too, as if there were no others: all then
            has a dimension `cases`, as the scores have.

    Returns:
        For each variable, of dimensions (model, metric, region, lead_time, [level]),
        `<variable>_lower` and `<variable>_upper`, NaN where fewer than ten pairs say anything; and
        of dimensions (metric, region, lead_time, [level]): `<variable>_best_baseline`, by number as
        `flag_meanings` say, the one with the best score there; `<variable>_difference`, the
        forecast's score less its own (of a bias and other scores that should be a number: the
        distances from it), with `_lower` and `_upper`; `<variable>_difference_p`, the probability
        of one as large if there were none; and `<variable>_difference_significant`, 1 where it is
        even though many were asked for: false discoveries among all variables, levels and lead
        times of a metric and region are held at 1 - level (Benjamini and Hochberg 1995; Wilks
        2016, Bull. Am. Meteorol. Soc. 97). Of metrics of events and of rain, the same as
        `<variable>_<metric>_lower` and so on, along the dimensions that these scores have.
    """
    known = {**JUDGES, PAIRS: {**JUDGES[PAIRS], **(own or {})}}
    chosen = {
        judged: {name: metric for name, metric in of.items() if name in metrics}
        for judged, of in known.items()
    }

    def found_of(which: NDArray[np.bool_] | None) -> xr.Dataset:
        """Of some pairs (i, l); None: of all."""
        found = xr.Dataset()
        for judged in (name for name, of in chosen.items() if of):
            part = xr.Dataset()
            for variable, statistics in statistics_of(by_init, judged).items():
                of = (variable, statistics, chosen[judged], how, reference, which)
                part = part.merge(_of_variable(*of))
            significant(part, 1 - how.level)
            found = found.merge(part if judged == PAIRS else _each_metric_apart(part))
        return found

    found = found_of(None)
    if cases is not None:
        pairs = cases.pairs(by_init[INIT_TIME].values, leads_of(by_init))
        each = [found, *(found_of(which) for which in pairs.values())]
        found = beside(each, [ALL_CASES, *pairs])
    found.attrs = {"interval_level": how.level, "interval_resamples": how.resamples}
    return found


def with_intervals(
    scores: xr.Dataset,
    by_init: xr.Dataset,
    *,
    how: Resampling = DEFAULT,
    own: Mapping[str, Metric] | None = None,
    cases: Cases | None = None,
) -> xr.Dataset:
    """Scores and how sure they are, of `evaluate`'s result: see `intervals`.

    Args:
        cases: that `evaluate` was given; None: only how sure the scores of all pairs are.
    """
    scored = scored_names(scores)
    events = [name for name in OF_EVENTS if any(f"{one}_{name}" in scores for one in scored)]
    metrics = [*scores["metric"].values.tolist(), *events]
    found = intervals(by_init, metrics=metrics, how=how, own=own, cases=cases)
    for array in found.data_vars.values():
        units = scores[array.attrs[INTERVAL]].attrs
        array.attrs = {**{k: units[k] for k in SHARED if k in units}, **array.attrs}
    found = found.reindex(metric=scores["metric"])
    return scores.merge(found, combine_attrs="no_conflicts")


def by_lead(
    statistics: Mapping[str, xr.DataArray],
    metrics: Mapping[str, Metric],
    pairs: Sequence[tuple[int, int]],
    how: Resampling,
    which: NDArray[np.bool_] | None = None,
) -> Uncertain:
    """Arrays (g, m, ..., l, [z]) and (g, k, ..., l, [z]), found for each lead time and level.

    Args:
        statistics: by name, (init_time, model, ..., lead_time, [level]), the dots being regions
            and, of events, thresholds and neighbourhoods.
        metrics, pairs, how: as of `uncertain`.
        which: (i, l) pairs that count; None: all.
    """
    arrays = {name: array.values for name, array in statistics.items()}
    example = next(iter(statistics.values()))
    shape = example.shape[example.dims.index(LEAD_TIME) :]

    def rows(at: Any) -> dict[str, NDArray[Any]]:
        every = {name: array[(..., *at)] for name, array in arrays.items()}
        if which is None:
            return every
        here = which[:, at[0]]
        if not here.any():
            return {name: np.full_like(array[:1], np.nan) for name, array in every.items()}
        return {name: array[here] for name, array in every.items()}

    found = [uncertain(rows(at), metrics, pairs, how) for at in np.ndindex(shape)]
    stacked = (np.stack(each, -1) for each in zip(*found, strict=True))
    return Uncertain(*(each.reshape(*each.shape[:-1], *shape) for each in stacked))


def significant(found: xr.Dataset, rate: float) -> None:
    """Adds which differences are significant among all of a metric and region.

    Args:
        found: with `<variable>_difference_p` of some variables.
        rate: of false discoveries.
    """
    names = [str(name) for name in found.data_vars if str(name).endswith("_difference_p")]
    chances = [found[name].transpose("metric", "region", ...) for name in names]
    if not chances:
        return
    flat = [array.values.reshape(*array.shape[:2], -1) for array in chances]
    every = np.concatenate(flat, axis=-1)
    answers = np.full(every.shape, -1, np.int8)
    for at in np.ndindex(every.shape[:2]):
        known = np.isfinite(every[at])
        if known.any():
            adjusted = scipy.stats.false_discovery_control(every[at][known])
            answers[at][known] = adjusted <= rate
    ends = np.cumsum([part.shape[-1] for part in flat])[:-1]
    for array, part in zip(chances, np.split(answers, ends, axis=-1), strict=True):
        variable = array.attrs[INTERVAL]
        attrs = {
            INTERVAL: variable,
            "long_name": f"whether the difference is significant among all, {variable}",
            "flag_values": np.array([-1, 0, 1], np.int8),
            "flag_meanings": "unknown no yes",
        }
        told = xr.Variable(array.dims, part.reshape(array.shape), attrs)
        order = found[f"{variable}_difference_p"].dims
        found[f"{variable}_difference_significant"] = told.transpose(*order)


def _of_variable(
    variable: str,
    statistics: Mapping[str, xr.DataArray],
    metrics: Mapping[str, Metric],
    how: Resampling,
    reference: str,
    which: NDArray[np.bool_] | None,
) -> xr.Dataset:
    """Intervals of one variable and its differences, without what is significant among all."""
    example = next(iter(statistics.values()))
    models = example["model"].values.tolist()
    others = [place for place, name in enumerate(models) if name != reference]
    own = models.index(reference)
    sure = by_lead(statistics, metrics, [(own, other) for other in others], how, which)
    best = _best(sure.scores, others, list(metrics))
    coords = {name: example.coords[name] for name in example.coords if name != INIT_TIME}
    coords |= {"metric": list(metrics)}
    behind = tuple(map(str, example.dims[2:]))
    title = {INTERVAL: variable}
    fields: dict[str, Any] = {
        f"{variable}_{end}": (
            ("metric", "model", *behind),
            values,
            {**title, "long_name": f"{end} end of the interval of scores of {variable}"},
        )
        for end, values in (("lower", sure.lower), ("upper", sure.upper))
    }
    if others:
        taken = np.maximum(best, 0)[:, None]
        for end, values, said in (
            ("", sure.differences, "score less that of the best baseline"),
            ("_lower", sure.lower_difference, "lower end of the interval of the difference"),
            ("_upper", sure.upper_difference, "upper end of the interval of the difference"),
            ("_p", sure.chance, "probability of a difference as large by chance"),
        ):
            chosen = np.take_along_axis(values, taken, 1)[:, 0]
            attrs = {**title, "long_name": f"{said}, {variable}"}
            attrs |= {"units": "1"} if end == "_p" else {}
            fields[f"{variable}_difference{end}"] = (
                ("metric", *behind),
                np.where(best >= 0, chosen, np.nan),
                attrs,
            )
        flags = {
            "long_name": f"the best baseline's number, {variable}",
            "flag_values": np.arange(-1, len(others), dtype=np.int8),
            "flag_meanings": " ".join(["none", *(models[other] for other in others)]),
        }
        fields[f"{variable}_best_baseline"] = (("metric", *behind), best, {**title, **flags})
    found = xr.Dataset(fields, coords)
    return found.transpose(
        "model", "metric", ..., "region", LEAD_TIME, LEVEL, missing_dims="ignore"
    )


def _each_metric_apart(part: xr.Dataset) -> xr.Dataset:
    """`<variable>_<metric>_lower` and so on, of `<variable>_lower` along metrics."""
    found = {}
    for name, array in part.data_vars.items():
        variable = array.attrs[INTERVAL]
        for metric in part["metric"].values.tolist():
            one = f"{variable}_{metric}"
            attrs = {**array.attrs, INTERVAL: one}
            attrs["long_name"] = f"{array.attrs['long_name']} ({metric})"
            apart = array.sel(metric=metric, drop=True).assign_attrs(attrs)
            found[str(name).replace(variable, one, 1)] = apart
    return xr.Dataset(found)


def _best(
    scores: NDArray[np.float64], others: Sequence[int], metrics: Sequence[str]
) -> NDArray[np.int8]:
    """(g, ...) which of the others is the best; -1: none can be said to be.

    Args:
        scores: (g, m, ...).
    """
    best = np.full((scores.shape[0], *scores.shape[2:]), -1, np.int8)
    for place, name in enumerate(metrics):
        kind = kind_of(name)
        losses = kind.loss(scores[place, others])
        losses = np.where(np.isfinite(losses), losses, np.inf)
        if kind.told and len(others):
            best[place] = np.where(np.isfinite(losses).any(0), losses.argmin(0), -1)
    return best
