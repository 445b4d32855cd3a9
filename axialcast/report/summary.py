"""What the report says in words: the leading score against others, and what was scored."""

from collections.abc import Mapping

import xarray as xr

from axialcast.data.channels import Channel
from axialcast.disclosure import printable
from axialcast.grid import Grid, ProjectedGrid, grid_of
from axialcast.names import INIT_TIME, LEAD_TIME, NUMBER
from axialcast.report.wording import (
    channel_name,
    date,
    duration,
    model_name,
    number,
    pretty_units,
    share,
)
from axialcast.scores.labels import omissions
from axialcast.scores.shown import nearest, wanted_leads
from axialcast.times.leads import lead_labels, leads_of
from axialcast.times.steps import in_months

__all__ = ["facts_of", "summary_of"]


def summary_of(scores: xr.Dataset, channel: Channel) -> dict[str, str] | None:
    """What the report says, in a sentence or two; None where errors were not scored."""
    if "rmse" not in scores["metric"].values:
        return None
    rmse = channel.of(scores).sel(metric="rmse")
    leads = leads_of(rmse)
    lead = nearest(leads, wanted_leads(leads)[1])
    at = rmse.sel({LEAD_TIME: lead_labels(lead)})
    own = float(at.sel(model="forecast"))
    others = {m: float(at.sel(model=m)) for m in at["model"].values.tolist() if m != "forecast"}
    parts = [
        f"{share(own / error - 1)} {model_name(m, inside=True)}"
        for m, error in others.items()
        if error > 0
    ]
    return {
        "lead": duration(lead),
        "name": channel_name(channel, scores, inside=True),
        "error": f"{number(own)} {pretty_units(channel.units)}",
        "compared": ", ".join(parts[:-1]) + f" and {parts[-1]}" if parts[1:] else "".join(parts),
    }


def facts_of(scores: xr.Dataset, forecast: xr.Dataset, facts: Mapping[str, str]) -> dict[str, str]:
    """What was scored, by name."""
    times = forecast[INIT_TIME].values
    leads, of_month = leads_of(forecast), in_months(leads_of(forecast))
    missing = int(scores["num_missing_truth"].sum())
    left_out = omissions(scores)
    grid = grid_of(forecast)
    known = {
        "Forecasts": f"{len(times):,}, initialised "
        + " to ".join(date(time, of_month=of_month) for time in (times.min(), times.max())),
        **({"Members": f"{forecast.sizes[NUMBER]:,}"} if NUMBER in forecast.dims else {}),
        "Lead times": f"{duration(leads.min())} to {duration(leads.max())}",
        "Grid": _grid(grid),
        "Pairs without truth": f"{missing:,} of {len(times) * len(leads):,}, left out"
        if missing
        else "none",
    }
    if left_out:
        known["Missing values"] = f"{'; '.join(left_out)}; left out for all models"
    return {printable(name): printable(value) for name, value in {**known, **facts}.items()}


def _grid(grid: Grid) -> str:
    height, width = grid.shape
    if isinstance(grid, ProjectedGrid):
        return f"{height} rows × {width} columns, {grid.name.replace('_', ' ')}"
    return f"{height} latitudes × {width} longitudes{', global' if grid.is_periodic else ''}"
