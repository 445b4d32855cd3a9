"""A curved grid: cells in rows and columns, whose places follow from no formula.

Only read, to be regridded: forecasts are made on latitudes and longitudes, or on a map.
Shapes: h rows, w columns.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from axialcast.grid.latlon import TOLERANCE_DEGREES
from axialcast.grid.protocol import EARTH_RADIUS, Grid, Label
from axialcast.grid.sphere import points, quadrilaterals
from axialcast.names import COORDINATE_ATTRS, LATITUDE, LONGITUDE, X, Y

__all__ = ["CurvilinearGrid"]


@dataclass(frozen=True, eq=False)
class CurvilinearGrid:
    """h rows by w columns of cells.

    Args:
        latitudes: (h, w) degrees north of the cell centres; NaN where there is no cell.
        longitudes: (h, w) degrees east.

    Raises:
        ValueError: they are no such grid.
    """

    latitudes: NDArray[np.float64]
    longitudes: NDArray[np.float64]

    def __init__(self, latitudes: ArrayLike, longitudes: ArrayLike) -> None:
        object.__setattr__(self, "latitudes", np.array(latitudes, np.float64))
        object.__setattr__(self, "longitudes", np.array(longitudes, np.float64))
        shape = self.latitudes.shape
        if len(shape) != 2 or min(shape) < 2 or self.longitudes.shape != shape:
            raise ValueError(
                f"latitude, longitude: expected two dimensions of two or more, got shapes {shape} "
                f"and {self.longitudes.shape}"
            )
        if not np.nanmax(np.abs(self.latitudes), initial=0.0) <= 90 + TOLERANCE_DEGREES:
            raise ValueError("latitude: expected degrees within -90 to 90; are they in radians?")

    @property
    def dims(self) -> tuple[str, str]:
        return Y, X

    @property
    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Numbers of rows and columns."""
        height, width = self.shape
        return np.arange(height, dtype=np.float64), np.arange(width, dtype=np.float64)

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w)."""
        height, width = self.latitudes.shape
        return height, width

    @property
    def is_periodic(self) -> bool:
        return False

    @cached_property
    def areas(self) -> NDArray[np.float64]:
        """(h, w) steradians, of cells whose corners lie amid four centres."""
        centres = points(self.latitudes, self.longitudes)
        for axis in (1, 2):
            ends = [np.take(centres, [i], axis) for i in (0, 1, -2, -1)]
            beyond = 2 * ends[0] - ends[1], 2 * ends[3] - ends[2]
            centres = np.concatenate([beyond[0], centres, beyond[1]], axis)
        corners = centres[:, :-1, :-1] + centres[:, 1:, :-1]
        corners = corners + centres[:, :-1, 1:] + centres[:, 1:, 1:]
        corners /= np.sqrt(np.square(corners).sum(0))
        return np.nan_to_num(quadrilaterals(corners), nan=0.0)

    @cached_property
    def area_weights(self) -> NDArray[np.float64]:
        """(h, w) cell areas divided by their mean."""
        weights: NDArray[np.float64] = self.areas / self.areas.mean()
        return weights

    @property
    def labels(self) -> dict[str, Label]:
        numbers = zip(self.dims, self.axes, ("row", "column"), strict=True)
        found: dict[str, Label] = {
            dim: ((dim,), axis, {"long_name": f"number of the {of}", "units": "1"})
            for dim, axis, of in numbers
        }
        for name, values in ((LATITUDE, self.latitudes), (LONGITUDE, self.longitudes)):
            attrs = {key: text for key, text in COORDINATE_ATTRS[name].items() if key != "axis"}
            found[name] = self.dims, values, attrs
        return found

    @property
    def more_labels(self) -> dict[str, Label]:
        return {}

    def places(
        self, rows: NDArray[np.float64], columns: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(k, m) latitudes and longitudes of the cells nearest to such numbers."""
        cells = [
            np.rint(of).astype(int).clip(0, size - 1)
            for of, size in zip((rows, columns), self.shape, strict=True)
        ]
        part = np.ix_(*cells)
        return self.latitudes[part], self.longitudes[part]

    def part(self, rows: slice, columns: slice) -> "CurvilinearGrid":
        return CurvilinearGrid(self.latitudes[rows, columns], self.longitudes[rows, columns])

    def among(self, other: Grid) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
        if self.difference(other):
            return None
        height, width = self.shape
        return np.arange(height), np.arange(width)

    def difference(self, other: Grid) -> str | None:
        """What differs between this grid (expected) and the other (got); None if nothing does."""
        if not isinstance(other, CurvilinearGrid) or self.shape != other.shape:
            return f"expected {self}, got {other}"
        one, two = (points(grid.latitudes, grid.longitudes) for grid in (self, other))
        apart = np.degrees(np.sqrt(np.square(one - two).sum(0)))
        if np.nanmax(apart, initial=0.0) <= TOLERANCE_DEGREES:
            return None
        return f"places: cells lie up to {np.nanmax(apart):g} degrees from those expected"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {LATITUDE: self.latitudes.tolist(), LONGITUDE: self.longitudes.tolist()}

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, CurvilinearGrid) and self.difference(other) is None

    def __hash__(self) -> int:
        return hash(self.shape)

    def __repr__(self) -> str:
        km = np.sqrt(self.areas[self.areas > 0].mean()) * EARTH_RADIUS / 1e3
        return f"CurvilinearGrid({' × '.join(map(str, self.shape))} cells of about {km:.3g} km)"
