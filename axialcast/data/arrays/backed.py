"""Variables that xarray reads by a backend of its own, such as NetCDF's and GRIB's."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.arrays.failures import reason
from axialcast.data.arrays.lazy import lazily, part_of
from axialcast.data.arrays.stored import Box, Stored, boxes, moved

__all__ = ["Backed", "backed", "in_parts", "stored_of"]

PIECE_BYTES = 2**21
"""Whole chunks up to this size are read by one call."""


class Backed(Stored):
    """A variable as xarray reads it, in whole chunks of its file.

    Args:
        variable: lazy and not cached; packed values are unpacked by xarray.
        chunk_shape: what the file stores as one; None: one field of the last two dimensions.
    """

    def __init__(self, variable: xr.Variable, chunk_shape: tuple[int, ...] | None = None) -> None:
        self.variable, self.shape, self.dtype = variable, variable.shape, variable.dtype
        whole = (*[1] * (self.ndim - 2), *self.shape[-2:])
        self.chunk_shape = tuple(chunk_shape or whole)
        self._step = _grown(self.chunk_shape, self.shape, PIECE_BYTES // self.dtype.itemsize)

    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[Any]]]:
        for _, where, _ in boxes(box, self._step):
            place = tuple(moved(w, b.start) for w, b in zip(where, box, strict=True))
            # The values may be overwritten, those of a variable in memory not.
            yield where, np.require(self._values(place), requirements=["O", "W"])

    def _values(self, place: Box) -> NDArray[Any]:
        try:
            return self.variable[place].values
        except MemoryError:
            raise
        except Exception as error:  # every library of files has errors of its own
            file = self.variable.encoding.get("source")
            if file is None:
                raise
            raise OSError(
                f"{file}: cannot be read ({reason(error)}); it is damaged, or was changed or moved "
                "since it was opened"
            ) from error


def _grown(chunk: tuple[int, ...], shape: tuple[int, ...], num_values: int) -> tuple[int, ...]:
    """Whole chunks of about so many values: first along the last axis, then the one before."""
    step = list(chunk)
    for axis in reversed(range(len(chunk))):
        chunks = -(-shape[axis] // step[axis])
        step[axis] *= max(1, min(num_values // math.prod(step), chunks))
        if step[axis] < shape[axis]:
            break
    return tuple(step)


def backed(dataset: xr.Dataset) -> xr.Dataset:
    """A dataset of a file, lazily opened, whose variables are read in whole chunks of the file."""
    variables = {
        name: xr.Variable(
            array.dims,
            lazily(Backed(array.variable, array.encoding.get("chunksizes"))),
            array.attrs,
            array.encoding,
        )
        for name, array in dataset.data_vars.items()
        if array.ndim > 1 and array.dtype.kind in "fiu"
    }
    return dataset.assign(variables)


def in_parts(dataset: xr.Dataset) -> xr.Dataset:
    """A dataset from elsewhere, of which any part can be read, or turned and converted, alone.

    What is of dask or stored already stays as it is.
    """
    variables = {
        name: array.copy(data=lazily(Backed(array.variable, (1,) * array.ndim)))
        for name, array in dataset.data_vars.items()
        if array.ndim > 1 and array.dtype.kind in "fiu"
        if array.chunks is None and part_of(array) is None
    }
    return dataset.assign(variables)


def stored_of(variable: xr.Variable) -> Stored:
    """The stored array that a variable is all of; else one that reads the variable."""
    part = part_of(variable)
    if part is None:
        return Backed(variable)
    whole = [np.arange(length) for length in part.stored.shape]
    if all(map(np.array_equal, part.positions, whole)) and part.stored.shape == variable.shape:
        return part.stored
    return Backed(variable, tuple(part.stored.chunk_shape[axis] for axis in part.axes))
