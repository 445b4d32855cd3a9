"""Memory: what autograd keeps of a forward pass, what this process holds, what there is."""

import os
import sys

import torch
from torch import Tensor, nn

__all__ = ["installed_bytes", "peak_bytes", "resident_bytes", "saved_bytes", "trained_bytes"]


def saved_bytes(network: nn.Module, *inputs: Tensor) -> int:
    """Bytes that a forward pass keeps for the backward one, parameters apart."""
    saved = {}
    parameters = {p.untyped_storage().data_ptr() for p in network.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = network(*inputs)
    del result
    return sum(saved.values())


def trained_bytes(network: nn.Module) -> int:
    """Bytes of what training has of each parameter: weight, gradient, AdamW's two moments and the
    averaged weight."""
    return 5 * sum(p.numel() * p.element_size() for p in network.parameters())


def resident_bytes() -> int:
    """Largest memory of this process so far; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_bytes(device: torch.device) -> int:
    """Largest memory of a GPU that this process took so far, or of itself on other devices."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else resident_bytes()


def installed_bytes() -> int | None:
    """Memory of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
