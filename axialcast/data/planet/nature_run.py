"""A nature run: weather of a quasi-geostrophic planet, for use where no analysis is at hand.

Shapes: k harmonics.
"""

import math
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pandas as pd
import xarray as xr

from axialcast.data.planet.quasigeostrophic import LEVELS, QuasiGeostrophicModel
from axialcast.data.planet.spectral import Coefficients
from axialcast.names import CONVENTIONS, COORDINATE_ATTRS, VARIABLES

__all__ = ["OUTPUT_HOURS", "nature_run", "output_times"]

MEAN_GEOPOTENTIAL = 9.80665 * np.array([11_784.0, 5_574.0, 1_949.0])
"""Global mean geopotential of the levels (m2 s-2): heights of the ICAO standard atmosphere."""

MID_JANUARY = pd.Timestamp("2000-01-15")
"""When the northern jets are drawn to their strongest."""

OUTPUT_HOURS = 6
"""Hours between the analyses that a nature run yields."""

LONGEST_STEP = 3.0
"""Time step of T21 (hours), in proportion shorter for finer grids: half of what is stable."""


def nature_run(
    *,
    start: str,
    end: str,
    truncation: int = 21,
    spinup_days: int = 120,
    seed: int = 0,
    block_days: int = 30,
) -> Iterator[xr.Dataset]:
    """Six-hourly weather of the default planet, a block of days at a time, in float32.

    Geopotential (linear balance plus the standard atmosphere's mean) and winds at 200, 500 and
    800 hPa on the Gauss-Legendre grid of the truncation, north to south. The same arguments give
    the same planet to the bit; another seed gives other weather of the same climate.

    Args:
        start: first date, e.g. "2001-01-01" (or "2001", "2001-01").
        end: last date, inclusive: "2002" ends on 31 December 2002, 18 UTC.
        truncation: triangular truncation.
        spinup_days: days run before `start` and not kept; weather needs about 60 to develop.
        seed: of the noise in the initial state.
        block_days: days in a yielded block; the last may be shorter.

    Yields:
        Datasets of dims (time, level, latitude, longitude), in order of time.
    """
    times = output_times(start, end)
    if spinup_days < 0:
        raise ValueError(f"spinup_days: expected 0 or more, got {spinup_days}; try 120")
    if block_days < 1:
        raise ValueError(f"block_days: expected at least 1, got {block_days}; try 30")
    model = QuasiGeostrophicModel(truncation=truncation)
    first = times[0] - pd.Timedelta(spinup_days, "D")
    states = _integrate(model, model.initial_state(seed), (first - MID_JANUARY).total_seconds())
    per_day = 24 // OUTPUT_HOURS
    states = islice(states, spinup_days * per_day, None)
    for start_of_block in range(0, len(times), block_days * per_day):
        block = times[start_of_block : start_of_block + block_days * per_day]
        yield to_dataset(model, block, np.stack(list(islice(states, len(block)))))


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
        {"Conventions": CONVENTIONS, "title": "axialcast nature run"},
    )


def _integrate(
    model: QuasiGeostrophicModel, q: Coefficients, seconds: float
) -> Iterator[Coefficients]:
    """The state at `seconds` since mid January, then after every output interval, for ever."""
    num_steps = math.ceil(OUTPUT_HOURS / LONGEST_STEP * model.truncation / 21)
    time_step = OUTPUT_HOURS * 3600 / num_steps
    while True:
        yield q
        for _ in range(num_steps):
            q = model.step(q, seconds, time_step)
            seconds += time_step
