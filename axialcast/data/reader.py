"""The one reader: an analysis, its labels and its states.

Shapes: n times, k rows, c channels, h latitudes, w longitudes.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channels
from axialcast.data.sources import Where, find_sources, runs
from axialcast.grid import LatLonGrid, grid_of
from axialcast.names import LATITUDE, LONGITUDE, TIME
from axialcast.times.calendars import cadence
from axialcast.times.dates import Times

__all__ = ["Analysis", "Block"]

LOCAL, REMOTE = 2, 16
"""Threads that read; remote ones wait more than they work."""


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive states of an analysis, in memory.

    Args:
        start: position of the first state that no earlier block held.
        values: (m, c, h, w) float32 in physical units, NaN where missing: `overlap` states of the
            block before, then the new ones.
        times: (m,) their times.
        overlap: how many of the states the block before held, too.
    """

    start: int
    values: NDArray[np.float32]
    times: Times
    overlap: int

    @property
    def stop(self) -> int:
        """Position after the last state."""
        return self.start + len(self.values) - self.overlap

    @property
    def new(self) -> NDArray[np.float32]:
        """(m - overlap, c, h, w) the states that no earlier block held."""
        return self.values[self.overlap :]


class Analysis:
    """States of an analysis, read by position in time; each chunk is decoded once a pass.

    It can be pickled: another process opens the store again and reads as fast. What is in memory
    travels with it.

    Args:
        dataset: dimensions (time, [level], latitude, longitude), as `open_analysis` returns it,
            whatever was selected from it since; or one in memory, of dask, or computed, which is
            read at the cost of what it is.
        channels: which, in which order; None: every variable at every level.

    Attributes:
        dataset: the labels, and the values as xarray reads them.
        channels: (c,) variables at levels.
        times: (n,) sorted.

    Example:
        >>> analysis = Analysis(open_analysis("era5.zarr"))
        >>> analysis.read([0, 17]).shape
        (2, 20, 121, 240)
        >>> for block in analysis.between("1979", "2018").blocks(2**28):
        ...     total += block.new.sum(0)
    """

    def __init__(self, dataset: xr.Dataset, channels: Channels | None = None) -> None:
        self.channels = Channels.of(dataset) if channels is None else channels
        self.dataset = dataset[self.channels.variables]
        self.times: Times = dataset[TIME].values
        self._sources, self._computed = find_sources(dataset, self.channels)

    @classmethod
    def of(cls, analysis: "Analysis | xr.Dataset", channels: Channels | None = None) -> "Analysis":
        """What is given, read by this class; of these channels if any are given."""
        if isinstance(analysis, xr.Dataset):
            return cls(analysis, channels)
        if channels is None or channels == analysis.channels:
            return analysis
        return cls(analysis.dataset, channels)

    def __len__(self) -> int:
        return len(self.times)

    def __repr__(self) -> str:
        return f"Analysis({len(self)} times; {self.channels}; {self.grid})"

    @cached_property
    def grid(self) -> LatLonGrid:
        return grid_of(self.dataset)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w) of a state."""
        return len(self.channels), self.dataset.sizes[LATITUDE], self.dataset.sizes[LONGITUDE]

    @property
    def state_bytes(self) -> int:
        """Memory that a state takes."""
        return 4 * int(np.prod(self.shape))

    @cached_property
    def cadence(self) -> np.timedelta64:
        """The most common spacing of the times."""
        return cadence(self.dataset)

    @property
    def is_remote(self) -> bool:
        """Whether a part comes over a network."""
        return any(source.stored.is_remote for source in self._sources)

    @cached_property
    def chunk(self) -> int:
        """Times that are decoded together."""
        lengths = [source.chunk for source in self._sources]
        for dataset, _ in self._computed:
            lengths += [max(array.chunksizes.get(TIME, (1,))) for array in dataset.values()]
        return min(max(lengths, default=1), max(len(self), 1))

    @cached_property
    def offset(self) -> int:
        """Position of the first time in the store."""
        return max((int(s.times[0]) for s in self._sources if len(s.times)), default=0)

    @property
    def phase(self) -> int:
        """Place of the first time in its chunk."""
        return self.offset % self.chunk

    def between(self, first: Any, last: Any) -> "Analysis":
        """The times from the first to the last date, both included."""
        return Analysis(self.dataset.sel({TIME: slice(first, last)}), self.channels)

    def part(self, rows: slice) -> "Analysis":
        """The times at these positions."""
        return Analysis(self.dataset.isel({TIME: rows}), self.channels)

    def rows(self, times: Any) -> NDArray[np.int64]:
        """Positions of times, of their shape; -1 for those that are not there."""
        wanted = np.asarray(times)
        found = self.dataset.indexes[TIME].get_indexer(wanted.ravel())
        return np.asarray(found, np.int64).reshape(wanted.shape)

    def read(self, rows: Sequence[int] | NDArray[Any] | slice) -> NDArray[np.float32]:
        """(k, c, h, w) states at these positions in physical units; NaN where missing, and for -1.

        Raises:
            ValueError: a chunk is missing or does not decode.
            OSError: the store cannot be read.
        """
        if isinstance(rows, slice):
            rows = range(*rows.indices(len(self)))
        wanted = np.asarray(rows, np.int64)
        out = np.empty((len(wanted), *self.shape), np.float32)
        out[wanted < 0] = np.nan
        unique = np.unique(wanted[wanted >= 0])
        if not len(unique):
            return out
        # One stretch for what shares a chunk or adjoins.
        chunk = (unique + self.phase) // self.chunk
        breaks = np.flatnonzero((np.diff(unique) > 1) & (np.diff(chunk) > 0)) + 1
        for stretch in np.split(unique, breaks):
            start, stop = int(stretch[0]), int(stretch[-1]) + 1
            places = np.flatnonzero((wanted >= start) & (wanted < stop))
            if np.array_equal(wanted[places], np.arange(start, stop)) and (
                len(places) == 1 or (np.diff(places) == 1).all()
            ):
                self._read_into(start, stop, out[places[0] : places[-1] + 1])
            else:
                held = np.empty((stop - start, *self.shape), np.float32)
                self._read_into(start, stop, held)
                out[places] = held[wanted[places] - start]
        return out

    def blocks(
        self, num_bytes: int, *, overlap: int = 0, num_threads: int | None = None
    ) -> Iterator[Block]:
        """All states, in blocks that threads read while the last one is in use.

        Blocks end where chunks do, so that each is decoded once. What is held, the block in use and
        the one that is coming, takes `num_bytes`, or as much as whole chunks of all channels need.

        Args:
            num_bytes: memory of the states held.
            overlap: states of the block before that each block begins with.
            num_threads: that read; None: 2, or 16 if the store is remote.
        """
        most = REMOTE if self.is_remote else LOCAL
        edges = self._edges(max(1, num_bytes // (2 * self.state_bytes) - overlap))
        threads = ThreadPoolExecutor(num_threads or most, thread_name_prefix="axialcast-blocks")
        begun: deque[tuple[int, NDArray[np.float32], list[Future[None]]]] = deque()

        def begin(start: int, stop: int) -> None:
            room = min(overlap, start)
            values = np.empty((room + stop - start, *self.shape), np.float32)
            tasks = [
                threads.submit(self._read_into, a, b, values[room + a - start : room + b - start])
                for a, b in self._shares(start, stop, num_threads or most)
            ]
            begun.append((start, values, tasks))

        before = np.empty((0, *self.shape), np.float32)
        coming = iter(pairwise(edges))
        try:
            for start, stop in coming:
                begin(start, stop)
                break
            while begun:
                start, values, tasks = begun.popleft()
                for task in tasks:
                    task.result()
                for following in coming:
                    begin(*following)
                    break
                room = min(overlap, start)
                values[:room] = before[len(before) - room :]
                before = values[max(len(values) - overlap, 0) :]
                stop = start + len(values) - room
                yield Block(start, values, self.times[start - room : stop], room)
        finally:
            threads.shutdown(cancel_futures=True)

    def pieces(self, start: int, stop: int) -> Iterator[tuple[Where, NDArray[Any]]]:
        """Values at the times start to stop - 1, and where they belong in (n, c, h, w).

        They are in physical units, of the store's own type of number, and may be overwritten.
        """
        for source in self._sources:
            yield from source.parts(start, stop)
        for dataset, places in self._computed:
            block = dataset.isel({TIME: slice(start, stop)})
            values = Channels([self.channels[place] for place in places]).stack(block)
            for part, place, length in runs(range(len(places)), places):
                where = (slice(None), slice(place, place + length), slice(None), slice(None))
                yield where, values[:, part : part + length]

    def _read_into(self, start: int, stop: int, out: NDArray[np.float32]) -> None:
        for where, values in self.pieces(start, stop):
            out[where] = values

    def _edges(self, length: int) -> list[int]:
        """Where blocks of about so many times begin and end: between chunks."""
        whole = max(1, length // self.chunk) * self.chunk
        return [0, *range(whole - self.phase, len(self), whole), len(self)] if len(self) else [0]

    def _shares(self, start: int, stop: int, num: int) -> list[tuple[int, int]]:
        """A block for so many threads, cut between chunks."""
        first, last = (start + self.phase) // self.chunk, (stop - 1 + self.phase) // self.chunk + 1
        cuts = np.unique(np.linspace(first, last, min(num, last - first) + 1).astype(int))
        edges = np.clip(cuts * self.chunk - self.phase, start, stop).tolist()
        return list(pairwise(edges))
