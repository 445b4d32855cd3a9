"""Which elements of a stored array a lazy array stands for, read off its task graph.

A loader that knows reads whole chunks without a graph, behind any slicing that its user did.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dask.array
import dask.local
import numpy as np
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from axialcast.data.arrays.stored import Stored, index_of_each_axis, stored_behind, task_shape

__all__ = ["Trace", "trace"]


@dataclass(frozen=True)
class Trace:
    """Which elements of a stored array a lazy one stands for.

    Args:
        stored: the source.
        axes: the axis of the source that each axis of the lazy array runs along.
        positions: for every axis of the source, which of its positions, in order.
    """

    stored: Stored
    axes: tuple[int, ...]
    positions: tuple[NDArray[np.int64], ...]


def trace(array: Any) -> Trace | None:
    """What a lazy array stands for, if it is nothing but slices of a stored one.

    Its graph is run on positions in place of values, so that no slicing is repeated here.
    """
    if not isinstance(array, dask.array.Array) or not array.ndim or 0 in array.shape:
        return None
    sources = {name: stored for name in array.dask.layers if (stored := stored_behind(name))}
    others = array.dask.layers.keys() - sources.keys()
    if len(sources) != 1 or not all(name.startswith("getitem-") for name in others):
        return None
    ((source, stored),) = sources.items()
    start = dask.array.from_array(  # type: ignore[no-untyped-call]
        _Positions([np.arange(n) for n in stored.shape]),
        task_shape(stored),
        source,
        asarray=False,
        inline_array=True,
        meta=np.empty(0),
    )
    layers = {**array.dask.layers, source: start.dask.layers[source]}
    graph = HighLevelGraph(layers, array.dask.dependencies)
    lines = [
        [(array.name, *(block if k == axis else 0 for k in range(array.ndim))) for block in blocks]
        for axis, blocks in enumerate(map(range, array.numblocks))
    ]
    keys = list(dict.fromkeys(itertools.chain.from_iterable(lines)))
    try:
        found = dict(zip(keys, dask.local.get_sync(graph.cull(set(keys)), keys), strict=True))
    except Exception:  # a task that does more than slice meets no array
        return None
    corner: _Positions = found[keys[0]]
    positions = [along.reshape(-1) for along in corner.along]
    for axis, line in zip(corner.axes, lines, strict=True):
        positions[axis] = np.concatenate([found[key].along[axis] for key in line])
    return Trace(stored, tuple(corner.axes), tuple(positions))


class _Positions:
    """Positions in a source along each of its axes, sliced as the source would be."""

    dtype = np.dtype(np.int64)

    def __init__(self, along: Sequence[NDArray[np.int64]]) -> None:
        self.along = along
        self.axes = [axis for axis, positions in enumerate(along) if positions.ndim]
        self.shape = tuple(len(along[axis]) for axis in self.axes)
        self.ndim = len(self.axes)

    def __getitem__(self, index: Any) -> "_Positions":
        index = index_of_each_axis(index, self.ndim)
        if any(entry is None or entry is Ellipsis for entry in index):
            raise NotImplementedError
        along = list(self.along)
        for axis, entry in zip(self.axes, index, strict=True):
            along[axis] = np.asarray(along[axis][entry])
        return _Positions(along)
