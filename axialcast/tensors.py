"""Tensors in one buffer that is, byte for byte, the body of a safetensors file.

A snapshot is one copy into memory that is used again for the next; writing it copies nothing, needs
no memory of its own and releases the interpreter's lock, so that it can go on in a thread.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from axialcast.atomic import sync

__all__ = ["Snapshot"]

WRITTEN_AT_ONCE = 2**24
_TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


class Snapshot:
    """A copy of named tensors on the CPU.

    Args:
        tensors: of any device and layout; those that share memory are copied each.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._layout = _layout(tensors)
        # By size of an element, the largest first, so that each begins where one may.
        order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
        header, end = {}, 0
        for name in order:
            tensor = tensors[name]
            begin, end = end, end + tensor.numel() * tensor.element_size()
            header[name] = {
                "dtype": _TYPES[tensor.dtype],
                "shape": list(tensor.shape),
                "data_offsets": [begin, end],
            }
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        self._header = len(text).to_bytes(8, "little") + text
        is_pinned = any(tensor.is_cuda for tensor in tensors.values())
        self._body = torch.empty(end, dtype=torch.uint8, pin_memory=is_pinned)
        self._views = {
            name: self._body[slice(*header[name]["data_offsets"])]
            .view(tensors[name].dtype)
            .view(tensors[name].shape)
            for name in order
        }
        self.take(tensors)

    @property
    def num_bytes(self) -> int:
        """Size of the file."""
        return len(self._header) + len(self._body)

    def fits(self, tensors: Mapping[str, Tensor]) -> bool:
        """Whether tensors have the names, types and shapes of those it was made with."""
        return self._layout == _layout(tensors)

    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Copies tensors that fit, in place of those before."""
        for name, view in self._views.items():
            view.copy_(tensors[name].detach(), non_blocking=True)
        if self._body.is_pinned():
            torch.cuda.synchronize()

    def write(self, path: Path) -> tuple[int, str]:
        """Writes a safetensors file, down to the disk; its size and SHA-256.

        Raises:
            OSError: what the system says.
        """
        checksum = hashlib.sha256(self._header)
        body: memoryview = self._body.numpy().data
        with path.open("wb", buffering=0) as file:
            _write(file.fileno(), memoryview(self._header))
            for begin in range(0, len(body), WRITTEN_AT_ONCE):
                part = body[begin : begin + WRITTEN_AT_ONCE]
                checksum.update(part)
                _write(file.fileno(), part)
        sync(path)
        return self.num_bytes, checksum.hexdigest()


def _write(descriptor: int, data: memoryview) -> None:
    while len(data):
        data = data[os.write(descriptor, data) :]


def _layout(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.dtype, torch.Size]]:
    return {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}
