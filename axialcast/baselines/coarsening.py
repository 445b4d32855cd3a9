"""Fields averaged over blocks of cells, conservatively, and brought back to their grid.

Shapes: h, w latitudes and longitudes of the grid, H, W of the coarse one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse
import xarray as xr
from numpy.typing import NDArray

from axialcast.grid import Grid, LatLonGrid

__all__ = ["Coarsening"]


@dataclass(frozen=True)
class Coarsening:
    """Means over about factor x factor cells; a factor of 1 changes nothing.

    The axes are cut evenly, so a cell may lie in two coarse ones, in shares: every cell's area
    counts once, and the area integral of a field is kept.

    Args:
        grid: to be coarsened.
        factor: cells that become one, along each axis.
    """

    grid: Grid
    factor: int

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        height, width = self.grid.shape
        return max(1, round(height / self.factor)), max(1, round(width / self.factor))

    @cached_property
    def areas(self) -> NDArray[np.float64]:
        """(H, W) of the coarse cells, steradians."""
        rows, columns = (_shares(*sizes) for sizes in zip(self.shape, self.grid.shape, strict=True))
        return rows @ self.grid.areas @ columns.T

    def means(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., H, W) area-weighted means of (..., h, w) over what is not NaN; NaN where all is."""
        if self.factor == 1:
            return values
        fields = values.reshape(-1, self._weights.shape[1]).T
        means = self._weights @ fields
        if not np.isfinite(means).all():
            valid = np.isfinite(fields)
            share = self._weights @ valid.astype(np.float32)
            means = self._weights @ np.where(valid, fields, np.float32(0))
            # Shares are sums in single precision.
            means = np.where(share > 1e-6, means / np.maximum(share, 1e-6), np.float32(np.nan))
        return np.ascontiguousarray(means.T, np.float32).reshape(*values.shape[:-2], *self.shape)

    def spread(self, means: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., h, w) from (..., H, W), linear between the centres of coarse cells."""
        if self.factor == 1:
            return means
        height, width = self.grid.shape
        rows = _between(self.shape[0], height, periodic=False)
        columns = _between(self.shape[1], width, periodic=self.grid.is_periodic)
        return np.asarray(rows @ means @ columns.T, np.float32)

    @property
    def matrices(self) -> dict[str, NDArray[np.float32]]:
        """`rows` (H, h), `columns` (W, w) and `areas` (h, w), by which means are
        rows (areas · values) columnsᵀ over rows areas columnsᵀ; `rows_back` (h, H) and
        `columns_back` (w, W), by which `spread` is rows_back means columns_backᵀ."""
        rows, columns = (_shares(*sizes) for sizes in zip(self.shape, self.grid.shape, strict=True))
        height, width = self.grid.shape
        found = {
            "rows": rows,
            "columns": columns,
            "areas": self.grid.areas / self.grid.areas.mean(),
            "rows_back": _between(self.shape[0], height, periodic=False),
            "columns_back": _between(self.shape[1], width, periodic=self.grid.is_periodic),
        }
        return {name: values.astype(np.float32) for name, values in found.items()}

    def dataset(self, fine: xr.Dataset) -> xr.Dataset:
        """The means of a dataset of dimensions (..., h, w), with their labels."""
        if self.factor == 1:
            return fine
        axes = {
            dim: np.interp(_centres(num, len(axis)), np.arange(len(axis)), axis)
            for dim, num, axis in zip(self.grid.dims, self.shape, self.grid.axes, strict=True)
        }
        fields = {
            name: (array.dims, self.means(array.values), array.attrs)
            for name, array in fine.data_vars.items()
        }
        kept = {name: c for name, c in fine.coords.items() if not {*c.dims} & {*axes}}
        return xr.Dataset(fields, {**kept, **axes})

    @cached_property
    def _weights(self) -> scipy.sparse.csr_array:
        """(H W, h w), whose rows sum to one: each coarse cell overlaps few others."""
        rows, columns = (_shares(*sizes) for sizes in zip(self.shape, self.grid.shape, strict=True))
        if isinstance(self.grid, LatLonGrid):  # of which no more than rows and columns are needed
            rows = rows * self.grid.areas[:, 0]
            rows, columns = (each / each.sum(1, keepdims=True) for each in (rows, columns))
        both = scipy.sparse.kron(scipy.sparse.csr_array(rows), scipy.sparse.csr_array(columns))
        if not isinstance(self.grid, LatLonGrid):
            both = both * self.grid.areas.reshape(1, -1)
            total = both.sum(1)
            both = scipy.sparse.diags_array(1 / np.where(total > 0, total, 1)) @ both
        return scipy.sparse.csr_array(both, dtype=np.float32)


def _shares(coarse: int, fine: int) -> NDArray[np.float64]:
    """(coarse, fine) share of each cell of an axis that lies in each coarse one."""
    edges, cells = np.linspace(0, fine, coarse + 1)[:, None], np.arange(fine)
    shares: NDArray[np.float64] = np.minimum(edges[1:], cells + 1) - np.maximum(edges[:-1], cells)
    return shares.clip(0, None)


def _centres(coarse: int, fine: int) -> NDArray[np.float64]:
    """(coarse,) positions of the centres, in cells of the fine axis."""
    return np.asarray((np.arange(coarse) + 0.5) * fine / coarse - 0.5)


def _between(coarse: int, fine: int, *, periodic: bool) -> NDArray[np.float32]:
    """(fine, coarse) weights of a line through the two centres next to each cell."""
    position = (np.arange(fine) + 0.5) * coarse / fine - 0.5  # in coarse cells
    if not periodic:
        position = position.clip(0, coarse - 1)
    low = np.floor(position).astype(int)
    weights = np.zeros((fine, coarse), np.float32)
    np.add.at(weights, (np.arange(fine), low % coarse), 1 - (position - low))
    np.add.at(weights, (np.arange(fine), (low + 1) % coarse), position - low)
    return weights
