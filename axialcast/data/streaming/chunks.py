"""Chunks of a Zarr array, fetched and decoded without the cost of a general reader.

Archives of weather data hold little-endian numbers behind one compressor, sharded or not, in
version 2 or 3 of the format. For these a chunk is one read and one call of the decompressor, into
memory that the caller gives. Everything else is left to zarr (see axialcast.data.streaming.stored).
"""

import os
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import google_crc32c
import numcodecs
import numcodecs.blosc
import numpy as np
import zarr
import zarr.codecs
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.core.metadata import ArrayV2Metadata
from zarr.core.sync import sync
from zarr.storage import LocalStore

from axialcast.data.streaming.memory import workspace

__all__ = ["Chunks", "DamagedChunk", "MissingChunk"]

Encoded = bytes | NDArray[np.uint8]

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


class Codec(Protocol):
    """A compressor as numcodecs has them: bytes in, bytes out."""

    def decode(self, buf: Any, out: Any = None) -> Any: ...


class Chunks:
    """The chunks of one array; `Chunks.of` makes them.

    Args:
        array: a Zarr array.
        shape: of a chunk, as it is encoded.
        codecs: compressors in the order of decoding.
        sharded: whether chunks lie in shards, behind an index at the end.
    """

    def __init__(
        self, array: zarr.Array[Any], shape: tuple[int, ...], codecs: Sequence[Codec], sharded: bool
    ) -> None:
        self.array, self.shape, self.codecs, self.sharded = array, shape, codecs, sharded
        self.dtype = np.dtype(array.dtype)
        self.bytes = int(np.prod(shape)) * self.dtype.itemsize
        self._per_shard = (
            tuple(s // c for s, c in zip(array.shards, shape, strict=True)) if array.shards else ()
        )
        self._indexes: dict[str, NDArray[np.uint64]] = {}

    @classmethod
    def of(cls, array: zarr.Array[Any]) -> "Chunks | None":
        """The array's chunks, or None if its layout is not one of the common ones."""
        metadata = array.metadata
        dtype = np.dtype(array.dtype)
        if dtype.kind not in "fiu" or not dtype.isnative or array.ndim == 0:
            return None
        if isinstance(metadata, ArrayV2Metadata):
            codecs = [] if metadata.compressor is None else [metadata.compressor]
            if metadata.filters or metadata.order != "C" or not all(map(_is_known, codecs)):
                return None
            return cls(array, array.chunks, codecs, sharded=False)
        chain = list(metadata.codecs)
        sharded = len(chain) == 1 and isinstance(chain[0], zarr.codecs.ShardingCodec)
        if sharded:
            sharding = chain[0]
            assert isinstance(sharding, zarr.codecs.ShardingCodec)
            if not _has_common_index(sharding):
                return None
            chain = list(sharding.codecs)
        decoders = _decoders(chain)
        return None if decoders is None else cls(array, array.chunks, decoders, sharded)

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
        flat = out.reshape(-1).view(np.uint8)
        try:
            for codec in self.codecs[:-1]:
                encoded = codec.decode(encoded)
            self._decode_last(encoded, flat)
        except DamagedChunk:
            raise
        except Exception as error:  # decompressors raise types of their own
            raise DamagedChunk(self._about(key, f"is damaged ({error})")) from error

    def _decode_last(self, encoded: Any, out: NDArray[np.uint8]) -> None:
        size = len(encoded)
        if not self.codecs:
            if size != self.bytes:
                raise ValueError(f"{size} bytes, expected {self.bytes}")
            out[:] = np.frombuffer(encoded, np.uint8)
            return
        codec = self.codecs[-1]
        if isinstance(codec, numcodecs.Blosc):
            # c-blosc trusts these numbers of its header, and would read past a truncated end.
            decoded_size, _, whole = (
                struct.unpack_from("<3I", encoded, 4) if size >= 16 else (0,) * 3
            )
            if decoded_size != self.bytes or whole != size:
                raise ValueError(
                    f"{size} bytes that decode to {decoded_size}, expected {whole} that decode "
                    f"to {self.bytes}"
                )
            numcodecs.blosc.decompress(encoded, out)
            return
        decoded = np.frombuffer(codec.decode(encoded), np.uint8)
        if len(decoded) != self.bytes:
            raise ValueError(f"decodes to {len(decoded)} bytes, expected {self.bytes}")
        out[:] = decoded

    def _fetch_chunk(self, where: tuple[int, ...]) -> tuple[str, Encoded]:
        """Key and encoded bytes of a chunk."""
        if not self.sharded:
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
        size = 16 * int(np.prod(self._per_shard))
        found = self._fetch(key, (-(size + 4), size + 4))
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
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if offset < 0:
            offset = max(0, offset + os.fstat(file).st_size)
        out = workspace("encoded", length)
        return out[: os.preadv(file, [out.data], offset)]
    finally:
        os.close(file)


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
                    f"{about} cannot be read ({type(error).__name__}: {error}), tried {ATTEMPTS} "
                    "times; check the address and the network"
                ) from error
            time.sleep(PAUSE_SECONDS * attempt)
    raise AssertionError


def _is_known(codec: Any) -> bool:
    return isinstance(
        codec, numcodecs.Blosc | numcodecs.Zstd | numcodecs.GZip | numcodecs.Zlib | numcodecs.LZ4
    )


def _has_common_index(codec: zarr.codecs.ShardingCodec) -> bool:
    """Whether the index of a shard lies at its end, as plain numbers with a checksum."""
    kinds = [type(c) for c in codec.index_codecs]
    return codec.index_location.value == "end" and kinds == [
        zarr.codecs.BytesCodec,
        zarr.codecs.Crc32cCodec,
    ]


def _decoders(chain: list[Any]) -> list[Codec] | None:
    """Decompressors of a Zarr v3 chain in the order of decoding, or None if one is unknown."""
    serializer, *compressors = chain
    if not isinstance(serializer, zarr.codecs.BytesCodec):
        return None
    if serializer.endian is not None and serializer.endian.value != "little":
        return None
    decoders: list[Codec] = []
    for codec in reversed(compressors):
        match codec:
            case zarr.codecs.BloscCodec():
                decoders.append(numcodecs.Blosc())
            case zarr.codecs.ZstdCodec():
                decoders.append(numcodecs.Zstd())
            case zarr.codecs.GzipCodec():
                decoders.append(numcodecs.GZip())
            case zarr.codecs.Crc32cCodec():
                decoders.append(_Crc32c())
            case _:
                return None
    return decoders


class _Crc32c:
    """Checks and removes the checksum at the end of a chunk."""

    def decode(self, buf: Any, out: Any = None) -> Any:
        assert out is None
        if google_crc32c.value(bytes(buf[:-4])) != int.from_bytes(bytes(buf[-4:]), "little"):
            raise ValueError("its checksum differs")
        return buf[:-4]
