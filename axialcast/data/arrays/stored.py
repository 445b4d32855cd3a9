"""Variables of a Zarr store as lazy arrays that decode their chunks directly.

`direct` puts them in the place of xarray's own.
"""

import itertools
import uuid
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Literal

import dask.array
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from axialcast.data.arrays.chunks import Chunks, MissingChunk
from axialcast.data.arrays.memory import workspace

__all__ = [
    "Stored",
    "convert_linear",
    "direct",
    "index_of_each_axis",
    "stored_behind",
    "task_shape",
    "transpose",
]

MissingChunks = Literal["refuse", "fill"]

TASK_BYTES = 2**25
"""Decoded size that a lazy array's task aims at."""
PACKING = ("scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned")
"""CF attributes (sections 2.5.1 and 8.1) by which stored numbers become values."""

Box = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class Stored:
    """A variable of a Zarr store; to numpy and dask it is an array.

    A value is decoded, unpacked by xarray (CF conventions, section 8.1) and then taken times
    `factor` plus `offset`.

    Args:
        array: where it is stored.
        dtype: of its values.
        packing: the CF attributes among PACKING.
        axes: the stored axis that each axis of this array is.
        factor, offset: conversion of units.
        missing_chunks: whether a chunk that the store lacks is an error, or full of the fill value.
    """

    array: zarr.Array[Any]
    dtype: np.dtype[Any]
    packing: dict[str, Any]
    axes: tuple[int, ...]
    factor: float = 1.0
    offset: float = 0.0
    missing_chunks: MissingChunks = "refuse"

    @cached_property
    def chunks(self) -> Chunks:
        return Chunks(self.array)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape[axis] for axis in self.axes)

    @property
    def ndim(self) -> int:
        return len(self.axes)

    @cached_property
    def chunk_shape(self) -> tuple[int, ...]:
        """What is decoded at once."""
        return tuple(self.chunks.shape[axis] for axis in self.axes)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        box, chosen, dropped = _box(index, self.shape)
        out = np.empty([s.stop - s.start for s in box], self.dtype)
        for where, values in self.pieces(box):
            out[where] = values
        picked: NDArray[Any] = out[chosen][dropped]
        return picked

    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[Any]]]:
        """Parts of a box of this array, chunk by chunk: where in the box, and the values there.

        The values may be overwritten by whatever this thread reads next.
        """
        stored = [slice(0, 0)] * self.ndim
        for axis, span in zip(self.axes, box, strict=True):
            stored[axis] = span
        scratch = workspace("decoded", self.chunks.bytes)
        scratch = scratch.view(self.chunks.dtype).reshape(self.chunks.shape)
        cuts = [_cuts(s.start, s.stop, n) for s, n in zip(stored, self.chunks.shape, strict=True)]
        for cut in itertools.product(*cuts):
            chunk, where, inside = zip(*cut, strict=True)
            self._read_chunk(chunk, scratch)
            yield tuple(where[axis] for axis in self.axes), self._values(scratch[inside])

    def _read_chunk(self, chunk: tuple[int, ...], out: NDArray[Any]) -> None:
        try:
            self.chunks.read(chunk, out)
        except MissingChunk as error:
            if self.missing_chunks == "refuse":
                raise MissingChunk(
                    f"{error}; Zarr would read {self.array.fill_value}. Restore the chunk, or "
                    'pass missing_chunks="fill" if the store leaves such chunks out on purpose'
                ) from None
            out[...] = self.array.fill_value

    def _values(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Stored numbers, unpacked, in the order of this array's axes and in its units."""
        if self._table is None:
            values = self._unpack(stored)
        else:
            values = self._table.take(stored.view(f"u{stored.itemsize}"))
        return values.transpose(self.axes)

    @cached_property
    def _table(self) -> NDArray[Any] | None:
        """The value of every number that can be stored, by its bits, where they are few."""
        dtype = self.chunks.dtype
        if not self.packing or dtype.itemsize > 2 or not dtype.isnative:
            return None
        bits = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}")
        return self._unpack(bits.view(dtype))

    def _unpack(self, stored: NDArray[Any]) -> NDArray[Any]:
        values = stored
        if self.packing:
            dims = [f"axis_{axis}" for axis in range(stored.ndim)]
            packed = xr.Variable(dims, stored, self.packing)
            values = xr.conventions.decode_cf_variable("stored", packed).values
        if self.factor != 1.0 or self.offset != 0.0:
            values = linear(values, self.factor, self.offset)
        return values


