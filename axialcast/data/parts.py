"""What an analysis is read from: stored arrays that hold its channels, and channels to compute.

Shapes: n times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.arrays.lazy import part_of
from axialcast.data.arrays.stored import Converted
from axialcast.data.channels import Channels
from axialcast.data.sources import Held, Source, Where, runs
from axialcast.grid import dims_of
from axialcast.names import LEVEL, TIME

__all__ = ["Computed", "Part", "find_parts"]


class Part(Protocol):
    """Channels of an analysis that are read together."""

    @property
    def is_remote(self) -> bool:
        """Whether reading waits for a network."""

    @property
    def chunk(self) -> int:
        """Times of the analysis that are decoded together."""

    @property
    def offset(self) -> int:
        """Position of the first time in the store, counted in times of the analysis."""

    @property
    def numbers(self) -> tuple[NDArray[np.int64], ...]:
        """(n,), (h,), (w,) which chunk along its axis holds each time, row and column."""

    @property
    def units(self) -> list[list[int]]:
        """Places of the channels that are decoded together."""

    def pieces(self, times: NDArray[np.int64]) -> Iterator[tuple[Where, NDArray[Any]]]:
        """Values at these positions of the analysis in time, each chunk decoded once.

        Args:
            times: (k,) increasing.

        Yields:
            Where they belong in (k, c, h, w), and values, which may be overwritten.
        """


@dataclass(frozen=True, eq=False)
class Computed:
    """Channels that are computed when they are read, or in memory; as `Source`.

    Args:
        dataset: one variable, at all its levels.
        channels: those that are wanted of it.
        places: of these channels in the analysis.
    """

    dataset: xr.Dataset
    channels: Channels
    places: list[int]

    is_remote = False

    @cached_property
    def _chunks(self) -> dict[str, tuple[int, ...]]:
        """Of dask: lengths along axes."""
        (array,) = self.dataset.values()
        return {str(dim): sizes for dim, sizes in array.chunksizes.items()}

    @property
    def chunk(self) -> int:
        return max(self._chunks.get(TIME, (1,)))

    @property
    def offset(self) -> int:
        return self.chunk - self._chunks.get(TIME, (1,))[0]

    @cached_property
    def numbers(self) -> tuple[NDArray[np.int64], ...]:
        found = []
        for dim in (TIME, *dims_of(self.dataset.dims)):
            sizes = self._chunks.get(dim, (1,) * self.dataset.sizes[dim])
            found.append(np.repeat(np.arange(len(sizes)), sizes))
        return tuple(found)

    @property
    def units(self) -> list[list[int]]:
        return [self.places]

    def pieces(self, times: NDArray[np.int64]) -> Iterator[tuple[Where, NDArray[Any]]]:
        if not len(times):
            return
        first, last = int(times[0]), int(times[-1]) + 1
        even = last - first == len(times)
        block = self.dataset.isel({TIME: slice(first, last) if even else times})
        values = self.channels.stack(block)
        for part, place, length in runs(range(len(self.places)), self.places):
            where = (slice(0, len(times)), slice(place, place + length), slice(None), slice(None))
            yield where, values[:, part : part + length]


def find_parts(analysis: xr.Dataset, channels: Channels) -> list[Part]:
    """Stored arrays that hold channels, and variables that must be computed.

    Variables on one stored array are one source, so that its chunks are decoded once for all.
    """
    sources: list[Source] = []
    known: dict[Any, int] = {}
    computed: list[Computed] = []
    for name in channels.variables:
        places = [place for place, channel in enumerate(channels) if channel.variable == name]
        array, levels = analysis[name], channels.levels(name)
        if levels != [None] and levels != array[LEVEL].values.tolist():
            array = array.sel({LEVEL: levels})
        source = _source(array, places)
        if source is None:
            wanted = Channels([channels[place] for place in places])
            computed.append(Computed(analysis[[name]], wanted, places))
            continue
        lines = (source.times, source.rows, source.columns)
        key = (source.stored, source.others, *[line.tobytes() for line in lines])
        if source.is_stacked and key in known:
            before = sources[known[key]].held
            # A value that two channels want may not be overwritten for the first of them.
            if not {h.position for h in before} & {h.position for h in source.held}:
                sources[known[key]] = replace(source, held=before + source.held)
                continue
        known[key] = len(sources)
        sources.append(source)
    return [*sources, *computed]


def _source(array: xr.DataArray, places: Sequence[int]) -> Source | None:
    """Where a variable is stored, if it is a part of a stored array, in order of time."""
    found = part_of(array)
    if found is None:
        return None
    axis = dict(zip(array.dims, found.axes, strict=True))
    on_grid = [axis[TIME], *(axis[dim] for dim in dims_of(array.dims))]
    others = sorted(set(range(found.stored.ndim)) - set(on_grid))
    stack = [axis[LEVEL]] if LEVEL in axis else others[:1]
    fixed = [a for a in others if a not in stack]
    if any(len(found.positions[a]) != 1 for a in fixed):
        return None
    times, rows, columns = (found.positions[a] for a in on_grid)
    steps = np.diff(rows)
    if (np.diff(times) < 1).any() or len(np.unique(columns)) < len(columns):
        return None
    if not ((steps == 1).all() or (steps == -1).all()):
        return None
    stored, factor, offset = found.stored, 1.0, 0.0
    if isinstance(found.stored, Converted):
        stored, factor, offset = found.stored.stored, found.stored.factor, found.stored.offset
    axes = (on_grid[0], *stack, *on_grid[1:], *fixed)
    if axes != tuple(range(stored.ndim)):
        stored = stored.transposed(axes)
    positions = found.positions[stack[0]].tolist() if stack else [0]
    held = tuple(
        Held(position, place, factor, offset)
        for position, place in zip(positions, places, strict=True)
    )
    return Source(
        stored, times, rows, columns, tuple(int(found.positions[a][0]) for a in fixed), held
    )
