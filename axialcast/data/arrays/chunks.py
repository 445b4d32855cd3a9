"""Chunks of a Zarr array, fetched and decoded without the cost of a general reader.

A chunk is one read, of a file or of a part of a shard, and one call of a decoder, into memory that
the caller gives. Archives of weather data hold native numbers behind one compressor, in version 2
or 3 of the Zarr format; these are decoded straight into place, all other layouts by zarr. Chunks
that a store lacks or that are damaged are errors.
"""

import struct
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import google_crc32c
import numcodecs
import numcodecs.blosc
import numpy as np
import zarr
import zarr.codecs
from numpy.typing import NDArray
from zarr.abc.store import Store
from zarr.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from axialcast.data.arrays.fetching import Encoded, Span, fetcher

__all__ = ["Chunks", "DamagedChunk", "MissingChunk", "quiet"]

ABSENT = 2**64 - 1
"""Offset of a chunk that a shard does not hold (Zarr v3, sharding_indexed codec)."""
KEPT_INDEXES = 1024
"""Shards whose index of chunks is remembered."""

Decode = Callable[[Encoded, NDArray[Any]], None]
"""Decodes a chunk into an array of its shape and type; raises what the decompressor does."""


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
        codecs = _decompressors(array) if whole is None else None
        self._decode = _by_zarr(array, self.shape) if codecs is None else _straight(codecs)
        self._fetch = fetcher(array.store)
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
        except MemoryError:
            raise
        except Exception as error:  # decompressors raise types of their own
            raise DamagedChunk(self._about(key, f"is damaged ({error})")) from error

    def _fetch_chunk(self, where: tuple[int, ...]) -> tuple[str, Encoded]:
        """Key and encoded bytes of a chunk."""
        if self._sharding is None:
            key = self._key(where)
            found = self._fetch(key, None)
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
        at_end = _word(self._sharding.index_location) == "end"
        span: Span = (-(size + 4) if at_end else 0, size + 4)
        found = self._fetch(key, span)
        if found is None:
            raise MissingChunk(self._about(key, "is missing"))
        index, checksum = bytes(found[:-4]), bytes(found[-4:])
        if len(index) != size or google_crc32c.value(index) != int.from_bytes(checksum, "little"):
            raise DamagedChunk(self._about(key, "is damaged (checksum of its index)"))
        places = np.frombuffer(index, "<u8").reshape(*self._per_shard, 2)
        if len(self._indexes) >= KEPT_INDEXES:
            self._indexes.clear()
        self._indexes[key] = places
        return places

    def _key(self, where: Sequence[int]) -> str:
        key = self.array.metadata.encode_chunk_key(tuple(where))
        return f"{self.array.path}/{key}" if self.array.path else key

    def _about(self, key: str, what: str) -> str:
        return f"{self.array.store}: chunk {key} {what}"


def _sharding(array: zarr.Array[Any]) -> zarr.codecs.ShardingCodec | None:
    """The codec of an array's shards, if their index is of plain numbers with a checksum."""
    codec = _shards(array)
    if codec is None:
        return None
    kinds = [type(c) for c in codec.index_codecs]
    common = kinds == [zarr.codecs.BytesCodec, zarr.codecs.Crc32cCodec]
    return codec if common else None


def _word(value: Any) -> str:
    """Of a codec's options, which are enumerations up to zarr 3.1 and words since."""
    return str(getattr(value, "value", value))


def _shards(array: zarr.Array[Any]) -> zarr.codecs.ShardingCodec | None:
    codecs = getattr(array.metadata, "codecs", ())
    return next((c for c in codecs if isinstance(c, zarr.codecs.ShardingCodec)), None)


class Codec(Protocol):
    """A compressor as numcodecs has them: bytes in, bytes out."""

    def decode(self, buf: Any, out: Any = None) -> Any: ...


class _Crc32c:
    """Checks and removes the checksum at the end of a chunk."""

    def decode(self, buf: Any, out: Any = None) -> Any:
        assert out is None
        if google_crc32c.value(bytes(buf[:-4])) != int.from_bytes(bytes(buf[-4:]), "little"):
            raise ValueError("its checksum differs")
        return buf[:-4]


