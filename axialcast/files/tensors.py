"""Copies of named tensors that a thread can write while the tensors themselves go on changing."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from axialcast.files.atomic import sync

__all__ = ["Snapshot"]


class Snapshot:
    """A copy of named tensors on the CPU, whose memory serves for the next one.

    Args:
        tensors: of any device and layout; those that share memory are copied each.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.copies = {
            name: torch.empty(value.shape, dtype=value.dtype, pin_memory=value.is_cuda)
            for name, value in tensors.items()
        }
        self.take(tensors)

    @property
    def num_bytes(self) -> int:
        """Size of the file, less its header."""
        return sum(copy.nbytes for copy in self.copies.values())

    def fits(self, tensors: Mapping[str, Tensor]) -> bool:
        """Whether tensors have the names, types and shapes of those it was made with."""
        return {name: (copy.dtype, copy.shape) for name, copy in self.copies.items()} == {
            name: (value.dtype, value.shape) for name, value in tensors.items()
        }

    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Copies tensors that fit, in place of those before."""
        for name, copy in self.copies.items():
            copy.copy_(tensors[name].detach(), non_blocking=True)
        if any(copy.is_pinned() for copy in self.copies.values()):
            torch.cuda.synchronize()

    def write(self, path: Path) -> tuple[int, str]:
        """Writes a safetensors file, down to the disk; its size and SHA-256.

        Raises:
            OSError: what the system says.
        """
        # Not save_file: killed, it leaves a file under a name of its own; its errors lack a number.
        data = save(self.copies)
        path.write_bytes(data)
        sync(path)
        return len(data), sha256(data).hexdigest()
