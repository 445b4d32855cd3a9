"""What the report shows of each metric: curves against lead time, tables and the scorecard."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from markupsafe import Markup

from axialcast.data.channels import Channel
from axialcast.names import LEAD_TIME, LEVEL
from axialcast.report.figures import curves, scorecard
from axialcast.report.sure import differences, interval_of
from axialcast.report.tables import table
from axialcast.report.wording import channel_name, duration, model_name, pretty_units
from axialcast.scores.shown import shown_leads
from axialcast.times.leads import lead_labels, leads_of

__all__ = ["curves_shown", "metrics_of", "scorecard_shown", "table_shown"]

METRIC_NAMES = {
    "rmse": "Root-mean-square error",
    "acc": "Anomaly correlation",
    "mae": "Mean absolute error",
    "bias": "Bias",
}


def metrics_of(scores: xr.Dataset) -> list[str]:
    """At most two metrics to show, of those that were scored, and the users' own."""
    ours = [name for name in METRIC_NAMES if name in scores["metric"].values][:2]
    return [*ours, *scores.attrs.get("own_scores", ())]


def curves_shown(scores: xr.Dataset, chosen: Sequence[Channel]) -> list[Markup]:
    """A figure for each channel and metric."""
    return [
        curves(
            channel.of(scores).sel(metric=metric),
            title=channel_name(channel, scores),
            label=_headed(metric, channel),
            interval=interval_of(scores, channel, metric),
        )
        for channel in chosen
        for metric in metrics_of(scores)
    ]


def _headed(metric: str, channel: Channel) -> str:
    """A metric as a heading, with its units."""
    if metric not in METRIC_NAMES:
        return metric.replace("_", " ")
    units = "" if metric == "acc" else f" ({pretty_units(channel.units)})"
    return METRIC_NAMES[metric] + units


def scorecard_shown(scores: xr.Dataset, channels: Sequence[Channel]) -> dict[str, Any] | None:
    """RMSE relative to the best baseline, where it is known how sure that is; otherwise to the best
    linear model, else the first baseline; None: there is none."""
    models = scores["model"].values.tolist()
    linear = ("vector_autoregression", "linear_inverse_model")
    reference = next((m for m in (*linear, *models[1:]) if m in models), None)
    if reference is None or "rmse" not in scores["metric"].values:
        return None
    leads = scores[LEAD_TIME].values  # as they are selected by
    places = np.unique(np.linspace(0, len(leads) - 1, min(len(leads), 10)).round().astype(int))
    kept = scores.isel({LEAD_TIME: places})
    names = [channel_name(channel, scores) for channel in channels]
    if (known := differences(kept, channels, "rmse")) is not None:
        skill, is_sure = known
        card = scorecard(skill.transpose("row", LEAD_TIME), names=names, is_sure=is_sure)
        share = round(100 * scores.attrs.get("interval_level", 0.95))
        return {"reference": "the best baseline of each", "card": card, "sure": share}
    rows = [channel.of(kept).sel(metric="rmse") for channel in channels]
    skill = xr.concat(
        [
            100 * (row.sel(model="forecast", drop=True) / row.sel(model=reference, drop=True) - 1)
            for row in (row.drop_vars(LEVEL, errors="ignore").rename("skill") for row in rows)
        ],
        "row",
    ).transpose("row", LEAD_TIME)
    card = scorecard(skill, names=names)
    return {"reference": model_name(reference, inside=True), "card": card, "sure": None}


def table_shown(scores: xr.Dataset, channel: Channel) -> dict[str, Any]:
    """Scores of a channel at a few lead times, a row for each model."""
    leads = shown_leads(leads_of(scores))
    columns = [
        (metric, channel.of(scores).sel({"metric": metric, LEAD_TIME: lead_labels(lead)}).values)
        for metric in metrics_of(scores)
        for lead in leads
    ]
    return table(
        channel_name(channel, scores),
        scores["model"].values.tolist(),
        heads=[_headed(metric, channel) for metric in metrics_of(scores)],
        leads=[duration(lead) for lead in leads],
        columns=columns,
    )
