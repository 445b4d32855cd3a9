"""What the report shows of events: whether they were forecast, from each threshold on."""

from collections.abc import Sequence
from typing import Any

import xarray as xr

from axialcast.data.channels import Channel
from axialcast.names import LEAD_TIME, LEVEL
from axialcast.report.figures import curves
from axialcast.report.tables import table
from axialcast.report.wording import channel_name, duration, pretty_units
from axialcast.scores.event_labels import threshold_name
from axialcast.scores.shown import shown_leads
from axialcast.times.leads import lead_labels, leads_of

__all__ = ["events_shown"]

METRIC_NAMES = {"csi": "Critical success index", "frequency_bias": "Frequency bias"}


def events_shown(scores: xr.Dataset, chosen: Sequence[Channel]) -> dict[str, Any] | None:
    """Curves of the index and tables of both metrics; None where no events were scored.

    Args:
        scores: over the whole grid.
        chosen: channels that the page shows.
    """
    found: dict[str, Any] = {"curves": [], "tables": []}
    for channel in chosen:
        for metric in METRIC_NAMES:
            if f"{channel.variable}_{metric}" not in scores:
                continue
            array = _of(channel, scores, metric)
            thresholds = array[threshold_name(channel.variable)].values.tolist()
            events = [_in_words(text, pretty_units(channel.units)) for text in thresholds]
            name = channel_name(channel, scores)
            if metric == "csi":
                found["curves"] += [
                    curves(
                        array.isel({threshold_name(channel.variable): number}),
                        title=f"{name} {event}",
                        label=METRIC_NAMES[metric],
                        interval=_interval(channel, scores, metric, number),
                    )
                    for number, event in enumerate(events)
                ]
            leads = shown_leads(leads_of(scores))
            at_leads = array.sel({LEAD_TIME: lead_labels(leads)})
            found["tables"].append(
                table(
                    f"{METRIC_NAMES[metric]}, {channel_name(channel, scores, inside=True)}",
                    scores["model"].values.tolist(),
                    heads=events,
                    leads=[duration(lead) for lead in leads],
                    columns=[
                        (metric, at_leads.values[:, event, lead])
                        for event in range(len(events))
                        for lead in range(len(leads))
                    ],
                )
            )
    return found if found["tables"] else None


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
    """(model, threshold, lead_time) scores of a channel's events, labelled as curves want them."""
    array = scores[f"{channel.variable}_{metric}"]
    array = array if channel.level is None else array.sel({LEVEL: channel.level})
    dims = ("model", threshold_name(channel.variable), LEAD_TIME)
    return array.assign_coords(metric=metric).transpose(*dims)
