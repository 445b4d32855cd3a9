"""Weights averaged over the steps of a training."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from axialcast.training.parallel import own_part

__all__ = ["Averages"]


class Averages(AveragedModel):
    """A copy of a network whose parameters and buffers follow those of the network.

    average = decay · average + (1 - decay) · current after each update but the first, which copies.
    torch's own update copies its count to the device each time, and waits for it.

    Args:
        network: on its device; not yet shared by processes.
        decay: per update; 0: the current values.

    Attributes:
        constants: names of the buffers that the network does not let copies have of their own.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, use_buffers=True)
        others = dict(network.named_buffers())
        self.constants = {n for n, v in self.module.named_buffers() if v is others[n]}
        self._move: Any = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Moves towards the values of the network, each process its part of them."""
        pairs: dict[torch.dtype, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for average, current in zip(_values(self.module), _values(model), strict=True):
            if average is not current:  # both may hold the same constant
                pair = own_part(average.detach()), own_part(current.detach())
                pairs[average.dtype].append(pair)
        is_first = bool(self.n_averaged == 0)  # which is on the CPU
        for group in pairs.values():
            averages, now = map(list, zip(*group, strict=True))
            if is_first:
                torch._foreach_copy_(averages, now)
            else:
                self._move(averages, now, None)
        self.n_averaged += 1


def _values(network: nn.Module) -> Iterator[Tensor]:
    yield from itertools.chain(network.parameters(), network.buffers())
