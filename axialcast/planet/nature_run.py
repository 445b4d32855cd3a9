"""A nature run: weather of a quasi-geostrophic planet, for use where no analysis is at hand.

Shapes: k harmonics.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dask.array
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from axialcast.conventions import described
from axialcast.names import (
    COORDINATE_ATTRS,
    PLANET,
    STANDARD_GRAVITY,
    TIME,
    VARIABLES,
)
from axialcast.planet.quasigeostrophic import LEVELS, QuasiGeostrophicModel
from axialcast.planet.spectral import Coefficients

__all__ = ["OUTPUT_HOURS", "NatureRun", "State", "nature_run", "output_times"]

MEAN_GEOPOTENTIAL = STANDARD_GRAVITY * np.array([11_784.0, 5_574.0, 1_949.0])
"""Global mean geopotential of the levels (m2 s-2): heights of the ICAO standard atmosphere."""

MID_JANUARY = pd.Timestamp("2000-01-15")
"""When the northern jets are drawn to their strongest."""

WITHOUT_CONTINENTS = "simulated, without continents"
"""What its stores, and forecasts of networks that learned from them, say of their planet."""

OUTPUT_HOURS = 6
"""Hours between the analyses that a nature run yields."""

LONGEST_STEP = 3.0
"""Time step of T21 (hours), in proportion shorter for finer grids: half of what is stable."""


@dataclass(frozen=True)
class State:
    """All that a nature run needs to go on.

    Args:
        step: output times since the start; negative in the spin-up.
        seconds: since mid January, as the model counted them.
        q: (3, k) potential vorticity (s-1).
    """

    step: int
    seconds: float
    q: Coefficients


class NatureRun:
    """Six-hourly weather of the default planet, a block of days at a time, in float32.

    Geopotential (linear balance plus the standard atmosphere's mean) and winds at 200, 500 and
    800 hPa on the Gauss-Legendre grid of the truncation, north to south. The same arguments give
    the same planet to the bit, wherever it goes on; another seed gives other weather of the same
    climate.

    Args:
        start: first date, e.g. "2001-01-01" (or "2001", "2001-01").
        end: last date, inclusive: "2002" ends on 31 December 2002, 18 UTC.
        truncation: triangular truncation.
        spinup_days: days run before `start` and not kept; weather needs about 60 to develop.
        seed: of the noise in the initial state.
        block_days: days in a block; the last may be shorter.

    Raises:
        ValueError: an argument is impossible; says which.
    """

    def __init__(
        self,
        *,
        start: str,
        end: str,
        truncation: int = 21,
        spinup_days: int = 120,
        seed: int = 0,
        block_days: int = 30,
    ) -> None:
        self.times = output_times(start, end)
        if spinup_days < 0:
            raise ValueError(f"spinup_days: expected 0 or more, got {spinup_days}; try 120")
        if block_days < 1:
            raise ValueError(f"block_days: expected at least 1, got {block_days}; try 30")
        self.model = QuasiGeostrophicModel(truncation=truncation)
        self.seed = seed
        self.block_steps = block_days * 24 // OUTPUT_HOURS
        self.spinup_steps = spinup_days * 24 // OUTPUT_HOURS

    @property
    def steps(self) -> list[int]:
        """At which step each block begins, those of the spin-up among them."""
        spinup = range(-self.spinup_steps, 0, self.block_steps)
        return [*spinup, *range(0, len(self.times), self.block_steps)]

    def time(self, step: int) -> pd.Timestamp:
        """When a step is."""
        time: pd.Timestamp = self.times[0] + pd.Timedelta(hours=step * OUTPUT_HOURS)
        return time

    @property
    def block_bytes(self) -> int:
        """Memory that a block takes while it is made: in double precision, then in single."""
        grid = self.model.harmonics.grid
        fields = 3 * self.block_steps * len(LEVELS) * math.prod(grid.shape)
        return fields * (8 + 4)

    def initial_state(self) -> State:
        """The state in which the spin-up begins."""
        step = -self.spinup_steps
        seconds = (self.time(step) - MID_JANUARY).total_seconds()
        return State(step, seconds, self.model.initial_state(self.seed))

    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> State:
        """A state of its numbers by name."""
        return State(int(arrays["step"]), float(arrays["seconds"]), arrays["q"])

    def advance(self, state: State) -> tuple[xr.Dataset | None, State]:
        """The block that begins with a state, None in the spin-up, and the state after it."""
        end = 0 if state.step < 0 else len(self.times)
        stop = min(state.step + self.block_steps, end)
        states, seconds, q = [], state.seconds, state.q
        num_steps = math.ceil(OUTPUT_HOURS / LONGEST_STEP * self.model.truncation / 21)
        time_step = OUTPUT_HOURS * 3600 / num_steps
        for _ in range(state.step, stop):
            states.append(q)
            for _ in range(num_steps):
                q = self.model.step(q, seconds, time_step)
                seconds += time_step
        after = State(stop, seconds, q)
        if state.step < 0:
            return None, after
        return to_dataset(self.model, self.times[state.step : stop], np.stack(states)), after

    def template(self) -> xr.Dataset:
        """The whole analysis with its times and attributes, but without values."""
        block = to_dataset(self.model, self.times[:1], self.initial_state().q[None])
        fields = {}
        for name, variable in block.data_vars.items():
            shape = (len(self.times), *variable.shape[1:])
            chunks = (self.block_steps, *shape[1:])
            zeros = dask.array.zeros(shape, dtype=variable.dtype, chunks=chunks)
            fields[name] = (variable.dims, zeros, variable.attrs)
        time = (TIME, self.times, block[TIME].attrs)
        return xr.Dataset(fields, {**block.drop_vars(TIME).coords, TIME: time}, block.attrs)


def nature_run(
    *,
    start: str,
    end: str,
    truncation: int = 21,
    spinup_days: int = 120,
    seed: int = 0,
    block_days: int = 30,
) -> Iterator[xr.Dataset]:
    """The blocks of a NatureRun in order of time: datasets (time, level, latitude, longitude)."""
    planet = NatureRun(
        start=start,
        end=end,
        truncation=truncation,
        spinup_days=spinup_days,
        seed=seed,
        block_days=block_days,
    )
    state = planet.initial_state()
    while state.step < len(planet.times):
        block, state = planet.advance(state)
        if block is not None:
            yield block


def output_times(start: str, end: str) -> pd.DatetimeIndex:
    """Six-hourly times from the start of one date to the end of another."""
    first, last = pd.Period(start).start_time, pd.Period(end).end_time
    times = pd.date_range(first, last, freq=f"{OUTPUT_HOURS}h")
    if len(times) == 0:
        raise ValueError(f"end: expected a date after start {start}, got {end}; swap them?")
    return times


def to_dataset(
    model: QuasiGeostrophicModel, times: pd.DatetimeIndex, q: Coefficients
) -> xr.Dataset:
    """States q (time, 3, k) as an analysis in physical units, with CF attributes."""
    psi = np.concatenate([model.streamfunction(state) for state in q])
    grid = model.harmonics.grid
    coords = {
        "time": times,
        "level": np.array(LEVELS),
        "latitude": grid.latitude,
        "longitude": grid.longitude,
    }
    shape = tuple(map(len, coords.values()))
    eastward, northward = model.winds(psi)
    fields = {
        "geopotential": model.geopotential(psi).reshape(shape) + MEAN_GEOPOTENTIAL[:, None, None],
        "u_component_of_wind": eastward.reshape(shape),
        "v_component_of_wind": northward.reshape(shape),
    }
    dims = tuple(coords)
    return xr.Dataset(
        {k: (dims, x.astype(np.float32), VARIABLES[k].attrs) for k, x in fields.items()},
        {name: (name, x, COORDINATE_ATTRS[name]) for name, x in coords.items()},
        {**described("axialcast nature run", "simulate"), PLANET: WITHOUT_CONTINENTS},
    )
