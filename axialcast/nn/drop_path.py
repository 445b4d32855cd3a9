"""Residual branches that are dropped as a whole, window by window."""

import torch
from torch import Tensor, nn

__all__ = ["DropPath"]


class DropPath(nn.Dropout):
    """A branch's output, or nothing of it: 0 for a share p of the samples, the others over 1 - p.

    Stochastic depth (Huang et al. 2016, arXiv 1603.09382): a network of many layers learns as an
    ensemble of shallower ones. In training alone.

    Shape: (b, ...), kept.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.p:
            return x
        kept = torch.rand(len(x), device=x.device) >= self.p
        # Not times 0, which does not drop what is infinite.
        kept = kept.view(-1, *(1,) * (x.ndim - 1))
        return torch.where(kept, x / (1 - self.p), torch.zeros((), dtype=x.dtype, device=x.device))
