"""Arrays of several files as one."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.data.arrays.stored import Box, Converted, Stored

__all__ = ["Joined", "join"]


def join(parts: Sequence[Stored], axis: int) -> Stored:
    """Stored arrays one after another along an axis; a conversion that all share comes last."""
    first = parts[0]
    if isinstance(first, Converted):
        alike = [p for p in parts if isinstance(p, Converted) and p.conversion == first.conversion]
        if len(alike) == len(parts):
            return Joined([part.stored for part in alike], axis).converted(*first.conversion)
    return Joined(parts, axis)


class Joined(Stored):
    """Stored arrays one after another along an axis; only those that are asked for are read.

    Args:
        parts: of equal shapes along the other axes.
        axis: along which they follow each other.
    """

    def __init__(self, parts: Sequence[Stored], axis: int) -> None:
        self.parts, self.axis = list(parts), axis
        self._edges = np.cumsum([0, *[part.shape[axis] for part in parts]])
        shape = list(parts[0].shape)
        shape[axis] = int(self._edges[-1])
        self.shape = tuple(shape)
        self.dtype = np.result_type(*{part.dtype for part in parts})
        sizes = zip(*[part.chunk_shape for part in parts], strict=True)
        self.chunk_shape = tuple(max(size) for size in sizes)
        self.is_remote = any(part.is_remote for part in parts)
        last = [part.numbers(axis, np.array([part.shape[axis] - 1]))[0] for part in parts]
        self._chunks_before = np.cumsum([0, *[number + 1 for number in last]])

    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[Any]]]:
        span = box[self.axis]
        first = int(np.searchsorted(self._edges, span.start, side="right")) - 1
        for number in range(first, len(self.parts)):
            begin, end = self._edges[number : number + 2].tolist()
            if begin >= span.stop:
                break
            inside = slice(max(span.start - begin, 0), min(span.stop, end) - begin)
            moved = begin - span.start
            within = (*box[: self.axis], inside, *box[self.axis + 1 :])
            for where, values in self.parts[number].pieces(within):
                part = where[self.axis]
                start = part.start + inside.start + moved
                along = slice(start, start + part.stop - part.start)
                place = (*where[: self.axis], along, *where[self.axis + 1 :])
                yield place, values.astype(self.dtype, copy=False)

    def numbers(self, axis: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        if axis != self.axis:
            return self.parts[0].numbers(axis, positions)
        which = np.searchsorted(self._edges, positions, side="right") - 1
        found = self._chunks_before[which]
        order = np.argsort(which, kind="stable")
        numbers, firsts = np.unique(which[order], return_index=True)
        for number, here in zip(numbers.tolist(), np.split(order, firsts[1:]), strict=True):
            found[here] += self.parts[number].numbers(axis, positions[here] - self._edges[number])
        return found
