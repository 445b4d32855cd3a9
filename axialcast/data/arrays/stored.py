"""What a stored array is to those who read it, whatever the kind of store."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Box",
    "Converted",
    "Stored",
    "Transposed",
    "boxes",
    "computed_in",
    "cuts",
    "linear",
    "moved",
]

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

    def numbers(self, axis: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which chunk along an axis holds each of these positions of it."""
        return positions // self.chunk_shape[axis]

    def converted(self, factor: float, offset: float) -> "Stored":
        """The array whose values are these times `factor` plus `offset`, see `linear`."""
        return Converted(self, factor, offset)

    def transposed(self, axes: tuple[int, ...]) -> "Stored":
        """The array whose axes are these of this one, in this order."""
        return Transposed(self, axes)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Values by one integer, slice or array of integers for every axis, each on its own."""
        index = index if isinstance(index, tuple) else (index,)
        index = (*index, *[slice(None)] * (self.ndim - len(index)))
        lines, within = [], []
        for axis, (entry, length) in enumerate(zip(index, self.shape, strict=True)):
            stretches, places = self._stretches(axis, np.arange(length)[entry])
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

    def stretches(self, axis: int, wanted: NDArray[Any]) -> list[slice]:
        """Spans of an axis, few, that hold these increasing positions and no chunk without one."""
        breaks = np.flatnonzero(np.diff(self.numbers(axis, wanted)) > 1)
        firsts = [0, *(breaks + 1).tolist()]
        lasts = [*breaks.tolist(), len(wanted) - 1]
        return [
            slice(int(wanted[a]), int(wanted[b]) + 1) for a, b in zip(firsts, lasts, strict=True)
        ]

    def _stretches(self, axis: int, wanted: Any) -> tuple[list[tuple[slice, slice]], Any]:
        """The spans that hold positions in any order, each with its place among them, and the
        places of the positions."""
        if not np.size(wanted):
            return [], wanted
        spans = self.stretches(axis, np.unique(wanted))
        firsts = np.array([span.start for span in spans])
        edges = np.cumsum([0, *[span.stop - span.start for span in spans]])
        which = np.searchsorted(firsts, wanted, side="right") - 1
        places = [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]
        return list(zip(spans, places, strict=True)), edges[which] + wanted - firsts[which]


class Transposed(Stored):
    """A stored array with its axes in another order; equal to the same of the same array."""

    def __init__(self, stored: Stored, axes: tuple[int, ...]) -> None:
        self.stored, self.axes = stored, axes
        self.shape = tuple(stored.shape[axis] for axis in axes)
        self.chunk_shape = tuple(stored.chunk_shape[axis] for axis in axes)
        self.dtype, self.is_remote = stored.dtype, stored.is_remote

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Transposed) and (self.stored, self.axes) == (
            other.stored,
            other.axes,
        )

    def __hash__(self) -> int:
        return hash((self.stored, self.axes))

    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[Any]]]:
        before = [slice(0, 0)] * self.ndim
        for axis, span in zip(self.axes, box, strict=True):
            before[axis] = span
        for where, values in self.stored.pieces(tuple(before)):
            yield tuple(where[axis] for axis in self.axes), values.transpose(self.axes)

    def numbers(self, axis: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.stored.numbers(self.axes[axis], positions)

    def transposed(self, axes: tuple[int, ...]) -> Stored:
        return Transposed(self.stored, tuple(self.axes[axis] for axis in axes))


class Converted(Stored):
    """A stored array in other units: its values times `factor` plus `offset`."""

    def __init__(self, stored: Stored, factor: float, offset: float) -> None:
        self.stored, self.factor, self.offset = stored, factor, offset
        self.shape, self.chunk_shape = stored.shape, stored.chunk_shape
        self.dtype = computed_in(stored.dtype)
        self.is_remote = stored.is_remote

    @property
    def conversion(self) -> tuple[float, float]:
        """(factor, offset)."""
        return self.factor, self.offset

    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[Any]]]:
        for where, values in self.stored.pieces(box):
            yield where, linear(values, self.factor, self.offset)

    def numbers(self, axis: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.stored.numbers(axis, positions)

    def transposed(self, axes: tuple[int, ...]) -> Stored:
        return Converted(self.stored.transposed(axes), self.factor, self.offset)


def boxes(box: Box, chunk_shape: tuple[int, ...]) -> Iterator[tuple[Any, Box, Box]]:
    """The chunks that a box touches: number, where in the box, where in the chunk."""
    lines = [cuts(s.start, s.stop, n) for s, n in zip(box, chunk_shape, strict=True)]
    for cut in itertools.product(*lines):
        number, where, inside = zip(*cut, strict=True)
        yield number, where, inside


def moved(part: slice, by: int) -> slice:
    """A span, so many positions further on."""
    return slice(part.start + by, part.stop + by)


@lru_cache(256)
def cuts(start: int, stop: int, length: int) -> list[tuple[int, slice, slice]]:
    """Chunks that a span of an axis touches: number, part of the span, part of the chunk."""
    found = []
    for number in range(start // length, -(-stop // length)):
        first, last = max(start, number * length), min(stop, (number + 1) * length)
        inside = slice(first - number * length, last - number * length)
        found.append((number, slice(first - start, last - start), inside))
    return found


def computed_in(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that numbers of a type are converted in: float32, or float64 where it does not hold
    them. Half precision would not do: it ends at 65,504, and there are 100,000 Pa in 1,000 hPa."""
    return np.result_type(dtype, np.float32)


def linear(values: Any, factor: float, offset: float) -> Any:
    """values * factor + offset of any library's arrays, of type `computed_in`."""
    with np.errstate(over="ignore"):  # a fill value that nobody marked is told as what it becomes
        return values.astype(computed_in(values.dtype), copy=False) * factor + offset
