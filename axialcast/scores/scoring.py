"""Sums of blocks of initial times: every model against the truth, computed or taken from a folder.

Work is parted among threads by blocks, and within a block by channels and lead times, whose sums
are apart: so the sums are the same to the bit, however many threads there are.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from axialcast.scores.blocks import Block
from axialcast.scores.kept import KeptSums
from axialcast.scores.models import Starts
from axialcast.scores.pieces import Cut
from axialcast.scores.window import Window
from axialcast.scores.work import Setting, Work

__all__ = ["Scoring"]


@dataclass(eq=False)
class _Together:
    """Blocks whose forecasts are read together, and what threads do about them."""

    works: list[Work]
    jobs: list[Future[Any]] = field(default_factory=list)
    is_added: bool = False


@dataclass(frozen=True, eq=False)
class Scoring:
    """A pass over the blocks.

    Args:
        setting: what is scored.
        window: on the states that the blocks need.
        num_threads: that score.
        num_ahead: groups of blocks in work at once, at most.
        starts: gives what joint models start from, by block, once a block is to be scored; None: it
            is found in the window.
        kept: where sums are taken from, and kept from now on.
    """

    setting: Setting
    window: Window
    num_threads: int
    num_ahead: int
    starts: Callable[[], Sequence[Starts]] | None = None
    kept: KeptSums | None = None

    def works(self, blocks: Sequence[Block], keys: Sequence[str] = ()) -> Generator[Work]:
        """The blocks in order, with their sums.

        Args:
            keys: what the sums of each block are kept by.
        """
        threads = ThreadPoolExecutor(self.num_threads, thread_name_prefix="axialcast-scores")
        coming = self._coming(blocks, keys)
        begun: deque[_Together] = deque()
        try:
            self._begin(coming, begun, threads)
            while begun:
                first = begun[0]
                self._add(first, threads)
                for job in first.jobs:
                    job.result()
                begun.popleft()
                for work in first.works:
                    self.window.end(work.number)
                self._begin(coming, begun, threads)
                for work in first.works:
                    if self.kept is not None:
                        self._keep(work, keys[work.number])
                    yield work
        finally:
            threads.shutdown(cancel_futures=True)

    def _coming(self, blocks: Sequence[Block], keys: Sequence[str]) -> Iterator[list[Work]]:
        """Blocks whose forecasts are read together. What is known to be of the same analysis is
        taken unseen."""
        number = 0
        for together in self.setting.pieces.groups(blocks):
            works = []
            for block in together:
                known = self.kept.load(block, keys[number]) if self.kept else None
                is_same = bool(self.kept and known and self.kept.analysis == known.analysis)
                starts = None if is_same or not self.starts else self.starts()[number]
                work = Work(
                    self.setting,
                    block,
                    number,
                    self.window,
                    starts=starts,
                    known=known,
                    with_states=self.kept is not None,
                )
                if is_same:
                    work.take()
                works.append(work)
                number += 1
            yield works

    def _begin(
        self, coming: Iterator[list[Work]], begun: deque["_Together"], threads: ThreadPoolExecutor
    ) -> None:
        """Puts work before the threads, enough that none of them waits.

        Blocks are made ready before the cuts of those before them are added: what joint models
        start from is found by one thread, and others would wait for it.
        """
        while len(begun) < self.num_ahead:
            left = sum(not job.done() for one in begun for job in one.jobs)
            works = next(coming, None) if len(begun) < 3 or left < 2 * self.num_threads else None
            if works is None:
                return
            for work in works:
                if not work.is_taken:
                    self.window.begin(work.number)
            one = _Together(works)
            one.jobs += [threads.submit(work.is_wanted) for work in works if not work.is_taken]
            begun.append(one)
            if len(begun) > 1:
                self._add(begun[-2], threads)

    def _add(self, one: "_Together", threads: ThreadPoolExecutor) -> None:
        """Has all cuts added to blocks, if they are not being added."""
        if one.jobs and not one.is_added:
            one.jobs += [threads.submit(self._score, one.works, cut) for cut in self.setting.cuts]
        one.is_added = True

    def _score(self, works: Sequence[Work], cut: Cut) -> None:
        """Adds the forecasts of a cut to blocks that have chunks in common."""
        pieces = self.setting.pieces
        works = [work for work in works if work.is_wanted()]
        if not pieces.share_chunks:
            for work in works:
                for cases in work.stretches(cut):
                    work.add(cut, cases, pieces.read(cut, work.block.positions[cases]))
        elif works:
            forecast = pieces.read(cut, np.concatenate([work.block.positions for work in works]))
            for work in works:
                own, forecast = np.split(forecast, [len(work.block.positions)])
                for cases in work.stretches(cut):
                    work.add(cut, cases, own[cases])

    def _keep(self, work: Work, key: str) -> None:
        assert self.kept is not None
        (self.kept.taken if work.is_taken else self.kept.made).append(work.block.day)
        if not work.is_taken or work.known_of != (self.kept.analysis or ""):
            self.kept.save(work.block, key, work.sums, work.states)
