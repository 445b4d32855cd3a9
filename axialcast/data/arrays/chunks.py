"""Chunks of a Zarr array, fetched and decoded without the cost of a general reader.

A chunk is one read, of a file or of a part of a shard, and one call of a decoder, into memory that
the caller gives. Chunks that a store lacks or that are damaged are errors.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import google_crc32c
import numpy as np
import zarr
import zarr.codecs
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.core.metadata import ArrayV2Metadata
from zarr.core.sync import sync
from zarr.storage import LocalStore

from axialcast.data.arrays.decoding import Decode, Encoded, decoder
from axialcast.data.arrays.failures import reason
from axialcast.data.arrays.memory import workspace

__all__ = ["Chunks", "DamagedChunk", "MissingChunk"]

ATTEMPTS = 3
"""Times that a remote chunk is asked for before the reader gives up."""
PAUSE_SECONDS = 0.5
"""Pause after the first attempt; twice as long after the second."""
TIMEOUT_SECONDS = 60.0
"""Longest wait for one answer of a store."""
ABSENT = 2**64 - 1
"""Offset of a chunk that a shard does not hold (Zarr v3, sharding_indexed codec)."""
KEPT_INDEXES = 1024
"""Shards whose index of chunks is remembered."""
Span = tuple[int, int]
"""Offset and length in bytes; a negative offset counts from the end."""


class DamagedChunk(ValueError):
    """A chunk that does not decode to what the metadata promise."""


class MissingChunk(ValueError):
    """A chunk that the store does not hold."""


class Chunks:
    """The chunks of one array.

    Those of a shard are read one by one, if its index is one of plain numbers with a checksum;
    otherwise a shard is one chunk.

    Args:
        array: of numbers, with at least one dimension.
    """

    def __init__(self, array: zarr.Array[Any]) -> None:
        self.array, self.dtype = array, np.dtype(array.dtype)
        self._sharding = _sharding(array)
        whole = array.shards if self._sharding is None else None
        self.shape: tuple[int, ...] = whole or array.chunks
        self.bytes = int(np.prod(self.shape)) * self.dtype.itemsize
        self._decode: Decode = decoder(array, self._sharding, self.shape)
        self._per_shard = tuple(
            s // c for s, c in zip(array.shards or (), self.shape, strict=False)
        )
        self._indexes: dict[str, NDArray[np.uint64]] = {}

    def read(self, where: tuple[int, ...], out: NDArray[Any]) -> None:
        """Decodes the chunk at a place of the grid of chunks into `out`.

        Args:
            where: index of the chunk along every axis.
            out: contiguous, of the chunk's shape and the array's dtype.

        Raises:
            MissingChunk: the store does not hold it.
            DamagedChunk: it is truncated or does not decode.
            ConnectionError: the store cannot be reached.
        """
        key, encoded = self._fetch_chunk(where)
        try:
            self._decode(encoded, out)
        except Exception as error:  # decompressors raise types of their own
            raise DamagedChunk(self._about(key, f"is damaged ({error})")) from error

    def _fetch_chunk(self, where: tuple[int, ...]) -> tuple[str, Encoded]:
        """Key and encoded bytes of a chunk."""
        if self._sharding is None:
            key = self._key(where)
            found = self._fetch(key)
            if found is None:
                raise MissingChunk(self._about(key, "is missing"))
            return key, found
        places = [divmod(w, n) for w, n in zip(where, self._per_shard, strict=True)]
        key = self._key(tuple(shard for shard, _ in places))
        begin, length = map(int, self._index(key)[tuple(inner for _, inner in places)])
        if begin == ABSENT:
            raise MissingChunk(self._about(key, f"lacks the inner chunk {where}"))
        found = self._fetch(key, (begin, length))
        if found is None or len(found) != length:
            raise DamagedChunk(self._about(key, f"is truncated: no bytes {begin} + {length}"))
        return key, found

    def _index(self, key: str) -> NDArray[np.uint64]:
        """(*chunks per shard, 2) offset and length of every chunk in a shard."""
        if (known := self._indexes.get(key)) is not None:
            return known
        assert self._sharding is not None
        size = 16 * int(np.prod(self._per_shard))
        at_end = self._sharding.index_location.value == "end"
        found = self._fetch(key, (-(size + 4) if at_end else 0, size + 4))
        if found is None:
            raise MissingChunk(self._about(key, "is missing"))
        if len(found) != size + 4 or google_crc32c.value(bytes(found[:-4])) != int.from_bytes(
            bytes(found[-4:]), "little"
        ):
            raise DamagedChunk(self._about(key, "is damaged (checksum of its index)"))
        index = np.frombuffer(bytes(found[:-4]), "<u8").reshape(*self._per_shard, 2)
        if len(self._indexes) >= KEPT_INDEXES:
            self._indexes.clear()
        self._indexes[key] = index
        return index

    def _key(self, where: Sequence[int]) -> str:
        key = self.array.metadata.encode_chunk_key(tuple(where))
        return f"{self.array.path}/{key}" if self.array.path else key

    def _fetch(self, key: str, span: Span | None = None) -> Encoded | None:
        """Bytes of a key, all or from `span`; None where there is no such key."""
        store = self.array.store
        if isinstance(store, LocalStore):
            # No encoding makes a chunk larger than this.
            return _fetch_local(f"{store.root}/{key}", span or (0, self.bytes * 9 // 8 + 2**16))
        return _with_patience(lambda: _fetch_remote(store, key, span), self._about(key, ""))

    def _about(self, key: str, what: str) -> str:
        return f"{self.array.store}: chunk {key} {what}".rstrip()


def _fetch_local(path: str, span: Span) -> NDArray[np.uint8] | None:
    """Bytes of a file, as far as there are any; overwritten by the next fetch of this thread."""
    offset, length = span
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115
    except FileNotFoundError:
        return None
    with file:
        if offset < 0:
            offset = max(0, offset + os.fstat(file.fileno()).st_size)
        if offset:
            file.seek(offset)
        out = workspace("encoded", length)
        return out[: file.readinto(out.data)]


def _fetch_remote(store: Store, key: str, span: Span | None) -> bytes | None:
    match span:
        case None:
            request: ByteRequest | None = None
        case (offset, _) if offset < 0:
            request = SuffixByteRequest(-offset)
        case (offset, length):
            request = RangeByteRequest(offset, offset + length)
    found = sync(
        store.get(key, default_buffer_prototype(), byte_range=request), timeout=TIMEOUT_SECONDS
    )
    return None if found is None else found.to_bytes()


def _with_patience(fetch: Callable[[], bytes | None], about: str) -> bytes | None:
    """What `fetch` returns, tried ATTEMPTS times."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return fetch()
        except Exception as error:  # every store has errors of its own
            if attempt == ATTEMPTS:
                raise ConnectionError(
                    f"{about} cannot be read ({reason(error)}), tried {ATTEMPTS} times; "
                    "check the address and the network"
                ) from error
            time.sleep(PAUSE_SECONDS * attempt)
    raise AssertionError


def _sharding(array: zarr.Array[Any]) -> zarr.codecs.ShardingCodec | None:
    """The codec of an array's shards, if their index is of plain numbers with a checksum."""
    if isinstance(array.metadata, ArrayV2Metadata) or len(array.metadata.codecs) != 1:
        return None
    (codec,) = array.metadata.codecs
    if not isinstance(codec, zarr.codecs.ShardingCodec):
        return None
    kinds = [type(c) for c in codec.index_codecs]
    common = kinds == [zarr.codecs.BytesCodec, zarr.codecs.Crc32cCodec]
    return codec if common else None
