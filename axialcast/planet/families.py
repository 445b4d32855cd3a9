"""Rain cells and their daughters: where each is born, how it lives, where the wind carries it.

All cells that descend from those born by themselves within an hour are one pure function of the
seed and that hour: so any moment can be made without those before it. Shapes: n cells, t track.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from axialcast.planet.steering import Places, Steering

__all__ = ["HOUR", "LONGEST_HOURS", "Cells", "families", "together"]

HOUR = 3600.0
STEP = 300.0
"""Seconds between the places of a cell that are kept."""
SHORTEST_LIFE, LONGEST_LIFE = 40 * 60.0, 150 * 60.0
"""Of a cell (s)."""
GENERATIONS = 4
BORN_AT = (0.3, 0.7)
"""Part of its mother's life after which a daughter is born."""
LONGEST_HOURS = 8
"""That a family lasts at most: seven tenths of three mothers' lives, then a whole one."""

SPAWN = 0.75
"""Daughters of a cell, on average, where the flow neither converges nor diverges."""
FLANK = np.radians(-60.0)
"""From the wind to where daughters are born: ahead, on the right."""
BIRTHS_PER_HOUR = 0.8e-10
"""Cells born by themselves, in an hour and a square metre: 13 on 400 by 400 km."""
FAVOUR = 1.2
"""How births favour convergence: their density goes with exp(FAVOUR · convergence)."""

OFFSET = 10**8
"""Hours added to those since the epoch, as seeds are not negative."""


@dataclass(frozen=True)
class Cells:
    """(n,) cells.

    Args:
        born, life: seconds since the epoch, and how long.
        peak: largest rain rate (mm h-1).
        radius: mean standard width in midlife (m).
        stretch: ratio of the longer axis to the shorter.
        angle: of the longer axis (radians).
        track: (t, n, 2) place every STEP seconds since birth (m).
    """

    born: NDArray[np.float64]
    life: NDArray[np.float64]
    peak: NDArray[np.float64]
    radius: NDArray[np.float64]
    stretch: NDArray[np.float64]
    angle: NDArray[np.float64]
    track: NDArray[np.float64]

    def at(self, seconds: float) -> "Cells":
        """Those that live at a time."""
        return self.among((self.born < seconds) & (seconds < self.born + self.life))

    def among(self, which: NDArray[np.bool_ | np.intp]) -> "Cells":
        """Some of them, or some several times."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        track = parts.pop("track")[:, which]
        return Cells(**{name: part[which] for name, part in parts.items()}, track=track)

    def age(self, seconds: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """(n,) share of their lives that is over."""
        return (seconds - self.born) / self.life

    def places(self, seconds: NDArray[np.float64] | float) -> Places:
        """(n, 2) where they are, between two places of their tracks."""
        steps = np.clip((seconds - self.born) / STEP, 0, len(self.track) - 1.001)
        first = steps.astype(np.intp)
        here, each = (steps - first)[:, None], np.arange(len(self.born))
        return (1 - here) * self.track[first, each] + here * self.track[first + 1, each]


def together(parts: "list[Cells]") -> Cells:
    """Cells of several families."""
    return Cells(
        **{
            field.name: np.concatenate(
                [getattr(part, field.name) for part in parts], axis=int(field.name == "track")
            )
            for field in fields(Cells)
        }
    )


def families(steering: Steering, seed: int, hour: int, width: float) -> Cells:
    """Cells born by themselves in an hour since the epoch, and all that descend from them.

    Args:
        width: of the periodic plane (m).
    """
    rng = np.random.default_rng([seed, 1, hour + OFFSET])
    # As many as there would be if it converged everywhere as it does where it does most.
    crowded = np.exp(FAVOUR * (2.0 - 0.5 * FAVOUR))
    count = rng.poisson(BIRTHS_PER_HOUR * width**2 * crowded)
    places = rng.uniform(0, width, (count, 2))
    born = HOUR * (hour + rng.uniform(0, 1, count))
    favoured = np.exp(FAVOUR * (steering.convergence(places, born) - 2.0))
    kept = rng.uniform(0, 1, count) < favoured
    generations = [_grown(steering, rng, places[kept], born[kept])]
    while len(generations) < GENERATIONS:
        generations.append(_daughters(steering, rng, generations[-1]))
    return together(generations)


def _grown(
    steering: Steering, rng: np.random.Generator, places: Places, born: NDArray[np.float64]
) -> Cells:
    """Cells with a life of their own from a birth on: longer and stronger where it converges."""
    count = len(born)
    favour = np.tanh(steering.convergence(places, born))
    size = rng.normal(0, 1, count)
    life = 60 * 80 * np.exp(0.15 * size + 0.15 * rng.normal(0, 1, count) + 0.2 * favour)
    peak = 16 * np.exp(0.35 * size + 0.35 * rng.normal(0, 1, count) + 0.25 * favour)
    return Cells(
        born=born,
        life=np.clip(life, SHORTEST_LIFE, LONGEST_LIFE),
        peak=np.clip(peak, 1.0, 120.0),
        radius=5e3 * np.exp(0.2 * size),
        stretch=rng.uniform(1, 1.8, count),
        angle=rng.uniform(0, np.pi, count),
        track=steering.carried(places, born, int(LONGEST_LIFE // STEP) + 1, STEP),
    )


def _daughters(steering: Steering, rng: np.random.Generator, mothers: Cells) -> Cells:
    """Cells born beside mothers in their prime, on the right of where the wind blows."""
    favour = np.tanh(steering.convergence(mothers.track[0], mothers.born))
    numbers = rng.poisson(SPAWN * (1 + 0.5 * favour))
    mother = mothers.among(np.repeat(np.arange(len(numbers)), numbers))
    born = mother.born + mother.life * rng.uniform(*BORN_AT, len(mother.born))
    places = mother.places(born)
    east, north = steering.wind(places, born).T
    angle = np.arctan2(north, east) + FLANK + np.radians(20) * rng.normal(0, 1, len(born))
    away = mother.radius * rng.uniform(1.8, 2.6, len(born))
    places = places + away[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _grown(steering, rng, places, born)
