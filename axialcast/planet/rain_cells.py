"""Simulated rain cells, as a weather radar sees them: for nowcasting where no composite is at hand.

A cell is a Gaussian of rain that the wind of `axialcast.planet.steering` carries. At the age a, a
share of its life, its peak and width are

    P(a) = P · a (1 − a)^1.5 / max,    s(a) = s₀ (0.7 + 0.6 a),

so it grows fast, decays slowly and widens. Cells are born where the flow converges, and beside
mothers in their prime (`axialcast.planet.families`). The rain rate is the sum of all cells, and
nothing below 0.1 mm h-1. So extrapolation along the motion forecasts well, but for what a network
can learn: how cells live, and where others follow.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import dask.array
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from axialcast.conventions import described
from axialcast.grid import ProjectedGrid
from axialcast.names import COORDINATE_ATTRS, GRID_MAPPING, TIME, VARIABLES
from axialcast.planet.families import HOUR, LONGEST_HOURS, Cells, families, together
from axialcast.planet.steering import Steering

__all__ = ["RainCells", "RainState"]

NAME = "rainfall_rate"
EPOCH = pd.Timestamp("2000-01-01")
MAPPING: dict[str, Any] = {
    "grid_mapping_name": "lambert_azimuthal_equal_area",
    "latitude_of_projection_origin": 52.0,
    "longitude_of_projection_origin": 10.0,
    "false_easting": 4_321_000.0,
    "false_northing": 3_210_000.0,
    "semi_major_axis": 6_378_137.0,
    "inverse_flattening": 298.257222101,
}
"""Europe's equal-area grid (EPSG:3035), at whose origin the rain falls."""
ORIGIN = ("false_northing", "false_easting")
LEAST = 0.1
"""Rain that a radar sees (mm h-1)."""
GROWTH, DECAY = 1.0, 1.5
YOUNG, WIDENING = 0.7, 0.6
"""Width of a cell that is born, and by how much it grows, in parts of that in midlife."""
FARTHEST = 5.0
"""Widths of a cell, beyond which there is none of its rain."""


@dataclass(frozen=True)
class RainState:
    """All that it needs to go on: output times since the start. Any moment can be made alone."""

    step: int


