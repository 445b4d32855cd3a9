"""Maps of all cases together: where the skill is."""

from typing import Any

import numpy as np
import xarray as xr
from markupsafe import Markup

from axialcast.baselines.climatology import Climatology
from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL
from axialcast.report.maps import map_panel
from axialcast.report.wording import channel_name, duration
from axialcast.scores.drawn import DrawnField
from axialcast.scores.evaluation import evaluate
from axialcast.times.leads import lead_labels

__all__ = ["drawn_of", "skill_maps"]


def drawn_of(forecast: xr.Dataset, analysis: xr.Dataset, climatology: Climatology) -> DrawnField:
    """The field that is drawn, filled by scoring it alone."""
    found = DrawnField(forecast)
    name, level = found.channel.variable, found.channel.level
    one = forecast[[name]].sel({LEAD_TIME: lead_labels(found.leads)})
    one = one if level is None else one.sel({LEVEL: [level]})
    found = DrawnField(one)
    fitted = Climatology(climatology.coefficients[[name]])
    evaluate(one, analysis, climatology=fitted, drawn=found)
    return found


def skill_maps(forecast: xr.Dataset, drawn: DrawnField, *, coasts: bool) -> dict[str, Any]:
    """Where the forecast is better than climatology, at a few lead times, with coasts or not."""
    return {
        "name": channel_name(drawn.channel, forecast),
        "maps": _skill(drawn, forecast.sizes[INIT_TIME], coasts),
    }


def _skill(drawn: DrawnField, num_forecasts: int, coasts: bool) -> list[Markup]:
    """A map for each lead time."""
    return [
        map_panel(
            drawn.skill(index),
            title=f"{duration(lead)} ahead",
            note=f"{num_forecasts:,} forecasts",
            label="1 − MSE of the forecast / MSE of climatology",
            levels=np.linspace(-1, 1, 21),
            cmap="RdBu",
            coasts=coasts,
        )
        for index, lead in enumerate(drawn.leads)
    ]
