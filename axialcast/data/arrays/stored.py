"""What a stored array is to those who read it, whatever the kind of store."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "Stored", "boxes", "cuts", "linear"]

Box = tuple[slice, ...]
"""A part of an array, with plain starts and stops."""


class Stored(ABC):
    """An array in a store. It can be pickled, and reads as fast where it is unpickled.

    Attributes:
        shape, dtype: of its values.
        chunk_shape: what is decoded at once, along every axis.
        is_remote: whether reading waits for a network.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk_shape: tuple[int, ...]
    is_remote: bool = False

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @abstractmethod
    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[Any]]]:
        """Parts of a box, each chunk decoded once: where in the box, and the values there.

        The values may be overwritten, by the caller or by whatever this thread reads next.
        """

    @abstractmethod
    def converted(self, factor: float, offset: float) -> Self:
        """The array whose values are these times `factor` plus `offset`, in their dtype."""

    @abstractmethod
    def transposed(self, axes: tuple[int, ...]) -> Self:
        """The array whose axes are these of this one, in this order."""

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Values by one integer, slice or array of integers for every axis, each on its own."""
        index = index if isinstance(index, tuple) else (index,)
        index = (*index, *[slice(None)] * (self.ndim - len(index)))
        lines, within = [], []
        for entry, length, chunk in zip(index, self.shape, self.chunk_shape, strict=True):
            stretches, places = _stretches(np.arange(length)[entry], chunk)
            lines.append(stretches)
            plain = isinstance(entry, slice) and entry.step in (None, 1)
            within.append(slice(None) if plain else places)
        out = np.empty([sum(s.stop - s.start for s, _ in line) for line in lines], self.dtype)
        for cut in itertools.product(*lines):
            box, where = zip(*cut, strict=True)
            for part, values in self.pieces(box):
                out[where][part] = values
        for axis in reversed(range(self.ndim)):  # an integer takes its axis away
            out = out[(*[slice(None)] * axis, within[axis])]
        return out


def _stretches(wanted: Any, chunk: int) -> tuple[list[tuple[slice, slice]], Any]:
    """Stretches of an axis without a chunk that is not wanted, each with its place among them, and
    the places of what is wanted."""
    if not np.size(wanted):
        return [], wanted
    unique = np.unique(wanted)
    parts = np.split(unique, np.flatnonzero(np.diff(unique // chunk) > 1) + 1)
    firsts = np.array([part[0] for part in parts])
    stops = [int(part[-1]) + 1 for part in parts]
    edges = np.cumsum([0, *(stops - firsts)])
    which = np.searchsorted(firsts, wanted, side="right") - 1
    stretches = [
        (slice(int(first), stop), slice(int(a), int(b)))
        for first, stop, (a, b) in zip(firsts, stops, itertools.pairwise(edges), strict=True)
    ]
    return stretches, edges[which] + wanted - firsts[which]


def boxes(box: Box, chunk_shape: tuple[int, ...]) -> Iterator[tuple[Any, Box, Box, Box]]:
    """The chunks that a box touches: number, where in the box, where in the array, where in the
    chunk."""
    lines = [cuts(s.start, s.stop, n) for s, n in zip(box, chunk_shape, strict=True)]
    for cut in itertools.product(*lines):
        number, where, inside = zip(*cut, strict=True)
        array = tuple(
            slice(w.start + s.start, w.stop + s.start) for w, s in zip(where, box, strict=True)
        )
        yield number, where, array, inside


@lru_cache(4096)
def cuts(start: int, stop: int, length: int) -> list[tuple[int, slice, slice]]:
    """Chunks that a span of an axis touches: number, part of the span, part of the chunk."""
    found = []
    for number in range(start // length, -(-stop // length)):
        first, last = max(start, number * length), min(stop, (number + 1) * length)
        inside = slice(first - number * length, last - number * length)
        found.append((number, slice(first - start, last - start), inside))
    return found


def linear(values: Any, factor: float, offset: float) -> Any:
    """values * factor + offset in the values' dtype; of arrays of any library."""
    return (values * factor + offset).astype(values.dtype)
