"""Scores of events and of rain, and what each pair says of them, with their labels.

Shapes: i init times, m models, l lead times, e events, s variables of rain, n neighbourhoods,
r regions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channels
from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL
from axialcast.scores.by_init import (
    CLIMATE,
    EVENTS,
    FRACTIONS,
    JUDGED,
    RAIN,
    STATISTIC,
    VARIABLE,
)
from axialcast.scores.contingency import EVENT_METRICS, EventSums
from axialcast.scores.seeps import SeepsSums

__all__ = [
    "FSS",
    "NEIGHBOURHOOD",
    "OF_EVENTS",
    "SEEPS",
    "event_rows",
    "labelled_events",
    "labelled_seeps",
    "seeps_rows",
    "threshold_name",
]

FSS, SEEPS = "fss", "seeps"
"""Metrics of events in squares, and of rain."""

OF_EVENTS = (*EVENT_METRICS, FSS, SEEPS)
"""Metrics that have a variable of their own in scores, `<variable>_<metric>`."""

NEIGHBOURHOOD = "neighbourhood"
"""Name of the coordinate that holds the widths of squares."""

SCORES, ROWS = ("model",), (INIT_TIME, "model")
"""Dimensions before the lead time."""


class _Values(NamedTuple):
    """Numbers of all events, to be labelled.

    Args:
        values: (..., l, e, [n], r).
        title: what they are.
        attrs: said of them besides.
    """

    values: NDArray[Any]
    title: str
    attrs: Mapping[str, str]


def threshold_name(variable: str) -> str:
    """Name of the coordinate that holds the thresholds of a variable's events, in words."""
    return f"{variable}_threshold"


def labelled_events(
    sums: EventSums, forecast: xr.Dataset, coords: Mapping[str, Any], metrics: Sequence[str]
) -> xr.Dataset:
    """Scores of events with their labels, a variable for each metric: see `evaluate`.

    Args:
        forecast: that was scored.
        coords: by name: model, region and those of the forecast.
        metrics: names in EVENT_METRICS, and FSS.
    """
    means, values = sums.means(), {}
    for name in metrics:
        if name == FSS:
            assert sums.fractions is not None
            values[name] = _Values(sums.fractions.score(), "fractions skill score", {})
        else:
            metric = EVENT_METRICS[name]
            values[name] = _Values(metric(means), metric.__name__.replace("_", " "), {})
    return _of_events(sums, forecast, coords, values, SCORES)


def event_rows(sums: EventSums, forecast: xr.Dataset, coords: Mapping[str, Any]) -> xr.Dataset:
    """What each pair says of events, with labels: see `axialcast.scores.by_init.ByInit`.

    Args:
        forecast, coords: as of `labelled_events`.
    """
    values = {
        f"event_{name}": _Values(
            rows.astype(np.float32), f"share of the area, {name}", {STATISTIC: name, JUDGED: EVENTS}
        )
        for name, rows in sums.rows().items()
    }
    if sums.fractions is not None:
        for name, rows in sums.fractions.rows(sums.absent()).items():
            said = {STATISTIC: name, JUDGED: FRACTIONS}
            title = f"squared fractions, {name}"
            values[f"fraction_{name}"] = _Values(rows.astype(np.float32), title, said)
    return _of_events(sums, forecast, coords, values, ROWS)


def labelled_seeps(sums: SeepsSums, forecast: xr.Dataset, coords: Mapping[str, Any]) -> xr.Dataset:
    """SEEPS of each variable of rain, with labels.

    Args:
        forecast: that was scored.
        coords: by name: model, region and those of the forecast.
    """
    return _of_rain(sums, forecast, coords, _Values(sums.score(), "", {}), SCORES)


def seeps_rows(sums: SeepsSums, forecast: xr.Dataset, coords: Mapping[str, Any]) -> xr.Dataset:
    """What each pair says of rain, with labels: as `labelled_seeps`."""
    said = {STATISTIC: SEEPS, JUDGED: RAIN}
    values = _Values(sums.rows().astype(np.float32), "", said)
    return _of_rain(sums, forecast, coords, values, ROWS)


def _of_events(
    sums: EventSums,
    forecast: xr.Dataset,
    coords: Mapping[str, Any],
    values: Mapping[str, _Values],
    front: tuple[str, ...],
) -> xr.Dataset:
    """Numbers (*front, l, e, [n], r) by name, as `<variable>_<name>` of each variable."""
    channels, fields, labels = Channels.of(forecast), {}, dict(coords)
    axis = len(front) + 1
    if any(one.values.ndim > axis + 2 for one in values.values()):
        assert sums.fractions is not None
        attrs = {"long_name": "width of squares, in grid points", "units": "1"}
        labels[NEIGHBOURHOOD] = (NEIGHBOURHOOD, list(sums.fractions.widths), attrs)
    for variable in dict.fromkeys(channels[event.place].variable for event in sums.events):
        own = [n for n, e in enumerate(sums.events) if channels[e.place].variable == variable]
        array, dim = forecast[variable], threshold_name(variable)
        words = list(dict.fromkeys(sums.events[n].threshold.text for n in own))
        title = f"which {variable} is an event, in {array.attrs['units']} or percentiles"
        labels[dim] = (dim, words, {"long_name": title})
        levels = [LEVEL] if LEVEL in array.dims else []
        for name, (of, what, said) in values.items():
            split = of.take(own, axis)
            split = split.reshape(*of.shape[:axis], -1, len(words), *of.shape[axis + 1 :])
            split = split if levels else split.take(0, axis)
            squares = [NEIGHBOURHOOD] if of.ndim > axis + 2 else []
            dims = (*front, LEAD_TIME, *levels, dim, *squares, "region")
            attrs = {"long_name": f"{what} of {variable}", "units": "1", **_of(variable, said)}
            fields[f"{variable}_{name}"] = (dims, split, attrs)
    return _in_order(fields, labels)


def _of_rain(
    sums: SeepsSums,
    forecast: xr.Dataset,
    coords: Mapping[str, Any],
    values: _Values,
    front: tuple[str, ...],
) -> xr.Dataset:
    """Numbers (*front, l, s, r) as `<variable>_seeps` of each variable."""
    channels, fields, axis = Channels.of(forecast), {}, len(front) + 1
    for variable in dict.fromkeys(channels[place].variable for place, _ in sums.rain):
        own = [n for n, (p, _) in enumerate(sums.rain) if channels[p].variable == variable]
        levels = [LEVEL] if LEVEL in forecast[variable].dims else []
        split = values.values.take(own if levels else own[0], axis)
        title = f"stable equitable error in probability space of {variable}"
        attrs = {"long_name": title, "units": "1", **_of(variable, values.attrs)}
        if values.attrs:
            attrs[CLIMATE] = "; ".join(sums.climate(n) for n in own)
        fields[f"{variable}_{SEEPS}"] = ((*front, LEAD_TIME, *levels, "region"), split, attrs)
    return _in_order(fields, coords)


def _of(variable: str, said: Mapping[str, str]) -> dict[str, str]:
    """What statistics say of themselves; scores say nothing."""
    return {**said, VARIABLE: variable} if said else {}


def _in_order(fields: Mapping[str, Any], coords: Mapping[str, Any]) -> xr.Dataset:
    found = xr.Dataset(fields, coords)
    return found.transpose(
        INIT_TIME, "model", ..., "region", LEAD_TIME, LEVEL, missing_dims="ignore"
    )
