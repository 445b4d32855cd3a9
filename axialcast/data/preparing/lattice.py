"""Regridding from maps and curved grids: overlaps of cells, counted on a lattice of places.

Shapes: h, w rows and columns of the source, H, W latitudes and longitudes of the target.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.spatial import KDTree

from axialcast.grid import Grid, LatLonGrid, ProjectedGrid
from axialcast.grid.sphere import points

__all__ = ["LatticeWeights", "within"]

FEWEST, MOST = 8, 32
"""Places along each side of a target's cell: more where the source's cells are much smaller."""
REACH = 0.55
"""Part of the diagonal of a cell of a curved grid that is within it: half of one, and a little."""
MIN_VALID = 0.5
"""Smallest share of a target cell's area that must hold values."""

Locate = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.intp]]
"""Gives the source's cells, counted along rows, at latitudes and longitudes; -1 for none."""


@dataclass(frozen=True, eq=False)
class LatticeWeights:
    """Shares of the source's cells in the target's.

    Each of a lattice of places within a target cell, evenly spread over its area, counts for the
    source cell whose centre is nearest. So a constant is kept exactly, and area integrals to about
    one part in the number of places along a side for each cell.

    Args:
        shares: (H W, h w), rows sum to the part of the target's cell that is within the source.
        shape: (H, W).
    """

    shares: scipy.sparse.csr_array
    shape: tuple[int, int]

    @classmethod
    def between(cls, source: Grid, target: LatLonGrid) -> "LatticeWeights":
        locate, num = _locator(source), _num_places(source, target)
        rows = [_row(locate, target, row, num, source) for row in range(target.shape[0])]
        shares = scipy.sparse.vstack(rows, format="csr")
        return cls(scipy.sparse.csr_array(shares), target.shape)

    def means(self, field: NDArray[Any]) -> NDArray[np.float64]:
        """(..., H, W) means over the target's cells of a field (..., h, w).

        NaN and what is outside have no weight: the mean is over the valid part of a target cell,
        and NaN where that part is smaller than MIN_VALID.
        """
        values = field.astype(np.float64).reshape(-1, self.shares.shape[1]).T
        valid = np.isfinite(values)
        share = self.shares @ valid.astype(np.float64)
        total = self.shares @ np.where(valid, values, 0.0)
        means = np.divide(
            total, share, out=np.full_like(total, np.nan), where=share >= MIN_VALID - 1e-9
        )
        return np.ascontiguousarray(means.T).reshape(*field.shape[:-2], *self.shape)


def within(grid: LatLonGrid, source: Grid) -> LatLonGrid:
    """The rows and columns of a grid between which lie all its cells that a source covers.

    Raises:
        ValueError: it covers none.
    """
    box = _around(grid, source)
    locate = _locator(source)
    rows_of = [_row(locate, box, row, FEWEST, source) for row in range(box.shape[0])]
    inside = np.stack([shares.sum(1) >= MIN_VALID for shares in rows_of])
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    if not len(rows):
        raise ValueError(f"regrid: no cell of {grid} lies within {source}; choose smaller cells")
    return box.part(slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))


def _around(grid: LatLonGrid, source: Grid) -> LatLonGrid:
    """The part of a grid that holds all places of a source, its longitudes in a run."""
    places = np.broadcast_arrays(source.latitudes, source.longitudes)
    latitude, longitude = (of[np.isfinite(places[0])] for of in places)
    height = np.abs(np.diff(grid.latitude)).max()
    near = (grid.latitude >= latitude.min() - height) & (grid.latitude <= latitude.max() + height)
    (rows,) = np.nonzero(near)
    if not len(rows):
        raise ValueError(f"regrid: no cell of {grid} lies within {source}; choose smaller cells")
    # The widest gap between its longitudes is where they begin and end.
    line = np.unique(longitude % 360)
    gaps = np.diff(np.append(line, line[0] + 360))
    width = (grid.longitude[-1] - grid.longitude[0]) / (len(grid.longitude) - 1)
    turned = grid.longitude
    if gaps.max() > 2 * width:
        first = line[(gaps.argmax() + 1) % len(line)] - width
        last = first + 360 - gaps.max() + 2 * width
        turned = np.sort(first + (grid.longitude - first) % 360)
        turned = turned[turned <= last]
    return LatLonGrid(grid.latitude[rows[0] : rows[-1] + 1], turned)


