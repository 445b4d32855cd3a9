"""A quasi-geostrophic planet.

Three levels on the sphere in the form of Marshall and Molteni (1993, J. Atmos. Sci. 50, 1792-1818),
with idealised forcing. Shapes: i levels (top first), k harmonics, h latitudes, w longitudes.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from axialcast.grid import EARTH_RADIUS
from axialcast.planet.spectral import Coefficients, Field, SphericalHarmonics

__all__ = ["LEVELS", "QuasiGeostrophicModel"]

LEVELS = (200.0, 500.0, 800.0)
"""Pressure of the model's levels (hPa)."""

ROTATION_RATE = 7.292e-5
"""Angular velocity of the Earth (s-1)."""

SCALE_HEIGHT = 9_000.0
"""H0 of Marshall and Molteni (m): height over which mountains stretch the lowest level."""

MOUNTAINS = (
    (38.0, 90.0, 12.0, 24.0, 1.0),
    (40.0, 250.0, 15.0, 12.0, 0.7),
    (-35.0, 290.0, 18.0, 8.0, 0.5),
)
"""Latitude, longitude, half-widths at half height (degrees) and relative height of each range."""

JET_LATITUDE, JET_WIDTH = 35.0, 22.0
"""Axis of the jets that relaxation draws to, and how far off it they fall to 1/e (degrees)."""

NOISE = 2e6
"""Standard deviation of each coefficient of the initial state's noise (m2/s)."""

DAY = 86_400.0
YEAR = 365.2425 * DAY


