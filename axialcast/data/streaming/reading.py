"""Normalised states of an analysis, read by position in time, decoded and normalised once.

Shapes: n times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from axialcast.data.channels import Channels
from axialcast.data.normalize import Statistics
from axialcast.data.opening.calendars import time_text
from axialcast.data.streaming.stored import Box, Stored
from axialcast.data.streaming.tracing import trace
from axialcast.names import LATITUDE, LEVEL, LONGITUDE, TIME

__all__ = ["BUFFER_BYTES", "States"]

BUFFER_BYTES = 2**30
"""Decoded data kept in memory; an analysis that fits is read once and held."""
Where = tuple[slice, slice, slice, slice]
"""A part of (n, c, h, w)."""
PAGE_BYTES = 2**21
"""Decoded size of what a thread reads at once, if chunks are smaller."""


class States:
    """Normalised states of an analysis, by position in time; held in memory where they fit.

    Variables that are slices of stored arrays are decoded chunk by chunk into place; derived ones
    are computed by dask, one graph for each stretch of times.

    Args:
        analysis: dimensions (time, [level], latitude, longitude), times increasing.
        channels: which channels, in which order.
        statistics: their normalisation. Channels in which it counted NaN have masks.
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
        self.times: NDArray[Any] = analysis[TIME].values
        self.channels, self.buffer_bytes = channels, buffer_bytes
        self.shape = (len(channels), analysis.sizes[LATITUDE], analysis.sizes[LONGITUDE])
        self.masked = bool((statistics.missing > 0).any())
        self._may_miss = statistics.missing > 0
        self._mean = statistics.mean.astype(np.float32)[:, None, None]
        self._std = statistics.std.astype(np.float32)[:, None, None]
        self._sources, self._derived = _find_sources(analysis, channels)
        self._held: tuple[Tensor, Tensor | None] | None = None

    def __len__(self) -> int:
        return len(self.times)

    @property
    def bytes_per_state(self) -> int:
        """Memory that a state takes once it is decoded, with its mask."""
        return int(np.prod(self.shape)) * (5 if self.masked else 4)

    @property
    def in_memory(self) -> bool:
        """Whether all states are held after the first reading."""
        return len(self) * self.bytes_per_state <= self.buffer_bytes

    @property
    def page(self) -> int:
        """Times that are best read at once: whole chunks."""
        chunk = max((source.stored.chunk_shape[0] for source in self._sources), default=1)
        aim = min(PAGE_BYTES, self.buffer_bytes // 64)
        return chunk * max(1, aim // (chunk * self.bytes_per_state))

    @property
    def phase(self) -> int:
        """Place of the first time in its page."""
        return max((int(s.times[0]) for s in self._sources), default=0) % self.page

    def empty(self, num_states: int) -> tuple[Tensor, Tensor | None]:
        """Room for states (n, c, h, w) float32 and, if there are any, masks (bool).

        The last stands for a missing state: 0, and nowhere valid.
        """
        values = torch.empty(num_states, *self.shape)
        values[-1] = 0
        if not self.masked:
            return values, None
        valid = torch.empty(values.shape, dtype=torch.bool)
        valid[-1] = False
        return values, valid

    def held(self, num_threads: int = 1) -> tuple[Tensor, Tensor | None]:
        """All states and one more, which is all zero and invalid; read at the first call."""
        assert self.in_memory
        if self._held is None:
            states, valid = self.empty(len(self) + 1)
            with ThreadPoolExecutor(num_threads, thread_name_prefix="axialcast-states") as threads:
                tasks = [
                    threads.submit(
                        self.read_page, number, states, valid, number * self.page - self.phase
                    )
                    for number in range(self.num_pages)
                ]
                try:
                    for task in tasks:
                        task.result()
                except BaseException:
                    threads.shutdown(cancel_futures=True)
                    raise
            self._held = states, valid
        return self._held

    @property
    def num_pages(self) -> int:
        return -(-(len(self) + self.phase) // self.page)

    def read_page(self, number: int, states: Tensor, valid: Tensor | None, at: int) -> None:
        """Reads a page into a buffer, the page's first row to row `at`; see `read`."""
        first = number * self.page - self.phase
        start, stop = max(first, 0), min(first + self.page, len(self))
        part = slice(at + start - first, at + stop - first)
        self.read(start, stop, states[part], None if valid is None else valid[part])

    def read(self, start: int, stop: int, out: Tensor, valid: Tensor | None = None) -> None:
        """Reads the states of the times start to stop - 1.

        Args:
            out: (stop - start, c, h, w) float32, overwritten; 0 where a value is missing.
            valid: likewise, bool: where a value is there. Needed if there are masks.

        Raises:
            ValueError: NaN in a channel without a mask, or a chunk that does not decode.
            OSError: the store cannot be read.
        """
        target = out.numpy()
        mask = None if valid is None else valid.numpy()
        for where, values in self._parts(start, stop):
            into, channel = target[where], where[1]
            np.subtract(values.astype(np.float32, copy=False), self._mean[channel], out=into)
            np.divide(into, self._std[channel], out=into)
            if mask is not None:
                mask[where] = True
            if np.isnan(values.min()):
                self._mask_nan(where, start, into, mask)

    def _parts(self, start: int, stop: int) -> Iterator[tuple[Where, NDArray[Any]]]:
        """Values in physical units, and where they belong in (n, c, h, w)."""
        for source in self._sources:
            yield from source.parts(start, stop)
        for dataset, places in self._derived:
            block = dataset.isel({TIME: slice(start, stop)})
            values = Channels([self.channels[place] for place in places]).stack(block)
            for part, place, length in _runs(range(len(places)), places):
                where = (slice(None), slice(place, place + length), slice(None), slice(None))
                yield where, values[:, part : part + length]

    def _mask_nan(
        self,
        where: Where,
        start: int,
        into: NDArray[np.float32],
        mask: NDArray[np.bool_] | None,
    ) -> None:
        bad = np.isnan(into)
        refused = bad.any((2, 3)) & ~self._may_miss[where[1]]
        if refused.any():
            time, channel = np.argwhere(refused)[0]
            when = self.times[start + (where[0].start or 0) + time]
            raise ValueError(
                f"{self.channels[(where[1].start or 0) + channel]}: NaN at {time_text(when)}, "
                "where the training period has none; fill it or leave the period out"
            )
        assert mask is not None
        into[bad] = 0
        mask[where][bad] = False


@dataclass(frozen=True)
class _Source:
    """Channels that one stored array holds.

    Args:
        stored: dimensions (time, [channel], latitude, longitude).
        times: position of each of the analysis' times, increasing.
        rows, columns: of the grid.
        places: by position along the channel axis, the channel there; None: there is no such axis.
    """

    stored: Stored
    times: NDArray[np.int64]
    rows: slice
    columns: slice
    positions: Sequence[int] | None
    places: Sequence[int]

    def parts(self, start: int, stop: int) -> Iterator[tuple[Where, NDArray[Any]]]:
        """As States._parts."""
        done = 0
        for run in _runs(range(stop - start), self.times[start:stop].tolist()):
            first, length = run[1:]
            for (when, *where), values in self._pieces(slice(first, first + length)):
                shifted = slice(when.start + done, when.stop + done)
                yield (shifted, where[0], where[1], where[2]), values
            done += length

    def _pieces(self, times: slice) -> Iterator[tuple[Where, NDArray[Any]]]:
        if self.positions is None:
            place = slice(self.places[0], self.places[0] + 1)
            box: Box = (times, self.rows, self.columns)
            for (when, rows, columns), values in self.stored.pieces(box):
                yield (when, place, rows, columns), values[:, None]
            return
        low = min(self.positions)
        depth = slice(low, max(self.positions) + 1)
        box = (times, depth, self.rows, self.columns)
        for (when, part, rows, columns), values in self.stored.pieces(box):
            for position, first_place, length in _runs(self.positions, self.places):
                first = max(position - low, part.start)
                last = min(position - low + length, part.stop)
                if first < last:
                    shift = first_place - (position - low)
                    inside = slice(first - part.start, last - part.start)
                    yield (
                        (when, slice(first + shift, last + shift), rows, columns),
                        values[:, inside],
                    )


def _runs(ones: Sequence[int], others: Sequence[int]) -> list[tuple[int, int, int]]:
    """(first of ones, first of others, length) of stretches in which both count up by one."""
    runs: list[tuple[int, int, int]] = []
    for one, other in zip(ones, others, strict=True):
        if runs and (one, other) == (runs[-1][0] + runs[-1][2], runs[-1][1] + runs[-1][2]):
            runs[-1] = (*runs[-1][:2], runs[-1][2] + 1)
        else:
            runs.append((one, other, 1))
    return runs


def _find_sources(
    analysis: xr.Dataset, channels: Channels
) -> tuple[list[_Source], list[tuple[xr.Dataset, list[int]]]]:
    """Stored arrays that hold channels, and variables that must be computed, with their places."""
    sources: dict[Any, _Source] = {}
    derived = []
    for name in channels.variables:
        places = [place for place, channel in enumerate(channels) if channel.variable == name]
        array = analysis[name]
        if channels.levels(name) != [None]:
            array = array.sel({LEVEL: channels.levels(name)})
        source = _source(array, places)
        if source is None:
            derived.append((analysis[[name]], places))
            continue
        key = (id(source.stored), source.times.tobytes(), str(source.rows), str(source.columns))
        if source.positions is not None and key in sources:
            known = sources[key]
            assert known.positions is not None
            source = replace(
                source,
                positions=(*known.positions, *source.positions),
                places=(*known.places, *source.places),
            )
        sources[key if source.positions is not None else name] = source
    return list(sources.values()), derived


def _source(array: xr.DataArray, places: Sequence[int]) -> _Source | None:
    """Where a variable is stored, if it is a contiguous part of a stored array on the grid."""
    found = trace(array.variable._data)
    if found is None:
        return None
    axis = dict(zip(array.dims, found.axes, strict=True))
    on_grid = [axis[TIME], axis[LATITUDE], axis[LONGITUDE]]
    others = sorted(set(range(found.stored.ndim)) - set(on_grid))
    times, rows, columns = (found.positions[a] for a in on_grid)
    if on_grid != sorted(on_grid) or others not in ([], [1]) or (np.diff(times) < 1).any():
        return None
    if (np.diff(rows) != 1).any() or (np.diff(columns) != 1).any():
        return None
    positions = found.positions[1].tolist() if others else None
    return _Source(found.stored, times, _span(rows), _span(columns), positions, places)


def _span(positions: NDArray[np.int64]) -> slice:
    """The slice that stands for positions that count up by one."""
    return slice(int(positions[0]), int(positions[-1]) + 1)
