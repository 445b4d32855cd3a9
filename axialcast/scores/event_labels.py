"""Scores of events and of rain with their labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channels
from axialcast.names import LEAD_TIME, LEVEL
from axialcast.scores.contingency import EVENT_METRICS, EventSums
from axialcast.scores.seeps import SeepsSums

__all__ = ["FSS", "NEIGHBOURHOOD", "SEEPS", "labelled_events", "labelled_seeps", "threshold_name"]

FSS, SEEPS = "fss", "seeps"
"""Metrics of events in squares, and of rain."""

NEIGHBOURHOOD = "neighbourhood"
"""Name of the coordinate that holds the widths of squares."""


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
    means = sums.means()
    values = {name: EVENT_METRICS[name](means) for name in metrics if name != FSS}
    titles = {name: EVENT_METRICS[name].__name__.replace("_", " ") for name in values}
    labels = dict(coords)
    if FSS in metrics:
        assert sums.fractions is not None
        values[FSS], titles[FSS] = sums.fractions.score(), "fractions skill score"
        attrs = {"long_name": "width of squares, in grid points", "units": "1"}
        labels[NEIGHBOURHOOD] = (NEIGHBOURHOOD, list(sums.fractions.widths), attrs)
    channels, fields = Channels.of(forecast), {}
    for variable in dict.fromkeys(channels[event.place].variable for event in sums.events):
        own = [n for n, e in enumerate(sums.events) if channels[e.place].variable == variable]
        array, dim = forecast[variable], threshold_name(variable)
        words = list(dict.fromkeys(sums.events[n].threshold.text for n in own))
        title = f"which {variable} is an event, in {array.attrs['units']} or percentiles"
        labels[dim] = (dim, words, {"long_name": title})
        levels = [LEVEL] if LEVEL in array.dims else []
        for name, of in values.items():
            split = of[:, :, own].reshape(*of.shape[:2], -1, len(words), *of.shape[3:])
            split = split if levels else split[:, :, 0]
            squares = [NEIGHBOURHOOD] if name == FSS else []
            dims = ("model", LEAD_TIME, *levels, dim, *squares, "region")
            attrs = {"long_name": f"{titles[name]} of {variable}", "units": "1"}
            fields[f"{variable}_{name}"] = (dims, split, attrs)
    return _in_order(fields, labels)


def labelled_seeps(sums: SeepsSums, forecast: xr.Dataset, coords: Mapping[str, Any]) -> xr.Dataset:
    """SEEPS of each variable of rain, with labels.

    Args:
        forecast: that was scored.
        coords: by name: model, region and those of the forecast.
    """
    channels, score, fields = Channels.of(forecast), sums.score(), {}
    for variable in dict.fromkeys(channels[place].variable for place, _ in sums.rain):
        own = [n for n, (p, _) in enumerate(sums.rain) if channels[p].variable == variable]
        levels = [LEVEL] if LEVEL in forecast[variable].dims else []
        split: NDArray[np.float64] = score[:, :, own] if levels else score[:, :, own[0]]
        title = f"stable equitable error in probability space of {variable}"
        attrs = {"long_name": title, "units": "1"}
        fields[f"{variable}_{SEEPS}"] = (("model", LEAD_TIME, *levels, "region"), split, attrs)
    return _in_order(fields, coords)


def _in_order(fields: Mapping[str, Any], coords: Mapping[str, Any]) -> xr.Dataset:
    found = xr.Dataset(fields, coords)
    return found.transpose("model", ..., "region", LEAD_TIME, LEVEL, missing_dims="ignore")
