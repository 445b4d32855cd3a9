"""Channels of an analysis that one stored array holds, read by position in time.

Shapes: n times, c channels, h latitudes, w longitudes.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.data.arrays.stored import Stored, linear, moved

__all__ = ["Held", "Source", "Where", "runs"]

Where = tuple[slice, slice, slice, slice]
"""A part of (n, c, h, w)."""


@dataclass(frozen=True)
class Held:
    """A channel in a stored array: its position there, its place in the analysis, its units'
    conversion (values * factor + offset)."""

    position: int
    place: int
    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, eq=False)
class Source:
    """Channels that one stored array holds.

    Args:
        stored: dimensions (time, [channel], latitude, longitude, *others).
        times: position of each of the analysis' times, increasing.
        rows: positions of the grid's, which count up or down by one.
        columns: positions of the grid's, each once.
        others: the position on each of the other axes.
        held: the channels; without a channel axis there is one, at position 0.
    """

    stored: Stored
    times: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    others: tuple[int, ...]
    held: tuple[Held, ...]

    @property
    def is_stacked(self) -> bool:
        """Whether the array has a channel axis."""
        return self.stored.ndim == 4 + len(self.others)

    @property
    def is_remote(self) -> bool:
        return self.stored.is_remote

    @property
    def _axes(self) -> tuple[int, int, int]:
        """Of time, latitude and longitude."""
        return (0, 2, 3) if self.is_stacked else (0, 1, 2)

    @cached_property
    def _stride(self) -> int:
        """Times of the store from one of the analysis to the next, if chunks begin alike."""
        steps = np.unique(np.diff(self.times))
        stride = int(steps[0]) if len(steps) == 1 else 1
        return 1 if self.stored.chunk_shape[0] % stride else stride

    @property
    def chunk(self) -> int:
        return self.stored.chunk_shape[0] // self._stride

    @property
    def offset(self) -> int:
        return int(self.times[0]) // self._stride if len(self.times) else 0

    @cached_property
    def numbers(self) -> tuple[NDArray[np.int64], ...]:
        lines = (self.times, self.rows, self.columns)
        return tuple(map(self.stored.numbers, self._axes, lines))

    @property
    def units(self) -> list[list[int]]:
        if not self.is_stacked:
            return [[self.held[0].place]]
        numbers = self.stored.numbers(1, np.array([held.position for held in self.held]))
        found: dict[int, list[int]] = {}
        for number, held in zip(numbers.tolist(), self.held, strict=True):
            found.setdefault(number, []).append(held.place)
        return list(found.values())

    @cached_property
    def _boxes(self) -> list[tuple[slice, ...]]:
        """What is read of every axis but time."""
        row, column = self._axes[1:]
        lines = [self.stored.stretches(row, np.sort(self.rows))]
        lines.append(self.stored.stretches(column, np.sort(self.columns)))
        if self.is_stacked:
            positions = np.unique([held.position for held in self.held])
            lines.insert(0, self.stored.stretches(1, positions))
        others = [slice(other, other + 1) for other in self.others]
        return [(*spans, *others) for spans in itertools.product(*lines)]

    @cached_property
    def _column_runs(self) -> list[tuple[int, int, int]]:
        """(position, first of the grid, length) of columns that count up by one."""
        return runs(self.columns.tolist(), range(len(self.columns)))

    @cached_property
    def _channel_runs(self) -> list[tuple[list[tuple[int, int, int]], float, float]]:
        """Likewise of the channels of one conversion, with it."""
        kinds: dict[tuple[float, float], list[Held]] = {}
        for held in self.held:
            kinds.setdefault((held.factor, held.offset), []).append(held)
        return [
            (runs([h.position for h in kind], [h.place for h in kind]), *conversion)
            for conversion, kind in kinds.items()
        ]

    def pieces(self, times: NDArray[np.int64]) -> Iterator[tuple[Where, NDArray[Any]]]:
        if not len(times):
            return
        times, start = self.times[times], 0
        first, last = int(times[0]), int(times[-1]) + 1
        even = last - first == len(times)
        if even and self._shift is not None:
            yield from self._as_they_are(slice(first, last), self._shift)
            return
        for span in [slice(first, last)] if even else self.stored.stretches(0, times):
            stop = start + int(np.searchsorted(times[start:], span.stop))
            wanted = times[start:stop]
            for where, values in self._read(span):
                when = where[0]
                if stop - start < span.stop - span.start:  # some of its chunks' times
                    low, high = np.searchsorted(wanted, [when.start, when.stop]).tolist()
                    values = values[wanted[low:high] - when.start]
                    when = slice(low, high)
                else:
                    when = moved(when, -span.start)
                yield from self._placed(moved(when, start), *where[1:], values)
            start = stop

    @cached_property
    def _shift(self) -> int | None:
        """From a position within the box to a channel, where all else lies as it is read; None: it
        does not."""
        runs, factor, offset = self._channel_runs[0]
        one = (
            len(self._channel_runs) == len(runs) == len(self._column_runs) == len(self._boxes) == 1
        )
        upwards = len(self.rows) == 1 or self.rows[0] < self.rows[-1]
        plain = one and upwards and not self.others and (factor, offset) == (1.0, 0.0)
        return runs[0][1] if plain else None

    def _as_they_are(self, times: slice, shift: int) -> Iterator[tuple[Where, NDArray[Any]]]:
        """Values at times of the store, where nothing has to be moved, taken apart or turned."""
        box = (times, *self._boxes[0])
        if not self.is_stacked:
            place = slice(shift, shift + 1)
            for (when, rows, columns), values in self.stored.pieces(box):
                yield (when, place, rows, columns), values[:, None]
            return
        for (when, depth, rows, columns), values in self.stored.pieces(box):
            yield (when, moved(depth, shift), rows, columns), values

    def _read(self, times: slice) -> Iterator[tuple[Where, NDArray[Any]]]:
        """Where in the store, and values there (time, channel, latitude, longitude)."""
        drop: Any = (..., *[0] * len(self.others))
        for rest in self._boxes:
            box = (times, *rest)
            for part, values in self.stored.pieces(box):
                where = [moved(p, b.start) for p, b in zip(part, box, strict=True)]
                if self.others:
                    values = values[drop]
                if not self.is_stacked:
                    where.insert(1, slice(0, 1))
                    values = values[:, None]
                yield (where[0], where[1], where[2], where[3]), values

    def _placed(
        self, when: slice, depth: slice, rows: slice, columns: slice, values: NDArray[Any]
    ) -> Iterator[tuple[Where, NDArray[Any]]]:
        """Values at positions of the store as parts of the analysis."""
        if len(self.rows) > 1 and self.rows[0] > self.rows[-1]:
            last = int(self.rows[0])
            rows, values = slice(last + 1 - rows.stop, last + 1 - rows.start), values[:, :, ::-1]
        else:
            rows = moved(rows, -int(self.rows[0]))
        for channel_runs, factor, offset in self._channel_runs:
            for channels, within in _overlaps(channel_runs, depth):
                for where, inside in _overlaps(self._column_runs, columns):
                    part = values[:, within, :, inside]
                    if (factor, offset) != (1.0, 0.0):
                        part = linear(part, factor, offset)
                    yield (when, channels, rows, where), part


def _overlaps(runs: list[tuple[int, int, int]], part: slice) -> Iterator[tuple[slice, slice]]:
    """What of a part of an axis is wanted: where it belongs, and where it is within the part."""
    for position, place, length in runs:
        first, last = max(position, part.start), min(position + length, part.stop)
        if first < last:
            shift = place - position
            yield (
                slice(first + shift, last + shift),
                slice(first - part.start, last - part.start),
            )


def runs(ones: Sequence[int], others: Sequence[int]) -> list[tuple[int, int, int]]:
    """(first of ones, first of others, length) of stretches in which both count up by one."""
    runs: list[tuple[int, int, int]] = []
    for one, other in zip(ones, others, strict=True):
        if runs and (one, other) == (runs[-1][0] + runs[-1][2], runs[-1][1] + runs[-1][2]):
            runs[-1] = (*runs[-1][:2], runs[-1][2] + 1)
        else:
            runs.append((one, other, 1))
    return runs