@lru_cache(4096)
def _cuts(start: int, stop: int, length: int) -> list[tuple[int, slice, slice]]:
    """Chunks that a span of an axis touches: number, part of the span, part of the chunk."""
    cuts = []
    for number in range(start // length, -(-stop // length)):
        first, last = max(start, number * length), min(stop, (number + 1) * length)
        inside = slice(first - number * length, last - number * length)
        cuts.append((number, slice(first - start, last - start), inside))
    return cuts


def linear(values: Any, factor: float, offset: float) -> Any:
    """values * factor + offset in the values' dtype; of arrays of any library."""
    return (values * factor + offset).astype(values.dtype)


_alive: "weakref.WeakValueDictionary[str, Stored]" = weakref.WeakValueDictionary()
"""The stored array behind each lazy one, by the name of its layer in the graph."""


def stored_behind(layer: str) -> Stored | None:
    """The stored array whose lazy one has this layer in its graph, if any."""
    return _alive.get(layer)


def direct(
    dataset: xr.Dataset, group: zarr.Group, *, missing_chunks: MissingChunks = "refuse"
) -> xr.Dataset:
    """The dataset with variables that decode their own chunks.

    Args:
        dataset: as xarray opened it from the group, lazily, names unchanged.
        group: the Zarr group.
        missing_chunks: "refuse" or "fill", for chunks that the store lacks. Zarr leaves out
            chunks that hold nothing but the fill value, and cannot tell them from lost ones.
    """
    variables = {}
    for name, variable in dataset.data_vars.items():
        array = group.get(str(name))
        if not isinstance(array, zarr.Array) or variable.dtype.kind not in "fiu":
            continue
        if array.shape != variable.shape or not array.ndim:
            continue
        packing = {key: variable.encoding[key] for key in PACKING if key in variable.encoding}
        # Floats whose fill value is NaN hold their NaNs already.
        if packing.keys() <= {"_FillValue", "missing_value"} and all(
            isinstance(fill, float | np.floating) and np.isnan(fill) for fill in packing.values()
        ):
            packing = {}
        stored = Stored(
            array,
            variable.dtype,
            packing,
            tuple(range(array.ndim)),
            missing_chunks=missing_chunks,
        )
        variables[name] = variable.copy(data=lazy(stored))
    return dataset.assign(variables)


def lazy(stored: Stored) -> dask.array.Array:
    """A dask array of it, in tasks of whole chunks."""
    name = f"stored-{uuid.uuid4().hex}"
    _alive[name] = stored
    made: dask.array.Array = dask.array.from_array(  # type: ignore[no-untyped-call]
        stored,
        chunks=task_shape(stored),
        name=name,
        asarray=False,
        inline_array=True,
        meta=np.empty((0,) * stored.ndim, stored.dtype),
    )
    return made


def task_shape(stored: Stored) -> tuple[int, ...]:
    """Several chunks along the first axis; all of the other axes if that is no more than that."""
    rows, *rest = stored.chunk_shape
    row_bytes = int(np.prod(stored.shape[1:])) * stored.dtype.itemsize * rows
    if row_bytes <= 8 * TASK_BYTES:
        rows, rest = rows * max(1, TASK_BYTES // max(row_bytes, 1)), list(stored.shape[1:])
    return tuple(min(c, max(n, 1)) for c, n in zip((rows, *rest), stored.shape, strict=True))


def convert_linear(array: xr.DataArray, factor: float, offset: float) -> xr.DataArray:
    """array * factor + offset in the array's dtype, folded into what is stored if it is whole."""
    stored = _whole(array)
    if stored is None:
        return linear(array, factor, offset).assign_attrs(array.attrs)  # type: ignore[no-any-return]
    assert (stored.factor, stored.offset) == (1.0, 0.0), "units are converted once"
    return array.copy(data=lazy(replace(stored, factor=factor, offset=offset)))


def transpose(array: xr.DataArray, dims: Sequence[str]) -> xr.DataArray:
    """The array with its dimensions in this order, folded likewise."""
    stored = _whole(array)
    if stored is None or tuple(dims) == array.dims:
        return array.transpose(*dims)
    order = [array.dims.index(dim) for dim in dims]
    turned = replace(stored, axes=tuple(stored.axes[axis] for axis in order))
    return array.transpose(*dims).copy(data=lazy(turned))


def _whole(array: xr.DataArray) -> Stored | None:
    """The stored array that this one is all of, if any."""
    data = array.variable._data
    return stored_behind(data.name) if isinstance(data, dask.array.Array) else None


def index_of_each_axis(index: Any, ndim: int) -> tuple[Any, ...]:
    """One entry of the index for every axis."""
    index = index if isinstance(index, tuple) else (index,)
    return (*index, *[slice(None)] * (ndim - len(index)))


def _box(index: Any, shape: tuple[int, ...]) -> tuple[Box, tuple[Any, ...], tuple[Any, ...]]:
    """The smallest box that holds what an index asks for, and the two indices that cut it out.

    Integers are applied last: numpy would move their axes if it met them beside a list.
    """
    box, chosen, dropped = [], [], []
    for entry, length in zip(index_of_each_axis(index, len(shape)), shape, strict=True):
        wanted = np.arange(length)[entry]
        first = int(wanted.min()) if wanted.size else 0
        box.append(slice(first, int(wanted.max()) + 1 if wanted.size else first))
        plain = isinstance(entry, slice) and entry.step in (None, 1)
        chosen.append(slice(None) if plain or not wanted.ndim else wanted - first)
        dropped.append(slice(None) if wanted.ndim else 0)
    return tuple(box), tuple(chosen), tuple(dropped)
