"""Fields on the points of another grid: of other order, origin or rounding, or a part of theirs."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.grid import Grid, grid_of

__all__ = ["on_points"]


def on_points(fields: xr.Dataset, grid: Grid, *, thinned: bool = False) -> xr.Dataset:
    """The fields at the points of a grid, with its coordinates; nothing is read.

    Args:
        fields: on a grid of their own, which may hold more points, in another order.
        grid: whose points are taken.
        thinned: whether these may be some of closer ones, such as every second.

    Raises:
        ValueError: fields are not given at one of them: says how the grids differ.
    """
    own = grid_of(fields)
    found = grid.among(own)
    if found is None or not (thinned or _adjoin(*found, own)):
        raise ValueError(grid.difference(own) or "its points lie closer")
    for dim, places in zip(own.dims, found, strict=True):
        if not np.array_equal(places, np.arange(fields.sizes[dim])):
            fields = fields.isel({dim: places})
    return fields.assign_coords(grid.labels)


def _adjoin(rows: NDArray[np.intp], columns: NDArray[np.intp], grid: Grid) -> bool:
    """Whether points of a grid are neighbours there, across its first meridian if it closes."""
    turn = grid.shape[1] if grid.is_periodic else 2 * grid.shape[1]
    steps = (np.abs(np.diff(rows)), np.diff(columns) % turn)
    return all((step == 1).all() for step in steps)
