"""Windows of consecutive states, shuffled, from an analysis of any size.

The order of windows is a pure function of (seed, epoch), so a position in training is just
(epoch, batch). Shapes: b windows, t states in a window, c channels, h latitudes, w longitudes.
"""

import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from axialcast.data.channels import Channels
from axialcast.data.normalize import Statistics, normalize_
from axialcast.names import TIME

__all__ = ["Batch", "States", "WindowLoader"]

BUFFER_BYTES = 2**30
"""Decoded data kept in memory; an analysis that fits is read once and held."""


@dataclass(frozen=True)
class Batch:
    """Windows of normalised states.

    Args:
        states: (b, t, c, h, w) float32.
        times: (b, t) datetime64, the valid time of each state.
    """

    states: Tensor
    times: NDArray[np.datetime64]


class States:
    """Normalised states of an analysis, by position in time; held in memory where they fit.

    Args:
        analysis: dimensions (time, [level], latitude, longitude), evenly spaced in time.
        channels: which channels, in which order.
        statistics: their normalisation.
        buffer_bytes: hold everything if it decodes to at most this many bytes.
    """

    def __init__(
        self,
        analysis: xr.Dataset,
        channels: Channels,
        statistics: Statistics,
        *,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self.times = analysis[TIME].values
        self._analysis, self._channels, self._statistics = analysis, channels, statistics
        cells = analysis.sizes["latitude"] * analysis.sizes["longitude"]
        self.bytes_per_state = 4 * len(channels) * cells
        self.buffer_bytes = buffer_bytes
        self.in_memory = len(self.times) * self.bytes_per_state <= buffer_bytes
        self._held: Tensor | None = None

    def __len__(self) -> int:
        return len(self.times)

    def read(self, start: int, stop: int) -> Tensor:
        """(stop - start, c, h, w) normalised states of the times start to stop - 1.

        Raises:
            ValueError: a state holds NaN.
        """
        if self.in_memory:
            if self._held is None:
                self._held = self._decode(0, len(self))
            return self._held[start:stop]
        return self._decode(start, stop)

    def _decode(self, start: int, stop: int) -> Tensor:
        values = self._channels.stack(self._analysis.isel({TIME: slice(start, stop)}))
        if np.isnan(values).any():
            bad = np.isnan(values).any((2, 3))
            time, channel = np.argwhere(bad)[0]
            when = np.datetime_as_string(self.times[start + time], "m")
            raise ValueError(
                f"{self._channels[channel]}: NaN at {when}; fill it or leave the period out"
            )
        return normalize_(torch.from_numpy(values), self._statistics)


class WindowLoader:
    """Batches of windows, no window twice in an epoch.

    A window that starts at position i holds the states i, i + step, …, i + (t - 1) step.
    Blocks of consecutive starts are read in shuffled order, several to a generation; the windows
    of a generation are shuffled together and the next generation is read in the background.

    Args:
        states: where windows come from.
        length: states in a window, t.
        step: positions from one state of a window to the next.
        batch_size: windows in a batch, b; an incomplete last batch is left out if `shuffle`.
        shuffle: random order; otherwise by time.
        seed: of the order.
        rank, world_size: this process takes every world_size-th batch.

    Raises:
        ValueError: too few times for one window, or for one batch on every rank.
    """

    def __init__(
        self,
        states: States,
        *,
        length: int,
        step: int = 1,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.states, self.length, self.step, self.batch_size = states, length, step, batch_size
        self.shuffle, self.seed, self.rank, self.world_size = shuffle, seed, rank, world_size
        self.span = (length - 1) * step + 1
        self.num_windows = len(states) - self.span + 1
        if self.num_windows < 1:
            raise ValueError(
                f"{len(states)} times ({_period(states.times)}) are too few for one window of "
                f"{length} states {step} apart, which spans {self.span}; choose a longer period "
                "or fewer input or rollout steps"
            )
        if len(self) < 1:
            raise ValueError(
                f"{self.num_windows} windows are too few for a batch of {batch_size} on "
                f"{world_size} ranks; choose a smaller batch_size or a longer period"
            )

    def __len__(self) -> int:
        """Batches in an epoch, the same on every rank."""
        if self.shuffle:
            return self.num_windows // (self.batch_size * self.world_size)
        return math.ceil(self.num_windows / (self.batch_size * self.world_size))

    def epoch(self, epoch: int, first_batch: int = 0) -> Iterator[Batch]:
        """Batches first_batch, first_batch + 1, … of an epoch."""
        order, generations = self._plan(epoch)
        wanted = [
            range(*_batch_bounds(index * self.world_size + self.rank, self.batch_size, len(order)))
            for index in range(first_batch, len(self))
        ]
        wanted = [batch for batch in wanted if batch]
        with ThreadPoolExecutor(1, thread_name_prefix="axialcast-windows") as reader:
            yield from self._batches(order, generations, wanted, reader)

    def _plan(self, epoch: int) -> tuple[NDArray[np.int64], list[range]]:
        """Window starts in the order of delivery, and which stretch of it each read serves."""
        if self.states.in_memory:
            return self._shuffled(np.arange(self.num_windows), epoch), [range(self.num_windows)]
        capacity = max(self.states.buffer_bytes // (2 * self.states.bytes_per_state), self.span)
        block = max(1, capacity // 16 - self.span + 1)
        blocks = self._shuffled(np.arange(0, self.num_windows, block), epoch)
        per_generation = max(1, capacity // (block + self.span - 1))
        order: list[NDArray[np.int64]] = []
        generations: list[range] = []
        for first in range(0, len(blocks), per_generation):
            chosen = blocks[first : first + per_generation]
            starts = [np.arange(s, min(s + block, self.num_windows)) for s in chosen]
            windows = self._shuffled(np.concatenate(starts), epoch, first + 1)
            begin = generations[-1].stop if generations else 0
            generations.append(range(begin, begin + len(windows)))
            order.append(windows)
        return np.concatenate(order), generations

    def _shuffled(self, values: NDArray[np.int64], *position: int) -> NDArray[np.int64]:
        """The values in an order that depends on the seed and the position alone."""
        if self.shuffle:
            np.random.default_rng([self.seed, *position]).shuffle(values)
        return values

    def _batches(
        self,
        order: NDArray[np.int64],
        generations: list[range],
        wanted: list[range],
        reader: ThreadPoolExecutor,
    ) -> Iterator[Batch]:
        offsets = np.arange(self.length) * self.step
        pieces: dict[int, tuple[NDArray[np.int64], Tensor]] = {}
        pending: dict[int, Future[tuple[NDArray[np.int64], Tensor]]] = {}
        for batch in wanted:
            needed = [g for g, r in enumerate(generations) if _overlap(r, batch)]
            for g in (*needed, needed[-1] + 1):
                if g < len(generations) and g not in pieces and g not in pending:
                    pending[g] = reader.submit(self._read, order[_slice(generations[g])])
            for g in [g for g in pieces if g < needed[0]]:
                del pieces[g]
            parts = []
            for g in needed:
                if g in pending:
                    pieces[g] = pending.pop(g).result()
                where, values = pieces[g]
                positions = order[_slice(_overlap(generations[g], batch))][:, None] + offsets
                rows = torch.from_numpy(np.searchsorted(where, positions.ravel()))
                parts.append(values[rows].view(*positions.shape, *values.shape[1:]))
            states = parts[0] if len(parts) == 1 else torch.cat(parts)
            yield Batch(states, self.states.times[order[_slice(batch)][:, None] + offsets])

    def _read(self, starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], Tensor]:
        """Positions that the windows touch (sorted), and their states."""
        if self.states.in_memory:
            return np.arange(len(self.states)), self.states.read(0, len(self.states))
        touched = np.zeros(len(self.states), bool)
        for offset in np.arange(self.length) * self.step:
            touched[starts + offset] = True
        where = np.flatnonzero(touched)
        runs = np.split(where, np.flatnonzero(np.diff(where) > 1) + 1)
        parts = [self.states.read(int(run[0]), int(run[-1]) + 1) for run in runs]
        return where, torch.cat(parts)


def _batch_bounds(index: int, size: int, total: int) -> tuple[int, int]:
    return min(index * size, total), min((index + 1) * size, total)


def _overlap(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))


def _slice(positions: range) -> slice:
    return slice(positions.start, positions.stop)


def _period(times: NDArray[np.datetime64]) -> str:
    if not len(times):
        return "none"
    first, last = np.datetime_as_string(times[[0, -1]], "D")
    return f"{first} to {last}"
