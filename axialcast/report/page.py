"""The verification report: one HTML page that needs nothing else.

`page.html` is its template: all text is escaped there, and only our own figures are markup.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import xarray as xr
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from axialcast.baselines.climatology import Climatology
from axialcast.data.channels import Channel, Channels
from axialcast.data.reader import Analysis
from axialcast.disclosure import printable
from axialcast.grid import Grid, ProjectedGrid, grid_of
from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL, NUMBER
from axialcast.report.ensembles import ensembles_shown
from axialcast.report.events import events_shown
from axialcast.report.figures import curves, scorecard
from axialcast.report.maps import contour_levels, map_panel
from axialcast.report.spectra import spectra_shown
from axialcast.report.tables import table
from axialcast.report.wording import (
    channel_name,
    date,
    duration,
    model_name,
    number,
    pretty_units,
    share,
)
from axialcast.scores.drawn import DrawnField
from axialcast.scores.evaluation import evaluate
from axialcast.scores.labels import omissions
from axialcast.scores.matching import matched
from axialcast.scores.shown import headline, nearest, shown_leads, wanted_leads
from axialcast.times.dates import later
from axialcast.times.leads import lead_labels, leads_of
from axialcast.times.steps import in_months

__all__ = ["report_html"]

METRIC_NAMES = {
    "rmse": "Root-mean-square error",
    "acc": "Anomaly correlation",
    "mae": "Mean absolute error",
    "bias": "Bias",
}


def report_html(
    scores: xr.Dataset,
    forecast: xr.Dataset,
    analysis: Analysis | xr.Dataset,
    climatology: Climatology,
    *,
    title: str,
    facts: Mapping[str, str],
    config: str,
    drawn: DrawnField | None = None,
) -> str:
    """The page: skill curves, scorecard, table, maps of a typical case, where skill is, the run.

    The same arguments give the same page to the byte.

    Args:
        scores: of `axialcast.verify.evaluate`.
        forecast, analysis: what was scored; of these, only the case that is shown is read.
        title: of the run.
        facts: what else is worth knowing by name: periods, versions.
        config: the configuration, as text.
        drawn: filled by `evaluate`; otherwise the field that is drawn is scored once more.
    """
    given = analysis.dataset if isinstance(analysis, Analysis) else analysis
    forecast, analysis = matched(forecast, given)
    channels = Channels.of(forecast)
    chosen = headline(channels)
    all_scores = scores.sel(region="all")
    text = files("axialcast.report").joinpath("page.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(text).render(
        title=printable(title),
        summary=_summary(all_scores, chosen[0]),
        facts=_facts(scores, forecast, facts),
        metrics=_metrics(all_scores),
        curves=_curves(all_scores, chosen),
        scorecard=_scorecard(all_scores, channels) if len(channels) > 1 else None,
        tables=[_table(all_scores, channel) for channel in chosen],
        ensembles=ensembles_shown(all_scores, chosen),
        events=events_shown(all_scores, chosen),
        spectra=spectra_shown(all_scores, chosen),
        pictures=_pictures(forecast, analysis, drawn or _drawn(forecast, analysis, climatology)),
        config=config,
    )


def _of_months(forecast: xr.Dataset) -> bool:
    """Whether its dates stand for months."""
    return in_months(leads_of(forecast))


def _metrics(scores: xr.Dataset) -> list[str]:
    """At most two metrics to show, of those that were scored, and the users' own."""
    ours = [name for name in METRIC_NAMES if name in scores["metric"].values][:2]
    return [*ours, *scores.attrs.get("own_scores", ())]


def _summary(scores: xr.Dataset, channel: Channel) -> dict[str, str] | None:
    """What the report says, in a sentence or two; None where errors were not scored."""
    metric = _metrics(scores)[0]
    if metric != "rmse":
        return None
    rmse = channel.of(scores).sel(metric=metric)
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


def _facts(scores: xr.Dataset, forecast: xr.Dataset, facts: Mapping[str, str]) -> dict[str, str]:
    """What was scored, by name."""
    times = forecast[INIT_TIME].values
    leads, of_month = leads_of(forecast), _of_months(forecast)
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


