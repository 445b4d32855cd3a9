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
from axialcast.report.drawing import AMBER, GREY, INK, OWN, PLAIN, STYLE, WARM, svg
from axialcast.report.wording import channel_name, counted, duration, number, pretty_units
from axialcast.scores.labels import scored_names
from axialcast.scores.shown import headline, shown_leads
from axialcast.times.leads import lead_labels, leads_of

__all__ = ["comparison_html", "comparison_lines"]

METRICS = {"rmse": "Root-mean-square error", "crps": "CRPS", "acc": "Anomaly correlation"}
COLOURS = (OWN, WARM, AMBER, PLAIN, INK)


def comparison_html(found: xr.Dataset, left_out: Sequence[str]) -> str:
    """A page that needs no other file.

    Args:
        found: see `axialcast.scores.comparing.compared`.
        left_out: what only some of the runs have.
    """
    channels = _channels(found)
    text = files("axialcast.report").joinpath
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    runs = [printable(run) for run in found["model"].values.tolist()]
    return environment.from_string(text("compare.html").read_text(encoding="utf-8")).render(
        style=Markup(text("page.css").read_text(encoding="utf-8")),
        runs=runs,
        level=f"{100 * found.attrs['interval_level']:g}",
        num=found.attrs["num_init_times"],
        left_out=[printable(line) for line in left_out],
        figures=[
            _differences(found, channel, metric) for channel in channels for metric in _shown(found)
        ],
        tables=[_table(found, channel) for channel in channels],
    )


def comparison_lines(found: xr.Dataset) -> Iterator[str]:
    """A line for each run, field, metric and a few lead times."""
    for channel in _channels(found):
        for metric in _shown(found)[:1]:
            table = _rows(found, channel, metric)
            units = pretty_units(channel.units)
            yield f"{metric} of {channel_name(channel, found, inside=True)} ({units})"
            for name, cells in table:
                said = [
                    f"{lead} {value}{f' ({apart})' if apart else ''}{mark}"
                    for lead, (value, apart, mark) in zip(_leads(found), cells, strict=True)
                ]
                yield f"  {name}: {'; '.join(said)}"
    yield "* the difference from the first run is significant among all that are compared"


def _channels(found: xr.Dataset) -> list[Channel]:
    return headline(Channels.of(found[scored_names(found)]))


def _shown(found: xr.Dataset) -> list[str]:
    """Metrics with figures and tables."""
    scored = found[scored_names(found)]
    known = [name for name in METRICS if name in found["metric"].values]
    return [
        name
        for name in known
        if any(np.isfinite(array).any() for array in scored.sel(metric=name).data_vars.values())
    ]


def _leads(found: xr.Dataset) -> list[str]:
    return [duration(lead) for lead in shown_leads(leads_of(found))]


def _of(found: xr.Dataset, channel: Channel, what: str, metric: str) -> xr.DataArray:
    """(model, lead_time) of the whole grid."""
    one = Channel(f"{channel.variable}{what}", channel.level, channel.units)
    return one.of(found).sel(region="all", metric=metric).transpose("model", LEAD_TIME)


def _rows(
    found: xr.Dataset, channel: Channel, metric: str
) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Of each run at a few lead times: its score, the interval of its difference, and a mark."""
    at = {LEAD_TIME: lead_labels(shown_leads(leads_of(found)))}
    score, low, high, told = (
        _of(found, channel, what, metric).sel(at).values
        for what in ("", "_difference_lower", "_difference_upper", "_difference_significant")
    )
    rows = []
    for place, run in enumerate(found["model"].values.tolist()):
        cells = [
            (
                number(float(value)),
                f"{_signed(a)} to {_signed(b)}" if np.isfinite(a) else "",
                "*" if mark == 1 else "",
            )
            for value, a, b, mark in zip(
                score[place], low[place], high[place], told[place], strict=True
            )
        ]
        rows.append((printable(run), cells))
    return rows


def _table(found: xr.Dataset, channel: Channel) -> dict[str, Any]:
    return {
        "name": f"{channel_name(channel, found)} ({pretty_units(channel.units)})",
        "leads": _leads(found),
        "metrics": [(METRICS[name], _rows(found, channel, name)) for name in _shown(found)],
    }


def _differences(found: xr.Dataset, channel: Channel, metric: str) -> Markup:
    """Differences from the first run against lead time, with their intervals."""
    leads, unit = counted(leads_of(found))
    values, low, high = (
        _of(found, channel, what, metric).values
        for what in ("_difference", "_difference_lower", "_difference_upper")
    )
    runs = [printable(run) for run in found["model"].values.tolist()]
    units = "" if metric == "acc" else f" ({pretty_units(channel.units)})"
    title, label = channel_name(channel, found), f"{METRICS[metric]}{units}, less {runs[0]}'s"
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
        axes.set_title(title, pad=18, color=INK, weight="bold")
        axes.grid(axis="y")
        axes.legend(frameon=False, fontsize=8.5)
        return svg(figure, f"{title}: {label} against lead time")


def _signed(value: float) -> str:
    return f"+{number(value)}" if value > 0 else number(value)