KNOWN = (numcodecs.Blosc, numcodecs.Zstd, numcodecs.GZip, numcodecs.Zlib, numcodecs.LZ4)
"""Compressors of version 2 that give back just the bytes that were compressed."""
SAME: dict[type, type[Any]] = {
    zarr.codecs.BloscCodec: numcodecs.Blosc,
    zarr.codecs.ZstdCodec: numcodecs.Zstd,
    zarr.codecs.GzipCodec: numcodecs.GZip,
    zarr.codecs.Crc32cCodec: _Crc32c,
}
"""What decodes the bytes of a codec of version 3."""


def _decompressors(array: zarr.Array[Any]) -> list[Codec] | None:
    """Those of a chunk in the order of decoding, or None if the layout is not a common one."""
    if array.filters or not np.dtype(array.dtype).isnative:
        return None
    compressors: tuple[Any, ...] = array.compressors
    if array.metadata.zarr_format == 2:
        known = array.order == "C" and all(isinstance(c, KNOWN) for c in compressors)
        return list(compressors) if known else None
    serializer = array.serializer
    little = isinstance(serializer, zarr.codecs.BytesCodec) and (
        serializer.endian is None or _word(serializer.endian) == "little"
    )
    if not little or not all(type(codec) in SAME for codec in compressors):
        return None
    return [SAME[type(codec)]() for codec in reversed(compressors)]


def _straight(codecs: Sequence[Codec]) -> Decode:
    """Decompressors one after another, the last into place."""

    def decode(encoded: Encoded, out: NDArray[Any]) -> None:
        for codec in codecs[:-1]:
            encoded = codec.decode(encoded)
        _decompress(codecs[-1] if codecs else None, encoded, out.reshape(-1).view(np.uint8))

    return decode


def _decompress(codec: Codec | None, encoded: Any, out: NDArray[np.uint8]) -> None:
    if isinstance(codec, numcodecs.Blosc):
        _require(_size_by_blosc(encoded), len(out))
        numcodecs.blosc.decompress(encoded, out)
    else:
        decoded = np.frombuffer(codec.decode(encoded) if codec else encoded, np.uint8)
        _require(len(decoded), len(out))
        out[:] = decoded


def _require(size: int, expected: int) -> None:
    if size != expected:
        raise ValueError(f"decodes to {size} bytes, expected {expected}")


def _size_by_blosc(encoded: Any) -> int:
    """Bytes that a chunk decodes to; c-blosc itself reads past the end of a truncated one."""
    decoded, _, size = struct.unpack_from("<3I", encoded, 4) if len(encoded) >= 16 else (0, 0, 0)
    if size != len(encoded):
        raise ValueError(f"{len(encoded)} bytes, expected {size}")
    return int(decoded)


def _by_zarr(array: zarr.Array[Any], shape: tuple[int, ...]) -> Decode:
    """Decodes by giving zarr a store of that one chunk."""
    own = threading.local()
    blosc = (numcodecs.Blosc, zarr.codecs.BloscCodec)
    is_blosc = bool(array.compressors) and isinstance(array.compressors[-1], blosc)

    def decode(encoded: Encoded, out: NDArray[Any]) -> None:
        if not len(encoded):
            raise ValueError("0 bytes")  # which zarr takes for a chunk that is not there
        if is_blosc and shape == array.chunks:
            _size_by_blosc(encoded)
        if not hasattr(own, "alone"):
            own.held = {}
            own.alone = _alone(array, shape, MemoryStore(own.held))
            own.key = own.alone.metadata.encode_chunk_key((0,) * len(shape))
        own.held[own.key] = default_buffer_prototype().buffer.from_bytes(bytes(encoded))
        out[...] = own.alone[...]

    return decode


def _alone(array: zarr.Array[Any], shape: tuple[int, ...], store: Store) -> zarr.Array[Any]:
    """An array of one chunk that is encoded as those of another."""
    options: dict[str, Any] = {"filters": array.filters, "compressors": array.compressors}
    if array.metadata.zarr_format == 2:
        options["order"] = array.order
    elif shape != array.chunks:  # a whole shard
        options = {"filters": (), "serializer": _shards(array), "compressors": ()}
    else:
        options["serializer"] = array.serializer
    with quiet():
        return zarr.create_array(
            store,
            shape=shape,
            chunks=shape,
            dtype=array.dtype,
            fill_value=array.fill_value,
            zarr_format=array.metadata.zarr_format,
            **options,
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Without zarr's word that other implementations of version 3 may lack a codec: ours reads."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Numcodecs codecs are not in the Zarr version 3")
        yield
