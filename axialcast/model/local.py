"""What is near a point, at the grid's own resolution: beside patches, which average over theirs.

Shapes: b windows, t input times, k fields, c channels, h latitudes, w longitudes; T, H, W the same
counted in patches; d features of a patch, n of a point.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from axialcast.grid import Grid
from axialcast.model.convolutions import Convolution, ResidualBlock, norm
from axialcast.model.embedding import PatchEmbedding, PatchHead

__all__ = ["LocalPath"]


class LocalPath(nn.Module):
    """Convolutions before the patches are made, and after they have come back to points.

    A patch is one vector: what is finer than it must be told apart within that, and neighbours in
    two patches meet only through attention. As in convolutional stems of vision transformers (Xiao
    et al. 2021, section 4) and the skips of a U-Net (Ronneberger et al. 2015, section 2), features
    of points go to the patches, and past them to the output. What comes out is zero at first.

    Args:
        num_fields: k; all of the t times are channels of the first convolution.
        grid: (h, w).
        num_outputs: c.
        input_steps: t.
        width: n.
        dim: d.
        patch: latitudes and longitudes in a patch.
        dropout: of features within blocks.
    """

    def __init__(
        self,
        num_fields: int,
        grid: Grid,
        *,
        num_outputs: int,
        input_steps: int,
        width: int,
        dim: int,
        patch: tuple[int, int],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        around = grid.is_periodic
        self.enter = Convolution(input_steps * num_fields, width, around)
        self.before = ResidualBlock(width, width, around, dropout)
        self.embed = PatchEmbedding(width, dim, patch=(1, *patch), is_periodic=around)
        self.back = PatchHead(dim, width, patch=patch, shape=grid.shape)
        self.back.project.reset_parameters()
        self.after = ResidualBlock(2 * width, width, around, dropout)
        self.norm = norm(width)
        self.leave = nn.Conv2d(width, num_outputs, 1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)

    def points(self, fields: Tensor) -> Tensor:
        """(b, t, k, h, w) → (b, n, h, w)."""
        near: Tensor = self.before(self.enter(fields.flatten(1, 2)))
        return near

    def patches(self, points: Tensor) -> Tensor:
        """(b, n, h, w) → (b, 1, H, W, d), to be added to those of every time."""
        tokens: Tensor = self.embed(points[:, None])
        return tokens

    def outputs(self, points: Tensor, features: Tensor) -> Tensor:
        """(b, n, h, w) and (b, H, W, d) → (b, c, h, w)."""
        near = self.after(torch.cat([points, self.back(features).to(points.dtype)], 1))
        outputs: Tensor = self.leave(functional.silu(self.norm(near)))
        return outputs
