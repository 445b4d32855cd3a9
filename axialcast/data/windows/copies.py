"""Batches on their way to a device, beside what it computes.

Threads copy on a stream of their own, whatever device they would compute on; the thread that
computes waits for nothing: its stream does, for the copy of its batch alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from axialcast.data.arrays.memory import Lender
from axialcast.data.windows.batch import Batch

__all__ = ["Coming", "Copies"]


@dataclass(frozen=True)
class Coming:
    """A batch whose copy has begun.

    Args:
        batch: on its device.
        copied: when it can be read there; None: now.
    """

    batch: Batch
    copied: torch.cuda.Event | None = None


class Copies:
    """Takes batches from host memory to a device; any thread may ask.

    Args:
        device: where to; CUDA without a number: the current one of the thread that says so.
        keep: batches whose memory waits to be lent again, at most.
    """

    def __init__(self, device: torch.device, keep: int) -> None:
        number: int | None = device.index
        if device.type == "cuda" and number is None:
            device = torch.device("cuda", torch.cuda.current_device())
        self.device = device
        self._lender = Lender(keep)
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def lend(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Host memory of any content, to be filled and given to `begun`."""
        if self._stream is not None:
            # A thread that never chose a device would open the first one to pin memory.
            with torch.cuda.device(self.device):
                # torch lends it again by itself, when the copy has read it.
                return torch.empty(*shape, dtype=dtype, pin_memory=True)
        like = torch.empty(0, dtype=dtype).numpy().dtype
        return torch.from_numpy(self._lender.lend(shape, like))

    def begun(self, batch: Batch) -> Coming:
        """The batch, in lent memory, on its way to the device."""
        if self._stream is None:
            # The memory may be lent again at once, before a copy that goes on has read it.
            return Coming(self._moved(batch, non_blocking=False))
        with torch.cuda.stream(self._stream):
            batch = self._moved(batch, non_blocking=True)
            copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record(self._stream)
        return Coming(batch, copied)

    def awaited(self, coming: Coming) -> Batch:
        """The batch, for whatever this thread tells the device from now on."""
        batch = coming.batch
        if coming.copied is not None:
            now = torch.cuda.current_stream(self.device)
            now.wait_event(coming.copied)
            for tensor in (batch.states, batch.valid):
                if tensor is not None:
                    # Its memory belongs to the other stream, which must not reuse it before.
                    tensor.record_stream(now)
        return batch

    def _moved(self, batch: Batch, *, non_blocking: bool) -> Batch:
        def move(tensor: Tensor) -> Tensor:
            return tensor.to(self.device, non_blocking=non_blocking)

        valid = batch.valid
        if valid is not None and 0 in valid.stride()[2:]:
            # One value for a whole state: copied once and spread out there.
            valid = move(valid[:, :, :1, :1, :1]).expand_as(valid)
        elif valid is not None:
            valid = move(valid)
        return replace(batch, states=move(batch.states), valid=valid)
