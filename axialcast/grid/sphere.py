"""Points and areas on the unit sphere."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["points", "quadrilaterals"]


def points(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, ...) unit vectors of places in degrees."""
    phi, theta = np.radians(latitude), np.radians(longitude)
    found = [np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)]
    return np.stack(found)


def quadrilaterals(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """(h, w) steradians of the cells between unit vectors (3, h + 1, w + 1)."""
    a, b = corners[:, :-1, :-1], corners[:, :-1, 1:]
    c, d = corners[:, 1:, 1:], corners[:, 1:, :-1]
    areas: NDArray[np.float64] = np.abs(_triangle(a, b, c) + _triangle(a, c, d))
    return areas


def _triangle(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Signed solid angles of triangles of unit vectors (3, ...), small ones exact too.

    Van Oosterom and Strackee 1983, IEEE Trans. Biomed. Eng. 30, eq. 8; the product of differences
    instead of vectors keeps the digits of small triangles.
    """
    volume = (a * np.cross(b - a, c - a, axis=0)).sum(0)
    around = 1 + (a * b).sum(0) + (b * c).sum(0) + (c * a).sum(0)
    angles: NDArray[np.float64] = 2 * np.arctan2(volume, around)
    return angles
