"""Fields of one level as arrays with a dimension of levels."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.data.arrays.stored import Box, Stored

__all__ = ["Expanded"]


class Expanded(Stored):
    """A stored array with one more axis in front, of length one; equal to the same of the same."""

    def __init__(self, stored: Stored) -> None:
        self.stored = stored
        self.shape, self.chunk_shape = (1, *stored.shape), (1, *stored.chunk_shape)
        self.dtype, self.is_remote = stored.dtype, stored.is_remote

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expanded) and self.stored == other.stored

    def __hash__(self) -> int:
        return hash((Expanded, self.stored))

    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[Any]]]:
        for where, values in self.stored.pieces(box[1:]):
            yield (slice(0, 1), *where), values[None]

    def numbers(self, axis: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        return positions if axis == 0 else self.stored.numbers(axis - 1, positions)
