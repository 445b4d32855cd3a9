"""Fields averaged over blocks of cells, conservatively, and brought back to their grid.

Shapes: h, w latitudes and longitudes of the grid, H, W of the coarse one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.grid import LatLonGrid
from axialcast.names import LATITUDE, LONGITUDE

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

    grid: LatLonGrid
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
        rows, columns = self._weights
        means = np.asarray(rows @ values @ columns.T, np.float32)
        if np.isfinite(means).all():
            return means
        valid = np.isfinite(values)
        share = rows @ valid.astype(np.float32) @ columns.T
        total = rows @ np.where(valid, values, np.float32(0)) @ columns.T
        # Shares are sums of products of single precision.
        np.divide(total, share, out=means, where=share > 1e-6)
        means[share <= 1e-6] = np.nan
        return means

    def spread(self, means: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., h, w) from (..., H, W), linear between the centres of coarse cells."""
        if self.factor == 1:
            return means
        height, width = self.grid.shape
        rows = _between(self.shape[0], height, periodic=False)
        columns = _between(self.shape[1], width, periodic=self.grid.is_periodic)
        return np.asarray(rows @ means @ columns.T, np.float32)

    def dataset(self, fine: xr.Dataset) -> xr.Dataset:
        """The means of a dataset of dimensions (..., latitude, longitude), with their labels."""
        if self.factor == 1:
            return fine
        latitude, longitude = (
            np.interp(_centres(num, len(axis)), np.arange(len(axis)), axis)
            for num, axis in zip(self.shape, (self.grid.latitude, self.grid.longitude), strict=True)
        )
        fields = {
            name: (array.dims, self.means(array.values), array.attrs)
            for name, array in fine.data_vars.items()
        }
        kept = {name: c for name, c in fine.coords.items() if name not in (LATITUDE, LONGITUDE)}
        return xr.Dataset(fields, {**kept, LATITUDE: latitude, LONGITUDE: longitude})

    @cached_property
    def _weights(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(H, h) and (W, w), whose rows sum to one."""
        rows, columns = (_shares(*sizes) for sizes in zip(self.shape, self.grid.shape, strict=True))
        rows = rows * self.grid.areas[:, 0]
        rows, columns = (each / each.sum(1, keepdims=True) for each in (rows, columns))
        return rows.astype(np.float32), columns.astype(np.float32)


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
