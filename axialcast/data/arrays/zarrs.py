"""Variables of a Zarr store, whose chunks are decoded directly.

`direct` puts them in the place of xarray's own.
"""

import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from axialcast.data.arrays.chunks import Chunks, MissingChunk
from axialcast.data.arrays.fetching import is_remote
from axialcast.data.arrays.lazy import lazily
from axialcast.data.arrays.memory import workspace
from axialcast.data.arrays.stored import Box, Stored, boxes

__all__ = ["MissingChunks", "ZarrArray", "direct"]

MissingChunks = Literal["refuse", "fill"]

PACKING = ("scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned")
"""CF attributes (sections 2.5.1 and 8.1) by which stored numbers become values."""

RESTORE = (
    "Restore it, or set data.missing_chunks: fill if the store leaves such chunks out on purpose "
    '(missing_chunks="fill")'
)


@dataclass(frozen=True, eq=False)
class ZarrArray(Stored):
    """A variable of a Zarr store, unpacked by xarray (CF conventions, section 8.1).

    Args:
        array: where it is stored.
        dtype: of its values.
        packing: the CF attributes among PACKING.
        missing_chunks: whether a chunk that the store lacks is an error, or full of the fill value.
        remedy: of the error.
    """

    array: zarr.Array[Any]
    dtype: np.dtype[Any]
    packing: dict[str, Any]
    missing_chunks: MissingChunks = "refuse"
    remedy: str = RESTORE

    @cached_property
    def chunks(self) -> Chunks:
        return Chunks(self.array)

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.array.shape

    @property
    def chunk_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.chunks.shape

    @property
    def is_remote(self) -> bool:  # type: ignore[override]
        return is_remote(self.array.store)

    def __getstate__(self) -> dict[str, Any]:
        # What was made of the fields on the way is made again, and its caches with it.
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[Any]]]:
        scratch = workspace("decoded", self.chunks.bytes)
        scratch = scratch.view(self.chunks.dtype).reshape(self.chunks.shape)
        for chunk, where, inside in boxes(box, self.chunks.shape):
            self._read_chunk(chunk, scratch)
            yield where, self._values(scratch[inside])

    def _read_chunk(self, chunk: tuple[int, ...], out: NDArray[Any]) -> None:
        try:
            self.chunks.read(chunk, out)
        except MissingChunk as error:
            fill = self.array.fill_value
            if self.missing_chunks == "refuse":
                raise MissingChunk(f"{error}; Zarr would read {fill}. {self.remedy}") from None
            if fill is None and self.chunks.dtype.kind != "f":
                raise MissingChunk(f"{error}, and no fill_value says what to read") from None
            out[...] = np.nan if fill is None else fill

    def _values(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Stored numbers, unpacked."""
        if self._table is not None:
            return self._table.take(stored.view(f"u{stored.itemsize}"))
        return self._unpack(stored)

    @cached_property
    def _table(self) -> NDArray[Any] | None:
        """The value of every number that can be stored, by its bits, where they are few."""
        dtype = self.chunks.dtype
        if not self.packing or dtype.itemsize > 2 or not dtype.isnative:
            return None
        bits = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}")
        return self._unpack(bits.view(dtype))

    def _unpack(self, stored: NDArray[Any]) -> NDArray[Any]:
        if not self.packing:
            return stored
        dims = [f"axis_{axis}" for axis in range(stored.ndim)]
        packed = xr.Variable(dims, stored, self.packing)
        with np.errstate(over="ignore", invalid="ignore"):  # bits that are no number, too
            return _decoded(packed)


def _decoded(packed: xr.Variable) -> NDArray[Any]:
    """Values by CF conventions; two marks of missing data are two marks, not worth a warning."""
    marks = [packed.attrs[mark] for mark in ("_FillValue", "missing_value") if mark in packed.attrs]
    several = sum(map(np.size, marks)) > 1
    with warnings.catch_warnings() if several else nullcontext():
        if several:
            warnings.simplefilter("ignore", xr.SerializationWarning)
        values: NDArray[Any] = xr.conventions.decode_cf_variable("stored", packed).values
    return values


def direct(
    dataset: xr.Dataset,
    group: zarr.Group,
    *,
    missing_chunks: MissingChunks = "refuse",
    remedy: str = RESTORE,
) -> xr.Dataset:
    """The dataset with variables that decode their own chunks.

    Args:
        dataset: as xarray opened it from the group, lazily, names unchanged.
        group: the Zarr group.
        missing_chunks: "refuse" or "fill", for chunks that the store lacks. Zarr leaves out
            chunks that hold nothing but the fill value, and cannot tell them from lost ones.
        remedy: what to do about a chunk that is refused.
    """
    variables = {}
    for name, variable in dataset.data_vars.items():
        array = group.get(str(name))
        if not isinstance(array, zarr.Array) or variable.dtype.kind not in "fiu":
            continue
        if array.shape != variable.shape or not array.ndim:
            continue
        if 0 in array.chunks:
            raise ValueError(f"{name}: expected chunks of one value or more, got {array.chunks}")
        packing = {key: variable.encoding[key] for key in PACKING if key in variable.encoding}
        # Floats whose fill value is NaN hold their NaNs already.
        if packing.keys() <= {"_FillValue", "missing_value"} and all(
            isinstance(fill, float | np.floating) and np.isnan(fill) for fill in packing.values()
        ):
            packing = {}
        stored = ZarrArray(array, variable.dtype, packing, missing_chunks, remedy)
        variables[name] = xr.Variable(
            variable.dims, lazily(stored), variable.attrs, variable.encoding
        )
    return dataset.assign(variables)
