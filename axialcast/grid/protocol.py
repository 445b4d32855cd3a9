"""What a grid says of itself, whatever its coordinates are."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["EARTH_RADIUS", "Grid", "Label"]

EARTH_RADIUS = 6_371_000.0
"""Mean radius of the Earth (m)."""

Label = tuple[tuple[str, ...], Any, Mapping[str, Any]]
"""Dimensions, values and attributes of a coordinate, as xarray takes them."""


class Grid(Protocol):
    """h rows by w columns of cells.

    Attributes:
        dims: names of the two horizontal dimensions, rows first.
        axes: (h,) and (w,) coordinates of the cell centres along them, as stored.
        shape: (h, w).
        is_periodic: whether the last column adjoins the first.
        latitudes, longitudes: degrees of the cell centres, which broadcast to (h, w): (h, 1) and
            (1, w) where rows are circles of latitude. NaN where a cell lies off the Earth, as
            corners of a satellite's view do.
        areas: (h, w) cell areas in steradians: square metres over `EARTH_RADIUS` squared. Zero off
            the Earth.
        area_weights: (h, w) areas divided by their mean.
        labels: the coordinates that say all this in a dataset, by name; grid mappings among them.
        more_labels: what they follow from for those who know projections: latitudes and longitudes.
    """

    def __hash__(self) -> int: ...

    @property
    def dims(self) -> tuple[str, str]: ...

    @property
    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def is_periodic(self) -> bool: ...

    @property
    def latitudes(self) -> NDArray[np.float64]: ...

    @property
    def longitudes(self) -> NDArray[np.float64]: ...

    @property
    def areas(self) -> NDArray[np.float64]: ...

    @property
    def area_weights(self) -> NDArray[np.float64]: ...

    @property
    def labels(self) -> dict[str, Label]: ...

    @property
    def more_labels(self) -> dict[str, Label]: ...

    def places(
        self, rows: NDArray[np.float64], columns: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Latitudes and longitudes of points at such coordinates of rows (k,) and columns (m,),
        which broadcast to (k, m)."""

    def part(self, rows: slice, columns: slice) -> "Grid":
        """The cells at these positions."""

    def among(self, other: "Grid") -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
        """Which rows and columns of another grid hold the cells of this one; None: not all are
        there. Differences of rounding, order and origin do not matter."""

    def difference(self, other: "Grid") -> str | None:
        """What differs between this grid (expected) and the other (got); None if nothing does."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `grid_from_dict` makes the grid of it again."""


def nearest(
    have: NDArray[np.float64],
    want: NDArray[np.float64],
    tolerance: float,
    turn: float | None = None,
) -> NDArray[np.intp] | None:
    """Where the coordinates that are wanted are among those there; None: one is not.

    Args:
        turn: after which coordinates begin again.
    """
    apart = np.abs(want[:, None] - have[None, :])
    if turn is not None:
        apart = np.minimum(apart % turn, turn - apart % turn)
    places = apart.argmin(1)
    is_there = apart[np.arange(len(want)), places] <= tolerance
    return places if is_there.all() else None