@dataclass(frozen=True)
class QuasiGeostrophicModel:
    """Three-level quasi-geostrophic flow on the sphere, with idealised forcing.

    State: (3, k) coefficients of potential vorticity q (s-1) at 200, 500, 800 hPa,

        q1 = lap psi1 - (psi1 - psi2) / R1^2 + f
        q2 = lap psi2 + (psi1 - psi2) / R1^2 - (psi2 - psi3) / R2^2 + f
        q3 = lap psi3 + (psi2 - psi3) / R2^2 + f (1 + h / H0)
        dq/dt = -J(psi, q) + relaxation + drag + diffusion

    Relaxation draws psi1 - psi2 and psi2 - psi3 towards a jet in either hemisphere, stronger in
    its winter; drag is linear in the lowest vorticity; diffusion is lap^4. An infinite time scale
    switches a term off. Marshall and Molteni instead force with residuals of real analyses and
    let drag depend on the surface.

    Args:
        truncation: triangular truncation; the grid follows (see `SphericalHarmonics`).
        rossby_radii: R1, R2 (m).
        relaxation_days: time scale of thermal relaxation.
        drag_days: time scale of Ekman drag on the lowest level.
        diffusion_days: e-folding time of the smallest scale.
        jet_shear: annual-mean wind differences 200 - 500 and 500 - 800 hPa on the axis of the
            jets (m/s) that relaxation draws towards.
        seasonality: amplitude of the annual cycle of `jet_shear`, relative.
        mountain_height: height of the tallest range (m).
    """

    truncation: int = 21
    rossby_radii: tuple[float, float] = (700e3, 450e3)
    relaxation_days: float = 40.0
    drag_days: float = 3.0
    diffusion_days: float = 2.0
    jet_shear: tuple[float, float] = (18.0, 18.0)
    seasonality: float = 0.35
    mountain_height: float = 4000.0

    @cached_property
    def harmonics(self) -> SphericalHarmonics:
        return SphericalHarmonics(self.truncation)

    @cached_property
    def planetary(self) -> Coefficients:
        """(3, k) what q holds at rest: f, f and f (1 + h / H0)."""
        sine = np.sin(np.radians(self.harmonics.grid.latitude))[:, None]
        coriolis = np.broadcast_to(2 * ROTATION_RATE * sine, self.harmonics.grid.shape)
        stretched = coriolis * (1 + self.mountain_height * self._mountains / SCALE_HEIGHT)
        return self.harmonics.analysis(np.stack([coriolis, coriolis, stretched]))

    def potential_vorticity(self, psi: Coefficients) -> Coefficients:
        """(3, k) q of a streamfunction (3, k) in m2/s."""
        return _per_degree(self._stretching, psi) + self.planetary

    def streamfunction(self, q: Coefficients) -> Coefficients:
        """(3, k) psi (m2/s) of q: the inverse of `potential_vorticity`."""
        return _per_degree(self._inversion, q - self.planetary)

    def tendency(self, q: Coefficients, seconds: float = 0.0) -> Coefficients:
        """(3, k) dq/dt (s-2); `seconds` since mid January sets the season of the forcing."""
        psi = self.streamfunction(q)
        gradient = self.harmonics.gradient(np.concatenate([psi, q]))
        psi_south, psi_east = gradient[:3, 0], gradient[:3, 1]
        q_south, q_east = gradient[3:, 0], gradient[3:, 1]
        advection = (psi_east * q_south - psi_south * q_east) / EARTH_RADIUS**2
        mean, annual = self._heating
        forcing: Coefficients = mean + np.cos(2 * np.pi * seconds / YEAR) * annual
        return self.harmonics.analysis(advection) + _per_degree(self._damping, psi) + forcing

    def step(self, q: Coefficients, seconds: float, time_step: float) -> Coefficients:
        """q one time step (s) later: the classical Runge-Kutta scheme of fourth order."""
        first = self.tendency(q, seconds)
        second = self.tendency(q + time_step / 2 * first, seconds + time_step / 2)
        third = self.tendency(q + time_step / 2 * second, seconds + time_step / 2)
        fourth = self.tendency(q + time_step * third, seconds + time_step)
        return q + time_step / 6 * (first + 2 * (second + third) + fourth)

    def energy(self, q: Coefficients) -> float:
        """Kinetic and available potential energy per mass, mean of the sphere (m2 s-2)."""
        psi = self.streamfunction(q)
        return float(-0.5 * self.harmonics.inner(psi, q - self.planetary).mean())

    def potential_enstrophy(self, q: Coefficients) -> Field:
        """(3,) mean of q^2 / 2 on each level (s-2)."""
        return 0.5 * self.harmonics.inner(q, q)

    def winds(self, psi: Coefficients) -> Field:
        """(2, n, h, w) eastward and northward wind (m/s) of n streamfunctions (n, k)."""
        return self.harmonics.gradient(psi).swapaxes(0, 1) / EARTH_RADIUS

    def geopotential(self, psi: Coefficients) -> Field:
        """(n, h, w) geopotential (m2 s-2), of zero mean, in linear balance with n streamfunctions.

        lap Phi = div(f grad psi): regular at the equator, close to f psi far from it.
        """
        balanced = self.harmonics.linear_balance(psi)
        return self.harmonics.synthesis(2 * ROTATION_RATE * balanced)

    def initial_state(self, seed: int) -> Coefficients:
        """(3, k) q of jets at half strength under seeded noise of degrees 3 to 12."""
        degree, order = self.harmonics.degree, self.harmonics.order
        real, imaginary = np.random.default_rng(seed).normal(0.0, NOISE, (2, len(degree)))
        noise = real + 1j * imaginary * (order > 0)
        return self.potential_vorticity(self._jets[0] / 2 + noise * (degree > 2) * (degree < 13))

    @cached_property
    def _coupling(self) -> Field:
        """(3, 3) stretching of each level by the thickness above and below it (m-2)."""
        upper, lower = (radius**-2.0 for radius in self.rossby_radii)
        rows = [[-upper, upper, 0], [upper, -upper - lower, lower], [0, lower, -lower]]
        return np.array(rows, dtype=np.float64)

    @cached_property
    def _stretching(self) -> Field:
        """(3, 3, k) psi -> q - planetary."""
        laplacian = self.harmonics.laplacian / EARTH_RADIUS**2
        diagonal: Field = np.einsum("ij,k->ijk", np.eye(3), laplacian)
        return diagonal + self._coupling[:, :, None]

    @cached_property
    def _inversion(self) -> Field:
        """(3, 3, k) q - planetary -> psi; the pseudo-inverse, since a constant psi has no q."""
        inverse = np.linalg.pinv(self._stretching.T, rcond=1e-9, hermitian=True)
        return np.asarray(inverse.T, dtype=np.float64)

    @cached_property
    def _damping(self) -> Field:
        """(3, 3, k) psi -> tendency of q by relaxation towards rest, drag and diffusion."""
        laplacian = self.harmonics.laplacian
        scale_selective = (laplacian / laplacian.min()) ** 4 / (self.diffusion_days * DAY)
        damping: Field = -scale_selective * self._stretching
        damping -= self._coupling[:, :, None] / (self.relaxation_days * DAY)
        damping[2, 2] -= laplacian / EARTH_RADIUS**2 / (self.drag_days * DAY)
        return damping

    @cached_property
    def _jets(self) -> Coefficients:
        """(2, 3, k) streamfunctions that relaxation draws to: annual mean, mid-January excess."""
        latitude = np.radians(self.harmonics.grid.latitude)
        distance = (np.abs(latitude) - np.radians(JET_LATITUDE)) / np.radians(JET_WIDTH)
        profile = np.exp(-(distance**2))
        winds = np.zeros((2, 2, *self.harmonics.grid.shape))
        winds[0, 0] = profile[:, None]
        winds[1, 0] = (self.seasonality * np.sign(latitude) * profile)[:, None]
        upper, lower = self.jet_shear
        speed = np.array([upper + lower, lower, 0.0])[:, None]
        jets: Coefficients = EARTH_RADIUS * self.harmonics.potential(winds)[:, None] * speed
        return jets

    @cached_property
    def _heating(self) -> Coefficients:
        """(2, 3, k) tendency of q towards the jets: annual mean, mid-January excess."""
        rate = self._coupling / (self.relaxation_days * DAY)
        heating: Coefficients = np.einsum("ij,sjk->sik", rate, self._jets)
        return heating

    @cached_property
    def _mountains(self) -> Field:
        """(h, w) height relative to `mountain_height`."""
        grid = self.harmonics.grid
        north, east, half_height, half_width, relative = np.array(MOUNTAINS).T[..., None, None]
        eastward = (grid.longitude - east + 180) % 360 - 180
        northward = grid.latitude[:, None] - north
        distance = (northward / half_height) ** 2 + (eastward / half_width) ** 2
        height: Field = (relative * 0.5**distance).sum(axis=0)
        return height


def _per_degree(matrices: Field, levels: Coefficients) -> Coefficients:
    """Couple levels harmonic by harmonic: (3, 3, k) x (3, k) -> (3, k)."""
    coupled: Coefficients = np.einsum("ijk,jk->ik", matrices, levels)
    return coupled
