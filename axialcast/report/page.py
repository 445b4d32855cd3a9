"""The verification report: one HTML page that needs nothing else.

`page.html` is its template, `page.css` how it looks, `page.js` and `atlas.js` what it does, written
into it. All text is escaped, only our own figures are markup, and only these scripts may run.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import xarray as xr
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from axialcast.baselines.climatology import Climatology
from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis
from axialcast.disclosure import printable
from axialcast.report.atlas import atlas_of, chosen_of
from axialcast.report.ensembles import ensembles_shown
from axialcast.report.events import events_shown
from axialcast.report.frames import has_coasts
from axialcast.report.losses import losses_shown
from axialcast.report.pictures import drawn_of, skill_maps
from axialcast.report.plumes import plumes_of
from axialcast.report.skill import curves_shown, metrics_of, scorecard_shown, table_shown
from axialcast.report.spectra import spectra_shown
from axialcast.report.summary import facts_of, summary_of
from axialcast.scores.cases import of_all_cases
from axialcast.scores.drawn import DrawnField
from axialcast.scores.matching import matched
from axialcast.scores.shown import headline

__all__ = ["report_html"]

SCRIPTS = ("page.js", "atlas.js")


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
    log: Iterable[Mapping[str, Any]] = (),
) -> str:
    """The page: maps to step through, skill curves, scorecard, tables, where skill is, the run.

    The same arguments give the same page to the byte.

    Args:
        scores: of `axialcast.verify.evaluate`.
        forecast, analysis: what was scored; of these, only the cases that are shown are read.
        title: of the run.
        facts: what else is worth knowing by name: periods, versions.
        config: the configuration, as text.
        drawn: filled by `evaluate`; otherwise the field that is drawn is scored once more.
        log: lines of the training's, in order.
    """
    given = analysis.dataset if isinstance(analysis, Analysis) else analysis
    # Cases are read from what was opened: of what is transposed, xarray selects point by point.
    opened, (forecast, analysis) = forecast, matched(forecast, given)
    channels = Channels.of(forecast)
    chosen = headline(channels)
    scores = of_all_cases(scores)
    whole = scores.sel(region="all")
    drawn = drawn or drawn_of(forecast, analysis, climatology)
    # A grid of one row or column has no maps.
    is_drawn = 1 not in drawn.grid.shape
    maps, coasts = None, has_coasts(opened, given)
    if is_drawn:
        maps = atlas_of(opened, analysis, drawn, chosen_of(forecast, drawn), coasts=coasts)
    return _rendered(
        title=printable(title),
        summary=summary_of(whole, chosen[0]),
        facts=facts_of(scores, forecast, facts),
        metrics=metrics_of(whole),
        level=round(100 * whole.attrs["interval_level"]) if "interval_level" in whole.attrs else 0,
        curves=curves_shown(whole, chosen),
        scorecard=scorecard_shown(whole, channels) if len(channels) > 1 else None,
        tables=[table_shown(whole, channel) for channel in chosen],
        ensembles=ensembles_shown(whole, chosen),
        plumes=plumes_of(opened, analysis, drawn, chosen),
        events=events_shown(whole, chosen),
        spectra=spectra_shown(whole, chosen),
        losses=losses_shown(log),
        atlas=maps,
        where=skill_maps(forecast, drawn, coasts=coasts) if is_drawn else None,
        config=config,
    )


def _rendered(**shown: object) -> str:
    """The template with what is shown, its style and its scripts."""
    style, *scripts = (_text(name) for name in ("page.css", *SCRIPTS))
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(_text("page.html")).render(
        style=Markup(style),
        scripts=[Markup(script) for script in scripts],
        hashes=[_hash(script) for script in scripts],
        **shown,
    )


def _text(name: str) -> str:
    return files("axialcast.report").joinpath(name).read_text(encoding="utf-8").strip()


def _hash(script: str) -> str:
    """By which the page's policy knows a script: no other one runs."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
