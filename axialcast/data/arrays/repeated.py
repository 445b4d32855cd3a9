"""Arrays whose values stand several times in a row, as those of a coarser time axis do."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.data.arrays.stored import Box, Converted, Stored

__all__ = ["Repeated", "repeated"]


def repeated(stored: Stored, axis: int, count: int) -> Stored:
    """A stored array, each position of an axis `count` times in a row; a conversion comes last."""
    if isinstance(stored, Converted):
        return repeated(stored.stored, axis, count).converted(*stored.conversion)
    return Repeated(stored, axis, count)


class Repeated(Stored):
    """A stored array, each position of an axis `count` times in a row: n is n // count of it.

    What is decoded for one of them is decoded once for all.
    """

    def __init__(self, stored: Stored, axis: int, count: int) -> None:
        self.stored, self.axis, self.count = stored, axis, count
        self.shape = self._times_count(stored.shape)
        self.chunk_shape = self._times_count(stored.chunk_shape)
        self.dtype, self.is_remote = stored.dtype, stored.is_remote

    def _times_count(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(n * self.count if a == self.axis else n for a, n in enumerate(lengths))

    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[Any]]]:
        span = box[self.axis]
        first = span.start // self.count
        rows = slice(first, -(-span.stop // self.count))
        within = (*box[: self.axis], rows, *box[self.axis + 1 :])
        for where, values in self.stored.pieces(within):
            part = where[self.axis]
            begin = (first + part.start) * self.count  # of all that these rows stand for
            end = (first + part.stop) * self.count
            low, high = max(begin, span.start), min(end, span.stop)
            positions = np.arange(low, high) // self.count - first - part.start
            along = slice(low - span.start, high - span.start)
            place = (*where[: self.axis], along, *where[self.axis + 1 :])
            yield place, values.take(positions, self.axis)

    def numbers(self, axis: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.stored.numbers(
            axis, positions // self.count if axis == self.axis else positions
        )
