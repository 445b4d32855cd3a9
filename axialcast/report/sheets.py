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
from axialcast.report.drawing import STYLE, svg
from axialcast.report.graticule import map_axes, place_ticks

__all__ = ["OUTSIDE", "Sheet", "sheet_of"]

PIXELS = 640
"""Columns of a map's pixels: two for each of the page's."""
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
    grid: Grid, rows: NDArray[np.intp] | None = None, columns: NDArray[np.intp] | None = None
) -> Sheet:
    """The sheet of a grid; of some of its rows and columns, where these are what is drawn."""
    y, x = map_axes(grid)
    rows = np.arange(len(y)) if rows is None else rows
    columns = np.arange(len(x)) if columns is None else columns
    y, x = y[rows], x[columns]
    if grid.is_periodic:
        x = np.append(x, x[0] + 360.0)
    bottom, top = sorted((y[0], y[-1]))
    left, right = sorted((x[0], x[-1]))
    aspect = float(np.clip((right - left) / (top - bottom), 0.8, 2.2))
    width, margin = 4.1, 0.3
    height = width * 0.87 / aspect + margin
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((0.11, 0.26 / height, 0.87, 1 - margin / height))
        axes.patch.set_visible(False)
        axes.spines[:].set_visible(True)
        axes.set_xlim(left, right)
        axes.set_ylim(bottom, top)
        place_ticks(axes, grid)
        axes.apply_aspect()
        box = axes.get_position()
        frame = svg(figure, "")
    num = round(PIXELS * box.height * height / (box.width * width))
    across = _middles(left, right, PIXELS)
    up = _middles(top, bottom, num)
    places = _places(up, y)[:, None], _places(across, x)[None, :]
    size = np.broadcast_shapes(places[0].shape, places[1].shape)
    return Sheet(
        frame,
        (100 * box.x0, 100 * (1 - box.y1), 100 * box.width, 100 * box.height),
        *(np.broadcast_to(place, size) for place in places),
    )


def _middles(first: float, last: float, num: int) -> NDArray[np.float64]:
    """Coordinates of the middles of pixels."""
    return np.asarray(first + (np.arange(num) + 0.5) * (last - first) / num)


def _places(wanted: NDArray[np.float64], axis: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Where coordinates lie on an axis that rises or falls, in 65,534ths of its length."""
    order = slice(None) if axis[0] < axis[-1] else slice(None, None, -1)
    index = np.interp(wanted, axis[order], np.arange(len(axis))[order])
    return np.rint(index * ((OUTSIDE - 1) / (len(axis) - 1))).astype(np.uint16)
