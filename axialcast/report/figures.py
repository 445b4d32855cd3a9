"""Figures of scores against lead time, wave number and rank, and the scorecard."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from axialcast.report.drawing import (
    AMBER,
    GREY,
    INK,
    ON_COLOUR,
    OWN,
    PAPER,
    PLAIN,
    SHADES,
    STYLE,
    WARM,
    svg,
)
from axialcast.report.wording import counted, model_name, number
from axialcast.times.leads import leads_of

__all__ = [
    "ERROR",
    "SPREAD",
    "curves",
    "energies",
    "rank_histogram",
    "scorecard",
]

ERROR, SPREAD = "error of the mean", "spread"
"""What is drawn as a forecast's error, and beside it."""

MOST_SHARE = 3.0
"""Of the truth's energy that a figure reaches up to."""
MOST_TICKS = 7
"""Of wave numbers, as wide as wavelengths are."""

FORECAST_LINE: dict[str, Any] = {"color": OWN, "linewidth": 2.6, "zorder": 5}
OTHER_LINE: dict[str, Any] = {"color": PLAIN, "linewidth": 1.2, "zorder": 2}
# Greys tell apart by their dashes; the hardest to beat have colours, dark enough
# to be read as text.
LINES: dict[str, dict[str, Any]] = {
    "forecast": FORECAST_LINE,
    ERROR: FORECAST_LINE,
    SPREAD: {"color": OWN, "linewidth": 1.4, "zorder": 4, "dashes": (5, 2)},
    "probabilistic_climatology": {"color": WARM, "linewidth": 1.2, "dashes": (1, 2)},
    "vector_autoregression": {"color": WARM, "linewidth": 1.4, "zorder": 4},
    "linear_inverse_model": {"color": AMBER, "linewidth": 1.2, "zorder": 3, "dashes": (8, 2)},
    "lagrangian_persistence": {"color": WARM, "linewidth": 1.4, "zorder": 4},
    "climatology": {"color": GREY, "linewidth": 1.2, "zorder": 3, "dashes": (1, 2)},
    "damped_persistence": {"color": GREY, "linewidth": 1.2, "zorder": 3, "dashes": (6, 2)},
    "persistence": {"color": PLAIN, "linewidth": 1.2, "zorder": 2},
}


def curves(
    scores: xr.DataArray,
    *,
    title: str,
    label: str,
    interval: tuple[xr.DataArray, xr.DataArray] | None = None,
) -> Markup:
    """One metric against lead time, a line per model, labelled at its end.

    Args:
        scores: (model, lead_time).
        label: what the vertical axis shows, with its unit.
        interval: lower and upper ends, alike, drawn as bands; None: they are not known.
    """
    leads, unit = counted(leads_of(scores))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.3, 3.5))
        axes = figure.add_axes((0.115, 0.14, 0.6, 0.73))
        ends: dict[str, float] = {}
        for model in scores["model"].values.tolist():
            values = scores.sel(model=model).values
            if np.isfinite(values).any():
                marker = "o" if len(leads) <= 10 and model == "forecast" else None
                axes.plot(
                    leads, values, marker=marker, markersize=4.5, **LINES.get(model, OTHER_LINE)
                )
                ends[model] = float(values[np.isfinite(values)][-1])
                if interval is not None:
                    low, high = (end.sel(model=model).values for end in interval)
                    colour = LINES.get(model, OTHER_LINE)["color"]
                    axes.fill_between(leads, low, high, color=colour, alpha=0.16, linewidth=0)
        _frame(axes, leads, unit, is_correlation=str(scores["metric"].item()) == "acc")
        axes.text(0, 1.015, label, transform=axes.transAxes, color=GREY, va="bottom", size=8.5)
        axes.set_title(title, pad=18, color=INK, weight="bold")
        _label_ends(axes, ends, leads[-1])
        names = [model_name(model) for model in scores["model"].values.tolist()]
        said = _said(names, scores.values, [f"{lead:g}" for lead in leads], unit)
        return svg(figure, f"{title}: {label} against lead time. {said}")


