"""A variable of one initial time as files of a Zarr store, written as its lead times come."""

import itertools
import math
from hashlib import sha256
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs import Blosc
from numpy.typing import NDArray

from axialcast.files.atomic import sync
from axialcast.files.inventory import Files
from axialcast.forecast.layout import CODEC, Chunking
from axialcast.forecast.packing import Packing

__all__ = ["VariableFiles"]

ABSENT = 2**64 - 1
"""Offset and length of a chunk that a shard lacks."""


class VariableFiles:
    """The chunks of one variable of one initial time.

    Those that share a shard are added to it one after another; what it ends with says where each
    begins (Zarr v3, codec sharding_indexed). So no more is held than the chunk at hand. Several
    shards are of some members each, and are written one after another, too.

    Args:
        folder: where the files go, each named by its chunk key without the initial time: `0/0/0/0`.
        cut: how the variable is cut.
        packing: what becomes of values before they are compressed; None: nothing.
    """

    def __init__(self, folder: Path, cut: Chunking, packing: Packing | None = None) -> None:
        self.folder, self.cut, self.packing = folder, cut, packing
        self._num_chunks = 0  # along the first axis: the lead time, or the number
        self._num_shards = 0  # that are finished
        self._per_shard = 0
        if cut.shards is not None:
            counts = (s // c for s, c in zip(cut.shards, cut.chunks, strict=True))
            self._per_shard = math.prod(counts)
        self._spans: list[tuple[int, int]] = []  # offset and length of each chunk of the shard
        self._written: dict[str, tuple[int, Any]] = {}  # size and unfinished checksum

    def append(self, values: NDArray[Any]) -> None:
        """Adds lead times, of one member after the other.

        Args:
            values: ([m], k, [levels], h, w), the lead times of whole chunks, or the last of all; if
                not all of them, of one member.
        """
        lengths = self.cut.chunks[1:]
        counts = [-(-n // length) for n, length in zip(values.shape, lengths, strict=True)]
        for first, *rest in itertools.product(*map(range, counts)):
            pairs = zip((first, *rest), lengths, strict=True)
            part = values[tuple(slice(n * length, (n + 1) * length) for n, length in pairs)]
            chunk = _filled(part, lengths)
            data = BLOSC.encode(chunk if self.packing is None else self.packing.encode(chunk))
            if self.cut.shards is None:
                self._add("/".join(map(str, (self._num_chunks + first, *rest))), data)
            else:
                self._spans.append((self._add(self._shard, data), len(data)))
                if len(self._spans) == self._per_shard:
                    self._finish_shard()
        self._num_chunks += counts[0]

    def finish(self) -> Files:
        """Size and SHA-256 of each file by its key; all of them are on the disk from then on."""
        if self._spans:
            self._finish_shard()
        for key in self._written:
            sync(self.folder / key)
        return {
            key: (size, checksum.hexdigest()) for key, (size, checksum) in self._written.items()
        }

    def _finish_shard(self) -> None:
        """Ends a shard with its index: offset and length of each chunk, ABSENT beyond the last."""
        spans = np.full((self._per_shard, 2), ABSENT, "<u8")
        spans[: len(self._spans)] = self._spans
        index = spans.tobytes()
        self._add(self._shard, index + google_crc32c.value(index).to_bytes(4, "little"))
        self._num_shards += 1
        self._spans = []

    @property
    def _shard(self) -> str:
        """Key of the shard that is being written."""
        return "/".join([str(self._num_shards), *"0" * (len(self.cut.chunks) - 2)])

    def _add(self, key: str, data: bytes) -> int:
        """Adds bytes to a file; returns where they begin in it."""
        if key not in self._written:
            (self.folder / key).parent.mkdir(parents=True, exist_ok=True)
            self._written[key] = 0, sha256()
        offset, checksum = self._written[key]
        with (self.folder / key).open("ab") as file:
            file.write(data)
        checksum.update(data)
        self._written[key] = offset + len(data), checksum
        return offset


BLOSC = Blosc(cname="lz4", clevel=CODEC.clevel, shuffle=Blosc.SHUFFLE)
"""What `CODEC` names, as numcodecs has it."""


def _filled(part: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A chunk of this shape, NaN beyond the part."""
    if part.shape == shape:
        return np.ascontiguousarray(part, "<f4")
    chunk = np.full(shape, np.nan, "<f4")
    chunk[tuple(map(slice, part.shape))] = part
    return chunk
