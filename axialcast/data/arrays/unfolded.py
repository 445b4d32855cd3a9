"""Fields stored as a line of cells, as rows and columns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.data.arrays.stored import Box, Stored

__all__ = ["Unfolded"]


class Unfolded(Stored):
    """A stored array whose last axis, of cells, becomes two: rows, and columns within a row.

    Args:
        stored: dimensions (..., cell).
        width: cells in a row.
    """

    def __init__(self, stored: Stored, width: int) -> None:
        self.stored, self.width = stored, width
        self.shape = (*stored.shape[:-1], stored.shape[-1] // width, width)
        chunk = stored.chunk_shape[-1]
        self.chunk_shape = (*stored.chunk_shape[:-1], max(chunk // width, 1), min(chunk, width))
        self.dtype, self.is_remote = stored.dtype, stored.is_remote

    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[Any]]]:
        *before, rows, columns = box
        cells = slice(
            rows.start * self.width + columns.start, (rows.stop - 1) * self.width + columns.stop
        )
        for (*where, line), values in self.stored.pieces((*before, cells)):
            first, stop = line.start + cells.start, line.stop + cells.start
            for begin, end in self._rectangles(first, stop):
                low, high = begin % self.width, (end - 1) % self.width + 1
                left, right = max(low, columns.start), min(high, columns.stop)
                if left >= right:
                    continue
                part = values[..., begin - first : end - first]
                part = part.reshape(*part.shape[:-1], -1, high - low)[..., left - low : right - low]
                top = begin // self.width - rows.start
                yield (
                    (
                        *where,
                        slice(top, top + part.shape[-2]),
                        slice(left - columns.start, right - columns.start),
                    ),
                    part,
                )

    def _rectangles(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """Stretches of cells that are rectangles: an end of a row, whole rows, a beginning."""
        width = self.width
        whole = -(-first // width) * width, stop // width * width
        if whole[0] > whole[1]:  # within one row
            yield first, stop
            return
        for begin, end in ((first, whole[0]), whole, (whole[1], stop)):
            if begin < end:
                yield begin, end

    def numbers(self, axis: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        if axis < self.ndim - 2:
            return self.stored.numbers(axis, positions)
        return positions // self.chunk_shape[axis]
