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
from axialcast.baselines.cycle import (
    HOUR,
    MONTH,
    Equations,
    annual_basis,
    check_cycle,
    check_parts,
    fitted_apart,
    part_of,
    part_text,
)
from axialcast.baselines.passes import MEMORY_GIB, go_through
from axialcast.baselines.products import product
from axialcast.cores import on_all_cores
from axialcast.data.channels import Channels
from axialcast.data.cutting import Place
from axialcast.data.reader import Analysis, Block
from axialcast.grid import Grid, coords_of, grid_of
from axialcast.names import LEVEL, TIME
from axialcast.times.dates import Leads, Times, later

__all__ = [
    "COEFFICIENT",
    "Climatology",
    "CycleSums",
    "climatology_of",
]

COEFFICIENT = "coefficient"


@dataclass(frozen=True)
class Climatology:
    """Mean and harmonics of the year, for each hour of the day that was analysed.

    Hours are fitted apart, so the daily cycle is whatever it is, in every season. Where times stand
    for months, it is the mean of each calendar month. As a forecast (a `Baseline`) it is the
    climatology of the valid time.

    Args:
        coefficients: (hour or month, coefficient, [level], latitude, longitude) float32, `hour` in
            UTC; the coefficients are the mean, the cosines, then the sines. Those of a large grid
            lie on the disk, mapped into memory.
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
            harmonics: of the year; of months, 0 is the plain mean, and any other the mean of each
                calendar month.
            memory_gib: what the fit may hold.

        Raises:
            ValueError: `training` covers less than a year, or lacks a season, which harmonics of
                the year need, or, of months, holds one of them once; a field has no point with
                values enough.
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
        """Where the cells of its fields are."""
        return grid_of(self.coefficients)

    @property
    def apart(self) -> str:
        """By what its times are parted: hour or month."""
        return MONTH if MONTH in self.coefficients.dims else HOUR

    @cached_property
    def _tables(self) -> list[tuple[slice, NDArray[np.float32]]]:
        """Channels of each variable, and their (part, m, c, h, w) coefficients."""
        tables, start = [], 0
        for array in self.coefficients.data_vars.values():
            dims = (self.apart, COEFFICIENT, *([LEVEL] if LEVEL in array.dims else []))
            table = array.transpose(*dims, *self.grid.dims).values
            table = table[:, :, None] if LEVEL not in array.dims else table
            stop = start + table.shape[2]
            tables.append((slice(start, stop), table.astype(np.float32, copy=False)))
            start = stop
        return tables

    def values_at(self, times: Times, channels: Which = ALL) -> NDArray[np.float32]:
        """(k, c, h, w) climatology at the times, of these channels.

        Raises:
            ValueError: it was not fitted at an hour of the day, or in a month, that is among them.
        """
        parts, fitted = part_of(times, self.apart), self.coefficients[self.apart].values
        check_parts(times, fitted, self.apart)
        # Single precision rounds as the data do, and there is a field for every pair scored.
        design = annual_basis(times, self.coefficients.sizes[COEFFICIENT] // 2).astype(np.float32)
        num = len(np.arange(len(self.channels))[channels])
        values = np.empty((len(times), num, *self.grid.shape), np.float32)
        for number, part in enumerate(fitted):
            rows = np.flatnonzero(parts == part)
            if not len(rows):
                continue
            for places, table in self._tables:
                into, inside = overlap(channels, places)
                chosen = table[number][:, inside]
                found = product(design[rows], chosen.reshape(design.shape[1], -1))
                at = rows if isinstance(into, slice) else rows[:, None]
                values[at, into] = found.reshape(len(rows), *chosen.shape[1:])
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
        valid = later(init_times[:, None], lead_times)
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
    """Gathers the normal equations of a climatology, for every channel, part and cell.

    Raises:
        ValueError: as `Climatology.fit`.
    """

    def __init__(self, training: Analysis, harmonics: int) -> None:
        times = training.times
        check_cycle(times, harmonics)
        self._training = training
        self._apart = fitted_apart(times, harmonics)
        self._harmonics = 0 if self._apart == MONTH else harmonics
        self._parts = np.unique(part_of(times, self._apart))
        num = 2 * self._harmonics + 1
        self._coefficients = large.zeros((len(self._parts), num, *training.shape), np.float32)
        # In double precision, and single once more when they are solved.
        self.held = 2.0 * num * len(self._parts)
        self._equations: list[Equations] = []

    def begin(self, group: Analysis) -> None:
        self._place = group.place
        num, cells = self._coefficients.shape[1], math.prod(group.shape[1:])
        self._pairs = [(c, part) for c in range(group.shape[0]) for part in range(len(self._parts))]
        self._equations = [Equations(num, cells) for _ in self._pairs]

    def add(self, block: Block) -> None:
        new = block.new
        times = block.times[block.overlap :]
        parts, design = part_of(times, self._apart), annual_basis(times, self._harmonics)
        rows = [_stretch(np.flatnonzero(parts == part)) for part in self._parts]
        cells = new.shape[2] * new.shape[3]

        def take(number: int) -> None:
            channel, part = self._pairs[number]
            values = new[rows[part], channel].reshape(-1, cells)
            self._equations[number].add(design[rows[part]], values)

        on_all_cores(take, range(len(self._pairs)))

    def end(self) -> None:
        channels, rows, columns = self._place

        def solve(number: int) -> None:
            channel, part = self._pairs[number]
            field = self._coefficients[part, :, channels[channel], rows, columns]
            field[...] = self._equations[number].solve().reshape(field.shape)

        on_all_cores(solve, range(len(self._pairs)))
        self._equations = []

    def climatology(self) -> Climatology:
        """What was fitted."""
        return climatology_of(**self.arrays(), like=self._training)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was fitted: `coefficients` (part, m, c, h, w), and `hours` or `months`."""
        num = self._coefficients.shape[1]
        for part, fitted in zip(self._parts, self._coefficients, strict=True):
            for channel, field in zip(self._training.channels, fitted[0], strict=True):
                if not np.isfinite(field).any():
                    raise ValueError(
                        f"{channel}: no point has the {2 * num} values or more that its "
                        f"climatology needs {part_text(part, self._apart)}; extend the training "
                        "period, take fewer harmonics or leave the variable out"
                    )
        return {"coefficients": self._coefficients, f"{self._apart}s": self._parts}


def climatology_of(
    coefficients: NDArray[np.float32],
    like: Analysis,
    *,
    hours: NDArray[Any] | None = None,
    months: NDArray[np.int64] | None = None,
) -> Climatology:
    """A climatology of (part, m, c, h, w) coefficients, with the labels of an analysis."""
    apart, parts = (HOUR, hours) if months is None else (MONTH, months)
    coords = {apart: parts, **coords_of(like.dataset)}
    return Climatology(like.channels.unstack(coefficients, coords, (apart, COEFFICIENT)))


def _stretch(rows: NDArray[np.intp]) -> "slice | NDArray[np.intp]":
    """Evenly spaced rows as a slice, which need not be copied."""
    steps = np.unique(np.diff(rows))
    if len(rows) and len(steps) < 2:
        return slice(int(rows[0]), int(rows[-1]) + 1, int(steps[0]) if len(steps) else 1)
    return rows
