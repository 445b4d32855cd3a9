"""What the report shows of events: whether they were forecast, from each threshold on."""

from collections.abc import Sequence
from typing import Any

import xarray as xr
from markupsafe import Markup

from axialcast.data.channels import Channel
from axialcast.names import LEAD_TIME, LEVEL
from axialcast.report.figures import curves
from axialcast.report.tables import table
from axialcast.report.wording import channel_name, duration, pretty_units
from axialcast.scores.event_labels import FSS, NEIGHBOURHOOD, SEEPS, threshold_name
from axialcast.scores.shown import shown_leads
from axialcast.times.leads import lead_labels, leads_of

__all__ = ["FURTHER_NAMES", "METRIC_NAMES", "event_words", "events_shown", "in_squares"]

METRIC_NAMES = {"csi": "Critical success index", "frequency_bias": "Frequency bias"}
FURTHER_NAMES = {
    "hit_rate": "Probability of detection",
    "false_alarm_ratio": "False-alarm ratio",
    "ets": "Equitable threat score",
    "hss": "Heidke skill score",
    "sedi": "Symmetric extremal dependence index",
    FSS: "Fractions skill score",
    SEEPS: "SEEPS",
}
"""Of metrics whose tables are folded away."""


def events_shown(scores: xr.Dataset, chosen: Sequence[Channel]) -> dict[str, Any] | None:
    """Curves of the index, tables of it and the bias, and of whatever else was scored of events;
    None where none were.

    Args:
        scores: over the whole grid.
        chosen: channels that the page shows.
    """
    found: dict[str, Any] = {"curves": [], "tables": [], "further": []}
    for channel in chosen:
        for metric in (*METRIC_NAMES, *FURTHER_NAMES):
            if f"{channel.variable}_{metric}" in scores:
                place = "tables" if metric in METRIC_NAMES else "further"
                found[place] += _tables(channel, scores, metric)
                found["curves"] += _curves(channel, scores) if metric == "csi" else []
    return found if found["tables"] or found["further"] else None


def _curves(channel: Channel, scores: xr.Dataset) -> list[Markup]:
    """The index against lead time, a figure for each event."""
    dim, array = threshold_name(channel.variable), _of(channel, scores, "csi")
    return [
        curves(
            array.isel({dim: number}),
            title=f"{channel_name(channel, scores)} {event}",
            label=METRIC_NAMES["csi"],
            interval=_interval(channel, scores, "csi", number),
        )
        for number, event in enumerate(event_words(array[dim], channel))
    ]


def _tables(channel: Channel, scores: xr.Dataset, metric: str) -> list[dict[str, Any]]:
    """A table of a metric; of fractions one for each width of the squares."""
    title = (METRIC_NAMES | FURTHER_NAMES)[metric]
    leads = shown_leads(leads_of(scores))
    array = _of(channel, scores, metric).sel({LEAD_TIME: lead_labels(leads)})
    dim = threshold_name(channel.variable)
    events = event_words(array[dim], channel) if dim in array.dims else [""]
    if metric == SEEPS:
        parts = [(title, array.expand_dims("event", 1))]
    elif NEIGHBOURHOOD in array.dims:
        parts = [
            (in_squares(title, width), array.sel({NEIGHBOURHOOD: width}))
            for width in array[NEIGHBOURHOOD].values.tolist()
        ]
    else:
        parts = [(title, array)]
    return [
        table(
            f"{words}, {channel_name(channel, scores, inside=True)}",
            scores["model"].values.tolist(),
            heads=events,
            leads=[duration(lead) for lead in leads],
            columns=[
                (metric, part.values[:, event, lead])
                for event in range(len(events))
                for lead in range(len(leads))
            ],
        )
        for words, part in parts
    ]


def event_words(thresholds: xr.DataArray, channel: Channel) -> list[str]:
    """Events of a channel in words."""
    units = pretty_units(channel.units)
    return [_in_words(text, units) for text in thresholds.values.tolist()]


def in_squares(title: str, width: int) -> str:
    """A metric's title, of events in squares of so many grid points."""
    return f"{title} in squares of {width} × {width} points"


def _in_words(threshold: str, units: str) -> str:
    """As ≥ 5 mm h⁻¹, or < p10."""
    pretty = threshold.replace(">=", "≥").replace("<=", "≤")
    return pretty if "p" in pretty else f"{pretty} {units}"


def _interval(
    channel: Channel, scores: xr.Dataset, metric: str, event: int
) -> tuple[xr.DataArray, xr.DataArray] | None:
    """(model, lead_time) lower and upper ends of a score's intervals; None: they are not known."""
    names = [f"{metric}_{end}" for end in ("lower", "upper")]
    if any(f"{channel.variable}_{name}" not in scores for name in names):
        return None
    at = {threshold_name(channel.variable): event}
    lower, upper = (_of(channel, scores, name).isel(at) for name in names)
    return (lower, upper) if lower.notnull().any() else None


def _of(channel: Channel, scores: xr.Dataset, metric: str) -> xr.DataArray:
    """(model, [threshold], lead_time, [neighbourhood]) scores of a channel's events, labelled as
    curves want them."""
    array = scores[f"{channel.variable}_{metric}"]
    array = array if channel.level is None else array.sel({LEVEL: channel.level})
    array = array.assign_coords(metric=metric)
    dims = ("model", threshold_name(channel.variable), LEAD_TIME, NEIGHBOURHOOD)
    return array.transpose(*dims, missing_dims="ignore")
