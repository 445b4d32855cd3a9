"""Fields on the points of another grid: of other order, origin or rounding, or a part of theirs."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.grid import TOLERANCE_DEGREES, LatLonGrid, grid_of
from axialcast.names import LATITUDE, LONGITUDE

__all__ = ["on_points"]


def on_points(fields: xr.Dataset, grid: LatLonGrid, *, thinned: bool = False) -> xr.Dataset:
    """The fields at the points of a grid, with its coordinates; nothing is read.

    Args:
        fields: on a grid of their own, which may hold more points, in another order.
        grid: whose points are taken.
        thinned: whether these may be some of closer ones, such as every second.

    Raises:
        ValueError: fields are not given at one of them: says how the grids differ.
    """
    own = grid_of(fields)
    rows = _nearest(own.latitude, grid.latitude)
    columns = _nearest(own.longitude, grid.longitude, turn=360.0)
    if rows is None or columns is None or not (thinned or _adjoin(rows, columns, own)):
        raise ValueError(grid.difference(own) or "its points lie closer")
    for dim, places in ((LATITUDE, rows), (LONGITUDE, columns)):
        if not np.array_equal(places, np.arange(fields.sizes[dim])):
            fields = fields.isel({dim: places})
    return fields.assign_coords(
        {
            LATITUDE: (LATITUDE, grid.latitude, fields[LATITUDE].attrs),
            LONGITUDE: (LONGITUDE, grid.longitude, fields[LONGITUDE].attrs),
        }
    )


def _nearest(
    have: NDArray[np.float64], want: NDArray[np.float64], turn: float | None = None
) -> NDArray[np.int64] | None:
    """Where the wanted coordinates are among those there; None: one is not."""
    apart = np.abs(want[:, None] - have[None, :])
    if turn is not None:
        apart = np.minimum(apart % turn, turn - apart % turn)
    places = apart.argmin(1)
    is_there = apart[np.arange(len(want)), places] <= TOLERANCE_DEGREES
    return places if is_there.all() else None


def _adjoin(rows: NDArray[np.int64], columns: NDArray[np.int64], grid: LatLonGrid) -> bool:
    """Whether points of a grid are neighbours there, across its first meridian if it closes."""
    turn = len(grid.longitude) if grid.is_periodic else 2 * len(grid.longitude)
    steps = (np.abs(np.diff(rows)), np.diff(columns) % turn)
    return all((step == 1).all() for step in steps)
