"""A U-Net: residual convolutions at several resolutions, to compare others with.

Shapes: b windows, t input times, k fields, c channels, h latitudes, w longitudes; d features.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from axialcast.grid import Grid

__all__ = ["UNet"]


class UNet(nn.Module):
    """Blocks on the way down, at the bottom and on the way up, which see what went down.

    Ronneberger, Fischer & Brox (2015, section 2) with the residual blocks of Ho, Jain & Abbeel
    (2020, appendix B). Each level has half the rows and columns of the one above, rounded up, and
    twice its features. Convolutions go around the globe where the grid does, and repeat its edge
    elsewhere. The output is zero at first.

    Args:
        num_channels: k; all of the t times are channels of the first convolution.
        grid: (h, w).
        num_outputs: c.
        input_steps: t.
        dim: features d of the finest level.
        depth: how often rows and columns are halved.
        dropout: of features within blocks.

    Raises:
        ValueError: halving leaves no grid.
    """

    def __init__(
        self,
        num_channels: int,
        grid: Grid,
        *,
        num_outputs: int,
        input_steps: int,
        dim: int = 32,
        depth: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if min(grid.shape) <= 2**depth:
            most = max(0, (min(grid.shape) - 1).bit_length() - 1)
            raise ValueError(
                f"depth: {depth} halvings leave one of {min(grid.shape)} rows or columns; choose "
                f"{most} or less"
            )
        around = grid.is_periodic
        widths = [dim * 2**level for level in range(depth + 1)]
        steps = list(pairwise(widths))
        self.enter = _Convolution(input_steps * num_channels, dim, around)
        self.down = nn.ModuleList(_Block(width, width, around, dropout) for width in widths[:-1])
        self.coarser = nn.ModuleList(_Convolution(n, m, around, stride=2) for n, m in steps)
        self.bottom = _Block(widths[-1], widths[-1], around, dropout)
        self.finer = nn.ModuleList(_Convolution(m, n, around) for n, m in reversed(steps))
        self.up = nn.ModuleList(_Block(2 * n, n, around, dropout) for n, _ in reversed(steps))
        self.norm = _norm(dim)
        self.leave = nn.Conv2d(dim, num_outputs, 1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)

    def forward(self, fields: Tensor) -> Tensor:
        """(b, t, k, h, w) → (b, c, h, w)."""
        x = self.enter(fields.flatten(1, 2))
        passed = []
        for block, coarser in zip(self.down, self.coarser, strict=True):
            x = block(x)
            passed.append(x)
            x = coarser(x)
        x = self.bottom(x)
        for finer, block in zip(self.finer, self.up, strict=True):
            beside = passed.pop()
            height, width = beside.shape[-2:]
            twice = x.repeat_interleave(2, -2).repeat_interleave(2, -1)
            x = block(torch.cat([finer(twice[..., :height, :width]), beside], 1))
        outputs: Tensor = self.leave(functional.silu(self.norm(x)))
        return outputs


class _Block(nn.Module):
    """x + two convolutions, each after a group norm and SiLU."""

    def __init__(self, given: int, made: int, around: bool, dropout: float) -> None:
        super().__init__()
        self.passed = nn.Identity() if given == made else nn.Conv2d(given, made, 1)
        self.branch = nn.Sequential(
            *(_norm(given), nn.SiLU(), _Convolution(given, made, around)),
            *(_norm(made), nn.SiLU(), nn.Dropout(dropout), _Convolution(made, made, around)),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.passed(x) + self.branch(x)
        return out


class _Convolution(nn.Conv2d):
    """3 x 3, of fields continued by a row and a column on every side."""

    def __init__(self, given: int, made: int, around: bool, stride: int = 1) -> None:
        super().__init__(given, made, 3, stride)
        self.beyond = "circular" if around else "replicate"

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, (1, 1, 0, 0), mode=self.beyond)
        return super().forward(functional.pad(x, (0, 0, 1, 1), mode="replicate"))


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(8, width), width)
