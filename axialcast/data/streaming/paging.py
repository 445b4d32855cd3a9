"""A buffer of pages: stretches of an analysis that threads read while others are in use."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from axialcast.data.streaming.reading import States

__all__ = ["Memory", "PageBuffer"]

Memory = tuple[Tensor, Tensor | None]
"""States and their masks."""


class PageBuffer:
    """Slots for pages of states, and the threads that fill them.

    A page is read when its first user enters and its slot is free again when the last has left.
    The buffer is a context; leaving it stops the threads.

    Args:
        states: what is read.
        num_slots: pages that fit.
        num_threads: threads that read.
        memory: of an earlier buffer, used again if it is large enough: fresh memory costs as much
            as decoding into it.
    """

    def __init__(
        self, states: States, num_slots: int, num_threads: int, memory: Memory | None = None
    ) -> None:
        self._states = states
        num_rows = num_slots * states.page + 1
        if memory is None or len(memory[0]) < num_rows:
            memory = states.empty(num_rows)
        # The last row stands for a missing state.
        self.memory = self.values, self.valid = memory
        self._free = list(range(num_slots))
        self._slot_of = np.full(states.num_pages, -1)
        self._users: Counter[int] = Counter()
        self._reads: dict[int, Future[None]] = {}
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="axialcast-windows")

    def __enter__(self) -> "PageBuffer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    @property
    def room(self) -> int:
        """Free slots."""
        return len(self._free)

    def enter(self, pages: Iterable[int]) -> None:
        """Begins to read the pages that nobody uses yet."""
        for page in pages:
            self._users[page] += 1
            if self._users[page] == 1:
                slot = self._free.pop()
                self._slot_of[page] = slot
                self._reads[page] = self._threads.submit(
                    self._states.read_page, page, self.values, self.valid, slot * self._states.page
                )

    def wait(self, pages: Iterable[int]) -> None:
        """Returns when the pages are there.

        Raises:
            ValueError, OSError: what the thread met that read them.
        """
        for page in pages:
            self._reads[page].result()

    def leave(self, pages: Iterable[int]) -> None:
        """Gives up the pages; slots that nobody uses are free."""
        for page in pages:
            self._users[page] -= 1
            if not self._users[page]:
                self._free.append(int(self._slot_of[page]))
                del self._reads[page]

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the buffer that hold rows of the store; -1, a missing state, stays."""
        page, inside = np.divmod(rows + self._states.phase, self._states.page)
        return np.where(rows < 0, -1, self._slot_of[page] * self._states.page + inside)
