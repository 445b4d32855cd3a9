"""The verification report: one HTML page that needs nothing else."""

import html
from collections.abc import Mapping, Sequence
from importlib.resources import files

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines.climatology import Climatology
from axialcast.data.channels import Channel, Channels
from axialcast.data.reader import Analysis
from axialcast.grid import grid_of
from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL
from axialcast.report.figures import contour_levels, curves, map_panel, scorecard
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
from axialcast.scores.evaluation import evaluate, omissions
from axialcast.scores.matching import matched
from axialcast.scores.shown import TABLE_DAYS, headline, nearest

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
        config: the resolved configuration, as text.
        drawn: filled by `evaluate`; otherwise the field that is drawn is scored once more.
    """
    given = analysis.dataset if isinstance(analysis, Analysis) else analysis
    forecast, analysis = matched(forecast, given)
    channels = Channels.of(forecast)
    chosen = headline(channels)
    all_scores = scores.sel(region="all")
    sections = [
        _summary(all_scores, chosen[0]),
        _facts(scores, forecast, facts),
        "<h2>Skill against lead time</h2>",
        _curves(all_scores, chosen),
        _scorecard(all_scores, channels) if len(channels) > 1 else "",
        _table(all_scores, chosen),
        *_pictures(forecast, analysis, drawn or _drawn(forecast, analysis, climatology)),
        "<h2>The run</h2><details><summary>Resolved configuration</summary>",
        f"<pre>{html.escape(config)}</pre></details>",
    ]
    page = files("axialcast.report").joinpath("page.html").read_text(encoding="utf-8")
    return page.replace("{{title}}", html.escape(title)).replace("{{body}}", "\n".join(sections))


def _metrics(scores: xr.Dataset) -> list[str]:
    """At most two metrics to show, of those that were scored."""
    return [name for name in METRIC_NAMES if name in scores["metric"].values][:2]


def _summary(scores: xr.Dataset, channel: Channel) -> str:
    """What the report says, in a sentence or two."""
    metric = _metrics(scores)[0]
    if metric != "rmse":
        return ""
    rmse = channel.of(scores).sel(metric=metric)
    lead = nearest(rmse[LEAD_TIME].values, 3)
    at = rmse.sel({LEAD_TIME: lead})
    own = float(at.sel(model="forecast"))
    others = {m: float(at.sel(model=m)) for m in at["model"].values.tolist() if m != "forecast"}
    parts = [
        f"{share(own / error - 1)} {model_name(m, inside=True)}"
        for m, error in others.items()
        if error > 0
    ]
    text = (
        f"At {duration(lead)} the forecast's root-mean-square error of "
        f"{channel_name(channel, scores, inside=True)} is <b>{number(own)} "
        f"{pretty_units(channel.units)}</b>"
    )
    listed = ", ".join(parts[:-1]) + f" and {parts[-1]}" if len(parts) > 1 else "".join(parts)
    return f'<p class="lead">{text}{": " + listed if listed else ""}.</p>'


def _facts(scores: xr.Dataset, forecast: xr.Dataset, facts: Mapping[str, str]) -> str:
    times = forecast[INIT_TIME].values
    leads = forecast[LEAD_TIME].values
    missing = int(scores["num_missing_truth"].sum())
    left_out = omissions(scores)
    grid = grid_of(forecast)
    known = {
        "Forecasts": f"{len(times):,}, initialised {date(times.min())} to {date(times.max())}",
        "Lead times": f"{duration(leads.min())} to {duration(leads.max())}",
        "Grid": f"{grid.shape[0]} latitudes × {grid.shape[1]} longitudes"
        f"{', global' if grid.is_periodic else ''}",
        "Pairs without truth": f"{missing:,} of {len(times) * len(leads):,}, left out"
        if missing
        else "none",
    }
    if left_out:
        known["Missing values"] = f"{'; '.join(left_out)}; left out for all models"
    rows = [
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
        for name, value in {**known, **facts}.items()
    ]
    return f'<dl class="facts">{"".join(rows)}</dl>'


def _curves(scores: xr.Dataset, chosen: Sequence[Channel]) -> str:
    panels = []
    for channel in chosen:
        for metric in _metrics(scores):
            units = "" if metric == "acc" else f" ({pretty_units(channel.units)})"
            panel = curves(
                channel.of(scores).sel(metric=metric),
                title=channel_name(channel, scores),
                label=METRIC_NAMES[metric] + units,
            )
            panels.append(f"<figure>{panel}</figure>")
    note = "<p>Area-weighted over the whole grid; every model is scored on the same pairs."
    if "acc" in _metrics(scores):
        note += " The dotted line at 0.6 is the customary limit of a useful forecast."
    return f'{note}</p><div class="pairs">{"".join(panels)}</div>'


def _scorecard(scores: xr.Dataset, channels: Sequence[Channel]) -> str:
    models = scores["model"].values.tolist()
    reference = next((m for m in ("linear_inverse_model", *models[1:]) if m in models), None)
    if reference is None or "rmse" not in scores["metric"].values:
        return ""
    leads = scores[LEAD_TIME].values
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
    return (
        f"<h2>Scorecard</h2><p>Root-mean-square error relative to "
        f"{model_name(reference, inside=True)}, in percent: blue is better, red is worse.</p>"
        f'<div class="scroll"><figure class="card">{card}</figure></div>'
    )


def _table(scores: xr.Dataset, chosen: Sequence[Channel]) -> str:
    leads = list(dict.fromkeys(nearest(scores[LEAD_TIME].values, day) for day in TABLE_DAYS))
    tables = []
    for channel in chosen:
        values = {
            (metric, lead): channel.of(scores).sel({"metric": metric, LEAD_TIME: lead})
            for metric in _metrics(scores)
            for lead in leads
        }
        best = {key: _best(key[0], value.values) for key, value in values.items()}
        heads = "".join(
            f'<th colspan="{len(leads)}">{METRIC_NAMES[metric]}'
            f"{'' if metric == 'acc' else ' (' + pretty_units(channel.units) + ')'}</th>"
            for metric in _metrics(scores)
        )
        hours = "".join(f"<th>{duration(lead)}</th>" for _, lead in values)
        rows = []
        for index, model in enumerate(scores["model"].values.tolist()):
            cells = [
                f"<td{' class=best' if index == best[key] else ''}>{number(float(row[index]))}</td>"
                for key, row in values.items()
            ]
            own = ' class="own"' if model == "forecast" else ""
            rows.append(f"<tr{own}><th>{model_name(model)}</th>{''.join(cells)}</tr>")
        tables.append(
            f'<div class="scroll"><table><caption>{channel_name(channel, scores)}</caption><thead>'
            f"<tr><th></th>{heads}</tr><tr><th></th>{hours}</tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table></div>"
        )
    return (
        "<h2>Scores</h2><p>The best of each column is bold. All scores are in scores.csv.</p>"
        + "".join(tables)
    )


def _drawn(forecast: xr.Dataset, analysis: xr.Dataset, climatology: Climatology) -> DrawnField:
    """The field that is drawn, filled by scoring it alone."""
    found = DrawnField(forecast)
    name, level = found.channel.variable, found.channel.level
    one = forecast[[name]].sel({LEAD_TIME: found.leads})
    one = one if level is None else one.sel({LEVEL: [level]})
    found = DrawnField(one)
    fitted = Climatology(climatology.coefficients[[name]])
    evaluate(one, analysis, climatology=fitted, drawn=found)
    return found


def _pictures(forecast: xr.Dataset, analysis: xr.Dataset, drawn: DrawnField) -> list[str]:
    """The sections with maps, of one field at a few lead times."""
    if 1 in drawn.grid.shape:
        return ["<p>No maps are drawn of a grid of one row or column.</p>"]
    name, units = channel_name(drawn.channel, forecast), pretty_units(drawn.channel.units)
    return [
        _case(forecast, analysis, drawn, name, units),
        _skill(drawn, name, forecast.sizes[INIT_TIME]),
    ]


def _case(
    forecasts: xr.Dataset,
    analyses: Analysis | xr.Dataset,
    drawn: DrawnField,
    name: str,
    units: str,
) -> str:
    """Forecast, truth and error of a typical case, at two lead times."""
    case, leads = drawn.typical_case(), drawn.leads[:2]
    one = drawn.channel.of(forecasts).isel({INIT_TIME: case}).sel({LEAD_TIME: leads}).load()
    init = one[INIT_TIME].values
    truths = Analysis.of(analyses, Channels([drawn.channel]))
    truth = one.copy(data=truths.read(truths.rows(np.add(init, leads)))[:, 0])
    error = one.copy(data=one.values - truth.values)
    both = np.concatenate([one.values.ravel(), truth.values.ravel()])
    levels = contour_levels(both, symmetric=False)
    departures = contour_levels(error.values, symmetric=True)
    panels = []
    for index, lead in enumerate(leads):
        for title, values, scale, cmap in (
            (f"Forecast, {duration(lead)} ahead", one[index], levels, "viridis"),
            ("Analysis", truth[index], levels, "viridis"),
            ("Forecast minus analysis", error[index], departures, "RdBu_r"),
        ):
            panel = map_panel(
                values,
                title=title,
                note=date(init + lead),
                label=f"{name} ({units})",
                levels=scale,
                cmap=cmap,
            )
            panels.append(f"<figure>{panel}</figure>")
    return (
        f"<h2>A typical case</h2><p>{name}, forecast initialised {date(init)}: the case whose "
        f"error at {duration(leads[-1])} is the median of all.</p>"
        f'<div class="triples">{"".join(panels)}</div>'
    )


def _skill(drawn: DrawnField, name: str, num_forecasts: int) -> str:
    """Where the forecast is better than climatology."""
    panels = []
    for index, lead in enumerate(drawn.leads):
        panel = map_panel(
            drawn.skill(index),
            title=f"{duration(lead)} ahead",
            note=f"{num_forecasts:,} forecasts",
            label="1 − MSE of the forecast / MSE of climatology",
            levels=np.linspace(-1, 1, 21),
            cmap="RdBu",
        )
        panels.append(f"<figure>{panel}</figure>")
    return (
        f"<h2>Where the skill is</h2><p>{name}: skill in mean squared error over climatology, all "
        "cases. 1 is perfect, 0 is climatology, below 0 (red) is worse.</p>"
        f'<div class="triples">{"".join(panels)}</div>'
    )


def _best(metric: str, values: NDArray[np.float64]) -> int | None:
    """Which model is best: the highest correlation, the least error; None where all are NaN."""
    cost = -values if metric == "acc" else np.abs(values)
    return int(np.nanargmin(cost)) if np.isfinite(cost).any() else None
