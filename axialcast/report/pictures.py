"""Maps that do not move: where the skill is, and a typical case for readers without scripts."""

from typing import Any

import numpy as np
import xarray as xr
from markupsafe import Markup

from axialcast.baselines.climatology import Climatology
from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis
from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL, NUMBER
from axialcast.report.maps import contour_levels, map_panel
from axialcast.report.wording import channel_name, date, duration, pretty_units
from axialcast.scores.drawn import DrawnField
from axialcast.scores.evaluation import evaluate
from axialcast.times.dates import later
from axialcast.times.leads import lead_labels, leads_of
from axialcast.times.steps import in_months

__all__ = ["drawn_of", "pictures_of"]


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


def pictures_of(
    forecast: xr.Dataset, analysis: xr.Dataset, drawn: DrawnField
) -> dict[str, Any] | None:
    """Maps of one field at a few lead times; None of a grid of one row or column."""
    if 1 in drawn.grid.shape:
        return None
    name, units = channel_name(drawn.channel, forecast), pretty_units(drawn.channel.units)
    return {
        "name": name,
        "init": date(
            forecast[INIT_TIME].values[drawn.typical_case()], of_month=in_months(leads_of(forecast))
        ),
        "last_lead": duration(drawn.leads[:2][-1]),
        "case": _case(forecast, analysis, drawn, f"{name} ({units})"),
        "skill": _skill(drawn, forecast.sizes[INIT_TIME]),
    }


def _case(
    forecasts: xr.Dataset,
    analyses: Analysis | xr.Dataset,
    drawn: DrawnField,
    label: str,
) -> list[Markup]:
    """Forecast, truth and error of a typical case, at two lead times."""
    case, leads = drawn.typical_case(), drawn.leads[:2]
    rows = np.flatnonzero(np.isin(leads_of(forecasts), leads))
    one = drawn.channel.of(forecasts).isel({INIT_TIME: case, LEAD_TIME: rows}).load()
    if NUMBER in one.dims:
        one = one.mean(NUMBER, keep_attrs=True)
    one = one.transpose(LEAD_TIME, *drawn.grid.dims)
    truths = Analysis.of(analyses, Channels([drawn.channel]))
    valid = later(one[INIT_TIME].values.reshape(1), leads)
    truth = one.copy(data=truths.read(truths.rows(valid))[:, 0])
    error = one.copy(data=one.values - truth.values)
    both = np.concatenate([one.values.ravel(), truth.values.ravel()])
    levels = contour_levels(both, symmetric=False)
    departures = contour_levels(error.values, symmetric=True)
    panels, said = [], "Ensemble mean" if forecasts.sizes.get(NUMBER, 1) > 1 else "Forecast"
    for index, lead in enumerate(leads):
        for title, values, scale, cmap in (
            (f"{said}, {duration(lead)} ahead", one[index], levels, "viridis"),
            ("Analysis", truth[index], levels, "viridis"),
            ("Forecast minus analysis", error[index], departures, "RdBu_r"),
        ):
            panel = map_panel(
                values,
                title=title,
                note=date(valid[index], of_month=in_months(leads)),
                label=label,
                levels=scale,
                cmap=cmap,
            )
            panels.append(panel)
    return panels


def _skill(drawn: DrawnField, num_forecasts: int) -> list[Markup]:
    """Where the forecast is better than climatology, at each lead time."""
    return [
        map_panel(
            drawn.skill(index),
            title=f"{duration(lead)} ahead",
            note=f"{num_forecasts:,} forecasts",
            label="1 − MSE of the forecast / MSE of climatology",
            levels=np.linspace(-1, 1, 21),
            cmap="RdBu",
        )
        for index, lead in enumerate(drawn.leads)
    ]
