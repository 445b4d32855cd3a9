"""Chunks of a forecast, encoded and written without the cost of a general writer.

They are those that zarr would write, byte for byte, in about a fifth less time and
with less delay for the computation beside it.
"""

import itertools
from typing import Any

import numcodecs
import numpy as np
import zarr
import zarr.codecs
from numpy.typing import NDArray
from zarr.storage import LocalStore

__all__ = ["CODEC", "write_chunks"]

COMPRESSOR = numcodecs.Blosc("lz4", clevel=5, shuffle=numcodecs.Blosc.SHUFFLE)
"""What chunks are compressed with, and as Zarr's metadata say it:"""
CODEC = zarr.codecs.BloscCodec(
    cname=COMPRESSOR.cname, clevel=COMPRESSOR.clevel, shuffle="shuffle", blocksize=0
)


def write_chunks(array: zarr.Array[Any], first: int, values: NDArray[Any]) -> None:
    """Writes whole chunks of a new array in a local folder, whose only codec is CODEC.

    Args:
        array: where to.
        first: position along the first axis where `values` begin, and a chunk does.
        values: all of the other axes, and whole chunks along the first, or as many as are left.

    Raises:
        OSError: the disk is full, or the folder is not there.
    """
    chunks, store = array.chunks, array.store
    assert isinstance(store, LocalStore)
    assert first % chunks[0] == 0
    if values.shape[1:] != array.shape[1:]:
        raise ValueError(
            f"{array.name}: expected values of shape {array.shape[1:]} at each position, got "
            f"{values.shape[1:]}"
        )
    corner = np.array([first // chunks[0], *[0] * (array.ndim - 1)])
    grid = [range(-(-size // length)) for size, length in zip(values.shape, chunks, strict=True)]
    for where in itertools.product(*grid):
        part = values[tuple(slice(i * n, (i + 1) * n) for i, n in zip(where, chunks, strict=True))]
        if part.shape != chunks:  # Zarr stores chunks whole that the array's edge cuts
            whole = np.zeros(chunks, array.dtype)
            whole[tuple(map(slice, part.shape))] = part
            part = whole
        key = array.metadata.encode_chunk_key(tuple((corner + where).tolist()))
        file = store.root / array.path / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(COMPRESSOR.encode(np.ascontiguousarray(part, array.dtype)))
