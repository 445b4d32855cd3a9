"""Conservative regridding, in double precision.

Shapes: h, w latitudes and longitudes of the source, H, W of the target.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.preparing.lattice import LatticeWeights, within
from axialcast.grid import Grid, LatLonGrid, grid_of
from axialcast.names import LATITUDE, LONGITUDE

__all__ = ["Weights", "covered", "regridded", "weights_between"]

TOLERANCE = 1e-3
"""Share of a cell that may lie outside the source: stores round coordinates to float32."""
MIN_VALID = 0.5
"""Smallest share of a target cell's area that must hold values."""


@dataclass(frozen=True, eq=False)
class Weights:
    """Shares of the source's cells in the target's: first-order conservative.

    A target value is the mean of the source's cells weighted by the exact area in which they
    overlap the target's cell, so the area integral over the globe is kept to rounding. Jones
    (1999), Monthly Weather Review 127, 2204-2210, eq. 3, whose weights on two latitude-longitude
    grids are products of one matrix for each coordinate.

    Args:
        rows: (H, h) of latitudes.
        columns: (W, w) of longitudes.
    """

    rows: NDArray[np.float64]
    columns: NDArray[np.float64]

    @classmethod
    def between(cls, source: LatLonGrid, target: LatLonGrid) -> "Weights":
        """Those of two grids.

        Raises:
            ValueError: a target cell is not within the source's cells.
        """
        rows = _shares(_bands(source, target), _heights(target), LATITUDE)
        return cls(rows, _shares(_widths(source, target), np.diff(_edges(target)), LONGITUDE))

    def means(self, field: NDArray[Any]) -> NDArray[np.float64]:
        """(..., H, W) means over the target's cells of a field (..., h, w).

        NaN has no weight: the mean is over the valid part of a target cell, and NaN where that part
        is smaller than MIN_VALID.
        """
        values = field.astype(np.float64)
        valid = ~np.isnan(values)
        if valid.all():
            return self.rows @ values @ self.columns.T
        share = self.rows @ valid.astype(np.float64) @ self.columns.T
        total = self.rows @ np.where(valid, values, 0.0) @ self.columns.T
        enough = share >= MIN_VALID - TOLERANCE
        return np.divide(total, share, out=np.full_like(total, np.nan), where=enough)


def regridded(fields: xr.Dataset, grid: LatLonGrid) -> xr.Dataset:
    """Fields (latitude, longitude) as means over the cells of another grid.

    Raises:
        ValueError: a cell is not within theirs.
    """
    own = grid_of(fields)
    try:
        weights = weights_between(own, grid)
    except ValueError:
        raise ValueError(
            f"covers {own}, less than the grid that prepare.regrid makes, {grid}; name a store of "
            "a larger part"
        ) from None
    means = {
        name: (grid.dims, weights.means(field.transpose(*own.dims).values), field.attrs)
        for name, field in fields.data_vars.items()
    }
    return xr.Dataset(means, {LATITUDE: grid.latitude, LONGITUDE: grid.longitude})


def weights_between(source: Grid, target: LatLonGrid) -> Weights | LatticeWeights:
    """What takes fields from one grid to another: exact where both are of latitudes and longitudes.

    Raises:
        ValueError: as `Weights.between`.
    """
    if isinstance(source, LatLonGrid):
        return Weights.between(source, target)
    return LatticeWeights.between(source, target)


def covered(grid: LatLonGrid, source: Grid) -> LatLonGrid:
    """The part of a grid whose cells lie within those of a regional source.

    Longitudes are shifted by whole turns to run as the source's do. Of a source that is no box, the
    part around all such cells.

    Raises:
        ValueError: no cell does.
    """
    if not isinstance(source, LatLonGrid):
        return within(grid, source)
    if source.is_periodic:
        longitude = grid.longitude
    else:
        first, last = _edges(source)[[0, -1]]
        half = np.diff(_edges(grid))[0] / 2
        slack = 2 * half * TOLERANCE
        turns = np.ceil((first - slack - (grid.longitude - half)) / 360)
        longitude = np.sort(grid.longitude + 360 * turns)
        longitude = longitude[longitude + half <= last + slack]
    bands = _bands(source, grid)
    latitude = grid.latitude[bands.sum(1) >= (1 - TOLERANCE) * _heights(grid)]
    if not len(latitude) or not len(longitude):
        raise ValueError(f"regrid: no cell of {grid} lies within {source}; choose smaller cells")
    return LatLonGrid(latitude, longitude)


def _shares(
    overlaps: NDArray[np.float64], cells: NDArray[np.float64], name: str
) -> NDArray[np.float64]:
    """Rows that sum to one, from the overlaps of the target's cells."""
    total = overlaps.sum(1)
    outside = np.count_nonzero(total < (1 - TOLERANCE) * cells)
    if outside:
        raise ValueError(
            f"regrid: {outside} of {len(cells)} target cells reach beyond the source's {name}; "
            "choose a grid within it (axialcast.data.preparing.regrid.covered)"
        )
    shares: NDArray[np.float64] = overlaps / total[:, None]
    return shares


def _bands(source: LatLonGrid, target: LatLonGrid) -> NDArray[np.float64]:
    """(H, h) overlap of latitude bands in the sine of latitude, to which area is proportional."""
    given = np.sort(np.sin(np.radians(source.latitude_bounds)))
    wanted = np.sort(np.sin(np.radians(target.latitude_bounds)))
    overlap = _overlap(wanted, given)
    overlap = overlap[::-1] if target.latitude[0] > target.latitude[-1] else overlap
    return overlap[:, ::-1] if source.latitude[0] > source.latitude[-1] else overlap


def _widths(source: LatLonGrid, target: LatLonGrid) -> NDArray[np.float64]:
    """(W, w) overlap of longitudes in degrees, whatever turn they are counted in."""
    given, wanted = _edges(source), _edges(target)
    nearest = round((given.mean() - wanted.mean()) / 360)
    turns = range(nearest - 1, nearest + 2)
    total: NDArray[np.float64] = np.sum([_overlap(wanted + 360 * n, given) for n in turns], 0)
    return total


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """(len(a) - 1, len(b) - 1) lengths that the intervals between two sets of edges share."""
    low = np.maximum(a[:-1, None], b[None, :-1])
    high = np.minimum(a[1:, None], b[None, 1:])
    lengths: NDArray[np.float64] = np.maximum(high - low, 0.0)
    return lengths


def _heights(grid: LatLonGrid) -> NDArray[np.float64]:
    heights: NDArray[np.float64] = np.abs(np.diff(np.sin(np.radians(grid.latitude_bounds))))
    return heights


def _edges(grid: LatLonGrid) -> NDArray[np.float64]:
    """(w + 1,) edges of the columns in degrees."""
    longitude, num = grid.longitude, len(grid.longitude)
    if grid.is_periodic:
        spacing = 360.0 / num
    else:
        # A single column is one degree wide, as in LatLonGrid.areas.
        spacing = (longitude[-1] - longitude[0]) / (num - 1) if num > 1 else 1.0
    edges: NDArray[np.float64] = longitude[0] + spacing * (np.arange(num + 1) - 0.5)
    return edges
