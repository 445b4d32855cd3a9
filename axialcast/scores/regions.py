"""Regions that scores are averaged over: boxes of latitude and longitude."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from axialcast.grid import Grid, cells_within
from axialcast.names import LATITUDE, LONGITUDE

__all__ = ["Region", "region_weights"]

Region = Mapping[str, Sequence[float]]
"""{"latitude": [south, north], "longitude": [west, east]} in degrees, edges included."""


def region_weights(grid: Grid, regions: Mapping[str, Region]) -> dict[str, NDArray[np.float64]]:
    """(h, w) cell areas of each region, zero outside; cells belong by their centres, which stores
    keep in single precision."""
    weights = {"all": np.array(grid.areas)}
    for name, box in regions.items():
        if name == "all":
            raise ValueError("regions: the name 'all' is the whole grid; choose another")
        (south, north), (west, east) = box[LATITUDE], box[LONGITUDE]
        inside = cells_within(grid, (south, north), (west, east))
        if not inside.any():
            raise ValueError(
                f"regions: {name!r}, latitude {south:g} to {north:g}, longitude {west:g} to "
                f"{east:g}, holds no point of the grid, {grid}; expected [south, north] and "
                "[west, east] that hold one or more"
            )
        weights[name] = np.where(inside, grid.areas, 0.0)
    return weights