class RainCells:
    """Rain rates of one day after another, on points that lie evenly in x and y, in float32.

    The cells live on a plane that is periodic over twice the width of what is kept, so that those
    which leave are dead before they could come in again. The same arguments give the same rain to
    the bit, whichever day is made first; another seed gives other rain of the same climate.

    Args:
        start: first date, e.g. "2001-06-01" (or "2001", "2001-06").
        end: last date, inclusive.
        step_minutes: from one time to the next; divides an hour.
        points: along x and along y.
        spacing_km: between them.
        seed: of flow and cells.

    Raises:
        ValueError: an argument is impossible; says which.
    """

    def __init__(
        self,
        *,
        start: str,
        end: str,
        step_minutes: int = 10,
        points: int = 64,
        spacing_km: float = 2.0,
        seed: int = 0,
    ) -> None:
        if step_minutes < 1 or 60 % step_minutes:
            raise ValueError(
                f"step_minutes: expected minutes that divide an hour, got {step_minutes}; try 10"
            )
        first, last = pd.Period(start).start_time, pd.Period(end).end_time
        self.times = pd.date_range(first, last, freq=f"{step_minutes}min")
        if len(self.times) == 0:
            raise ValueError(f"end: expected a date after start {start}, got {end}; swap them?")
        self.seed, self.spacing = seed, 1e3 * spacing_km
        self.width = 2 * points * self.spacing
        self.places = self.spacing * (np.arange(points) + 0.5)
        y, x = (self.places + MAPPING[side] - self.width / 4 for side in ORIGIN)
        self.grid = ProjectedGrid(y, x, MAPPING)
        self.block_steps = 24 * 60 // step_minutes
        self.steering = Steering(seed, self.width)
        self._families = lru_cache(2 * 24)(self._born_in)

    @property
    def steps(self) -> list[int]:
        """At which step each day begins."""
        return list(range(0, len(self.times), self.block_steps))

    def time(self, step: int) -> pd.Timestamp:
        """When a step is."""
        time: pd.Timestamp = self.times[step]
        return time

    @property
    def block_bytes(self) -> int:
        """Memory that a day takes while it is made."""
        return 4 * self.block_steps * len(self.places) ** 2

    def initial_state(self) -> RainState:
        return RainState(0)

    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> RainState:
        """A state of its numbers by name."""
        return RainState(int(arrays["step"]))

    def advance(self, state: RainState) -> tuple[xr.Dataset, RainState]:
        """The day that begins with a state, and the state after it."""
        stop = min(state.step + self.block_steps, len(self.times))
        times = self.times[state.step : stop]
        return self._labelled(times, self.rain(times)), RainState(stop)

    def template(self) -> xr.Dataset:
        """All of it with its times and attributes, but without values."""
        shape = (len(self.times), len(self.places), len(self.places))
        chunks = (self.block_steps, *shape[1:])
        return self._labelled(self.times, dask.array.zeros(shape, dtype="f4", chunks=chunks))

    def rain(self, times: pd.DatetimeIndex) -> NDArray[np.float32]:
        """(time, y, x) rain rates (mm h-1), from south to north."""
        rates = np.empty((len(times), len(self.places), len(self.places)), np.float32)
        for number, seconds in enumerate((times - EPOCH) / pd.Timedelta(seconds=1)):
            rates[number] = self._rain(float(seconds))
        return rates

    def cells(self, seconds: float) -> Cells:
        """Those that live at a time since the epoch."""
        hour = math.floor(seconds / HOUR)
        hours = range(hour - LONGEST_HOURS, hour + 1)
        return together([self._families(number).at(seconds) for number in hours])

    def _born_in(self, hour: int) -> Cells:
        return families(self.steering, self.seed, hour, self.width)

    def _rain(self, seconds: float) -> NDArray[np.float64]:
        cells = self.cells(seconds)
        age = cells.age(seconds)
        prime = GROWTH / (GROWTH + DECAY)
        most = prime**GROWTH * (1 - prime) ** DECAY
        peak = cells.peak * age**GROWTH * (1 - age) ** DECAY / most
        wide = cells.radius * (YOUNG + WIDENING * age)
        axes = np.stack([wide * np.sqrt(cells.stretch), wide / np.sqrt(cells.stretch)], axis=1)
        total = np.zeros((len(self.places), len(self.places)))
        for number, place in enumerate(cells.places(seconds)):
            x, y = (self._from(centre) for centre in place.tolist())
            near = tuple(np.abs(d) < FARTHEST * axes[number].max() for d in (y, x))
            x, y = x[near[1]], y[near[0], None]
            cosine, sine = np.cos(cells.angle[number]), np.sin(cells.angle[number])
            along = (cosine * x + sine * y) / axes[number, 0]
            across = (cosine * y - sine * x) / axes[number, 1]
            total[np.ix_(*near)] += peak[number] * np.exp(-(along**2 + across**2) / 2)
        return np.where(total < LEAST, 0.0, total)

    def _from(self, centre: float) -> NDArray[np.float64]:
        """Distances to the points from the nearest of a cell's periodic images."""
        half = self.width / 2
        return np.asarray((self.places - centre + half) % self.width - half)

    def _labelled(self, times: pd.DatetimeIndex, rates: Any) -> xr.Dataset:
        attrs = {**VARIABLES[NAME].attrs, "grid_mapping": GRID_MAPPING}
        return xr.Dataset(
            {NAME: ((TIME, *self.grid.dims), rates, attrs)},
            {TIME: (TIME, times, COORDINATE_ATTRS[TIME]), **self.grid.labels},
            described("axialcast rain cells", "simulate"),
        )
