"""A U-Net: residual convolutions at several resolutions, to compare others with.

Shapes: b windows, t input times, k fields, c channels, h latitudes, w longitudes; d features.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from axialcast.grid import Grid
from axialcast.model.convolutions import Convolution, ResidualBlock, norm

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
        self.enter = Convolution(input_steps * num_channels, dim, around)
        self.down = nn.ModuleList(
            ResidualBlock(width, width, around, dropout) for width in widths[:-1]
        )
        self.coarser = nn.ModuleList(Convolution(n, m, around, stride=2) for n, m in steps)
        self.bottom = ResidualBlock(widths[-1], widths[-1], around, dropout)
        self.finer = nn.ModuleList(Convolution(m, n, around) for n, m in reversed(steps))
        self.up = nn.ModuleList(
            ResidualBlock(2 * n, n, around, dropout) for n, _ in reversed(steps)
        )
        self.norm = norm(dim)
        self.leave = nn.Conv2d(dim, num_outputs, 1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)

    def forward(self, fields: Tensor) -> Tensor:
        """(b, t, k, h, w) → (b, c, h, w)."""
        # Features last: as convolutions on a CPU are fastest.
        x = self.enter(fields.flatten(1, 2).contiguous(memory_format=torch.channels_last))
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
