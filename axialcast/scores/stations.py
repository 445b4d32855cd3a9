"""Where stations lie in a grid, and what fields are there.

Shapes: s stations, h rows, w columns.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.grid import Grid, LatLonGrid, ProjectedGrid

__all__ = ["Neighbours"]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The four points of a grid around each station: bilinear interpolation.

    Args:
        places: (4, s) of the points, in a field whose rows lie one after another.
        weights: (4, s) of their values; they add up to one.
        inside: (s,) stations that the grid reaches.
    """

    places: NDArray[np.intp]
    weights: NDArray[np.float64]
    inside: NDArray[np.bool_]

    @classmethod
    def of(cls, grid: Grid, latitude: Any, longitude: Any) -> "Neighbours":
        """Of places (s,) in degrees, between the grid's own coordinates.

        Towards a pole that the last row is half a spacing from, the values are that row's.

        Raises:
            ValueError: the grid has no coordinates of its own along rows and columns.
        """
        if isinstance(grid, LatLonGrid):
            down, across = np.asarray(latitude, np.float64), np.asarray(longitude, np.float64)
            turn = 360.0
        elif isinstance(grid, ProjectedGrid):
            down, across = grid.coordinates(np.asarray(latitude), np.asarray(longitude))
            turn = 360.0 if grid.units == "degrees" else 0.0
        else:
            raise ValueError(
                f"stations: between the points of {grid} there are no coordinates to interpolate "
                "along; regrid forecasts and analysis to latitudes and longitudes"
            )
        rows = _between(grid.axes[0], down, has_poles=isinstance(grid, LatLonGrid))
        columns = _between(grid.axes[1], across, turn=turn, is_closed=grid.is_periodic)
        width, inside = grid.shape[1], rows[2] & columns[2]
        places, weights = [], []
        for row in (0, 1):
            for column in (0, 1):
                places.append(rows[0][row] * width + columns[0][column])
                weights.append(rows[1][row] * columns[1][column])
        return cls(np.stack(places), np.stack(weights), inside)

    def values(self, fields: NDArray[Any]) -> NDArray[np.float64]:
        """(..., s) of fields (..., h, w); NaN where a point that counts is, and beyond the grid."""
        flat = fields.reshape(*fields.shape[:-2], -1)
        around = flat[..., self.places].astype(np.float64)
        found = np.where(self.weights > 0, around * self.weights, 0.0).sum(-2)
        return np.where(self.inside, found, np.nan)


def _between(
    axis: NDArray[np.float64],
    wanted: NDArray[np.float64],
    *,
    turn: float = 0.0,
    is_closed: bool = False,
    has_poles: bool = False,
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_]]:
    """Positions (2, s) before and after each coordinate, their weights, and which are inside.

    Args:
        turn: after which coordinates begin again; 0: never.
        is_closed: whether the last one adjoins the first.
        has_poles: whether what lies between an end and a pole is inside, half a spacing or less.
    """
    order = np.argsort(axis)
    line = axis[order].astype(np.float64)
    if turn:
        wanted = line[0] + (wanted - line[0] + 1e-9) % turn - 1e-9
    if is_closed:
        order, line = np.append(order, order[0]), np.append(line, line[0] + turn)
    spacing = np.diff(line).max(initial=0.0)
    slack = 1e-6 * max(spacing, 1.0)
    first, last = line[0] - slack, line[-1] + slack
    if has_poles:
        near = 90.0 - 0.5 * spacing - slack
        first, last = (-90.0 if first <= -near else first), (90.0 if last >= near else last)
    inside = np.isfinite(wanted) & (wanted >= first) & (wanted <= last)
    wanted = np.clip(np.where(inside, wanted, line[0]), line[0], line[-1])
    after = np.clip(np.searchsorted(line, wanted), min(1, len(line) - 1), len(line) - 1)
    before = np.maximum(after - 1, 0)
    span = np.where(after > before, line[after] - line[before], 1.0)
    share = np.where(after > before, (wanted - line[before]) / span, 0.0)
    return np.stack([order[before], order[after]]), np.stack([1 - share, share]), inside
