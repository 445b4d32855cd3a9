"""Spherical-harmonic transforms on the Gauss-Legendre grid of a triangular truncation.

A thin coat over ducc0's transforms (Reinecke and Seljebotn 2013, A&A 554, A112). Fields are stacks,
so one call transforms all levels. Shapes: n fields, k coefficients, h latitudes, w longitudes.
"""

from functools import cached_property
from typing import Any, cast

import ducc0
import numpy as np
from numpy.typing import NDArray

from axialcast.grid import LatLonGrid

__all__ = ["SphericalHarmonics"]

Coefficients = NDArray[np.complex128]
Field = NDArray[np.float64]


class SphericalHarmonics:
    """Transforms between coefficients of degree <= `truncation` and an alias-free grid.

    The grid has the fewest latitudes h (even, w = 2 h) for which the product of two truncated
    fields is analysed exactly: 2 h >= 3 truncation + 1 (T21: 32 x 64, T42: 64 x 128).

    A real field is its coefficients of order m >= 0 of orthonormal harmonics with the
    Condon-Shortley phase, stored as k = (truncation + 1)(truncation + 2) / 2 complex numbers,
    orders one after the other: (0,0), (1,0) ... (T,0), (1,1), (2,1) ...; m = 0 is real.
    Derivatives are on the unit sphere: divide gradients by the radius.

    Args:
        truncation: largest total wavenumber T, at least 1.

    Example:
        >>> harmonics = SphericalHarmonics(21)
        >>> harmonics.grid.shape, harmonics.degree[:3], harmonics.order[:3]
        ((32, 64), array([0, 1, 2]), array([0, 0, 0]))
    """

    def __init__(self, truncation: int) -> None:
        if truncation < 1:
            raise ValueError(f"truncation: expected at least 1, got {truncation}; try 21")
        self.truncation = truncation
        num_latitudes = 2 * -(-(3 * truncation + 1) // 4)
        self.grid = LatLonGrid.gauss_legendre(num_latitudes, 2 * num_latitudes)
        orders = [np.full(truncation + 1 - m, m) for m in range(truncation + 1)]
        degrees = [np.arange(m, truncation + 1) for m in range(truncation + 1)]
        self.order: NDArray[np.int64] = np.concatenate(orders)
        self.degree: NDArray[np.int64] = np.concatenate(degrees)
        self.laplacian: Field = (-self.degree * (self.degree + 1)).astype(np.float64)

    @property
    def num_coefficients(self) -> int:
        """k."""
        return len(self.degree)

    @cached_property
    def inverse_laplacian(self) -> Field:
        """(k,) 1 / laplacian; 0 for the mean, which no Laplacian has."""
        return np.where(self.degree > 0, 1.0 / np.minimum(self.laplacian, -1.0), 0.0)

    def synthesis(self, coefficients: Coefficients) -> Field:
        """(n, k) coefficients -> (n, h, w) values on the grid."""
        values = ducc0.sht.synthesis(alm=coefficients[:, None], spin=0, **self._geometry)
        return cast(Field, values.reshape(-1, *self.grid.shape))

    def analysis(self, field: Field) -> Coefficients:
        """(n, h, w) -> (n, k) coefficients, exact for fields of degree <= 2 truncation."""
        rows = np.ascontiguousarray(field).reshape(len(field), 1, -1)
        coefficients = ducc0.sht.adjoint_synthesis(
            map=rows, spin=0, ringfactor=self._ring_weights, **self._geometry
        )
        return cast(Coefficients, coefficients[:, 0])

    def gradient(self, coefficients: Coefficients) -> Field:
        """(n, k) -> (n, 2, h, w): derivative along colatitude (southward), along longitude (east).

        The second is d/dlongitude over the sine of colatitude: components of a vector.
        """
        values = ducc0.sht.synthesis(
            alm=coefficients[:, None], spin=1, mode="DERIV1", **self._geometry
        )
        return cast(Field, values.reshape(-1, 2, *self.grid.shape))

    def potential(self, vector: Field) -> Coefficients:
        """(n, 2, h, w) vectors -> (n, k): the field whose `gradient` fits best, of zero mean.

        The inverse of `gradient`, by least squares over the sphere.
        """
        rows = np.ascontiguousarray(vector).reshape(len(vector), 2, -1)
        coefficients = ducc0.sht.adjoint_synthesis(
            map=rows, spin=1, mode="DERIV1", ringfactor=self._ring_weights, **self._geometry
        )
        return cast(Coefficients, -coefficients[:, 0] * self.inverse_laplacian)

    def linear_balance(self, psi: Coefficients) -> Coefficients:
        """(n, k) psi -> (n, k) phi of zero mean: lap phi = div(sin(latitude) grad psi).

        The truncation of the exact answer, which has one degree more.
        """
        latitude = np.radians(self.grid.latitude)[:, None]
        vorticity = self.synthesis(self.laplacian * psi)
        southward = self.gradient(psi)[:, 0]
        divergence = np.sin(latitude) * vorticity - np.cos(latitude) * southward
        return self.analysis(divergence) * self.inverse_laplacian

    def inner(self, first: Coefficients, second: Coefficients) -> Field:
        """Mean over the sphere of the product of two real fields: (..., k) x (..., k) -> (...)."""
        weight = np.where(self.order == 0, 1.0, 2.0) / (4 * np.pi)
        return cast(Field, ((first * second.conj()).real * weight).sum(axis=-1))

    @cached_property
    def _geometry(self) -> dict[str, Any]:
        height, width = self.grid.shape
        return {
            "lmax": self.truncation,
            "theta": np.radians(90.0 - self.grid.latitude),
            "nphi": np.full(height, width, dtype=np.uint64),
            "phi0": np.zeros(height),
            "ringstart": np.arange(height, dtype=np.uint64) * np.uint64(width),
            # One thread: small transforms gain nothing from more, and sums keep their order.
            "nthreads": 1,
        }

    @cached_property
    def _ring_weights(self) -> Field:
        height, width = self.grid.shape
        _, weights = np.polynomial.legendre.leggauss(height)
        ring_weights: Field = weights * (2 * np.pi / width)
        return ring_weights