def _curves(scores: xr.Dataset, chosen: Sequence[Channel]) -> list[Markup]:
    """A figure for each channel and metric."""
    return [
        curves(
            channel.of(scores).sel(metric=metric),
            title=channel_name(channel, scores),
            label=_headed(metric, channel),
        )
        for channel in chosen
        for metric in _metrics(scores)
    ]


def _headed(metric: str, channel: Channel) -> str:
    """A metric as a heading, with its units."""
    if metric not in METRIC_NAMES:
        return metric.replace("_", " ")
    units = "" if metric == "acc" else f" ({pretty_units(channel.units)})"
    return METRIC_NAMES[metric] + units


def _scorecard(scores: xr.Dataset, channels: Sequence[Channel]) -> dict[str, str] | None:
    """RMSE relative to the best linear model, else the first baseline; None: there is none."""
    models = scores["model"].values.tolist()
    linear = ("vector_autoregression", "linear_inverse_model")
    reference = next((m for m in (*linear, *models[1:]) if m in models), None)
    if reference is None or "rmse" not in scores["metric"].values:
        return None
    leads = scores[LEAD_TIME].values  # as they are selected by
    kept = leads[np.unique(np.linspace(0, len(leads) - 1, min(len(leads), 10)).round().astype(int))]
    rows = [channel.of(scores).sel({"metric": "rmse", LEAD_TIME: kept}) for channel in channels]
    skill = xr.concat(
        [
            100 * (row.sel(model="forecast", drop=True) / row.sel(model=reference, drop=True) - 1)
            for row in (row.drop_vars(LEVEL, errors="ignore").rename("skill") for row in rows)
        ],
        "row",
    ).transpose("row", LEAD_TIME)
    card = scorecard(skill, names=[channel_name(channel, scores) for channel in channels])
    return {"reference": model_name(reference, inside=True), "card": card}


def _table(scores: xr.Dataset, channel: Channel) -> dict[str, Any]:
    """Scores of a channel at a few lead times, a row for each model."""
    leads = shown_leads(leads_of(scores))
    columns = [
        (metric, channel.of(scores).sel({"metric": metric, LEAD_TIME: lead_labels(lead)}).values)
        for metric in _metrics(scores)
        for lead in leads
    ]
    return table(
        channel_name(channel, scores),
        scores["model"].values.tolist(),
        heads=[_headed(metric, channel) for metric in _metrics(scores)],
        leads=[duration(lead) for lead in leads],
        columns=columns,
    )


def _drawn(forecast: xr.Dataset, analysis: xr.Dataset, climatology: Climatology) -> DrawnField:
    """The field that is drawn, filled by scoring it alone."""
    found = DrawnField(forecast)
    name, level = found.channel.variable, found.channel.level
    one = forecast[[name]].sel({LEAD_TIME: lead_labels(found.leads)})
    one = one if level is None else one.sel({LEVEL: [level]})
    found = DrawnField(one)
    fitted = Climatology(climatology.coefficients[[name]])
    evaluate(one, analysis, climatology=fitted, drawn=found)
    return found


def _pictures(
    forecast: xr.Dataset, analysis: xr.Dataset, drawn: DrawnField
) -> dict[str, Any] | None:
    """Maps of one field at a few lead times; None of a grid of one row or column."""
    if 1 in drawn.grid.shape:
        return None
    name, units = channel_name(drawn.channel, forecast), pretty_units(drawn.channel.units)
    return {
        "name": name,
        "init": date(
            forecast[INIT_TIME].values[drawn.typical_case()], of_month=_of_months(forecast)
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
    one = (
        drawn.channel.of(forecasts)
        .isel({INIT_TIME: case})
        .sel({LEAD_TIME: lead_labels(leads)})
        .load()
    )
    if NUMBER in one.dims:
        one = one.mean(NUMBER, keep_attrs=True)
    truths = Analysis.of(analyses, Channels([drawn.channel]))
    valid = later(one[INIT_TIME].values.reshape(1), leads)
    truth = one.copy(data=truths.read(truths.rows(valid))[:, 0])
    error = one.copy(data=one.values - truth.values)
    both = np.concatenate([one.values.ravel(), truth.values.ravel()])
    levels = contour_levels(both, symmetric=False)
    departures = contour_levels(error.values, symmetric=True)
    panels, said = [], "Ensemble mean" if NUMBER in forecasts.dims else "Forecast"
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
