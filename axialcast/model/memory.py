"""Memory: what autograd keeps of a forward pass, and what this process holds."""

import sys

import torch
from torch import Tensor, nn

__all__ = ["resident_bytes", "saved_bytes"]


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


def resident_bytes() -> int:
    """Largest memory of this process so far; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
