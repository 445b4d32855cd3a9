"""Stored arrays as xarray's lazy ones, and which part of a stored array a lazy one stands for.

xarray composes what its users select, without a graph of tasks. To learn what that is, a lazy array
is asked for its values while the stored one only notes which are wanted: so no private part of
xarray is looked into, and what is more than a selection is told by its result.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray

from axialcast.data.arrays.borrowed import (
    IndexingSupport,
    LazilyIndexedArray,
    VectorizedIndexer,
    explicit_indexing_adapter,
)
from axialcast.data.arrays.expanded import Expanded
from axialcast.data.arrays.repeated import repeated
from axialcast.data.arrays.stored import Stored, linear

__all__ = ["Part", "convert_linear", "expand", "lazily", "part_of", "repeat", "transpose"]


INTEGER = (int, np.integer)


@dataclass(frozen=True)
class Part:
    """Which elements of a stored array a lazy one stands for.

    Args:
        stored: the array in the store.
        index: for every axis of it, an integer, a slice or an array of positions.
    """

    stored: Stored
    index: tuple[Any, ...]

    @property
    def axes(self) -> tuple[int, ...]:
        """The axis of the stored array that each axis of the lazy one runs along."""
        return tuple(axis for axis, i in enumerate(self.index) if not isinstance(i, INTEGER))

    @property
    def positions(self) -> tuple[NDArray[np.int64], ...]:
        """For every axis of the stored array, which of its positions, in order."""
        every = zip(self.index, self.stored.shape, strict=True)
        return tuple(np.atleast_1d(np.arange(length)[i]) for i, length in every)


class _Lazy(BackendArray):
    """A stored array as a backend of xarray."""

    def __init__(self, stored: Stored) -> None:
        self.stored, self.shape, self.dtype = stored, stored.shape, stored.dtype

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, VectorizedIndexer):
            return explicit_indexing_adapter(key, self.shape, IndexingSupport.OUTER, self._read)
        return self._read(key.tuple)  # any order, repeats too, which the adapter takes apart

    def _read(self, index: tuple[Any, ...]) -> NDArray[Any]:
        notes = _notes.get()
        if notes is None:
            return self.stored[index]
        part = Part(self.stored, index)
        shape = [len(part.positions[axis]) for axis in part.axes]
        nothing = np.broadcast_to(np.zeros((), self.dtype), shape)
        notes.append((part, nothing))
        return nothing


_notes: ContextVar[list[tuple[Part, NDArray[Any]]] | None] = ContextVar("notes", default=None)


def lazily(stored: Stored) -> Any:
    """The stored array as data of an xarray Variable, read when its values are asked for."""
    return LazilyIndexedArray(_Lazy(stored))


def part_of(variable: xr.Variable | xr.DataArray) -> Part | None:
    """What a lazy variable stands for; None if it is in memory, of dask, computed or foreign."""
    if variable.chunks is not None or not variable.ndim or 0 in variable.shape:
        return None
    # Another's lazy array would read: it is asked for nothing first. One that is more than a
    # selection, such as a transposed one, would fill memory: it is asked for one value.
    with _noting() as notes:
        _ = variable[(slice(0, 0),) * variable.ndim].values
    if not notes or _noted(variable[(slice(0, 1),) * variable.ndim]) is None:
        return None
    return _noted(variable)


def _noted(variable: xr.Variable | xr.DataArray) -> Part | None:
    """What is wanted of a stored array for a variable's values, if that is what they are."""
    with _noting() as notes:
        values = variable.values
    if len(notes) != 1:
        return None
    part, nothing = notes[0]
    return part if np.shares_memory(values, nothing) and values.shape == nothing.shape else None


@contextmanager
def _noting() -> Iterator[list[tuple[Part, NDArray[Any]]]]:
    notes: list[tuple[Part, NDArray[Any]]] = []
    token = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(token)


def convert_linear(array: xr.DataArray, factor: float, offset: float) -> xr.DataArray:
    """array * factor + offset, see `linear`: when it is read, if it is stored."""
    part = part_of(array)
    if part is None:
        return linear(array, factor, offset).assign_attrs(array.attrs)  # type: ignore[no-any-return]
    every = tuple(range(part.stored.ndim))
    return _with_part(array, Part(part.stored.converted(factor, offset), part.index), every)


def transpose(array: xr.DataArray, dims: Sequence[str]) -> xr.DataArray:
    """The array with its dimensions in this order: when it is read, if it is stored."""
    part = part_of(array)
    if part is None or tuple(dims) == array.dims:
        return array.transpose(*dims)
    axis = dict(zip(array.dims, part.axes, strict=True))
    kept = [axis[dim] for dim in dims]
    axes = (*kept, *(a for a in range(part.stored.ndim) if a not in kept))
    index = tuple(part.index[a] for a in axes)
    return _with_part(array, Part(part.stored.transposed(axes), index), axes)


def expand(array: xr.DataArray, dim: str) -> xr.DataArray:
    """The array with one more dimension, in front and of length one: read as before, if stored."""
    part = part_of(array)
    if part is None:
        return array.expand_dims(dim)
    dims = iter(array.dims)
    fixed = [isinstance(i, INTEGER) for i in part.index]
    names = [f"axis_{axis}" if f else next(dims) for axis, f in enumerate(fixed)]
    data = xr.Variable((dim, *names), lazily(Expanded(part.stored)), array.attrs, array.encoding)
    data = data[(slice(None), *part.index)]
    return xr.Dataset({"array": data}, array.coords)["array"].rename(array.name)


def repeat(
    variable: xr.Variable, dim: str, rows: NDArray[np.int64], nth: NDArray[np.int64], count: int
) -> xr.Variable:
    """The variable at these positions of a dimension, which may recur: each read once, if stored.

    Args:
        variable: lazy, or anything else.
        dim: one of its dimensions.
        rows: (n,) positions, not decreasing.
        nth: (n,) at which of its `count` times each stands, from 0; increasing while one recurs.
        count: how often one may recur.
    """
    part = part_of(variable)
    if part is None:
        return variable.isel({dim: rows})
    axes = dict(zip(variable.dims, part.axes, strict=True))
    axis = axes[dim]
    index = list(part.index)
    index[axis] = part.positions[axis][rows] * count + nth
    names = {axis: name for name, axis in axes.items()}
    dims = [names.get(a, f"axis_{a}") for a in range(part.stored.ndim)]
    data = lazily(repeated(part.stored, axis, count))
    return xr.Variable(dims, data, variable.attrs, variable.encoding)[tuple(index)]


def _with_part(array: xr.DataArray, part: Part, axes: tuple[int, ...]) -> xr.DataArray:
    """The array with other data; `axes` are those that the data's axes had before."""
    dims = dict(
        zip(
            sorted(a for a, i in zip(axes, part.index, strict=True) if not isinstance(i, INTEGER)),
            array.dims,
            strict=True,
        )
    )
    names = [dims.get(a, f"axis_{a}") for a in axes]
    data = xr.Variable(names, lazily(part.stored), array.attrs, array.encoding)[part.index]
    name = array.name if array.name is not None else "array"
    return xr.Dataset({name: data}, array.coords)[name].rename(array.name)
