"""Sheets: what all maps of a grid have in common, over which fields are drawn one by one.

The page draws fields itself, each pixel of a map from the grid points about it: where it looks for
them is told once for all fields, whatever the projection.
"""

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from numpy.typing import NDArray

from axialcast.grid import Grid
from axialcast.report.charts import box_of, chart_of
from axialcast.report.drawing import STYLE, svg
from axialcast.report.frames import draw_frame
from axialcast.report.rasters import raster_of

__all__ = ["OUTSIDE", "Sheet", "sheet_of"]

OUTSIDE = 65_535
"""Where a pixel shows no point of the grid."""


@dataclass(frozen=True)
class Sheet:
    """A map without a field.

    Attributes:
        frame: its edge, ticks, coasts and lines of degrees.
        box: left, top, width and height of the field, in per cent of the frame's.
        rows, columns: (y, x) of each pixel: its place among the grid's rows and columns, as 16 bits
            of their number less one (of a periodic grid's columns: of their number).
    """

    frame: Markup
    box: tuple[float, float, float, float]
    rows: NDArray[np.uint16]
    columns: NDArray[np.uint16]


def sheet_of(
    grid: Grid, rows: NDArray[np.intp], columns: NDArray[np.intp], *, coasts: bool = True
) -> Sheet:
    """The sheet of a grid, of which these rows and columns are drawn, with the Earth's coasts or
    without."""
    chart = chart_of(grid)
    left, right, bottom, top = box_of(chart)
    aspect = float(np.clip((right - left) / (top - bottom), 0.8, 3.0))
    width, margin = 4.1, 0.36
    height = width * 0.87 / aspect + margin
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((0.11, 0.26 / height, 0.87, 1 - margin / height))
        draw_frame(axes, chart, coasts=coasts)
        axes.patch.set_visible(False)
        axes.apply_aspect()
        box = axes.get_position()
        frame = svg(figure, "")
    raster = raster_of(chart)
    size = grid.shape[1]
    return Sheet(
        frame,
        (100 * box.x0, 100 * (1 - box.y1), 100 * box.width, 100 * box.height),
        _places(raster.rows, rows, raster.is_on),
        _places(
            raster.columns, np.append(columns, size) if grid.is_periodic else columns, raster.is_on
        ),
    )


def _places(
    wanted: NDArray[np.float64], shown: NDArray[np.intp], is_on: NDArray[np.bool_]
) -> NDArray[np.uint16]:
    """Where positions lie among those that are shown, in 65,534ths from the first to the last."""
    index = np.interp(wanted, shown, np.arange(len(shown)))
    part = np.rint(index * ((OUTSIDE - 1) / (len(shown) - 1)))
    return np.where(is_on, part, OUTSIDE).astype(np.uint16)
