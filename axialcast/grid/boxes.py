"""Boxes of latitude and longitude on any grid."""

import numpy as np
from numpy.typing import NDArray

from axialcast.grid.latlon import TOLERANCE_DEGREES
from axialcast.grid.protocol import Grid

__all__ = ["cells_within"]


def cells_within(
    grid: Grid, latitude: tuple[float, float], longitude: tuple[float, float]
) -> NDArray[np.bool_]:
    """(h, w) which cells have their centres in a box, edges included.

    Args:
        latitude: (south, north) in degrees.
        longitude: (west, east) in degrees, eastward from west; a whole turn where they are 360
            apart.
    """
    (south, north), (west, east), near = latitude, longitude, TOLERANCE_DEGREES
    width = 360 if east - west >= 360 else (east - west) % 360
    rows = (grid.latitudes >= south - near) & (grid.latitudes <= north + near)
    columns = (grid.longitudes - west + near) % 360 <= width + 2 * near
    return rows & columns
