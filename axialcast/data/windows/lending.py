"""Memory of batches: lent, and lent again when nobody holds it any more."""

import weakref
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from axialcast.data.arrays.memory import aligned

__all__ = ["Lender"]


class Lender:
    """Lends tensors and takes their memory back when nobody holds them any more.

    Args:
        keep: tensors of one shape and type whose memory waits to be lent again, at most.
    """

    def __init__(self, keep: int) -> None:
        self._waiting: dict[tuple[tuple[int, ...], Any], deque[NDArray[Any]]] = defaultdict(
            lambda: deque(maxlen=keep)
        )

    def lend(self, shape: Sequence[int], dtype: DTypeLike) -> Tensor:
        """A tensor of any content."""
        waiting = self._waiting[tuple(shape), np.dtype(dtype)]
        try:
            memory = waiting.pop()
        except IndexError:
            memory = aligned(shape, dtype)
        # The tensor holds this view and nothing else does, so the view ends with its last user.
        view = memory.view()
        weakref.finalize(view, waiting.append, memory).atexit = False
        return torch.from_numpy(view)
