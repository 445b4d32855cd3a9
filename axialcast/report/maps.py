"""Maps of the report: a field in filled contours on plain axes, with its colour bar."""

from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from axialcast.grid import grid_of
from axialcast.report.drawing import GREY, INK, STYLE, svg
from axialcast.report.graticule import map_axes, place_ticks

__all__ = ["contour_levels", "map_panel"]


def map_panel(
    field: xr.DataArray,
    *,
    title: str,
    note: str,
    label: str,
    levels: NDArray[np.float64],
    cmap: str,
) -> Markup:
    """A (latitude, longitude) field in filled contours on plain axes, with its colour bar."""
    grid = grid_of(field)
    (rows, columns), values = map_axes(grid), field.transpose(*grid.dims).values
    if grid.is_periodic:
        columns = np.append(columns, columns[0] + 360.0)
        values = np.concatenate([values, values[:, :1]], axis=1)
    aspect = float(np.clip(np.ptp(columns) / np.ptp(rows), 1.0, 2.2))
    width = 4.1
    height = width * 0.87 / aspect + 1.25
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((0.11, 0.78 / height, 0.87, 1 - 1.25 / height))
        axes.spines[:].set_visible(True)
        axes.set_facecolor("#eceff1")
        mesh = axes.contourf(columns, rows, values, levels=levels, cmap=cmap, extend="both")
        mesh.set_rasterized(True)
        lines = levels[:: max(1, len(levels) // 10)]
        axes.contour(
            columns, rows, values, levels=lines, colors=INK, linewidths=0.35, alpha=0.6
        ).set_rasterized(True)
        place_ticks(axes, grid)
        axes.set_title(title, color=INK, pad=17)
        axes.text(0, 1.02, note, transform=axes.transAxes, color=GREY, va="bottom", size=8)
        bar_axes = figure.add_axes((0.11, 0.36 / height, 0.87, 0.12 / height))
        bar = figure.colorbar(mesh, cax=bar_axes, orientation="horizontal")
        bar.outline.set_visible(False)
        every = -(-len(levels) // 6)
        bar.set_ticks(levels[int(np.argmin(np.abs(levels))) % every :: every].tolist())
        bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}".replace("-", "−")))
        bar.ax.tick_params(length=0, labelsize=8, pad=2)
        bar.set_label(label, size=8, labelpad=1)
        assert bar.solids is not None
        bar.solids.set_rasterized(True)
        return svg(figure, f"Map: {title}, {label}")


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
