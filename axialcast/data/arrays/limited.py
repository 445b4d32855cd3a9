"""Stored arrays whose values beyond their valid range are missing."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.data.arrays.stored import Box, Stored

__all__ = ["Limited"]


class Limited(Stored):
    """A stored array with NaN where its values lie outside limits.

    Args:
        stored: of numbers.
        lowest, highest: valid ones, in the units of its values.
    """

    def __init__(self, stored: Stored, lowest: float, highest: float) -> None:
        self.stored, self.limits = stored, (lowest, highest)
        self.shape, self.chunk_shape = stored.shape, stored.chunk_shape
        # float32 holds integers of two bytes without loss.
        self.dtype = np.result_type(stored.dtype, np.float32)
        self.is_remote = stored.is_remote

    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[Any]]]:
        lowest, highest = self.limits
        for where, values in self.stored.pieces(box):
            values = values.astype(self.dtype, copy=False)
            values[(values < lowest) | (values > highest)] = np.nan
            yield where, values

    def numbers(self, axis: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.stored.numbers(axis, positions)

    def transposed(self, axes: tuple[int, ...]) -> Stored:
        return Limited(self.stored.transposed(axes), *self.limits)
