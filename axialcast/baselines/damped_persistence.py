"""The anomaly of the initial state, as far as it is remembered at each lead time.

Shapes: i initial times, l lead times, t times, c channels, h latitudes, w longitudes, x cells.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines import large
from axialcast.baselines.anomalies import Anomalies, forecast_from
from axialcast.baselines.baseline import (
    ALL,
    States,
    Which,
    overlap,
    spacing,
    whole_steps,
)
from axialcast.baselines.climatology import Climatology
from axialcast.baselines.passes import MEMORY_GIB, go_through
from axialcast.cores import on_all_cores
from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis, Block
from axialcast.grid import coords_of, dims_of
from axialcast.names import LEAD_TIME, LEVEL
from axialcast.times.calendars import gapless_axis, steps_between
from axialcast.times.dates import Leads, Times, later
from axialcast.times.leads import lead_coordinate, leads_of
from axialcast.times.steps import in_months, step_text

__all__ = [
    "DampedPersistence",
    "LaggedSums",
    "check_pairs",
    "damped_persistence_of",
]

STRETCH = 256
"""Times whose products are summed in single precision."""
TILE_VALUES = 2**18
"""Values that are taken together: they stay in cache for all lead times."""


@dataclass(frozen=True)
class DampedPersistence:
    """The initial anomaly times its lag regression at each grid point, on top of climatology.

    Args:
        damping: (lead_time, [level], latitude, longitude) regression coefficients.
    """

    climatology: Climatology
    damping: xr.Dataset

    @classmethod
    def fit(
        cls,
        training: Analysis | xr.Dataset,
        climatology: Climatology,
        *,
        lead_times: Leads,
        memory_gib: float = MEMORY_GIB,
    ) -> "DampedPersistence":
        """Regression through the origin of the anomaly on that of `lead_times` before.

        Pairs that lack either value are left out, point by point, and a missing time is one that
        lacks all of them; a point without any pair has no memory, as one that is never analysed
        (land, for the sea's temperature) has no forecast.
        The training years are read once.

        Args:
            memory_gib: what the fit may hold.

        Raises:
            ValueError: a lead time is not a multiple of the training data's cadence, reaches past
                its end, or from no time to another that is there.
        """
        analysis = Analysis.of(training, climatology.channels)
        sums = LaggedSums(analysis, lead_times)
        go_through(analysis, [Anomalies(climatology, [sums])], memory_gib)
        return sums.baseline(climatology)

    @property
    def channels(self) -> Channels:
        """(c,) what it was fitted on."""
        return self.climatology.channels

    @cached_property
    def _tables(self) -> list[tuple[slice, NDArray[np.float32]]]:
        """Channels of each variable, and their (l, c, h, w) damping."""
        tables, start = [], 0
        for name in self.climatology.channels.variables:
            array = self.damping[name]
            dims = (LEAD_TIME, *([LEVEL] if LEVEL in array.dims else []))
            table = array.transpose(*dims, *dims_of(array.dims)).values
            table = table if LEVEL in array.dims else table[:, None]
            tables.append((slice(start, start + table.shape[1]), table))
            start += table.shape[1]
        return tables

    def values(
        self,
        states: States,
        init_times: Times,
        lead_times: Leads,
        normal: NDArray[np.float32],
        channels: Which = ALL,
    ) -> NDArray[np.float32]:
        fitted = leads_of(self.damping)
        if in_months(fitted) != in_months(lead_times) or not np.isin(lead_times, fitted).all():
            raise ValueError(
                f"lead_times: damped persistence was fitted for {step_text(fitted)}, got "
                f"{step_text(lead_times)}; fit it for these"
            )
        places = np.array([np.flatnonzero(fitted == lead)[0] for lead in lead_times])
        adjoin = (np.diff(places) == 1).all()  # then nothing is copied
        leads: Which = slice(int(places[0]), int(places[-1]) + 1) if adjoin else places
        anomaly = states(init_times) - self.climatology.values_at(init_times, channels)
        values = np.empty(normal.shape, np.float32)
        for held, table in self._tables:
            into, inside = overlap(channels, held)
            values[:, :, into] = anomaly[:, None, into] * table[leads][:, inside]
        values += normal
        return values

    def forecast(
        self, analysis: Analysis | xr.Dataset, init_times: Times, lead_times: Leads
    ) -> xr.Dataset:
        return forecast_from(self, self.climatology, analysis, init_times, lead_times)

    def parts(self) -> dict[str, Any]:
        return {"climatology": self.climatology, "damping": self.damping}

    def states(self, init_times: Times) -> Times:
        return init_times


def check_pairs(times: Times, lead_times: Leads) -> None:
    """Refuses lead times that no two of the times are apart.

    Raises:
        ValueError: as `DampedPersistence.fit`.
    """
    steps = whole_steps("lead_times", lead_times, spacing(times))
    there, longest = gapless_axis(times)[0] >= 0, int(steps.max())
    num = len(there) - longest
    if num < 1:
        raise ValueError(
            f"lead_times: the training period of {len(there)} times is not longer "
            f"than the longest lead time of {longest} steps; train on more"
        )
    for lead, step in zip(lead_times, steps, strict=True):
        if not (there[:num] & there[step : step + num]).any():
            raise ValueError(
                f"lead_times: no two times of the training period are {step_text(lead)} "
                "apart, for too many are missing; choose another period or shorter lead times"
            )


class LaggedSums:
    """Gathers sums of squares of anomalies, and of their products with those of each lead later.

    They are over all times but the last of the longest lead.

    Attributes:
        damping: (l, c, h, w) regression coefficients, as far as groups have come to their end.

    Raises:
        ValueError: as `DampedPersistence.fit`.
    """

    def __init__(self, training: Analysis, lead_times: Leads) -> None:
        self._cadence = spacing(training.times)
        self._steps = whole_steps("lead_times", lead_times, self._cadence)
        self._longest = int(self._steps.max())
        check_pairs(training.times, lead_times)
        self._training, self._lead_times = training, lead_times
        self.damping = large.zeros((len(lead_times), *training.shape), np.float32)
        # Squares and products in double precision, and the states of the longest lead.
        self.held = 4.0 * len(lead_times) + self._longest

    def begin(self, group: Analysis) -> None:
        num, *grid = group.shape
        cells = math.prod(grid)
        self._place = group.place
        self._last: Times | None = None
        self._before = [np.empty((0, cells), np.float32) for _ in range(num)]
        self._products = [np.zeros((len(self._steps), cells)) for _ in range(num)]
        # One row for all lead times, as long as no value is missing.
        self._squares = [np.zeros((1, cells)) for _ in range(num)]

    def add(self, block: Block) -> None:
        new, rows = block.new, self._rows(block.times[block.overlap :])

        def take(channel: int) -> None:
            states = new[:, channel].reshape(len(new), -1)
            if rows[-1] >= len(rows):
                known, states = states, np.full((rows[-1] + 1, states.shape[1]), np.nan, np.float32)
                states[rows] = known
            window = np.concatenate([self._before[channel], states])
            stop = len(window) - self._longest
            for start in range(0, stop, STRETCH):
                end = min(start + STRETCH, stop)
                self._sum(channel, window[start : end + self._longest])
            self._before[channel] = window[max(stop, 0) :].copy()

        on_all_cores(take, range(len(self._before)))

    def _rows(self, times: Times) -> NDArray[np.int64]:
        """(t,) places of the times, counted in steps from the last that came before.

        Of a gap, no more than the longest lead time: no pair reaches across it anyway.
        """
        before = later(times[:1], -self._cadence) if self._last is None else self._last
        self._last = times[-1:]
        steps = steps_between(np.concatenate([before, times]), self._cadence)
        return np.cumsum(np.minimum(steps, self._longest + 1)) - 1

    def _sum(self, channel: int, window: NDArray[np.float32]) -> None:
        """Adds the pairs that begin at any time of a (t, x) window but the last `_longest`."""
        num = len(window) - self._longest
        width = max(16, TILE_VALUES // len(window))
        for start in range(0, window.shape[1], width):
            tile = slice(start, start + width)
            part = np.ascontiguousarray(window[:, tile])
            seen = np.isfinite(part)
            complete = bool(seen.all())
            known = part if complete else np.where(seen, part, np.float32(0))
            now = known[:num]
            for lead, step in enumerate(self._steps):
                product = np.einsum("tx,tx->x", now, known[step : step + num])
                self._products[channel][lead, tile] += product
            square = np.square(now)
            if complete:
                self._squares[channel][:, tile] += square.sum(0)
                continue
            if len(self._squares[channel]) == 1:
                self._squares[channel] = self._squares[channel].repeat(len(self._steps), axis=0)
            there = seen.astype(np.float32)
            for lead, step in enumerate(self._steps):
                pairs = np.einsum("tx,tx->x", square, there[step : step + num])
                self._squares[channel][lead, tile] += pairs

    def end(self) -> None:
        channels, rows, columns = self._place
        sums = zip(channels, self._products, self._squares, strict=True)
        for channel, products, squares in sums:
            part = self.damping[:, channel, rows, columns]
            damping = products / np.maximum(squares, np.finfo(np.float64).tiny)
            part[...] = damping.reshape(part.shape)
        self._before, self._products, self._squares = [], [], []

    def baseline(self, climatology: Climatology) -> DampedPersistence:
        """What was fitted."""
        return damped_persistence_of(climatology, self.damping, self._lead_times)


def damped_persistence_of(
    climatology: Climatology, damping: NDArray[np.float32], lead_times: Leads
) -> DampedPersistence:
    """Damped persistence of (l, c, h, w) coefficients."""
    coords = {LEAD_TIME: lead_coordinate(lead_times), **coords_of(climatology.coefficients)}
    return DampedPersistence(
        climatology, climatology.channels.unstack(damping, coords, (LEAD_TIME,))
    )
