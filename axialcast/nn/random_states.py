"""Random numbers that are drawn a second time: states of the generators of a device and the CPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["RandomState", "random_state_kept"]


@dataclass(frozen=True)
class RandomState:
    """State of the random generators that a branch on `device` can draw from."""

    cpu: Tensor
    accelerator: Tensor | None
    device: torch.device

    @classmethod
    def now(cls, device: torch.device) -> "RandomState":
        accelerator = None
        if device.type not in ("cpu", "meta"):
            module = torch.get_device_module(device)
            accelerator = module.get_rng_state(*_which(device))
        return cls(torch.get_rng_state(), accelerator, device)

    def restore(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.accelerator is not None:
            module = torch.get_device_module(self.device)
            module.set_rng_state(self.accelerator, *_which(self.device))


def _which(device: torch.device) -> tuple[torch.device, ...]:
    return () if device.type == "mps" else (device,)  # torch.mps has one device and takes none


@contextmanager
def random_state_kept(device: torch.device) -> Iterator[None]:
    """Sets the generators back at the end to where they stand."""
    state = RandomState.now(device)
    try:
        yield
    finally:
        state.restore()
