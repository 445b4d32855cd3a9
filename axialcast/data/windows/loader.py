"""Windows of consecutive states, shuffled, from an analysis of any size.

Shapes: b windows, t states in a window, c channels, h latitudes, w longitudes.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from axialcast.data.windows.batch import Batch
from axialcast.data.windows.copies import Coming, Copies
from axialcast.data.windows.paging import Memory, PageBuffer
from axialcast.data.windows.plan import Missing, Plan, Positions, WindowRows, plan_epoch
from axialcast.data.windows.pool import Pool
from axialcast.data.windows.reading import PAGE_BYTES, States

__all__ = ["WindowLoader"]

LOCAL, REMOTE = 2, 16
"""Threads that read, and blocks that they read ahead; remote ones wait more than they work."""
AHEAD = 1
"""Batches that are gathered while one is in use."""


class WindowLoader:
    """Batches of windows, every window once in an epoch.

    A window that starts at a time holds the states at that time and 1, 2, …, t - 1 steps later.
    Blocks of consecutive times are read in shuffled order by a few threads, each decoded and
    normalised once an epoch, and windows are drawn from many blocks at a time (see `plan.py`). What
    comes is a pure function of (seed, epoch, batch), whatever the number of threads, and of ranks,
    which share every batch. Where windows are not shuffled each rank has a stretch of time.

    Args:
        states: where windows come from.
        input_steps, target_steps: states that are given and that are to be forecast.
        step: cadences from one state of a window to the next.
        stride: cadences from the start of one window to the start of the next.
        batch_size: windows in a batch of all ranks together, at most.
        shuffle: random order; otherwise by time.
        drop_last: whether windows are left out so that every batch is full; otherwise batches are
            as equal as can be.
        missing: what to do with windows that lack a time: "skip" them, or "mask" a missing target
            (its states are 0 and invalid; the first t of a window must be there). Batches have
            masks then, even if no value is missing elsewhere.
        seed: of the order.
        rank, world_size: this process delivers its part of every batch, and reads about as much.
        num_threads: threads that read; None: 2, or 16 if the store is remote.
        read_ahead: blocks that are read ahead of their use; None: likewise.
        device: where batches are put.

    Raises:
        ValueError: too few times for one window or one batch, or too small a buffer.

    Example:
        >>> loader = WindowLoader(states, input_steps=2, target_steps=1, batch_size=16)
        >>> for batch in loader:
        ...     loss = (network(batch.inputs) - batch.targets).square().mean()
        >>> saved = loader.state_dict()  # and later, anywhere: loader.load_state_dict(saved)
    """

    def __init__(
        self,
        states: States,
        *,
        input_steps: int,
        target_steps: int,
        step: int = 1,
        stride: int = 1,
        batch_size: int,
        shuffle: bool = True,
        drop_last: bool = False,
        missing: Missing = "skip",
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        num_threads: int | None = None,
        read_ahead: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.states, self.input_steps, self.batch_size = states, input_steps, batch_size
        self.length = input_steps + target_steps
        most = REMOTE if states.is_remote else LOCAL
        self.num_threads = most if num_threads is None else num_threads
        self.read_ahead = most if read_ahead is None else read_ahead
        self._copies = Copies(torch.device(device), AHEAD + 1)
        self.rows = WindowRows(
            states.times,
            input_steps=input_steps,
            target_steps=target_steps,
            step=step,
            stride=stride,
            missing=missing,
        )
        self.masked = states.masked or self.rows.may_lack
        self._pool = self._choose_pool()
        self._order: dict[str, Any] = {
            "batch_size": batch_size,
            "shuffle": shuffle,
            "drop_last": drop_last,
            "seed": seed,
        }
        self._part: dict[str, Any] = {"rank": rank, "world_size": world_size}
        self._memory: Memory | None = None
        self._epoch, self._batch = 0, 0
        self._num_batches = len(self._plan(0))
        if not self._num_batches:
            raise ValueError(
                f"{self.num_windows} windows are too few for a batch of {batch_size}; choose a "
                "smaller batch_size or a longer period"
            )

    def __len__(self) -> int:
        """Batches in an epoch, the same on every rank."""
        return self._num_batches

    @property
    def target_steps(self) -> int:
        """States of a window that are to be forecast."""
        return self.length - self.input_steps

    @property
    def num_windows(self) -> int:
        """Windows in an epoch, on all ranks together."""
        return len(self.rows)

    def __iter__(self) -> Iterator[Batch]:
        """The rest of the epoch that the loader stands in; the next call is the next epoch."""
        epoch, first = self._epoch, self._batch
        for number, batch in enumerate(self.epoch(epoch, first), start=first + 1):
            done = number == len(self)
            self._epoch, self._batch = (epoch + 1, 0) if done else (epoch, number)
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands: the batch that comes next, and what its order depends on."""
        return {"epoch": self._epoch, "batch": self._batch, "order": self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where `state_dict` was called, with exactly the batches that would have come.

        How many ranks share them may be another number.

        Raises:
            ValueError: this loader's windows or their order are others.
        """
        mine = self._identity()
        for key, value in state["order"].items():
            if mine[key] != value:
                raise ValueError(
                    f"{key}: expected {value!r} as when the state was saved, got {mine[key]!r}; "
                    "make the loader with the same data and arguments"
                )
        self._epoch, self._batch = state["epoch"], state["batch"]

    def epoch(self, epoch: int, first_batch: int = 0) -> Iterator[Batch]:
        """Batches first_batch, first_batch + 1, … of an epoch.

        Raises:
            ValueError, OSError: what a thread met, naming the store and the chunk.
        """
        plan = self._plan(epoch)
        threads = ThreadPoolExecutor(self.num_threads, thread_name_prefix="axialcast-windows")
        gather = self._gather_held if self.states.in_memory else self._gather_streamed
        begun: deque[Future[Coming]] = deque()
        try:
            for batch in gather(plan, first_batch, threads):
                begun.append(batch)
                if len(begun) > AHEAD:
                    yield self._copies.awaited(begun.popleft().result())
            while begun:
                yield self._copies.awaited(begun.popleft().result())
        finally:
            threads.shutdown(cancel_futures=True)

    def _gather_held(
        self, plan: Plan, first_batch: int, threads: ThreadPoolExecutor
    ) -> Iterator[Future[Coming]]:
        memory = self.states.held(self.num_threads)
        for batch in range(first_batch, len(plan)):
            rows = self.rows[plan.order[plan.batch(batch)]]
            yield threads.submit(self._gather, rows, rows, memory, [])

    def _gather_streamed(
        self, plan: Plan, first_batch: int, threads: ThreadPoolExecutor
    ) -> Iterator[Future[Coming]]:
        first, last = plan.uses()
        coming = [int(b) for b in np.argsort(first, kind="stable") if last[b] >= first_batch][::-1]
        slots = min(plan.most_blocks() + self._pool.ahead, len(coming)) * self._pool.pages
        # Taken away while it is in use, for there may be two epochs at a time.
        memory, self._memory = self._memory, None
        buffer = PageBuffer(self.states, slots, threads, memory)
        held: dict[int, range] = {}
        begun: deque[tuple[int, Future[Coming]]] = deque()

        def enter_blocks() -> None:
            while coming and buffer.room >= self._pool.pages:
                block = coming.pop()
                held[block] = self._pages(plan.blocks[block])
                buffer.enter(held[block])

        def leave_blocks() -> None:
            batch, gathered = begun.popleft()
            wait([gathered])
            for block in [b for b in held if last[b] == batch]:
                buffer.leave(held.pop(block))

        enter_blocks()
        for batch in range(first_batch, len(plan)):
            part = plan.batch(batch)
            blocks = set(plan.block[part].tolist())
            while begun and (begun[0][1].done() or not blocks <= held.keys()):
                leave_blocks()
                enter_blocks()
            reads = buffer.under_way(page for block in blocks for page in held[block])
            rows = self.rows[plan.order[part]]
            places = buffer.places(rows)
            gathered = threads.submit(self._gather, rows, places, buffer.memory, reads)
            begun.append((batch, gathered))
            yield gathered
        wait([gathered for _, gathered in begun])
        self._memory = buffer.memory

    def _pages(self, block: Positions) -> range:
        """Pages that the windows of a block touch."""
        first, stop = block.tolist()
        low, high = self.rows.first[first], self.rows.last[first:stop].max()
        page, phase = self._pool.page, self.states.phase
        return range(int(low + phase) // page, int(high + phase) // page + 1)

    def _gather(
        self, rows: Positions, places: Positions, memory: Memory, reads: list[Future[None]]
    ) -> Coming:
        """Windows of rows, copied from their places in a buffer once these are read.

        The last place of a buffer stands for a missing state, -1.
        """
        for read in reads:
            read.result()
        index = places.reshape(-1)
        if self.rows.may_lack:
            index = np.where(index < 0, len(memory[0]) - 1, index)

        def pick(source: Tensor) -> Tensor:
            # Lent now and not before, when the last batch but one has been given back.
            out = self._copies.lend((*places.shape, *source.shape[1:]), source.dtype)
            # Of numpy, for torch would start threads of its own.
            into = out.numpy().reshape(len(index), *source.shape[1:])
            source.numpy().take(index, 0, into, "clip")
            return out

        values = pick(memory[0])
        valid = None
        if memory[1] is not None:
            valid = pick(memory[1])
        elif self.masked:
            there = self._copies.lend(places.shape, torch.bool)
            there.numpy()[...] = places >= 0
            valid = there[:, :, None, None, None].expand_as(values)
        times, channels = self.rows.times(rows), self.states.channels
        return self._copies.begun(Batch(values, times, valid, self.input_steps, channels))

    def _plan(self, epoch: int) -> Plan:
        starts = self.rows.first + self.states.phase
        return plan_epoch(starts, self._pool, epoch=epoch, **self._order, **self._part)

    def _choose_pool(self) -> Pool:
        states = self.states
        if states.in_memory:
            whole = len(states) + states.phase
            return Pool(page=whole, starts=whole, pages=1, num_blocks=1, chain=1, ahead=0)
        capacity = states.buffer_bytes // states.bytes_per_state
        batches = (AHEAD + 2) * self.batch_size * self.length  # in use, coming and being gathered
        capacity -= min(batches, capacity // 4)
        pool = {
            "reach": int(self.rows.offsets[-1]),
            "page": states.page,
            "batch_size": self.batch_size,
            "ahead": self.read_ahead,
        }
        try:
            return Pool.fitting(capacity, **pool)
        except ValueError as error:
            if states.analysis.chunk * states.bytes_per_state <= PAGE_BYTES:
                raise
            raise ValueError(
                f"{error}; or put prepare into the pipeline: the store's chunks hold "
                f"{states.analysis.chunk} times, those of a training store few"
            ) from None

    def _identity(self) -> dict[str, Any]:
        """What the order of windows depends on, JSON-ready."""
        return {
            **self._order,
            "pool": asdict(self._pool),
            "period": self.rows.period,
            "times": len(self.states),
            "windows": self.num_windows,
            "offsets": self.rows.offsets.tolist(),
            "input_steps": self.input_steps,
        }
