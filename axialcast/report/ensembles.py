"""What the report shows of an ensemble: CRPS, spread against error, where the truth ranks."""

from collections.abc import Sequence
from typing import Any

import xarray as xr

from axialcast.data.channels import Channel
from axialcast.names import LEAD_TIME, LEVEL
from axialcast.report.figures import ERROR, SPREAD, curves, rank_histogram
from axialcast.report.tables import table
from axialcast.report.wording import channel_name, duration, pretty_units
from axialcast.scores.ensembles import rank_histogram_name
from axialcast.scores.shown import shown_leads
from axialcast.times.leads import lead_labels, leads_of

__all__ = ["ensembles_shown"]

METRIC_NAMES = {"crps": "Continuous ranked probability score", "spread_skill": "Spread–skill ratio"}


def ensembles_shown(scores: xr.Dataset, chosen: Sequence[Channel]) -> dict[str, Any] | None:
    """Figures and tables of ensembles; None where none was scored as one.

    Args:
        scores: over the whole grid.
        chosen: channels that the page shows.
    """
    metrics = [name for name in METRIC_NAMES if name in scores["metric"].values]
    if not metrics:
        return None
    num = scores.attrs.get("num_members")
    found: dict[str, Any] = {"num_members": num, "figures": [], "tables": []}
    for channel in chosen:
        array, name = channel.of(scores), channel_name(channel, scores)
        units = pretty_units(channel.units)
        if "crps" in metrics:
            label = f"{METRIC_NAMES['crps']} ({units})"
            found["figures"].append(curves(array.sel(metric="crps"), title=name, label=label))
        known = array["metric"].values
        if num is not None and "spread" in known and "rmse" in known:
            label = f"Spread of members, root-mean-square error of their mean ({units})"
            found["figures"].append(curves(_spread(array, num), title=name, label=label))
        if (ranks := rank_histogram_name(channel.variable)) in scores:
            found["figures"].append(_ranks(channel, scores, scores[ranks], name))
        leads = shown_leads(leads_of(scores))
        at_leads = array.sel({LEAD_TIME: lead_labels(leads)})
        found["tables"].append(
            table(
                name,
                scores["model"].values.tolist(),
                heads=[
                    METRIC_NAMES[metric] + ("" if metric == "spread_skill" else f" ({units})")
                    for metric in metrics
                ],
                leads=[duration(lead) for lead in leads],
                columns=[
                    (metric, at_leads.sel(metric=metric).values[:, lead])
                    for metric in metrics
                    for lead in range(len(leads))
                ],
            )
        )
    return found


def _spread(array: xr.DataArray, num: int) -> xr.DataArray:
    """(model, lead_time) the error of the forecast's mean, and the spread that it should have."""
    own = array.sel(model="forecast")
    error, spread = own.sel(metric="rmse"), own.sel(metric="spread")
    pair = [error.drop_vars("metric"), ((num + 1) / num) ** 0.5 * spread.drop_vars("metric")]
    both: xr.DataArray = xr.concat([one.drop_vars("model") for one in pair], "model")
    return both.assign_coords(model=[ERROR, SPREAD], metric="rmse")


def _ranks(channel: Channel, scores: xr.Dataset, array: xr.DataArray, name: str) -> Any:
    """The rank histogram at a few lead times."""
    array = array if channel.level is None else array.sel({LEVEL: channel.level})
    leads = shown_leads(leads_of(scores))
    labels = [duration(lead) for lead in leads]
    values = array.sel({LEAD_TIME: lead_labels(leads)}).transpose(LEAD_TIME, "rank").values
    return rank_histogram(values, labels=labels, title=name)
