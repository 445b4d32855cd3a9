"""Fields as sums of waves: how much of their variance waves of each length have.

Shapes: h rows, w columns, n wave numbers, k coefficients.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import ducc0
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from axialcast.grid import EARTH_RADIUS, Grid, LatLonGrid

__all__ = ["Waves", "power", "waves_of"]

Power = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Waves:
    """A way to part fields of a grid into waves.

    Args:
        kind: in words.
        numbers: (n,) of waves around the globe, or across the region: halves of them, too.
        length_km: of the wave of number 1; others are as much shorter as their number says. None:
            every row has its own.
        power: (..., h, w) → (..., n) energy of whole fields, or (..., h, w) → (..., h, n) of rows.
        of_rows: which of the two.
    """

    kind: str
    numbers: NDArray[np.float64]
    length_km: float | None
    power: Callable[[NDArray[np.floating]], Power]
    of_rows: bool = False


def waves_of(grid: Grid) -> list[Waves]:
    """Ways that suit a grid, the best one first: of whole fields, then of rows, which may be whole
    where fields are not."""
    ways, (height, width) = [], grid.shape
    if isinstance(grid, LatLonGrid) and (geometry := _geometry(grid)):
        ways.append(_harmonics(geometry, height, width))
    elif not grid.is_periodic and min(height, width) > 1:
        ways.append(_cosines(grid))
    num = width // 2 if grid.is_periodic else width - 1
    numbers = np.arange(1, num + 1) / (1 if grid.is_periodic else 2)
    if num:
        rows = Waves("rows", numbers, None, lambda f: power(f, grid.is_periodic), of_rows=True)
        ways.append(rows)
    return ways


def power(fields: NDArray[np.floating], is_periodic: bool) -> Power:
    """(..., w) → (..., n) squared amplitudes that add up to the mean square of a row less its mean.

    Example:
        >>> power(np.cos(2 * np.pi * np.arange(8) / 8), True).round(12).tolist()
        [0.5, 0.0, 0.0, 0.0]
    """
    width = fields.shape[-1]
    if not is_periodic:
        waves = scipy.fft.dct(fields.astype(np.float64), norm="ortho")
        return np.asarray(np.square(waves[..., 1:]) / width)
    found = np.square(np.abs(np.fft.rfft(fields.astype(np.float64), norm="forward")))[..., 1:]
    found[..., : (width - 1) // 2] *= 2  # and the numbers below zero
    return np.asarray(found)


def _geometry(grid: LatLonGrid) -> str | None:
    """What ducc0 calls a global grid on which harmonics are analysed exactly; None: it is another.

    Rows on both poles (Clenshaw-Curtis), half a row off them (Fejér) or at Gauss's latitudes.
    """
    height = len(grid.latitude)
    if not grid.is_periodic or height < 2 or len(grid.longitude) < 3:
        return None
    for geometry, other in (
        ("CC", LatLonGrid.regular(height, 1, poles=True)),
        ("F1", LatLonGrid.regular(height, 1, poles=False)),
        ("GL", LatLonGrid.gauss_legendre(height, 1)),
    ):
        near = np.abs(np.sort(grid.latitude)[::-1] - other.latitude).max()
        if near < 0.01 * 180 / height:
            return geometry if _largest(geometry, *grid.shape) else None
    return None


def _largest(geometry: str, height: int, width: int) -> int:
    """Wave number up to which rows and columns both resolve: a row on a pole is but one value."""
    return min(height - (2 if geometry == "CC" else 1), (width - 1) // 2)


def _harmonics(geometry: str, height: int, width: int) -> Waves:
    """Energy by total wave number: the sum over orders of squared coefficients of spherical
    harmonics, over 4 pi, so that numbers add up to the variance over the sphere.

    By ducc0's transforms (Reinecke and Seljebotn 2013, A&A 554, A112), exact up to the number that
    rows and columns both resolve. Neither the order of rows nor the first longitude matters.
    """
    largest = _largest(geometry, height, width)
    orders = np.concatenate([np.full(largest + 1 - m, m) for m in range(largest + 1)])
    degrees = np.concatenate([np.arange(m, largest + 1) for m in range(largest + 1)])
    twice = np.where(orders > 0, 2, 1) / (4 * np.pi)

    def energies(fields: NDArray[np.floating]) -> Power:
        flat = fields.reshape(-1, 1, height, width).astype(np.float64)
        found = np.empty((len(flat), largest))
        for number, field in enumerate(flat):
            (waves,) = ducc0.sht.analysis_2d(
                map=field, spin=0, lmax=largest, mmax=largest, geometry=geometry, nthreads=1
            )
            squares = np.square(waves.real) + np.square(waves.imag)
            found[number] = np.bincount(degrees, squares * twice)[1:]
        return found.reshape(*fields.shape[:-2], largest)

    around = 2 * np.pi * EARTH_RADIUS / 1e3
    return Waves("spherical harmonics", np.arange(1.0, largest + 1), around, energies)


def _cosines(grid: Grid) -> Waves:
    """Energy in bands of the discrete cosine transform of rows and columns.

    Denis, Côté and Laprise (2002, Mon. Wea. Rev. 130, section 2c): coefficient (i, j) of h × w
    cells has a number k = min(h, w) sqrt((i / h)² + (j / w)²) of half waves across the shorter
    side, and its variance goes to band floor(k). What is longer than the first band, along the
    longer side, is counted there; the corners of the transform, shorter than two cells, are left
    out.
    """
    height, width = grid.shape
    shorter = min(height, width)
    band, largest = _bands(height, width), shorter - 1

    def energies(fields: NDArray[np.floating]) -> Power:
        waves = scipy.fft.dctn(fields.astype(np.float64), axes=(-2, -1), norm="ortho")
        squares = np.square(waves).reshape(-1, height * width) / (height * width)
        found = np.empty((len(squares), largest))
        for number, one in enumerate(squares):
            found[number] = np.bincount(band, one, shorter + 1)[1:shorter]
        return found.reshape(*fields.shape[:-2], largest)

    known = grid.areas[grid.areas > 0]
    side = shorter * float(np.sqrt(known.mean())) * EARTH_RADIUS / 1e3
    return Waves("cosine transform", np.arange(1, shorter) / 2, side, energies)


@cache
def _bands(height: int, width: int) -> Any:
    """(k,) which band each coefficient is in: 0 the mean's, past the last what is left out."""
    shorter = min(height, width)
    rows, columns = np.arange(height)[:, None] / height, np.arange(width) / width
    # Numbers that are whole but for rounding belong to the band that they begin.
    found = np.floor(shorter * np.hypot(rows, columns) + 1e-9).clip(1, shorter).astype(np.intp)
    found[0, 0] = 0
    return found.ravel()
