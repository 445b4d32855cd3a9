"""The wind that carries rain cells: a smooth flow that shears, turns and converges.

A sum of waves on a doubly periodic plane, each of which keeps its shape and moves: so the wind
anywhere at any time is one formula of the seed. Shapes: n places, k waves.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Places", "Steering"]

HOUR = 3600.0
SHORTEST, LONGEST = 100.0, 250.0
"""Wavelengths of the waves (km)."""

EDDIES, EDDY_SPEED = 8, 1.8
"""Rotational waves, and the largest wind of each (m s-1): 3.6 m s-1 in root mean square."""
LIFTS, LIFT_SPEED = 4, 0.8
"""Divergent waves, and the largest wind of each (m s-1)."""
MEAN_SPEED, MEAN_CHANGE = 9.0, 3.0
"""Of the mean wind, and by how much it varies to either side (m s-1)."""
VEERING = 0.6
"""By how much the mean wind turns to either side of its mean direction (radians)."""
DRIFT = 0.4
"""Speed of the waves, in parts of the mean wind's: cells pass through them."""

Places = NDArray[np.float64]


@dataclass(frozen=True)
class _Waves:
    """(k,) waves of a potential, A / |κ| · sin(κ · x − ω t + φ)."""

    kappa: NDArray[np.float64]
    """(k, 2) rad m-1."""
    omega: NDArray[np.float64]
    phase: NDArray[np.float64]

    @classmethod
    def drawn(cls, rng: np.random.Generator, count: int, width: float, drift: float) -> "_Waves":
        """Of whole numbers of waves to the width (m), moving eastward more or less by `drift`."""
        length = 1e3 * rng.uniform(SHORTEST, LONGEST, count)
        angle = rng.uniform(0, 2 * np.pi, count)
        numbers = np.rint(width / length * np.array([np.cos(angle), np.sin(angle)])).T
        numbers[(numbers == 0).all(1)] = (1, 0)
        kappa = 2 * np.pi * numbers / width
        omega = kappa[:, 0] * drift * rng.uniform(0.5, 1.5, count)
        return cls(kappa, omega, rng.uniform(0, 2 * np.pi, count))

    def angles(self, places: Places, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, k) phases there and then."""
        moved = np.multiply.outer(seconds, self.omega)
        return np.asarray(places @ self.kappa.T - moved + self.phase)

    @property
    def directions(self) -> NDArray[np.float64]:
        """(k, 2) of unit length."""
        return np.asarray(self.kappa / np.linalg.norm(self.kappa, axis=1, keepdims=True))


class Steering:
    """The flow on a plane that is periodic over `width`: mean wind, rotational and divergent waves.

        V(x, t) = V₀(t) + k × ∇ψ + ∇χ,    ψ, χ = Σ A / |κ| · sin(κ · x − ω t + φ)

    V₀ varies between 6 and 12 m s-1 within 31 hours and veers by 34 degrees to either side within
    43 hours, whatever the seed's phases.

    Args:
        seed: of directions and phases.
        width: of the plane (m).
    """

    def __init__(self, seed: int, width: float) -> None:
        rng = np.random.default_rng([seed, 0])
        self._phases = rng.uniform(0, 2 * np.pi, 2)
        drift = DRIFT * MEAN_SPEED
        self._eddies = _Waves.drawn(rng, EDDIES, width, drift)
        self._lifts = _Waves.drawn(rng, LIFTS, width, drift)
        power = np.square(np.linalg.norm(self._lifts.kappa, axis=1)).sum() / 2
        self._usual = float(np.sqrt(power))

    def wind(self, places: Places, seconds: NDArray[np.float64]) -> Places:
        """(n, 2) eastward and northward wind (m s-1) at places (n, 2) in m, at (n,) times."""
        turning, changing = self._phases
        speed = MEAN_SPEED + MEAN_CHANGE * np.sin(2 * np.pi * seconds / (31 * HOUR) + changing)
        angle = VEERING * np.sin(2 * np.pi * seconds / (43 * HOUR) + turning)
        mean = speed[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        along = self._eddies.directions
        across = np.stack([-along[:, 1], along[:, 0]], axis=1)
        eddies = EDDY_SPEED * np.cos(self._eddies.angles(places, seconds)) @ across
        lifts = LIFT_SPEED * np.cos(self._lifts.angles(places, seconds)) @ self._lifts.directions
        return np.asarray(mean + eddies + lifts)

    def convergence(self, places: Places, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) −∇ · V, in units of its root mean square."""
        size = np.linalg.norm(self._lifts.kappa, axis=1)
        return np.asarray(np.sin(self._lifts.angles(places, seconds)) @ size) / self._usual

    def carried(
        self, places: Places, seconds: NDArray[np.float64], steps: int, step: float
    ) -> NDArray[np.float64]:
        """(steps + 1, n, 2) where the wind carries what sets out from places (n, 2) at (n,) times.

        By the midpoint method, in steps of so many seconds.
        """
        track = [places]
        for number in range(steps):
            then = seconds + number * step
            here = track[-1]
            halfway = here + step / 2 * self.wind(here, then)
            track.append(here + step * self.wind(halfway, then + step / 2))
        return np.stack(track)
