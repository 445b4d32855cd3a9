"""Which stored arrays hold the channels of an analysis, and which channels must be computed.

Shapes: n times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.arrays.lazy import part_of
from axialcast.data.arrays.stored import Box, Stored
from axialcast.data.channels import Channels
from axialcast.names import LATITUDE, LEVEL, LONGITUDE, TIME

__all__ = ["Source", "Where", "find_sources", "runs"]

Where = tuple[slice, slice, slice, slice]
"""A part of (n, c, h, w)."""


@dataclass(frozen=True)
class Source:
    """Channels that one stored array holds.

    Args:
        stored: dimensions (time, [channel], latitude, longitude).
        times: position of each of the analysis' times, increasing.
        rows: of the grid, without a gap.
        columns: of the grid, each a position of the array.
        positions: along the channel axis; None: there is no such axis.
        places: the channel at each of these positions.
    """

    stored: Stored
    times: NDArray[np.int64]
    rows: slice
    columns: NDArray[np.int64]
    positions: Sequence[int] | None
    places: Sequence[int]

    @property
    def chunk(self) -> int:
        """Times that are decoded at once."""
        return self.stored.chunk_shape[0]

    @cached_property
    def _column_runs(self) -> list[tuple[int, int, int]]:
        """(first within the box, first of the grid, length) of columns that count up by one."""
        return runs((self.columns - self.columns.min()).tolist(), range(len(self.columns)))

    def parts(self, start: int, stop: int) -> Iterator[tuple[Where, NDArray[Any]]]:
        """Values at the times start to stop - 1, and where they belong in (n, c, h, w)."""
        times = self.times[start:stop]
        if times[-1] - times[0] == stop - start - 1:
            yield from self._pieces(slice(int(times[0]), int(times[-1]) + 1))
            return
        for done, first, length in runs(range(stop - start), times.tolist()):
            for (when, *where), values in self._pieces(slice(first, first + length)):
                shifted = slice(when.start + done, when.stop + done)
                yield (shifted, where[0], where[1], where[2]), values

    def _pieces(self, times: slice) -> Iterator[tuple[Where, NDArray[Any]]]:
        columns = slice(int(self.columns.min()), int(self.columns.max()) + 1)
        if self.positions is None:
            place = slice(self.places[0], self.places[0] + 1)
            box: Box = (times, self.rows, columns)
            for (when, rows, part), values in self.stored.pieces(box):
                for where, inside in _overlaps(self._column_runs, part):
                    yield (when, place, rows, where), values[:, None, :, inside]
            return
        low = min(self.positions)
        depth = slice(low, max(self.positions) + 1)
        depth_runs = runs([position - low for position in self.positions], self.places)
        box = (times, depth, self.rows, columns)
        for (when, level, rows, part), values in self.stored.pieces(box):
            for channels, within in _overlaps(depth_runs, level):
                for where, inside in _overlaps(self._column_runs, part):
                    yield (when, channels, rows, where), values[:, within, :, inside]


def _overlaps(runs: list[tuple[int, int, int]], part: slice) -> Iterator[tuple[slice, slice]]:
    """What of a part of an axis is wanted: where it belongs, and where it is within the part."""
    for position, place, length in runs:
        first, last = max(position, part.start), min(position + length, part.stop)
        if first < last:
            shift = place - position
            yield (
                slice(first + shift, last + shift),
                slice(first - part.start, last - part.start),
            )


def runs(ones: Sequence[int], others: Sequence[int]) -> list[tuple[int, int, int]]:
    """(first of ones, first of others, length) of stretches in which both count up by one."""
    runs: list[tuple[int, int, int]] = []
    for one, other in zip(ones, others, strict=True):
        if runs and (one, other) == (runs[-1][0] + runs[-1][2], runs[-1][1] + runs[-1][2]):
            runs[-1] = (*runs[-1][:2], runs[-1][2] + 1)
        else:
            runs.append((one, other, 1))
    return runs


def find_sources(
    analysis: xr.Dataset, channels: Channels
) -> tuple[list[Source], list[tuple[xr.Dataset, list[int]]]]:
    """Stored arrays that hold channels, and variables that must be computed, with their places."""
    sources: dict[Any, Source] = {}
    derived = []
    for name in channels.variables:
        places = [place for place, channel in enumerate(channels) if channel.variable == name]
        array = analysis[name]
        if channels.levels(name) != [None]:
            array = array.sel({LEVEL: channels.levels(name)})
        source = _source(array, places)
        if source is None:
            derived.append((analysis[[name]], places))
            continue
        key = (
            id(source.stored),
            source.times.tobytes(),
            str(source.rows),
            source.columns.tobytes(),
        )
        if source.positions is not None and key in sources:
            known = sources[key]
            assert known.positions is not None
            source = replace(
                source,
                positions=(*known.positions, *source.positions),
                places=(*known.places, *source.places),
            )
        sources[key if source.positions is not None else name] = source
    return list(sources.values()), derived


def _source(array: xr.DataArray, places: Sequence[int]) -> Source | None:
    """Where a variable is stored, if it is a part of a stored array with whole rows in order."""
    found = part_of(array)
    if found is None:
        return None
    axis = dict(zip(array.dims, found.axes, strict=True))
    on_grid = [axis[TIME], axis[LATITUDE], axis[LONGITUDE]]
    others = sorted(set(range(found.stored.ndim)) - set(on_grid))
    times, rows, columns = (found.positions[a] for a in on_grid)
    if on_grid != sorted(on_grid) or others not in ([], [1]) or (np.diff(times) < 1).any():
        return None
    if (np.diff(rows) != 1).any():
        return None
    positions = found.positions[1].tolist() if others else None
    span = slice(int(rows[0]), int(rows[-1]) + 1)
    return Source(found.stored, times, span, columns, positions, places)
