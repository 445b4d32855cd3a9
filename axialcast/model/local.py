"""What is near a point, at the grid's own resolution: beside patches, which average over theirs.

Shapes: b windows, t input times, k fields, c channels, h latitudes, w longitudes; T, H, W the same
counted in patches; d features of a patch, n of a point; level l has n 2^l features of every 2^l-th
row and column.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from axialcast.grid import Grid
from axialcast.model.convolutions import Convolution, ResidualBlock, norm
from axialcast.model.embedding import PatchEmbedding, PatchHead

__all__ = ["LocalPath", "num_halvings"]


class LocalPath(nn.Module):
    """Convolutions down to the patches, and from them back to the points.

    A patch is one vector: what is finer than it must be told apart within that, and neighbours in
    two patches meet only through attention. So a U-Net (Ronneberger et al. 2015, section 2) leads
    to the patches and on from them: rows and columns are halved as often as the sides of a patch
    can be, what is left of a patch is taken as one, and each level passes its features to the way
    back. What comes out is zero at first.

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
        halvings = num_halvings(patch)
        widths = [width * 2**level for level in range(halvings + 1)]
        left, shape = (patch[0] >> halvings, patch[1] >> halvings), grid.shape
        for _ in range(halvings):
            shape = (-(-shape[0] // 2), -(-shape[1] // 2))

        def block(given: int, made: int) -> nn.Module:
            return ResidualBlock(given, made, around, dropout)

        self.enter = Convolution(input_steps * num_fields, width, around)
        self.down = nn.ModuleList(block(n, n) for n in widths)
        self.coarser = nn.ModuleList(
            PatchEmbedding(n, m, patch=(1, 2, 2), is_periodic=around) for n, m in pairwise(widths)
        )
        self.embed = PatchEmbedding(widths[-1], dim, patch=(1, *left), is_periodic=around)
        self.back = PatchHead(dim, widths[-1], patch=left, shape=shape)
        self.back.project.reset_parameters()
        self.finer = nn.ModuleList(Convolution(m, n, around) for n, m in pairwise(widths))
        self.up = nn.ModuleList(block(2 * n, n) for n in widths[:-1])
        self.norm = norm(width)
        self.leave = nn.Conv2d(width, num_outputs, 1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)

    def points(self, fields: Tensor) -> list[Tensor]:
        """(b, t, k, h, w) → (b, n, h, w) of the points, and of every coarser level after it."""
        # Features last, as convolutions on a CPU are fastest, half as fast again as otherwise.
        x = self.enter(fields.flatten(1, 2).contiguous(memory_format=torch.channels_last))
        levels = [self.down[0](x)]
        for coarser, block in zip(self.coarser, self.down[1:], strict=True):
            levels.append(block(coarser(levels[-1][:, None])[:, 0].movedim(-1, 1)))
        return levels

    def patches(self, levels: list[Tensor]) -> Tensor:
        """Those of `points` → (b, 1, H, W, d), to be added to the patches of every time."""
        tokens: Tensor = self.embed(levels[-1][:, None])
        return tokens

    def outputs(self, levels: list[Tensor], features: Tensor) -> Tensor:
        """Those of `points` and (b, H, W, d) → (b, c, h, w)."""
        *beside, x = levels
        x = x + self.back(features).to(x.dtype)
        for passed, finer, block in reversed([*zip(beside, self.finer, self.up, strict=True)]):
            height, width = passed.shape[-2:]
            twice = x.repeat_interleave(2, -2).repeat_interleave(2, -1)[..., :height, :width]
            x = block(torch.cat([finer(twice), passed], 1))
        outputs: Tensor = self.leave(functional.silu(self.norm(x)))
        return outputs


def num_halvings(patch: tuple[int, int]) -> int:
    """How often both sides of a patch can be halved: the coarser levels beside it."""
    common, count = patch[0] | patch[1], 0
    while common % 2 == 0:
        common, count = common // 2, count + 1
    return count
