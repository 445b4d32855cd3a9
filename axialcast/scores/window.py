"""The states that blocks of forecasts need: each read once, held from its first use to its last;
but those of other years, which each season needs again, as often as that comes round.

Shapes: k times, c channels, h latitudes, w longitudes.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.data.reader import Analysis
from axialcast.times.dates import Times

__all__ = ["Window"]

READ_BYTES = 2**24
"""States that are read together, if chunks are smaller."""

LONGEST_WAIT = 16
"""Blocks that states are held for until the next that needs them; for later ones they are read
once more."""

NUM_THREADS = 2
"""That read ahead; a remote store is read by more of its own."""


class Window:
    """A window on an analysis that moves on with the blocks.

    Args:
        analysis: of the channels wanted.
        needed: for each block in order, the times of the states that it needs; those that the
            analysis lacks are NaN.
        most_bytes: of states read at once: longer chunks are decoded several times.
        with_checksums: whether `checksums` will be asked for.

    Example:
        >>> with Window(analysis, needed) as window:
        ...     window.begin(0)
        ...     states = window.at(needed[0])
        ...     window.end(0)
    """

    def __init__(
        self,
        analysis: Analysis,
        needed: Sequence[Times],
        *,
        most_bytes: int = 2**30,
        with_checksums: bool = False,
    ) -> None:
        self.analysis = analysis
        self._needed, self._with_checksums = needed, with_checksums
        rows = [np.unique(analysis.rows(times)) for times in needed]
        rows = [found[found >= 0] for found in rows]
        self._rows = np.unique(np.concatenate([*rows, np.zeros(0, np.int64)]))
        starts = self._starts(max(1, most_bytes // analysis.state_bytes))
        self._reads = np.split(self._rows, starts[1:])
        self._read_of = np.repeat(np.arange(len(self._reads)), [len(r) for r in self._reads])
        self._uses = [np.unique(self._read_of[np.searchsorted(self._rows, r)]) for r in rows]
        self._next = self._following()
        self._begun = -1
        self._held: dict[int, Future[tuple[NDArray[np.float32], NDArray[np.uint8]]]] = {}

    def __enter__(self) -> "Window":
        self._threads = ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="axialcast-window")
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        self._held.clear()

    def num_held(self, ahead: int) -> int:
        """Most states that are held at once, if blocks begin while so many before are in use."""
        sizes = np.array([len(read) for read in self._reads])
        change = np.zeros(len(self._uses) + 2, np.int64)
        is_held = np.zeros(len(self._reads), np.bool_)
        for number, (uses, following) in enumerate(zip(self._uses, self._next, strict=True)):
            np.add.at(change, max(number - ahead, 0), sizes[uses[~is_held[uses]]].sum())
            is_held[uses] = following - number <= LONGEST_WAIT
            np.add.at(change, number + 1, -sizes[uses[~is_held[uses]]].sum())
        return int(np.cumsum(change).max(initial=0))

    def begin(self, number: int) -> None:
        """Begins to read what a block needs. Blocks begin in order."""
        self._begun = number
        for read in self._uses[number].tolist():
            if read not in self._held:
                self._held[read] = self._threads.submit(self._read, self._reads[read])

    def end(self, number: int) -> None:
        """Lets go of what no block needs soon. Blocks end in order, whether they began or not."""
        following = self._next[number]
        is_done = (following - number > LONGEST_WAIT) & (following > self._begun)
        for read in self._uses[number][is_done].tolist():
            self._held.pop(read, None)

    def at(self, times: Times, channels: Any = slice(None)) -> NDArray[np.float32]:
        """(k, c, h, w) states at times that a block needs which has begun; NaN if there are none.

        Args:
            channels: which.
        """
        rows = self.analysis.rows(times)
        num = len(np.arange(len(self.analysis.channels))[channels])
        out = np.empty((len(rows), num, *self.analysis.shape[1:]), np.float32)
        for place, row in enumerate(rows.tolist()):
            if row < 0:
                out[place] = np.nan
            else:
                states, _, index = self._find(row)
                out[place] = states[index, channels]
        return out

    def checksums(self, number: int) -> NDArray[np.uint8]:
        """(k, 32) SHA-256 of the states that a block needs, zero for those that are not there."""
        rows = self.analysis.rows(self._needed[number])
        out = np.zeros((len(rows), 32), np.uint8)
        for place, row in enumerate(rows.tolist()):
            if row >= 0:
                _, checksums, index = self._find(row)
                out[place] = checksums[index]
        return out

    def _find(self, row: int) -> tuple[NDArray[np.float32], NDArray[np.uint8], int]:
        read = int(self._read_of[np.searchsorted(self._rows, row)])
        states, checksums = self._held[read].result()
        return states, checksums, int(np.searchsorted(self._reads[read], row))

    def _read(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        states = self.analysis.read(rows)
        checksums = np.zeros((len(rows), 32), np.uint8)
        if self._with_checksums:
            for state, checksum in zip(states, checksums, strict=True):
                checksum[:] = np.frombuffer(hashlib.sha256(state).digest(), np.uint8)
        return states, checksums

    def _following(self) -> list[NDArray[np.int64]]:
        """For each use of each block, the next block that needs the same; none is far away."""
        never = np.iinfo(np.int64).max
        coming, found = np.full(len(self._reads), never), list[NDArray[np.int64]]()
        for number in reversed(range(len(self._uses))):
            found.append(coming[self._uses[number]])
            coming[self._uses[number]] = number
        return found[::-1]

    def _starts(self, most: int) -> list[int]:
        """Where in the rows that are needed each read starts: where chunks do, if that is few."""
        chunk = (self._rows + self.analysis.phase) // self.analysis.chunk
        enough = max(1, READ_BYTES // self.analysis.state_bytes)
        starts = [0] if len(self._rows) else []
        for edge in (np.flatnonzero(np.diff(chunk)) + 1).tolist():
            if edge - starts[-1] >= min(enough, most):
                starts.append(edge)
        stops = [*starts[1:], len(self._rows)]
        return [s for a, b in zip(starts, stops, strict=True) for s in range(a, b, most)] or [0]
