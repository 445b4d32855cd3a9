"""Memory to read and copy into.

The system zeroes fresh memory before it is touched, so threads keep what they work in. And the
place matters: copies to an address 16 bytes beyond that of the source, modulo a page, where numpy's
large arrays begin, took 2.6 times as long as to a line of the cache (rows of 128 KiB, AMD EPYC).
"""

import math
import threading
import weakref
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Lender", "aligned", "workspace"]

ALIGNMENT = 64
"""Bytes in a line of the processor's cache."""


def aligned(shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Fresh memory that starts at a line of the cache."""
    num_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(num_bytes + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + num_bytes].view(dtype).reshape(shape)


def workspace(purpose: str, num_bytes: int) -> NDArray[np.uint8]:
    """Memory of this thread, the same at every call, whatever it holds."""
    held: NDArray[np.uint8] | None = getattr(_held, purpose, None)
    if held is None or len(held) < num_bytes:
        held = aligned((num_bytes,), np.uint8)
        setattr(_held, purpose, held)
    return held[:num_bytes]


_held = threading.local()


class Lender:
    """Lends arrays and takes their memory back when nobody holds them, or views of them, any more.

    Args:
        keep: arrays of one shape and type whose memory waits to be lent again, at most.
    """

    def __init__(self, keep: int) -> None:
        self._waiting: dict[tuple[tuple[int, ...], Any], deque[NDArray[Any]]] = defaultdict(
            lambda: deque(maxlen=keep)
        )

    def lend(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """An array of any content."""
        waiting = self._waiting[tuple(shape), np.dtype(dtype)]
        try:
            memory = waiting.pop()
        except IndexError:
            memory = aligned(shape, dtype)
        lent = _Lent(memory)
        weakref.finalize(lent, waiting.append, memory).atexit = False
        return np.asarray(lent)


class _Lent:
    """What lent arrays, and views of them, hold: a view of plain memory would hold the memory."""

    def __init__(self, memory: NDArray[Any]) -> None:
        self.__array_interface__ = memory.__array_interface__
