"""Rasters: the field at every point of a chart, from the cells about it.

Shapes: h rows and w columns of a grid; k rows and m columns of points of a map.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from axialcast.report.charts import Chart, box_of

__all__ = ["Raster", "raster_of", "sampled"]

PIXELS = 640
"""Columns of a map's points."""
MOST_ROWS = 900


@dataclass(frozen=True)
class Raster:
    """Points in rows from top to bottom.

    Attributes:
        x, y: (m,) and (k,) of the points.
        rows, columns: (k, m) positions among the grid's; beside it, of the nearest point on it.
        is_on: (k, m) whether a point is on the grid.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    is_on: NDArray[np.bool_]


@lru_cache(8)
def raster_of(chart: Chart) -> Raster:
    """The points that a map of a chart is drawn by."""
    left, right, bottom, top = box_of(chart)
    num = int(np.clip(round(PIXELS * (top - bottom) / (right - left)), 2, MOST_ROWS))
    x = left + (np.arange(PIXELS) + 0.5) * (right - left) / PIXELS
    y = top + (np.arange(num) + 0.5) * (bottom - top) / num
    rows, columns = chart.positions(x, y)
    is_on = np.isfinite(rows) & np.isfinite(columns)
    if not is_on.all():
        # An outline passes between points: those beside it are drawn, too, and cut by it.
        near = distance_transform_edt(~is_on, return_distances=False, return_indices=True)
        rows, columns = rows[tuple(near)], columns[tuple(near)]
    return Raster(x, y, rows, columns, is_on)


def sampled(
    values: NDArray[np.floating], raster: Raster, *, is_periodic: bool
) -> NDArray[np.float32]:
    """(k, m) a field (h, w) at the points: linear between cells; NaN in those that have none.

    Where the nearest cell has a value and others about a point have none, the nearest counts for
    them: so coasts of fields over land or sea alone are the edges of cells.
    """
    height, width = values.shape
    top = np.floor(raster.rows).astype(int).clip(0, max(height - 2, 0))
    left = np.floor(raster.columns).astype(int).clip(0, width - (1 if is_periodic else 2))
    left = left.clip(0)
    under = np.minimum(top + 1, height - 1)
    right = (left + 1) % width if is_periodic else np.minimum(left + 1, width - 1)
    down, across = raster.rows - top, raster.columns - left
    nearest = values[np.where(down < 0.5, top, under), np.where(across < 0.5, left, right)]
    total = np.zeros(nearest.shape)
    for row, part in ((top, 1 - down), (under, down)):
        for column, share in ((left, 1 - across), (right, across)):
            corner = values[row, column]
            total += part * share * np.where(np.isnan(corner), nearest, corner)
    # Shares do not add up to one to the last digit: about what is the same all over, lines of equal
    # values would be drawn everywhere.
    return total.astype(np.float32)
