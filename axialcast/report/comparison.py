"""A comparison of several runs as one page and as lines of a terminal."""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from axialcast.data.channels import Channel, Channels
from axialcast.disclosure import printable
from axialcast.names import LEAD_TIME
from axialcast.report.compared_scores import Compared, ComparedScore, event_scores, pair_scores
from axialcast.report.drawing import AMBER, GREY, INK, OWN, PLAIN, STYLE, WARM, svg
from axialcast.report.wording import counted, duration, number
from axialcast.scores.labels import scored_names
from axialcast.scores.shown import headline, shown_leads
from axialcast.times.leads import lead_labels, leads_of

__all__ = ["comparison_html", "comparison_lines"]

COLOURS = (OWN, WARM, AMBER, PLAIN, INK)


def comparison_html(found: xr.Dataset, left_out: Sequence[str]) -> str:
    """A page that needs no other file.

    Args:
        found: see `axialcast.scores.comparing.compared`.
        left_out: what only some of the runs have.
    """
    fields = [pair_scores(found, channel) for channel in _channels(found)]
    events = _events(found)
    text = files("axialcast.report").joinpath
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(text("compare.html").read_text(encoding="utf-8")).render(
        style=Markup(text("page.css").read_text(encoding="utf-8")),
        runs=_runs(found),
        level=f"{100 * found.attrs['interval_level']:g}",
        num=found.attrs["num_init_times"],
        left_out=[printable(line) for line in left_out],
        leads=_leads(found),
        figures=[_differences(found, one, score) for one in fields for score in one.scores],
        tables=_tables(found, fields),
        event_figures=[_differences(found, one, one.scores[0]) for one in events],
        event_tables=_tables(found, events),
        further=_tables(found, events, is_further=True),
    )


def comparison_lines(found: xr.Dataset) -> Iterator[str]:
    """A line for each run, field or event, its first metric and a few lead times."""
    for one in (*(pair_scores(found, channel) for channel in _channels(found)), *_events(found)):
        for score in one.scores[:1]:
            yield f"{score.metric} of {one.inside}{f' ({score.units})' if score.units else ''}"
            for name, cells in _rows(found, score):
                said = [
                    f"{lead} {value}{f' ({apart})' if apart else ''}{mark}"
                    for lead, (value, apart, mark) in zip(_leads(found), cells, strict=True)
                ]
                yield f"  {name}: {'; '.join(said)}"
    yield "* the difference from the first run is significant among all that are compared"


def _channels(found: xr.Dataset) -> list[Channel]:
    return headline(Channels.of(found[scored_names(found)]))


def _events(found: xr.Dataset) -> list[Compared]:
    return [one for channel in _channels(found) for one in event_scores(found, channel)]


def _runs(found: xr.Dataset) -> list[str]:
    return [printable(run) for run in found["model"].values.tolist()]


def _leads(found: xr.Dataset) -> list[str]:
    return [duration(lead) for lead in shown_leads(leads_of(found))]


def _rows(found: xr.Dataset, score: ComparedScore) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Of each run at a few lead times: its score, the interval of its difference, and a mark."""
    at = {LEAD_TIME: lead_labels(shown_leads(leads_of(found)))}
    values, low, high, told = (
        score.of(found, end).sel(at).values
        for end in ("", "_difference_lower", "_difference_upper", "_difference_significant")
    )
    rows = []
    for place, run in enumerate(_runs(found)):
        cells = [
            (
                number(float(value)),
                f"{_signed(a)} to {_signed(b)}" if np.isfinite(a) else "",
                "*" if mark == 1 else "",
            )
            for value, a, b, mark in zip(
                values[place], low[place], high[place], told[place], strict=True
            )
        ]
        rows.append((run, cells))
    return rows


def _tables(
    found: xr.Dataset, each: Sequence[Compared], *, is_further: bool = False
) -> list[dict[str, Any]]:
    """A table for each field or event that has such scores."""
    tables = []
    for one in each:
        scores = [score for score in one.scores if score.is_further == is_further]
        units = next((f" ({score.units})" for score in scores if score.units), "")
        metrics = [(score.title, _rows(found, score)) for score in scores]
        tables += [{"name": f"{one.title}{units}", "metrics": metrics}] if scores else []
    return tables


def _differences(found: xr.Dataset, one: Compared, score: ComparedScore) -> Markup:
    """Differences from the first run against lead time, with their intervals."""
    leads, unit = counted(leads_of(found))
    values, low, high = (
        score.of(found, end).values
        for end in ("_difference", "_difference_lower", "_difference_upper")
    )
    runs = _runs(found)
    units = f" ({score.units})" if score.units else ""
    label = f"{score.title}{units}, less {runs[0]}'s"
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.3, 3.5))
        axes = figure.add_axes((0.13, 0.14, 0.84, 0.7))
        axes.axhline(0.0, color=GREY, linewidth=0.8)
        for place in range(1, len(runs)):
            colour = COLOURS[(place - 1) % len(COLOURS)]
            axes.fill_between(leads, low[place], high[place], color=colour, alpha=0.18, linewidth=0)
            axes.plot(leads, values[place], "o-", color=colour, markersize=3.5, label=runs[place])
        axes.set_xlabel(f"lead time ({unit})")
        axes.text(0, 1.015, label, transform=axes.transAxes, color=GREY, va="bottom", size=8.5)
        axes.set_title(one.title, pad=18, color=INK, weight="bold")
        axes.grid(axis="y")
        axes.legend(frameon=False, fontsize=8.5)
        return svg(figure, f"{one.title}: {label} against lead time")


def _signed(value: float) -> str:
    return f"+{number(value)}" if value > 0 else number(value)
