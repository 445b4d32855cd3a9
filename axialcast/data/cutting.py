"""Where a pass over an analysis is cut: into blocks of times, into groups of channels and cells.

Always between chunks, so that each is decoded once.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from axialcast.data.parts import Part

__all__ = ["BLOCKS_HELD", "Place", "block_edges", "group_places", "shares"]

BLOCKS_HELD = 3
"""Blocks in memory at a time."""
SHARE_CHUNKS = 64
"""Chunks along time in a share, at most: variables that share files read them at about the same
time, while they are open."""
Place = tuple[NDArray[np.int64], slice, slice]
"""Channels, rows and columns of an analysis; an index of (c, h, w)."""


def block_edges(parts: Sequence[Part], num_times: int, length: int) -> list[int]:
    """Where blocks of at most `length` times begin and end: where the longest chunks do, and, if
    there is a choice, where most others do, too. A chunk that is longer is a block."""
    begins = np.zeros(num_times + 1, np.int64)  # parts that begin a chunk there
    begins[num_times:] = len(parts) + 1
    for part in parts:
        begins[1:-1] += np.diff(part.numbers[0]) > 0
    longest = max(parts, key=lambda part: part.chunk, default=None)
    possible = _changes(longest.numbers[0]) if longest else np.arange(1, num_times)
    return _edges(num_times, length, possible, begins)


def _edges(
    num: int, length: int, possible: NDArray[np.int64], rank: NDArray[np.int64]
) -> list[int]:
    """Edges of spans of an axis: each the last of highest rank within `length`, or the next."""
    possible = np.append(possible, num)
    edges = [0]
    while edges[-1] < num:
        low, high = np.searchsorted(possible, [edges[-1] + 1, edges[-1] + length + 1])
        here = possible[low : max(high, low + 1)]
        edges.append(int(here[rank[here] == rank[here].max()][-1]))
    return edges


def _changes(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where another chunk begins."""
    return np.flatnonzero(np.diff(numbers)) + 1


def shares(numbers: NDArray[np.int64], num: int) -> list[tuple[int, int]]:
    """Times that are read at once: at least `num` shares, if there are as many chunks, with no
    chunk in common.

    Args:
        numbers: the chunk of each time.
        num: of shares.
    """
    begins = np.concatenate([[0], _changes(numbers)])
    num = min(max(num, -(-len(begins) // SHARE_CHUNKS)), len(begins))
    chosen = np.linspace(0, len(begins), num, endpoint=False, dtype=np.int64)
    return list(pairwise([*begins[chosen].tolist(), len(numbers)]))


def group_places(
    parts: Sequence[Part],
    shape: tuple[int, int, int],
    num_bytes: int,
    *,
    overlap: int,
    by_cells: bool,
) -> list[Place]:
    """Groups of channels, and of cells, of which blocks of a chunk take at most `num_bytes`.

    Args:
        parts: of the analysis.
        shape: (c, h, w) of its states.
        overlap: times that each block holds besides.
        by_cells: whether the grid is parted, too, where one unit of channels is too large.
    """
    units = [(unit, part) for part in parts for unit in part.units]
    units.sort(key=lambda unit: min(unit[0]))
    groups: list[tuple[list[int], Part]] = []  # and the part of the longest chunks
    for unit, part in units:
        if groups:
            channels, other = groups[-1]
            longer = max(part, other, key=lambda p: p.chunk)
            field_bytes = BLOCKS_HELD * 4 * (longer.chunk + overlap) * shape[1] * shape[2]
            if field_bytes * (len(channels) + len(unit)) <= num_bytes:
                groups[-1] = (channels + unit, longer)
                continue
        groups.append((unit, part))
    found = []
    for channels, part in groups:
        cell_bytes = BLOCKS_HELD * 4 * (part.chunk + overlap) * len(channels)
        for rows, columns in _tiles(part, shape[1:], num_bytes // cell_bytes, by_cells):
            found.append((np.array(sorted(channels)), rows, columns))
    return found


def _tiles(
    part: Part, grid: tuple[int, int], num_cells: int, by_cells: bool
) -> list[tuple[slice, slice]]:
    """Parts of the grid of at most so many cells, as far as chunks allow."""
    height, width = grid
    if not by_cells or height * width <= num_cells:
        return [(slice(0, height), slice(0, width))]
    found = []
    for rows in _spans(part.numbers[1], num_cells // width):
        most = num_cells // (rows.stop - rows.start)
        found += [(rows, columns) for columns in _spans(part.numbers[2], most)]
    return found


def _spans(numbers: NDArray[np.int64], most: int) -> list[slice]:
    """Spans of an axis of at most so many cells, or of one chunk."""
    rank = np.zeros(len(numbers) + 1, np.int64)
    return [slice(*span) for span in pairwise(_edges(len(numbers), most, _changes(numbers), rank))]
