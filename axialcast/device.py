"""Which device to compute on, and in which precision."""

import contextlib
from typing import Literal

import torch

from axialcast.parallel import launch

__all__ = ["autocast", "choose_device", "computes_in_bfloat16"]


def choose_device(name: str = "auto") -> torch.device:
    """The named device; for `auto` CUDA, else Apple's MPS, else the CPU.

    Of several GPUs without a number, that of this process among those started together on a host;
    where they are more than the GPUs, some share one.

    Raises:
        ValueError: this machine has no such device; or as `axialcast.parallel.launch`.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available()}
    available["mps"] = torch.backends.mps.is_available()
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    kind = name.partition(":")[0]
    if not available.get(kind, False):
        have = ", ".join(kind for kind, there in available.items() if there)
        raise ValueError(f"device: {name!r} is not on this machine, which has {have}; use auto")
    index, count = torch.device(name).index, torch.cuda.device_count()
    if kind == "cuda" and index is not None and index >= count:
        raise ValueError(f"device: {name!r}: this machine has {count}, counted from cuda:0")
    if name == "cuda" and launch().world_size > 1:
        return torch.device("cuda", launch().local_rank % count)
    return torch.device(name)


def autocast(
    device: torch.device, precision: Literal["auto", "float32", "bfloat16"]
) -> contextlib.AbstractContextManager[object]:
    """Autocast to bfloat16 where asked; `auto` asks for it on GPUs that compute in it."""
    if computes_in_bfloat16(device, precision):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def computes_in_bfloat16(
    device: torch.device, precision: Literal["auto", "float32", "bfloat16"]
) -> bool:
    """Whether `autocast` is to bfloat16."""
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision == "bfloat16" or (precision == "auto" and fast)
