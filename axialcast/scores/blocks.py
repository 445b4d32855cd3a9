"""Blocks of initial times: what is scored, and kept, as one.

Which block an initial time is in follows from the time itself and from how large a forecast is,
never from which others there are. So forecasts that are added leave earlier blocks as they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.names import INIT_TIME, LEAD_TIME
from axialcast.times.dates import Times

__all__ = ["BLOCK_VALUES", "Block", "Piece", "blocks_of", "pieces"]

BLOCK_VALUES = 2**22
"""Values of one model scored at once (16 MB in float32)."""

LONGEST_DAYS = 64
PIECES_PER_READ = 4
EPOCH = np.datetime64("2000-01-01", "D")


@dataclass(frozen=True, eq=False)
class Block:
    """The initial times of some calendar days.

    Args:
        day: the first day, whether or not there is an initial time on it.
        positions: (i,) where they are in the forecast, in order of time.
        init_times: (i,) what they are.
    """

    day: np.datetime64
    positions: NDArray[np.intp]
    init_times: Times


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a block in memory: some of its initial times at some lead times.

    Args:
        cases: which of the block's initial times.
        leads: which of the forecast's lead times.
        forecast: (init_time, lead_time, ...) values at these.
    """

    cases: slice
    leads: slice
    forecast: xr.Dataset


def blocks_of(forecast: xr.Dataset) -> list[Block]:
    """The forecast's blocks in order of time.

    A block spans a power of two of days, at most 64: as many as hold no more than `BLOCK_VALUES`
    values with one initial time a day, or one day.
    """
    values = sum(array[0].size for array in forecast.data_vars.values())
    days = 1
    while days < LONGEST_DAYS and 2 * days * values <= BLOCK_VALUES:
        days *= 2
    times = forecast[INIT_TIME].values
    order = np.argsort(times, kind="stable")
    numbers = (times[order].astype("datetime64[D]") - EPOCH).astype(np.int64) // days
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
    return [
        Block(EPOCH + int(numbers[start]) * days, positions, times[positions])
        for start, positions in zip(starts, np.split(order, starts[1:]), strict=True)
    ]


def pieces(
    forecast: xr.Dataset, blocks: Sequence[Block], values: int
) -> Iterator[tuple[Block, Iterator[Piece]]]:
    """Each block with its pieces of about so many values, which are to be used up before the next.

    How a block is cut follows from the block alone. Several pieces are read at once, of several
    blocks too, so that a chunk of the store is decoded about once.
    """
    num_leads = forecast.sizes[LEAD_TIME]
    per_pair = sum(array[0, 0].size for array in forecast.data_vars.values())
    leads = min(num_leads, max(1, values // per_pair))
    inits = max(1, values // (per_pair * leads))
    cuts = [
        (block, slice(first, first + inits))
        for block in blocks
        for first in range(0, len(block.positions), inits)
    ]
    rows = [slice(first, min(first + leads, num_leads)) for first in range(0, num_leads, leads)]
    reads = _reads(cuts, inits * PIECES_PER_READ, across_blocks=len(rows) == 1)
    read = (
        (block, Piece(cases, stretch, part))
        for together in reads
        for stretch in rows
        for block, cases, part in _read(forecast, together, stretch)
    )
    for block, found in groupby(read, key=itemgetter(0)):
        yield block, (piece for _, piece in found)


Cut = tuple[Block, slice]


def _reads(cuts: Iterable[Cut], most: int, *, across_blocks: bool) -> Iterator[list[Cut]]:
    """The cuts, those together that are read at once: neighbours of at most so many times."""
    together: list[Cut] = []
    for block, cases in cuts:
        if together:
            last, before = together[-1]
            num = sum(len(b.positions[c]) for b, c in together) + len(block.positions[cases])
            follows = block.positions[cases][0] == last.positions[before][-1] + 1
            if num > most or not follows or not (across_blocks or block is last):
                yield together
                together = []
        together.append((block, cases))
    if together:
        yield together


def _read(
    forecast: xr.Dataset, together: Sequence[Cut], leads: slice
) -> Iterator[tuple[Block, slice, xr.Dataset]]:
    positions = np.concatenate([block.positions[cases] for block, cases in together])
    is_stretch = (np.diff(positions) == 1).all()
    rows: Any = slice(positions[0], positions[-1] + 1) if is_stretch else positions
    read = forecast.isel({INIT_TIME: rows, LEAD_TIME: leads}).load()
    start = 0
    for block, cases in together:
        stop = start + len(block.positions[cases])
        yield block, cases, read.isel({INIT_TIME: slice(start, stop)})
        start = stop
