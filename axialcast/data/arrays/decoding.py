"""Decoders of chunks.

Archives of weather data hold native numbers behind one compressor, in version 2 or 3 of the Zarr
format; these are decoded straight into place. All other layouts are left to zarr.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import google_crc32c
import numcodecs
import numcodecs.blosc
import numpy as np
import zarr
import zarr.codecs
from numpy.typing import NDArray
from zarr.codecs._v2 import V2Codec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.core.metadata import ArrayV2Metadata
from zarr.core.sync import sync

__all__ = ["Decode", "Encoded", "decoder"]

Encoded = bytes | NDArray[np.uint8]
Decode = Callable[[Encoded, NDArray[Any]], None]
"""Decodes a chunk into an array of its shape and type; raises what the decompressor does."""


class Codec(Protocol):
    """A compressor as numcodecs has them: bytes in, bytes out."""

    def decode(self, buf: Any, out: Any = None) -> Any: ...


def decoder(
    array: zarr.Array[Any], sharding: zarr.codecs.ShardingCodec | None, shape: tuple[int, ...]
) -> Decode:
    """What decodes the array's chunks, of this shape, or those in its shards."""
    metadata = array.metadata
    if isinstance(metadata, ArrayV2Metadata):
        chain: list[Any] = [V2Codec(filters=metadata.filters, compressor=metadata.compressor)]
    else:
        chain = list(metadata.codecs if sharding is None else sharding.codecs)
    codecs = _direct(chain, array) if np.dtype(array.dtype).isnative else None
    return _through_zarr(chain, array, shape) if codecs is None else _straight(codecs)


def _through_zarr(chain: list[Any], array: zarr.Array[Any], shape: tuple[int, ...]) -> Decode:
    pipeline = BatchedCodecPipeline.from_codecs(chain)
    prototype = default_buffer_prototype()
    config = replace(array.async_array.config, order=array.order)
    spec = array.metadata.get_chunk_spec((0,) * array.ndim, config, prototype)
    spec = replace(spec, shape=shape)
    last = chain[-1].compressor if isinstance(chain[-1], V2Codec) else chain[-1]
    is_blosc = isinstance(last, numcodecs.Blosc | zarr.codecs.BloscCodec)

    def decode(encoded: Encoded, out: NDArray[Any]) -> None:
        if is_blosc:
            _decoded_by_blosc(encoded)
        buffer = prototype.buffer.from_bytes(bytes(encoded))
        (chunk,) = sync(pipeline.decode([(buffer, spec)]))
        assert chunk is not None
        out[...] = chunk.as_numpy_array()

    return decode


def _straight(codecs: Sequence[Codec]) -> Decode:
    """Decompressors one after another, the last into place."""

    def decode(encoded: Encoded, out: NDArray[Any]) -> None:
        for codec in codecs[:-1]:
            encoded = codec.decode(encoded)
        _decompress(codecs[-1] if codecs else None, encoded, out.reshape(-1).view(np.uint8))

    return decode


def _decompress(codec: Codec | None, encoded: Any, out: NDArray[np.uint8]) -> None:
    if isinstance(codec, numcodecs.Blosc):
        _require(_decoded_by_blosc(encoded), len(out))
        numcodecs.blosc.decompress(encoded, out)
    else:
        decoded = np.frombuffer(codec.decode(encoded) if codec else encoded, np.uint8)
        _require(len(decoded), len(out))
        out[:] = decoded


def _require(size: int, expected: int) -> None:
    if size != expected:
        raise ValueError(f"decodes to {size} bytes, expected {expected}")


def _decoded_by_blosc(encoded: Any) -> int:
    """Bytes that a chunk decodes to; c-blosc itself reads past the end of a truncated one."""
    decoded, _, size = struct.unpack_from("<3I", encoded, 4) if len(encoded) >= 16 else (0, 0, 0)
    if size != len(encoded):
        raise ValueError(f"{len(encoded)} bytes, expected {size}")
    return int(decoded)


def _direct(chain: list[Any], array: zarr.Array[Any]) -> list[Codec] | None:
    """Decompressors in the order of decoding, or None if the layout is not a common one."""
    if isinstance(chain[0], V2Codec):
        compressor, metadata = chain[0].compressor, array.metadata
        assert isinstance(metadata, ArrayV2Metadata)
        if chain[0].filters or metadata.order != "C":
            return None
        if compressor is None:
            return []
        return [compressor] if isinstance(compressor, KNOWN) else None
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


KNOWN = (numcodecs.Blosc, numcodecs.Zstd, numcodecs.GZip, numcodecs.Zlib, numcodecs.LZ4)
"""Compressors of version 2 that give back just the bytes that were compressed."""


class _Crc32c:
    """Checks and removes the checksum at the end of a chunk."""

    def decode(self, buf: Any, out: Any = None) -> Any:
        assert out is None
        if google_crc32c.value(bytes(buf[:-4])) != int.from_bytes(bytes(buf[-4:]), "little"):
            raise ValueError("its checksum differs")
        return buf[:-4]