def rank_histogram(values: NDArray[np.float64], *, labels: Sequence[str], title: str) -> Markup:
    """How often the truth has each rank among the members, a line of steps for each lead time.

    Args:
        values: (lead_time, rank) shares.
        labels: of the lead times.
    """
    num = values.shape[1]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.3, 3.5))
        axes = figure.add_axes((0.115, 0.14, 0.6, 0.73))
        edges = np.arange(num + 1) - 0.5
        for shares, label, shade in zip(values, labels, _shades(len(labels)), strict=True):
            axes.stairs(shares * num, edges, color=shade, label=label)
        axes.axhline(1.0, color=GREY, linewidth=0.8, dashes=(2, 3), zorder=1)
        axes.set_xlim(-0.5, num - 0.5)
        axes.set_ylim(0, None)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.set_xlabel("members below the analysis")
        axes.grid(axis="y")
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        label = "Rank histogram: how often, over an equal share"
        axes.text(0, 1.015, label, transform=axes.transAxes, color=GREY, va="bottom", size=8.5)
        axes.set_title(title, pad=18, color=INK, weight="bold")
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=8.5)
        return svg(figure, f"{title}: rank histogram")


def scorecard(
    skill: xr.DataArray, *, names: Sequence[str], is_sure: NDArray[np.bool_] | None = None
) -> Markup:
    """A coloured table of RMSE relative to a reference: a row per field, a column per lead time.

    Args:
        skill: (row, lead_time) percent; negative is better than the reference.
        names: of the rows.
        is_sure: (row, lead_time) whether it is significant; what is not stands in parentheses.
    """
    values = skill.values
    with mpl.rc_context(STYLE):
        height = 0.65 + 0.27 * len(names)
        figure = Figure(figsize=(9.4, height))
        axes = figure.add_axes((0.25, 0.55 / height, 0.74, 1 - 0.6 / height))
        mesh = axes.pcolormesh(
            values, cmap="RdBu_r", vmin=-60, vmax=60, edgecolors=PAPER, linewidth=1.5
        )
        mesh.set_rasterized(False)
        for row, column in np.ndindex(values.shape):
            value = values[row, column]
            colour = "white" if abs(value) > 40 else ON_COLOUR
            text = f"{value:+.0f}".replace("-", "−") if np.isfinite(value) else "–"
            if is_sure is not None and np.isfinite(value) and not is_sure[row, column]:
                text = f"({text})"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour, size=8)
        axes.set_yticks(np.arange(len(names)) + 0.5, names, color=INK)
        leads, unit = counted(leads_of(skill), each=True)
        axes.set_xticks(np.arange(len(leads)) + 0.5, [f"{lead:g}" for lead in leads])
        axes.set_xlabel(f"lead time ({unit})")
        axes.invert_yaxis()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        said = _said(names, values, [f"{lead:g}" for lead in leads], unit)
        about = "Scorecard: root-mean-square error relative to the reference, in percent"
        return svg(figure, f"{about}. {said}")


