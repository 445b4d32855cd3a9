"""Which windows there are, which rows hold them, and in which order an epoch plays them.

A plan is a pure function of its arguments, so a place in training is just (epoch, batch), however
many threads read. It knows times and numbers only, no data.

Shapes: b windows, t states in a window.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from axialcast.data.windows.pool import Pool
from axialcast.times.calendars import gapless_axis, time_text
from axialcast.times.dates import later

__all__ = ["Missing", "Plan", "Positions", "WindowRows", "plan_epoch"]

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
                by = self._spacing * int(self.offsets[state])
                times[window, state] = later(times[window, :1], by)[0]
        return times

    @property
    def period(self) -> str:
        """First and last time, in words."""
        if not len(self._times):
            return "none"
        return f"{time_text(self._times[0])} to {time_text(self._times[-1])}"


@dataclass(frozen=True)
class Plan:
    """One epoch on one rank.

    Args:
        blocks: (m, 2) first and last window start (an index into all of them) + 1 of each block of
            all ranks.
        order: (n,) windows of this rank in the order of delivery, as indices into all window
            starts.
        block: (n,) the block each comes from.
        bounds: (s + 1,) where this rank's parts of the batches begin and end in that order.
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
    """The plan of an epoch for one rank: its part of every batch.

    The batches are the same however many ranks share them; where they are not shuffled, each rank
    has a stretch of time instead, and reads no more than that.

    Chains of blocks are shuffled and dealt to the shares. The pool plays as many of a share as it
    has blocks, each chain block by block. The place of a window is that of its block plus the
    share's number of blocks times a random number in [0, 1), so blocks enter and leave one by one,
    and each is followed by its neighbour in time, which finds the chunks that both need already
    decoded.

    Args:
        rows: (n,) row of the store in which each window starts, increasing.
        pool: what is in memory together.
        batch_size: windows in a batch of all ranks together, at most; batches are as equal as can
            be, or full where `drop_last` leaves windows out. More where they are not shuffled and
            some rank would have none.

    Raises:
        ValueError: a batch has fewer windows than there are ranks.
    """
    if not (shuffle or drop_last):
        # By time, who shares a batch matters to nobody: none is left without a window.
        steps = min(-(-len(rows) // batch_size), len(rows) // world_size)
        batch_size = max(batch_size, -(-len(rows) // max(1, steps)))
    bounds = _bounds(len(rows), batch_size, drop_last)
    fewest = int(np.diff(bounds).min(initial=batch_size))
    if fewest < world_size:
        remedy = "longer period" if len(rows) < world_size else "larger batch_size"
        raise ValueError(
            f"{len(rows)} windows in batches of {batch_size}: {fewest} of one batch cannot be "
            f"shared by {world_size} ranks; choose a {remedy} or fewer ranks"
        )
    edges = np.flatnonzero(np.diff(rows // pool.starts, prepend=-1))
    blocks = np.stack([edges, np.append(edges[1:], len(rows))], 1)
    if shuffle:
        random = np.random.default_rng([seed, epoch])
        blocks = np.concatenate(_chains(blocks, pool, random))
    # What drop_last leaves out is a batch that nobody plays.
    played = np.append(bounds, len(rows)) if bounds[-1] < len(rows) else bounds
    shares = pool.shares if shuffle else world_size
    blocks, order, block = _dealt(
        blocks, played, shares, pool.num_blocks // shares, [seed, epoch] if shuffle else None
    )
    own = _part(bounds, rank, world_size)
    begins = np.append(0, np.searchsorted(own, bounds[1:]))
    return Plan(blocks, order[own], block[own], begins)


def _dealt(
    blocks: Positions, bounds: Positions, shares: int, num_lanes: int, seed: list[int] | None
) -> tuple[Positions, Positions, Positions]:
    """Blocks in the order they are played; windows in order of delivery and the block of each.

    Args:
        blocks: that are dealt, each share an equal stretch.
        bounds: of the batches, each of which takes an equal part of every share.
        shares: number of stretches.
        num_lanes: blocks that are in memory of each.
        seed: of the order within a share; None: as it is.
    """
    order = np.empty(bounds[-1], np.int64)
    block = np.empty_like(order)
    dealt: list[Positions] = []
    first = 0
    for share in range(shares):
        places = _part(bounds, share, shares)
        if not len(places):
            continue
        mine = _stretch(blocks, first, first + len(places))
        first += len(places)
        if seed is not None:
            mine = _side_by_side(mine, num_lanes)
        windows = np.concatenate([np.arange(*part) for part in mine])
        number = np.repeat(np.arange(len(mine)), np.diff(mine)[:, 0])
        if seed is not None:
            random = np.random.default_rng([*seed, share])
            turn = np.argsort(_places(number, num_lanes, random), kind="stable")
            windows, number = windows[turn], number[turn]
        order[places], block[places] = windows, number + sum(map(len, dealt))
        dealt.append(mine)
    return np.concatenate(dealt), order, block


def _part(bounds: Positions, number: int, count: int) -> Positions:
    """Places of one of `count` equal parts of every batch, in order."""
    sizes = np.diff(bounds)
    begin, end = (bounds[:-1] + sizes * n // count for n in (number, number + 1))
    lengths = end - begin
    ends = lengths.cumsum()
    places: Positions = np.repeat(begin - (ends - lengths), lengths) + np.arange(lengths.sum())
    return places


def _stretch(blocks: Positions, low: int, high: int) -> Positions:
    """Blocks of windows low to high - 1; one on a border belongs to both, with its own windows."""
    ends = np.diff(blocks)[:, 0].cumsum()
    begins = np.append(0, ends[:-1])
    cut = np.stack([np.maximum(low - begins, 0), -np.maximum(ends - high, 0)], 1)
    stretch: Positions = (blocks + cut)[(ends > low) & (begins < high)]
    return stretch


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


def _bounds(total: int, batch_size: int, drop_last: bool) -> Positions:
    """Where batches begin and end in the order of an epoch."""
    if drop_last:
        bounds: Positions = np.arange(total // batch_size + 1) * batch_size
    else:
        steps = -(-total // batch_size)
        # Equal, not full with a rest: the rest could be smaller than the number of ranks.
        bounds = np.arange(steps + 1) * total // steps
    return bounds
