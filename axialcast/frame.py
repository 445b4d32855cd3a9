"""The frame of a region: points along its edges, where forecasts are led to a boundary.

numpy only. Shapes: h rows, w columns.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from axialcast.grid import Grid, LatLonGrid, dims_of, grid_of

__all__ = ["Relaxation", "interior", "relaxation", "require_frame", "within"]

Relaxation = Literal["overwrite", "davies"]
"""How much the boundary counts in the frame: all, or less from point to point."""


def relaxation(grid: Grid, width: int, kind: Relaxation) -> NDArray[np.float64]:
    """(h, w) weight of the boundary beside the forecast: 1 at the edge, 0 within the frame.

    With `overwrite` it is 1 in the whole frame. With `davies` it is cos²(π j / 2 width) at the j-th
    point from the edge, from j = 0: after Davies (1976), Quarterly Journal of the Royal
    Meteorological Society 102, 405-418, whose relaxation decreases inwards likewise.

    Args:
        width: points of the frame.
    """
    points = _from_edge(grid)
    inside = points < width
    if kind == "overwrite":
        return inside.astype(np.float64)
    return np.where(inside, np.cos(np.pi * points / (2 * width)) ** 2, 0.0)


def interior(grid: Grid, width: int) -> tuple[slice, slice]:
    """Rows and columns within the frame."""
    inside = _from_edge(grid) >= width
    rows, columns = (np.flatnonzero(np.any(inside, axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def within(fields: Any, width: int) -> Any:
    """What a Dataset holds within the frame."""
    rows, columns = interior(grid_of(fields), width)
    return fields.isel(dict(zip(dims_of(fields.dims), (rows, columns), strict=True)))


def require_frame(grid: Grid, width: int) -> None:
    """Raises ValueError where a grid has no edges, or nothing within the frame."""
    inside = _from_edge(grid) >= width
    if inside.all():
        raise ValueError(
            f"data.boundary: {grid} is global, so nothing comes in from beyond; leave it out, or "
            "choose a data.region"
        )
    if not inside.any():
        raise ValueError(
            f"data.boundary.width: {width} points on each side leave nothing of {grid.shape[0]} x "
            f"{grid.shape[1]}; choose a narrower frame, or a wider data.region"
        )


def _from_edge(grid: Grid) -> NDArray[np.int64]:
    """(h, w) points to the nearest edge; many where there is none.

    Rows of whole circles have no edge at a pole.
    """
    height, width = grid.shape
    rows, columns = np.arange(height), np.arange(width)
    far = height + width
    to_row = np.minimum(rows, rows[::-1])
    if grid.is_periodic:
        if isinstance(grid, LatLonGrid):
            ends = np.abs(grid.latitude_bounds[[0, -1]]) >= 90
            to_row = np.minimum(*np.where(ends[:, None], far, [rows, rows[::-1]]))
        return np.repeat(to_row[:, None], width, 1)
    return np.minimum(to_row[:, None], np.minimum(columns, columns[::-1]))