def _locator(source: Grid) -> Locate:
    if isinstance(source, ProjectedGrid):
        return partial(_on_map, source)
    centres = points(*np.broadcast_arrays(source.latitudes, source.longitudes))
    known = np.flatnonzero(np.isfinite(centres).all(0))
    tree = KDTree(centres.reshape(3, -1).T[known])
    reach = REACH * _diagonals(centres).ravel()[known]

    def locate(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> NDArray[np.intp]:
        apart, nearest = tree.query(points(latitude, longitude).T)
        return np.where(apart <= reach[nearest], known[nearest], -1)

    return locate


def _on_map(
    source: ProjectedGrid, latitude: NDArray[np.float64], longitude: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Cells of a map at places."""
    y, x = source.coordinates(latitude, longitude)
    if source.units == "degrees":
        first = source.x.min() - 180.0 / source.shape[1]
        x = first + (x - first) % 360.0
    cells = [_nearest(axis, of) for axis, of in zip(source.axes, (y, x), strict=True)]
    inside = (cells[0] >= 0) & (cells[1] >= 0)
    return np.where(inside, cells[0] * source.shape[1] + cells[1], -1)


def _nearest(axis: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.intp]:
    """Which cell of an axis holds each coordinate; -1: none."""
    rising = np.sort(axis)
    middle = (rising[1:] + rising[:-1]) / 2
    half = np.diff(rising[:2]) / 2, np.diff(rising[-2:]) / 2
    found = np.searchsorted(middle, wanted)
    inside = (wanted >= rising[0] - half[0]) & (wanted <= rising[-1] + half[1])
    found = found if axis[0] < axis[-1] else len(axis) - 1 - found
    return np.where(inside, found, -1)


def _diagonals(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """(h, w) diagonals of cells from the distances of their centres (3, h, w)."""
    squares = np.zeros(centres.shape[1:])
    for axis in (1, 2):
        steps = np.sqrt(np.square(np.diff(centres, axis=axis)).sum(0))
        ends = [(1, 0), (0, 1)]
        both = [np.pad(steps, [end if a == axis else (0, 0) for a in (1, 2)]) for end in ends]
        squares += np.nanmax(both, 0) ** 2
    return np.sqrt(squares)


def _num_places(source: Grid, target: LatLonGrid) -> int:
    """Along a side of a target's cell: four in each of the source's."""
    sides = [np.sqrt(of[of > 0].mean()) for of in (target.areas, source.areas)]
    return int(np.clip(np.ceil(4 * sides[0] / sides[1]), FEWEST, MOST))


def _row(
    locate: Locate, target: LatLonGrid, row: int, num: int, source: Grid
) -> scipy.sparse.csr_array:
    """(W, h w) shares of the source's cells in those of one row of the target.

    Places lie in the middle of equal parts of the area.
    """
    south, north = np.sort(np.sin(np.radians(target.latitude_bounds[row : row + 2])))
    middle = (np.arange(num) + 0.5) / num
    latitude = np.degrees(np.arcsin(south + middle * (north - south)))
    longitude = target.longitude[:, None] + (middle - 0.5) * _width(target)
    places = np.broadcast_arrays(latitude[None, :, None], longitude[:, None, :])
    cells = locate(places[0].ravel(), places[1].ravel())
    columns = np.repeat(np.arange(target.shape[1]), num * num)
    there = cells >= 0
    shares = np.full(there.sum(), 1.0 / num**2)
    size = source.shape[0] * source.shape[1]
    found = scipy.sparse.coo_array(
        (shares, (columns[there], cells[there])), shape=(target.shape[1], size)
    )
    return scipy.sparse.csr_array(found)


def _width(target: LatLonGrid) -> float:
    """Of a cell in degrees."""
    longitude = target.longitude
    if target.is_periodic:
        return 360.0 / len(longitude)
    if len(longitude) == 1:
        return 1.0
    return float((longitude[-1] - longitude[0]) / (len(longitude) - 1))
