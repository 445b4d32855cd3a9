"""The one reader: an analysis, its labels and its states.

Shapes: n times, k rows, c channels, h latitudes, w longitudes.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.cores import available_cores
from axialcast.data.arrays.memory import Lender
from axialcast.data.channels import Channels
from axialcast.data.cutting import BLOCKS_HELD, Place, block_edges, group_places, shares
from axialcast.data.parts import Part, find_parts
from axialcast.data.sources import Where
from axialcast.grid import Grid, dims_of, grid_of
from axialcast.names import TIME
from axialcast.times.calendars import cadence
from axialcast.times.dates import Times

__all__ = ["Analysis", "Block"]

LOCAL, REMOTE = 2, 16
"""Threads that read: of a local store, at least; remote ones wait more than they work."""


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

    Raises:
        ValueError: a dimension is missing.

    Attributes:
        dataset: the labels, and the values as xarray reads them.
        channels: (c,) variables at levels.
        times: (n,) sorted.
        place: its channels, rows and columns in the analysis that it is a group of, see `groups`.

    Example:
        >>> analysis = Analysis(open_analysis("era5.zarr"))
        >>> analysis.read([0, 17]).shape
        (2, 20, 121, 240)
        >>> for block in analysis.between("1979", "2018").blocks(2**28):
        ...     total += block.new.sum(0)
    """

    def __init__(self, dataset: xr.Dataset, channels: Channels | None = None) -> None:
        wanted = (TIME, *dims_of(dataset.dims))
        if absent := [dim for dim in wanted if dim not in dataset.indexes]:
            raise ValueError(
                f"analysis: has no {absent[0]} among {', '.join(map(str, dataset.dims))}; open it "
                "with open_analysis"
            )
        self.channels = Channels.of(dataset) if channels is None else channels
        self.dataset = dataset[self.channels.variables]
        self.times: Times = dataset[TIME].values
        self._parts: list[Part] = find_parts(dataset, self.channels)
        num, height, width = self.shape
        self.place: Place = np.arange(num), slice(0, height), slice(0, width)

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
    def grid(self) -> Grid:
        """Where the cells of its fields are."""
        return grid_of(self.dataset)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w) of a state."""
        height, width = (self.dataset.sizes[dim] for dim in dims_of(self.dataset.dims))
        return len(self.channels), height, width

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
        return any(part.is_remote for part in self._parts)

    @cached_property
    def chunk(self) -> int:
        """Times that are decoded together."""
        return min(max((part.chunk for part in self._parts), default=1), max(len(self), 1))

    @cached_property
    def offset(self) -> int:
        """Position of the first time in the store, counted in times of the analysis."""
        return max((part.offset for part in self._parts), default=0)

    @property
    def phase(self) -> int:
        """Place of the first time in its chunk."""
        return self.offset % self.chunk

    def between(self, first: Any, last: Any) -> "Analysis":
        """The times from the first to the last date, both included."""
        return self._at(self.dataset.sel({TIME: slice(first, last)}))

    def part(self, rows: slice) -> "Analysis":
        """The times at these positions."""
        return self._at(self.dataset.isel({TIME: rows}))

    def _at(self, dataset: xr.Dataset) -> "Analysis":
        """The same place at other times."""
        part = Analysis(dataset, self.channels)
        part.place = self.place
        return part

    def rows(self, times: Any) -> NDArray[np.int64]:
        """Positions of times, of their shape; -1 for those that are not there."""
        wanted = np.asarray(times)
        found = self.dataset.indexes[TIME].get_indexer(wanted.ravel())
        return np.asarray(found, np.int64).reshape(wanted.shape)

    def read(
        self, rows: Sequence[int] | NDArray[Any] | slice, *, num_threads: int | None = None
    ) -> NDArray[np.float32]:
        """(k, c, h, w) states at these positions in physical units; NaN where missing, and for -1.

        Each chunk is decoded once.

        Args:
            rows: in any order, repeated or not.
            num_threads: that read; None: 1, or 16 if the store is remote.

        Raises:
            ValueError: a chunk is missing or does not decode.
            OSError: the store cannot be read.
        """
        if isinstance(rows, slice):
            rows = range(*rows.indices(len(self)))
        wanted = np.asarray(rows, np.int64)
        out = np.empty((len(wanted), *self.shape), np.float32)
        out[wanted < 0] = np.nan
        unique, first = np.unique(wanted, return_index=True)
        unique, first = unique[unique >= 0], first[unique >= 0]
        most = num_threads or (REMOTE if self.is_remote else 1)
        jobs = self._jobs(unique, out, first, most)
        if most == 1:
            for job in jobs:
                job()
        else:
            threads = ThreadPoolExecutor(most, thread_name_prefix="axialcast-read")
            try:
                for done in [threads.submit(job) for job in jobs]:
                    done.result()
            finally:
                threads.shutdown(cancel_futures=True)
        there = np.flatnonzero(wanted >= 0)
        if len(first) < len(there):
            again = np.setdiff1d(there, first)
            out[again] = out[first[np.searchsorted(unique, wanted[again])]]
        return out

    def blocks(
        self, num_bytes: int, *, overlap: int = 0, num_threads: int | None = None
    ) -> Iterator[Block]:
        """All states, in blocks that threads read while the last one is in use.

        Blocks end where chunks do, so that each is decoded once. What is held takes `num_bytes`, or
        as much as whole chunks of all channels need; `groups` makes these smaller. That is three
        blocks: one in use, one that is coming, and the one before, whose memory is filled again
        when nobody holds a part of it any more.

        Args:
            num_bytes: memory of the states held.
            overlap: states of the block before that each block begins with.
            num_threads: that read; None: one a core, 2 at least, or 16 if the store is remote.
        """
        most = num_threads or (REMOTE if self.is_remote else max(available_cores(), LOCAL))
        length = max(1, num_bytes // (BLOCKS_HELD * self.state_bytes) - overlap)
        spans = list(pairwise(block_edges(self._parts, len(self), length)))
        longest = max((stop - max(start - overlap, 0) for start, stop in spans), default=0)
        lender = Lender(BLOCKS_HELD)  # fresh memory costs as much as decoding
        threads = ThreadPoolExecutor(most, thread_name_prefix="axialcast-blocks")
        begun: deque[tuple[NDArray[np.float32], list[Future[None]]]] = deque()

        def begin(start: int, stop: int) -> None:
            room = min(overlap, start)
            values = lender.lend((longest, *self.shape), np.float32)[: room + stop - start]
            jobs = self._jobs(np.arange(start, stop), values[room:], None, most)
            begun.append((values, [threads.submit(job) for job in jobs]))

        before = np.empty((0, *self.shape), np.float32)
        try:
            for number, (start, stop) in enumerate(spans):
                if not begun:
                    begin(start, stop)
                values, tasks = begun.popleft()
                for task in tasks:
                    task.result()
                room = min(overlap, start)
                values[:room] = before[len(before) - room :]
                before = values[max(len(values) - overlap, 0) :]
                if number + 1 < len(spans):
                    begin(*spans[number + 1])
                yield Block(start, values, self.times[start - room : stop], room)
        finally:
            threads.shutdown(cancel_futures=True)

    def groups(
        self, num_bytes: int, *, overlap: int = 0, by_cells: bool = False
    ) -> list["Analysis"]:
        """The analysis by groups of channels whose `blocks` take no more than `num_bytes`.

        One group where all fits. Channels that are decoded together stay together, and each chunk
        belongs to one group, so that a pass through all of them decodes each once.

        Args:
            num_bytes: memory of the states held.
            overlap: as blocks will have it.
            by_cells: whether a group may be a part of the grid, too, where chunks are longer in
                time than memory and smaller than the grid.

        Returns:
            Analyses, each with its `place` in this one: `out[group.place]` is its part of `out`
            (c, h, w).
        """
        places = group_places(
            self._parts, self.shape, num_bytes, overlap=overlap, by_cells=by_cells
        )
        if len(places) == 1:
            return [self]
        found = []
        for channels, rows, columns in places:
            part = self.dataset.isel(dict(zip(self.grid.dims, (rows, columns), strict=True)))
            group = Analysis(part, Channels([self.channels[c] for c in channels]))
            group.place = channels, rows, columns
            found.append(group)
        return found

    def pieces(self, start: int, stop: int) -> Iterator[tuple[Where, NDArray[Any]]]:
        """Values at the times start to stop - 1, and where they belong in (n, c, h, w).

        They are in physical units, of the store's own type of number, and may be overwritten.
        """
        for part in self._parts:
            yield from part.pieces(np.arange(start, stop))

    def _jobs(
        self,
        rows: NDArray[np.int64],
        out: NDArray[np.float32],
        target: NDArray[np.int64] | None,
        num_threads: int,
    ) -> list[Callable[[], None]]:
        """What reads increasing rows into rows `target` of `out`, or one after another, in shares
        that have no chunk in common."""
        if target is not None and np.array_equal(target, np.arange(len(rows))):
            target = None

        def read(part: Part, start: int, stop: int) -> None:
            for (when, *where), values in part.pieces(rows[start:stop]):
                when = slice(when.start + start, when.stop + start)
                with np.errstate(over="ignore"):  # what single precision does not hold is infinite
                    out[(when if target is None else target[when], *where)] = values

        num = -(-4 * num_threads // max(len(self._parts), 1)) if num_threads > 1 else 1
        jobs = [
            (start, partial(read, part, start, stop))
            for part in (self._parts if len(rows) else ())
            for start, stop in shares(part.numbers[0][rows], num)
        ]
        return [job for _, job in sorted(jobs, key=lambda job: job[0])]
