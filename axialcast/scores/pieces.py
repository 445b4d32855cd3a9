"""Pieces of a forecast: what is read and scored at once, cut where the store's chunks end.

Shapes: i init times, l lead times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.arrays.lazy import part_of
from axialcast.data.channels import Channels
from axialcast.grid import dims_of
from axialcast.names import INIT_TIME, LEVEL, NUMBER
from axialcast.scores.blocks import Block
from axialcast.times.leads import leads_of

__all__ = ["PIECE_VALUES", "Cut", "Pieces"]

PIECE_VALUES = 2**20
"""Values of one model scored at once (4 MB in float32), if the store's chunks are no larger."""

TOGETHER = 8
"""Chunks along initial times that blocks are read together for: where one more is shared with the
next blocks, it is decoded twice. Chunks of 31 days and blocks of 64 would have no common end."""


@dataclass(frozen=True)
class Cut:
    """Some channels at some lead times of a forecast.

    Args:
        channels, leads: positions.
    """

    channels: slice
    leads: slice


class Pieces:
    """How a forecast is cut, and the values of each piece.

    The cuts follow from the forecast's labels and chunks and `values` alone.

    Args:
        forecast: (init_time, lead_time, [level], [number], latitude, longitude) in this order.
        values: of one piece, at most, unless a chunk is larger.
        whole: leave all channels together, whatever the chunks.

    Attributes:
        depth: most initial times that share a chunk.
        num_members: of an ensemble; None: the forecast is none.
    """

    def __init__(self, forecast: xr.Dataset, values: int, *, whole: bool = False) -> None:
        self.channels = Channels.of(forecast)
        self.init_times, self.lead_times = forecast[INIT_TIME].values, leads_of(forecast)
        self.grid = [forecast[dim].values for dim in dims_of(forecast.dims)]
        self.grid_shape = len(self.grid[0]), len(self.grid[1])
        self.values = values
        self.num_members = forecast.sizes.get(NUMBER)
        self._members = () if self.num_members is None else (self.num_members,)
        self._arrays = [forecast[name].variable for name in self.channels.variables]
        edges = [_edges(array) for array in self._arrays]
        self._init_chunks = [_chunk_numbers(array, 0) for array in self._arrays]
        self.depth = max(map(_longest, self._init_chunks))
        self.cuts = self._cut(edges, whole)

    @property
    def largest(self) -> int:
        """Most values of a piece."""
        return max(max(self._size(cut) for cut in self.cuts), self.values)

    @property
    def share_chunks(self) -> bool:
        """Whether a chunk holds several initial times."""
        return self.depth > 1

    def groups(self, blocks: Sequence[Block]) -> list[list[Block]]:
        """Blocks in order, those together that a chunk of the store is of."""
        found: list[list[Block]] = []
        for block in blocks:
            before = found[-1][-1].positions[-1] if found else None
            is_long = bool(found) and _num_inits(found[-1]) >= TOGETHER * self.depth
            if (
                before is not None
                and not is_long
                and any(
                    chunks is not None and chunks[before] == chunks[block.positions[0]]
                    for chunks in self._init_chunks
                )
            ):
                found[-1].append(block)
            else:
                found.append([block])
        return found

    def read_together(self, groups: Sequence[Sequence[Block]]) -> int:
        """Most values that are read at once of such groups."""
        longest = max(map(_num_inits, groups)) if self.share_chunks else 1
        return max(longest * max(map(self._size, self.cuts)), self.values)

    def stretches(self, cut: Cut, block: Block) -> list[slice]:
        """Of the block's initial times, those that are scored at once."""
        step = max(1, self.values // self._size(cut))
        num = len(block.positions)
        return [slice(first, min(first + step, num)) for first in range(0, num, step)]

    def read(self, cut: Cut, positions: NDArray[np.intp]) -> NDArray[np.float32]:
        """(i, l, c, [m], h, w) values at some initial times."""
        is_stretch = (np.diff(positions) == 1).all()
        rows: Any = slice(positions[0], positions[-1] + 1) if is_stretch else positions
        num_leads, num_channels = (s.stop - s.start for s in (cut.leads, cut.channels))
        out: NDArray[np.float32] | None = None
        start = 0
        for array in self._arrays:
            has_levels = LEVEL in array.dims
            length = array.shape[2] if has_levels else 1
            first, last = max(cut.channels.start, start), min(cut.channels.stop, start + length)
            start += length
            if first >= last:
                continue
            inside = slice(first - start + length, last - start + length)
            index = (rows, cut.leads, inside) if has_levels else (rows, cut.leads)
            found = np.asarray(array[index].values, np.float32)
            found = found if has_levels else found[:, :, None]
            if last - first == num_channels:
                return found
            if out is None:
                shape = (len(positions), num_leads, num_channels, *self._members, *self.grid_shape)
                out = np.empty(shape, np.float32)
            out[:, :, first - cut.channels.start : last - cut.channels.start] = found
        assert out is not None
        return out

    def _size(self, cut: Cut) -> int:
        """Values at one initial time."""
        num_leads, num_channels = (s.stop - s.start for s in (cut.leads, cut.channels))
        return int(num_leads * num_channels * np.prod([*self._members, *self.grid_shape]))

    def _fits(self, cut: Cut) -> bool:
        """Whether a cut's chunks, of all initial times that they hold, are one piece."""
        return self._size(cut) * self.depth <= self.values

    def _cut(self, edges: list[tuple[list[int], list[int]]], whole: bool) -> list[Cut]:
        """Channels together as long as all of their lead times fit, then lead times."""
        units, start = [], 0
        for leads, levels in edges:
            units += [(slice(a + start, b + start), leads) for a, b in pairwise(levels)]
            start += levels[-1]
        groups = [units[:1]]
        for unit in units[1:]:
            both = slice(groups[-1][0][0].start, unit[0].stop)
            fits = self._fits(Cut(both, slice(0, len(self.lead_times))))
            if whole or (fits and unit[1] == groups[-1][0][1]):
                groups[-1].append(unit)
            else:
                groups.append([unit])
        cuts = []
        for group in groups:
            channels = slice(group[0][0].start, group[-1][0].stop)
            common = sorted(set.intersection(*(set(leads) for _, leads in group)))
            cuts += [Cut(channels, leads) for leads in self._joined(channels, common)]
        return cuts

    def _joined(self, channels: slice, edges: Sequence[int]) -> Iterator[slice]:
        """Lead times between such edges, neighbours together while they fit."""
        first = last = edges[0]
        for edge in edges[1:]:
            if last > first and not self._fits(Cut(channels, slice(first, edge))):
                yield slice(first, last)
                first = last
            last = edge
        yield slice(first, last)


def _num_inits(blocks: Sequence[Block]) -> int:
    return sum(len(block.positions) for block in blocks)


def _longest(numbers: NDArray[np.int64] | None) -> int:
    """Most positions in a chunk."""
    return 1 if numbers is None else int(np.unique(numbers, return_counts=True)[1].max())


def _edges(array: xr.Variable) -> tuple[list[int], list[int]]:
    """Where chunks begin and end along lead times and levels, one level where there are none."""
    leads = _where_new(_chunk_numbers(array, 1), array.shape[1])
    if LEVEL not in array.dims:
        return leads, [0, 1]
    assert array.dims[2] == LEVEL
    return leads, _where_new(_chunk_numbers(array, 2), array.shape[2])


def _where_new(numbers: NDArray[np.int64] | None, length: int) -> list[int]:
    if numbers is None:
        return list(range(length + 1))
    return [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), length]


def _chunk_numbers(array: xr.Variable, axis: int) -> NDArray[np.int64] | None:
    """The chunk that each position along an axis is in; None: any part is read alone."""
    if array.chunks is not None:
        lengths = array.chunks[axis]
        return np.repeat(np.arange(len(lengths)), lengths)
    found = part_of(array)
    if found is None:
        return None
    stored_axis = found.axes[axis]
    return found.positions[stored_axis] // found.stored.chunk_shape[stored_axis]
