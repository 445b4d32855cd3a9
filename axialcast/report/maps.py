"""Maps: a field in bands of colour on the chart of its grid, with coasts and its colour bar."""

import warnings
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from axialcast.grid import grid_of
from axialcast.report.charts import PlaceChart, box_of, chart_of
from axialcast.report.drawing import GREY, INK, STYLE, Picture, svg
from axialcast.report.frames import draw_frame
from axialcast.report.rasters import raster_of, sampled

__all__ = ["contour_levels", "draw_field", "map_figure", "map_panel"]

NAMES_AROUND = 10
"""Points that names of longitudes take above a cap."""
NO_DATA = "#d8dde2"
"""Colour of points that have no value."""


def map_panel(
    field: xr.DataArray,
    *,
    title: str,
    note: str,
    label: str,
    levels: NDArray[np.float64],
    cmap: str,
    coasts: bool = True,
) -> Markup:
    """`map_figure` as an <svg> element."""
    with mpl.rc_context(STYLE):
        options: dict[str, Any] = {"levels": levels, "cmap": cmap, "coasts": coasts}
        figure = map_figure(field, title=title, note=note, label=label, **options)
        return svg(figure, f"Map: {title}, {label}")


def map_figure(
    field: xr.DataArray,
    *,
    title: str,
    note: str,
    label: str,
    levels: NDArray[np.float64],
    cmap: str,
    width: float = 4.1,
    has_lines: bool = True,
    coasts: bool = True,
) -> Figure:
    """A field of two horizontal dimensions in bands of colour on the chart of its grid.

    Args:
        field: on any grid that `chart_of` knows.
        title, note: above the map, the note small.
        label: of the colour bar: what is drawn, and its units.
        levels: between the bands, rising.
        cmap: of matplotlib.
        width: of the figure in inches.
        has_lines: whether lines lie between some of the bands.
        coasts: whether the Earth's are drawn.
    """
    chart = chart_of(grid_of(field))
    left, right, bottom, top = box_of(chart)
    aspect = float(np.clip((right - left) / (top - bottom), 0.8, 3.0))
    above = 7 + (NAMES_AROUND if isinstance(chart, PlaceChart) and chart.is_cap else 0)
    around = 1.15 + above / 72
    height = width * 0.87 / aspect + around
    figure = Picture(figsize=(width, height))
    axes = figure.add_axes((0.11, 0.78 / height, 0.87, 1 - around / height))
    draw_field(axes, field, levels=levels, cmap=cmap, has_lines=has_lines, coasts=coasts)
    axes.set_title(title, color=INK, pad=above + 13)
    axes.annotate(
        note,
        (0, 1),
        (0, above),
        xycoords="axes fraction",
        textcoords="offset points",
        color=GREY,
        va="bottom",
        size=8,
    )
    bar_axes = figure.add_axes((0.11, 0.36 / height, 0.87, 0.12 / height))
    _colour_bar(figure, bar_axes, levels, cmap, label)
    return figure


def draw_field(
    axes: Axes,
    field: xr.DataArray,
    *,
    levels: NDArray[np.float64],
    cmap: str,
    has_lines: bool = True,
    coasts: bool = True,
) -> AxesImage:
    """A field in bands of colour, with coasts and lines of degrees; where it is NaN, grey."""
    grid = grid_of(field)
    chart = chart_of(grid)
    raster = raster_of(chart)
    values = field.transpose(*grid.dims).values.astype(np.float64)
    drawn = sampled(values, raster, is_periodic=grid.is_periodic)
    colours = mpl.colormaps[cmap].with_extremes(bad=NO_DATA)
    norm = BoundaryNorm(levels, colours.N, extend="both")
    outline = draw_frame(axes, chart, coasts=coasts)
    axes.set_facecolor("none")
    image = axes.imshow(
        drawn, extent=box_of(chart), cmap=colours, norm=norm, interpolation="nearest", zorder=1
    )
    image.set_clip_path(outline)
    lines = levels[:: max(1, len(levels) // 10)]
    if has_lines and np.isfinite(drawn).any():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No contour levels were found")
            contours = axes.contour(
                raster.x,
                raster.y,
                drawn,
                levels=lines,
                colors=INK,
                linewidths=0.3,
                alpha=0.5,
                zorder=2,
            )
        contours.set_clip_path(outline)
    # Points in an SVG, too: coasts as lines take more room than fields. Text stays text.
    for artist in (image, *axes.collections):
        artist.set_rasterized(True)
    return image


def _colour_bar(
    figure: Figure, axes: Axes, levels: NDArray[np.float64], cmap: str, label: str
) -> None:
    colours = mpl.colormaps[cmap]
    shown = ScalarMappable(BoundaryNorm(levels, colours.N, extend="both"), colours)
    bar = figure.colorbar(shown, cax=axes, orientation="horizontal", spacing="proportional")
    bar.outline.set_visible(False)
    every = -(-len(levels) // 6)
    bar.set_ticks(levels[int(np.argmin(np.abs(levels))) % every :: every].tolist(), minor=False)
    bar.ax.minorticks_off()
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}".replace("-", "−")))
    bar.ax.tick_params(length=0, labelsize=8, pad=2)
    bar.set_label(label, size=8, labelpad=1)
    assert bar.solids is not None
    bar.solids.set_rasterized(True)


def contour_levels(values: NDArray[Any], *, symmetric: bool) -> NDArray[np.float64]:
    """About twenty round contour levels that hold nearly all values; about zero if `symmetric`."""
    finite = np.asarray(values[np.isfinite(values)], dtype=np.float64)
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
    if symmetric:
        high = max(abs(low), abs(high))
        low = -high
    if not high > low:
        low, high = low - 1.0, low + 1.0
    return np.asarray(MaxNLocator(20, steps=[1, 2, 2.5, 4, 5, 10]).tick_values(low, high))
