"""The seasonal cycle at each grid point, fitted on the training years.

Shapes: k times, m coefficients, i initial times, l lead times, c channels, h latitudes,
w longitudes.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines import large
from axialcast.baselines.baseline import (
    ALL,
    States,
    Which,
    aligned,
    labelled,
    overlap,
)
from axialcast.baselines.cycle import Equations, annual_basis, check_cycle, check_hours, hour_of
from axialcast.baselines.passes import MEMORY_GIB, go_through
from axialcast.baselines.products import product
from axialcast.cores import on_all_cores
from axialcast.data.channels import Channels
from axialcast.data.cutting import Place
from axialcast.data.reader import Analysis, Block
from axialcast.grid import Grid, coords_of, grid_of
from axialcast.names import LEVEL, TIME
from axialcast.times.dates import Leads, Times

__all__ = [
    "Climatology",
    "CycleSums",
    "climatology_of",
]

HOUR, COEFFICIENT = "hour", "coefficient"


@dataclass(frozen=True)
class Climatology:
    """Mean and harmonics of the year, for each hour of the day that was analysed.

    Hours are fitted apart, so the daily cycle is whatever it is, in every season. As a forecast
    (a `Baseline`) it is the climatology of the valid time.

    Args:
        coefficients: (hour, coefficient, [level], latitude, longitude) float32, `hour` in UTC; the
            coefficients are the mean, the cosines, then the sines. Those of a large grid lie on
            the disk, mapped into memory.
    """

    coefficients: xr.Dataset

    @classmethod
    def fit(
        cls,
        training: Analysis | xr.Dataset,
        *,
        harmonics: int = 3,
        memory_gib: float = MEMORY_GIB,
    ) -> "Climatology":
        """Least squares on the training years; missing values and times are left out.

        A point with fewer values than twice its coefficients has a NaN climatology. The training
        years are read once.

        Args:
            memory_gib: what the fit may hold.

        Raises:
            ValueError: `training` covers less than a year, or lacks a season, which harmonics of
                the year need; a field has no point with values enough; the calendar is not the
                standard one.
        """
        analysis = Analysis.of(training)
        sums = CycleSums(analysis, harmonics)
        go_through(analysis, [sums], memory_gib)
        return sums.climatology()

    @cached_property
    def channels(self) -> Channels:
        """(c,) what it is the climatology of."""
        return Channels.of(self.coefficients)

    @cached_property
    def grid(self) -> Grid:
        return grid_of(self.coefficients)

    @cached_property
    def _tables(self) -> list[tuple[slice, NDArray[np.float32]]]:
        """Channels of each variable, and their (hour, m, c, h, w) coefficients."""
        tables, start = [], 0
        for array in self.coefficients.data_vars.values():
            dims = (HOUR, COEFFICIENT, *([LEVEL] if LEVEL in array.dims else []))
            table = array.transpose(*dims, *self.grid.dims).values
            table = table[:, :, None] if LEVEL not in array.dims else table
            stop = start + table.shape[2]
            tables.append((slice(start, stop), table.astype(np.float32, copy=False)))
            start = stop
        return tables

    def values_at(self, times: Times, channels: Which = ALL) -> NDArray[np.float32]:
        """(k, c, h, w) climatology at the times, of these channels.

        Raises:
            ValueError: it was not fitted at an hour of the day that is among them.
        """
        hours, fitted = hour_of(times), self.coefficients[HOUR].values
        check_hours(times, fitted)
        # Single precision rounds as the data do, and there is a field for every pair scored.
        design = annual_basis(times, self.coefficients.sizes[COEFFICIENT] // 2).astype(np.float32)
        num = len(np.arange(len(self.channels))[channels])
        values = np.empty((len(times), num, *self.grid.shape), np.float32)
        for number, hour in enumerate(fitted):
            rows = np.flatnonzero(hours == hour)
            if not len(rows):
                continue
            for places, table in self._tables:
                into, inside = overlap(channels, places)
                chosen = table[number][:, inside]
                part = product(design[rows], chosen.reshape(design.shape[1], -1))
                at = rows if isinstance(into, slice) else rows[:, None]
                values[at, into] = part.reshape(len(rows), *chosen.shape[1:])
        return values

    def each(self, place: Place) -> list["Climatology"]:
        """The climatology of every channel of a place alone; they share the coefficients."""
        channels, rows, columns = place
        found = []
        for channel in (self.channels[number] for number in channels):
            array = self.coefficients[channel.variable]
            array = array.isel(dict(zip(self.grid.dims, (rows, columns), strict=True)))
            if channel.level is not None:
                level = self.channels.levels(channel.variable).index(channel.level)
                array = array.isel({LEVEL: slice(level, level + 1)})
            found.append(Climatology(array.to_dataset()))
        return found

    def at(self, times: Times) -> xr.Dataset:
        """(time, [level], latitude, longitude) climatology in float32."""
        coords = {TIME: times, **self._places}
        return self.channels.unstack(self.values_at(times), coords, (TIME,))

    def values(
        self,
        states: States,
        init_times: Times,
        lead_times: Leads,
        normal: NDArray[np.float32],
        channels: Which = ALL,
    ) -> NDArray[np.float32]:
        """`normal` itself."""
        return normal

    def normal(self, init_times: Times, lead_times: Leads) -> NDArray[np.float32]:
        """(i, l, c, h, w) climatology at the valid times."""
        valid = np.add.outer(init_times, lead_times)
        values = self.values_at(valid.ravel())
        return values.reshape(*valid.shape, *values.shape[1:])

    def forecast(
        self, analysis: Analysis | xr.Dataset, init_times: Times, lead_times: Leads
    ) -> xr.Dataset:
        """(init_time, lead_time, [level], latitude, longitude) climatology of the valid times."""
        values = self.normal(init_times, lead_times)
        return labelled(values, self.channels, self.coefficients, init_times, lead_times)

    def parts(self) -> dict[str, Any]:
        return {"coefficients": self.coefficients}

    def states(self, init_times: Times) -> Times:
        return init_times[:0]

    def anomalies(self, states: Analysis | xr.Dataset) -> xr.Dataset:
        """`states` (time, ...) less the climatology of their dates, in its order of variables.

        Raises:
            ValueError: the states are not on the grid and levels of the training data.
        """
        analysis = aligned(states, self.channels, self.grid)
        values = analysis.read(slice(None))
        values -= self.values_at(analysis.times)
        coords = {TIME: analysis.times, **self._places}
        return self.channels.unstack(values, coords, (TIME,))

    @property
    def _places(self) -> dict[str, Any]:
        return coords_of(self.coefficients)


class CycleSums:
    """Gathers the normal equations of a climatology, for every channel, hour and cell.

    Raises:
        ValueError: as `Climatology.fit`.
    """

    def __init__(self, training: Analysis, harmonics: int) -> None:
        times = training.times
        check_cycle(times, harmonics)
        self._training, self._harmonics = training, harmonics
        self._hours = np.unique(hour_of(times))
        num = 2 * harmonics + 1
        self._coefficients = large.zeros((len(self._hours), num, *training.shape), np.float32)
        # In double precision, and single once more when they are solved.
        self.held = 2.0 * num * len(self._hours)
        self._equations: list[Equations] = []

    def begin(self, group: Analysis) -> None:
        self._place = group.place
        num, cells = self._coefficients.shape[1], math.prod(group.shape[1:])
        self._pairs = [(c, hour) for c in range(group.shape[0]) for hour in range(len(self._hours))]
        self._equations = [Equations(num, cells) for _ in self._pairs]

    def add(self, block: Block) -> None:
        new = block.new
        times = block.times[block.overlap :]
        hours, design = hour_of(times), annual_basis(times, self._harmonics)
        rows = [_stretch(np.flatnonzero(hours == hour)) for hour in self._hours]
        cells = new.shape[2] * new.shape[3]

        def take(number: int) -> None:
            channel, hour = self._pairs[number]
            values = new[rows[hour], channel].reshape(-1, cells)
            self._equations[number].add(design[rows[hour]], values)

        on_all_cores(take, range(len(self._pairs)))

    def end(self) -> None:
        channels, rows, columns = self._place

        def solve(number: int) -> None:
            channel, hour = self._pairs[number]
            part = self._coefficients[hour, :, channels[channel], rows, columns]
            part[...] = self._equations[number].solve().reshape(part.shape)

        on_all_cores(solve, range(len(self._pairs)))
        self._equations = []

    def climatology(self) -> Climatology:
        """What was fitted."""
        return climatology_of(**self.arrays(), like=self._training)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was fitted: `coefficients` (hour, m, c, h, w) and `hours`."""
        num = self._coefficients.shape[1]
        for hour, fitted in zip(self._hours, self._coefficients, strict=True):
            for channel, field in zip(self._training.channels, fitted[0], strict=True):
                if not np.isfinite(field).any():
                    raise ValueError(
                        f"{channel}: no point has the {2 * num} values or more that its "
                        f"climatology needs at {hour} h UTC; extend the training period, take "
                        "fewer harmonics or leave the variable out"
                    )
        return {"coefficients": self._coefficients, "hours": self._hours}


def climatology_of(
    coefficients: NDArray[np.float32], hours: NDArray[np.int64], like: Analysis
) -> Climatology:
    """A climatology of (hour, m, c, h, w) coefficients, with the labels of an analysis."""
    coords = {HOUR: hours, **coords_of(like.dataset)}
    return Climatology(like.channels.unstack(coefficients, coords, (HOUR, COEFFICIENT)))


def _stretch(rows: NDArray[np.intp]) -> "slice | NDArray[np.intp]":
    """Evenly spaced rows as a slice, which need not be copied."""
    steps = np.unique(np.diff(rows))
    if len(rows) and len(steps) < 2:
        return slice(int(rows[0]), int(rows[-1]) + 1, int(steps[0]) if len(steps) else 1)
    return rows