def energies(
    shares: xr.DataArray,
    *,
    title: str,
    label: str,
    axis: str,
    wavelength_km: float | None,
    names: Sequence[str],
) -> Markup:
    """Shares of the truth's energy against wave number, a line per lead time, darker for longer.

    Args:
        shares: (source, lead_time, wave_number) of the forecast, and of the mean of its members.
        label: what the vertical axis shows.
        axis: what wave numbers count.
        wavelength_km: of wave number 1; None: they have no lengths.
        names: of the lead times.
    """
    waves = shares[shares.dims[-1]].values
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.3, 3.5))
        bottom = 0.14 if wavelength_km is None else 0.19
        axes = figure.add_axes((0.115, bottom, 0.6, 0.87 - bottom))
        axes.axhline(1, color=GREY, linewidth=0.8, zorder=1)
        for source, style in zip(shares.values, ("-", "--"), strict=False):
            for values, name, shade in zip(source, names, _shades(len(names)), strict=True):
                is_mean = style == "--"
                axes.plot(
                    waves,
                    values,
                    style,
                    color=shade,
                    linewidth=1.2 if is_mean else 2.0,
                    label=f"{name}, mean" if is_mean else name,
                )
        axes.set_xscale("log", base=2)
        powers = np.arange(np.ceil(np.log2(waves.min())), np.floor(np.log2(waves.max())) + 1)
        shown = 2.0 ** powers[:: -(-len(powers) // MOST_TICKS)] if len(powers) else waves
        lengths = (
            [f"\n{wavelength_km / x:,.0f}" for x in shown] if wavelength_km else [""] * len(shown)
        )
        ticks = [f"{x:g}{length}" for x, length in zip(shown, lengths, strict=True)]
        axes.set_xticks(shown, ticks)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(f"{axis}; below, wavelength (km)" if wavelength_km else axis)
        axes.grid(axis="y")
        axes.tick_params(length=0, which="both")
        axes.spines["left"].set_visible(False)
        if np.nanmax(shares.values) > MOST_SHARE:
            label += f"; not drawn: above {MOST_SHARE:g}"
        axes.set_ylim(0, min(max(1.2, axes.get_ylim()[1]), MOST_SHARE))
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8.5)
        axes.text(0, 1.015, label, transform=axes.transAxes, color=GREY, va="bottom", size=8.5)
        axes.set_title(title, pad=18, color=INK, weight="bold")
        return svg(figure, f"{title}: {label} against {axis}")


def _frame(axes: Axes, leads: NDArray[np.float64], unit: str, *, is_correlation: bool) -> None:
    axes.set_xlim(0, leads[-1])
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axes.set_xlabel(f"lead time ({unit})")
    axes.grid(axis="y")
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)
    if is_correlation:
        axes.set_ylim(min(axes.get_ylim()[0], 0.0), 1.0)
        axes.axhline(0.6, color=GREY, linewidth=0.8, dashes=(2, 3), zorder=1)
    else:
        low, high = axes.get_ylim()
        axes.set_ylim(low if axes.dataLim.y0 < 0 else 0, max(high, 0))  # biases may be negative


def _label_ends(axes: Axes, ends: Mapping[str, float], x: float) -> None:
    """Name each line to its right, pushed apart where they would touch."""
    low, high = axes.get_ylim()
    gap = 0.068 * (high - low)
    order = sorted(ends, key=lambda model: ends[model])
    places = [ends[model] for model in order]
    for _ in range(200):
        for i in range(len(places) - 1):
            overlap = gap - (places[i + 1] - places[i])
            if overlap > 1e-6:
                places[i] -= overlap / 2
                places[i + 1] += overlap / 2
        places[:1] = [max(place, low + gap / 4) for place in places[:1]]
    for model, place in zip(order, places, strict=True):
        line = LINES.get(model, OTHER_LINE)
        axes.annotate(
            model_name(model),
            (x, ends[model]),
            (x + 0.045 * x, place),
            annotation_clip=False,
            va="center",
            color=line["color"],
            weight="bold" if model == "forecast" else "normal",
            size=8.5,
            arrowprops={
                "arrowstyle": "-",
                "relpos": (0.0, 0.5),  # to where the name begins, not across its neighbours
                "color": line["color"],
                "linewidth": 0.6,
                "shrinkB": 1,
            },
        )


def _shades(num: int) -> list[str]:
    """Colours of lead times, the further ahead the stronger."""
    last = len(SHADES) - 1
    return [SHADES[min(index, last) if num > 1 else last] for index in range(num)]


def _said(
    names: Sequence[str], values: NDArray[np.float64], leads: Sequence[str], unit: str
) -> str:
    """First, middle and last value of each row, for who does not see it."""
    places = dict.fromkeys((0, (len(leads) - 1) // 2, len(leads) - 1))
    return " ".join(
        f"{name}: "
        + ", ".join(f"{number(float(row[place]))} at {leads[place]}" for place in places)
        + f" {unit}."
        for name, row in zip(names, values, strict=True)
        if np.isfinite(row).any()
    )
