"""A buffer of pages: stretches of an analysis that threads read while others are in use."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from axialcast.data.windows.reading import States

__all__ = ["Memory", "PageBuffer"]

Memory = tuple[Tensor, Tensor | None]
"""States and their masks."""


class PageBuffer:
    """Slots for pages of states, which threads fill.

    A page is read when its first user enters and its slot is free again when the last has left.

    Args:
        states: what is read.
        num_slots: pages that fit.
        threads: who reads.
        memory: of an earlier buffer, used again if it is large enough.
    """

    def __init__(
        self,
        states: States,
        num_slots: int,
        threads: ThreadPoolExecutor,
        memory: Memory | None = None,
    ) -> None:
        self._states, self._threads = states, threads
        num_rows = num_slots * states.page + 1
        if memory is None or len(memory[0]) < num_rows:
            memory = states.empty(num_rows)
        # The last row stands for a missing state.
        self.memory = self.values, self.valid = memory
        self._free = list(range(num_slots))
        self._slot_of = np.full(states.num_pages, -1)
        self._users: Counter[int] = Counter()
        self._reads: dict[int, Future[None]] = {}

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

    def under_way(self, pages: Iterable[int]) -> list[Future[None]]:
        """The reading of those pages that are not there yet, or failed."""
        reads = {page: self._reads[page] for page in pages if page in self._reads}
        for page in [p for p, read in reads.items() if read.done() and not read.exception()]:
            del self._reads[page], reads[page]
        return list(reads.values())

    def leave(self, pages: Iterable[int]) -> None:
        """Gives up the pages; slots that nobody uses are free."""
        for page in pages:
            self._users[page] -= 1
            if not self._users[page]:
                self._free.append(int(self._slot_of[page]))
                self._reads.pop(page, None)

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the buffer that hold rows of the store; -1, a missing state, stays."""
        page, inside = np.divmod(rows + self._states.phase, self._states.page)
        return np.where(rows < 0, -1, self._slot_of[page] * self._states.page + inside)
