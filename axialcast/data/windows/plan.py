"""Which windows there are, which rows hold them, and in which order an epoch plays them.

A plan is a pure function of its arguments, so a place in training is just (epoch, batch), however
many threads read. It knows times and numbers only, no data.

Shapes: b windows, t states in a window.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from axialcast.times.calendars import gapless_axis, time_text

__all__ = ["Missing", "Plan", "Pool", "Positions", "WindowRows", "plan_epoch"]

Positions = NDArray[np.int64]

Missing = Literal["skip", "mask"]


class WindowRows:
    """All windows of a store, numbered by time, and the rows that hold their states.

    Args:
        times: of the rows, increasing, perhaps with gaps.
        input_steps, target_steps, step, stride, missing: see WindowLoader.

    Attributes:
        offsets: (t,) cadences from the start of a window to each of its states.
        first, last: row in which each window begins and ends.
        may_lack: whether a window may lack a state.

    Raises:
        ValueError: too few times for one window.
    """

    def __init__(
        self,
        times: NDArray[Any],
        *,
        input_steps: int,
        target_steps: int,
        step: int,
        stride: int,
        missing: Missing,
    ) -> None:
        if missing not in ("skip", "mask"):
            raise ValueError(f"missing: expected 'skip' or 'mask', got {missing!r}")
        self.may_lack = missing == "mask"
        self._times = times
        self._row, self._spacing = gapless_axis(times)
        there = self._row >= 0
        num_states = input_steps + target_steps
        spans = (num_states - 1) * step + 1
        self._starts = np.arange(0, max(0, len(there) - spans + 1), stride)
        if len(self):
            self.offsets = np.arange(num_states) * step
            states = there[self._starts[:, None] + self.offsets]
            inputs, targets = np.split(states, [input_steps], 1)
            enough = targets.any(1) if self.may_lack else targets.all(1)
            self._starts = self._starts[inputs.all(1) & enough]
        if not len(self):
            lacking = ", some of them missing," if (~there).any() else ""
            raise ValueError(
                f"{len(times)} times ({self.period}){lacking} are too few for one window of "
                f"{num_states} states {step} apart, which spans {spans}; "
                "choose a longer period or fewer input or rollout steps"
            )
        self.first = self._row[self._starts]
        self.last = self[np.arange(len(self))].max(1)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, windows: Positions) -> Positions:
        """(b, t) rows that these windows hold, -1 for a missing time."""
        rows: Positions = self._row[self._starts[windows][:, None] + self.offsets]
        return rows

    def times(self, rows: Positions) -> NDArray[Any]:
        """(b, t) times of the states in these rows of windows, of missing ones too."""
        times: NDArray[Any] = self._times[rows]
        if self.may_lack:
            for window, state in np.argwhere(rows < 0):
                times[window, state] = times[window, 0] + self._spacing * int(self.offsets[state])
        return times

    @property
    def period(self) -> str:
        """First and last time, in words."""
        if not len(self._times):
            return "none"
        return f"{time_text(self._times[0])} to {time_text(self._times[-1])}"


@dataclass(frozen=True)
class Pool:
    """Blocks that are in memory together; windows are drawn from all of them.

    Args:
        page: rows of the store that are read at once, whole chunks.
        starts: rows in which the windows of one block start, whole pages.
        pages: pages that hold the windows of one block.
        num_blocks: blocks that windows are drawn from at a time.
        chain: blocks next to one another in time that follow one another in the pool.
        ahead: blocks read ahead of their use.
    """

    page: int
    starts: int
    pages: int
    num_blocks: int
    chain: int
    ahead: int

    @classmethod
    def fitting(
        cls, capacity: int, *, reach: int, page: int, batch_size: int, ahead: int
    ) -> "Pool":
        """The best pool for a buffer.

        Many blocks shuffle better, long ones waste less memory on what windows reach into beyond
        their block: blocks grow until that is a quarter, while there are sixteen of them and one
        for every window of a batch. Chains are long enough for one page in twenty at most to be
        read twice.

        Args:
            capacity: rows that the buffer holds.
            reach: rows from the first to the last of a window, less one.
            page: rows that are read at once.
            batch_size: windows in a batch.
            ahead: blocks read ahead of their use; fewer where they do not fit.

        Raises:
            ValueError: the buffer holds too little.
        """
        beyond = -(-reach // page)
        best = None
        for length in range(1, capacity // page + 1):
            # While a batch is delivered, blocks leave and enter.
            spare = ahead + 1 + -(-batch_size // (length * page))
            num_blocks = capacity // page // (length + beyond) - spare
            if num_blocks < (1 if best is None else max(16, batch_size)):
                break
            chain = max(1, -(-20 * beyond // length))
            best = cls(page, length * page, length + beyond, num_blocks, chain, ahead)
            if 4 * beyond <= length:
                break
        if best is None and ahead:
            return cls.fitting(
                capacity, reach=reach, page=page, batch_size=batch_size, ahead=ahead // 2
            )
        if best is None:
            least = (2 + -(-batch_size // page)) * (1 + beyond) * page
            raise ValueError(
                f"buffer_bytes: holds {capacity} states beside a batch, expected at least {least}: "
                f"blocks of {page} that are read at once, and what windows reach beyond them; "
                "allow more, or choose a smaller batch_size"
            )
        return best


@dataclass(frozen=True)
class Plan:
    """One epoch on one rank.

    Args:
        blocks: (m, 2) first and last window start (an index into all of them) + 1 of each block.
        order: (n,) windows in the order of delivery, as indices into all window starts.
        block: (n,) the block each comes from.
        bounds: (s + 1,) where the batches begin and end in that order.
    """

    blocks: Positions
    order: Positions
    block: Positions
    bounds: Positions

    def __len__(self) -> int:
        """Batches."""
        return len(self.bounds) - 1

    def batch(self, number: int) -> slice:
        """The part of `order` that makes a batch."""
        return slice(*self.bounds[number : number + 2].tolist())

    def uses(self) -> tuple[Positions, Positions]:
        """(m,) first and last batch that takes a window from each block."""
        batch = np.repeat(np.arange(len(self)), np.diff(self.bounds))
        block = self.block[: len(batch)]
        first = np.full(len(self.blocks), len(self))
        last = np.full(len(self.blocks), -1)
        np.minimum.at(first, block, batch)
        np.maximum.at(last, block, batch)
        return first, last

    def most_blocks(self) -> int:
        """Blocks that are needed at the same batch, at most."""
        first, last = self.uses()
        used = last >= 0
        change = np.zeros(len(self) + 1, np.int64)
        np.add.at(change, first[used], 1)
        np.add.at(change, last[used] + 1, -1)
        return int(change.cumsum().max())


def plan_epoch(
    rows: Positions,
    pool: Pool,
    *,
    batch_size: int,
    shuffle: bool,
    drop_last: bool,
    seed: int,
    epoch: int,
    rank: int,
    world_size: int,
) -> Plan:
    """The plan of an epoch for one rank; all ranks together deliver every window once.

    Chains of blocks are shuffled, and the pool plays as many as it has blocks, each chain block by
    block. The place of a window is that of its block plus `num_blocks` times a random number in
    [0, 1), so blocks enter and leave one by one, and each is followed by its neighbour in time,
    which finds the chunks that both need already decoded.

    Args:
        rows: (n,) row of the store in which each window starts, increasing.
        pool: what is in memory together.
        batch_size: windows in a batch. All ranks deliver equally many batches; those at the end
            may be smaller, unless `drop_last` leaves windows out to keep all full.

    Raises:
        ValueError: the windows cannot be dealt to the ranks in equally many batches.
    """
    bounds = _bounds(len(rows), batch_size, drop_last, rank, world_size)
    edges = np.flatnonzero(np.diff(rows // pool.starts, prepend=-1))
    blocks = np.stack([edges, np.append(edges[1:], len(rows))], 1)
    random = np.random.default_rng([seed, epoch])
    if shuffle:
        blocks = np.concatenate(_chains(blocks, pool, random))
    # Ranks take equal stretches; a block on a border belongs to both, with windows of its own.
    ends = np.diff(blocks)[:, 0].cumsum()
    begins = np.append(0, ends[:-1])
    low, high = (len(rows) * r // world_size for r in (rank, rank + 1))
    cut = np.stack([np.maximum(low - begins, 0), -np.maximum(ends - high, 0)], 1)
    blocks = (blocks + cut)[(ends > low) & (begins < high)]
    if shuffle:
        blocks = _side_by_side(blocks, pool.num_blocks)
    windows = np.concatenate([np.arange(*block) for block in blocks])
    block = np.repeat(np.arange(len(blocks)), np.diff(blocks)[:, 0])
    if shuffle:
        random = np.random.default_rng([seed, epoch, rank])
        order = np.argsort(_places(block, pool.num_blocks, random), kind="stable")
        windows, block = windows[order], block[order]
    return Plan(blocks, windows, block, bounds)


def _chains(blocks: Positions, pool: Pool, random: np.random.Generator) -> list[Positions]:
    """Runs of consecutive blocks in random order, cut at other places in every epoch."""
    length = max(1, min(pool.chain, len(blocks) // (2 * pool.num_blocks)))
    cuts = np.arange(random.integers(length) if length > 1 else 0, len(blocks), length)
    chains = [chain for chain in np.split(blocks, cuts) if len(chain)]
    return [chains[index] for index in random.permutation(len(chains))]


def _side_by_side(blocks: Positions, num_lanes: int) -> Positions:
    """Chains, one after another, dealt to lanes: every block comes `num_lanes` after the last."""
    breaks = np.flatnonzero(blocks[1:, 0] != blocks[:-1, 1]) + 1
    waiting = [list(chain) for chain in np.split(blocks, breaks)][::-1]
    lanes = [waiting.pop()[::-1] for _ in range(min(num_lanes, len(waiting)))]
    dealt: list[Positions] = []
    while lanes:
        for lane in lanes:
            dealt.append(lane.pop())
            if not lane and waiting:
                lane.extend(waiting.pop()[::-1])
        lanes = [lane for lane in lanes if lane]
    return np.array(dealt)


def _places(block: Positions, num_blocks: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Where each window comes; sorted, they are the shuffled order."""
    if num_blocks > block[-1]:
        return random.random(len(block))
    place = block + num_blocks * random.random(len(block))
    again = random.random(len(block))
    # At both ends fewer blocks overlap; their windows are dealt out together.
    full, last = num_blocks - 1, block[-1] + 1
    place = np.where(place < full, full - 1 + again, place)
    return np.where(place >= last, last + again, place)


def _bounds(total: int, batch_size: int, drop_last: bool, rank: int, world_size: int) -> Positions:
    """Where the batches of a rank begin and end in its order."""
    shares = np.diff(total * np.arange(world_size + 1) // world_size)
    steps = shares.min() // batch_size if drop_last else -(-shares.max() // batch_size)
    if shares.min() < max(steps, 1):
        raise ValueError(
            f"{total} windows cannot be dealt to {world_size} ranks in equally many batches of "
            f"{batch_size}; pass drop_last=True or use fewer ranks"
        )
    step = np.arange(steps + 1)
    # Every later batch keeps at least one window.
    bounds: Positions = np.minimum(step * batch_size, shares[rank] - (steps - step))
    return bounds
