"""A vision transformer: every patch attends to every other, to compare others with.

Shapes: b windows, t input times, k fields, c channels, h latitudes, w longitudes; T, H, W the same
counted in patches, n of them; d features.
"""

import math

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from axialcast.grid import Grid
from axialcast.model.embedding import PatchEmbedding, PatchHead, num_patches
from axialcast.nn.listening import Heard, weights_of
from axialcast.nn.transformer import start_small

__all__ = ["ViT"]


class ViT(nn.Module):
    """Patches, learned positions, pre-norm blocks of attention and perceptrons, and a linear head.

    Dosovitskiy et al. (2021, section 3.1), without the class token; the head reads the patches of
    the last time. The output is zero at first.

    Args:
        num_channels: k.
        grid: (h, w).
        num_outputs: c.
        input_steps: t.
        dim: features d.
        depth: blocks.
        heads: of attention; must divide `dim`.
        patch: times, latitudes and longitudes in a patch; times must divide `input_steps`.
        mlp_ratio: width of a block's perceptron over `dim`.
        dropout: of what blocks add.

    Raises:
        ValueError: `patch` does not divide `input_steps`.
    """

    def __init__(
        self,
        num_channels: int,
        grid: Grid,
        *,
        num_outputs: int,
        input_steps: int,
        dim: int = 128,
        depth: int = 4,
        heads: int = 4,
        patch: tuple[int, int, int] = (1, 2, 2),
        mlp_ratio: float = 2.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if input_steps % patch[0]:
            raise ValueError(
                f"patch: {patch[0]} times do not divide input_steps={input_steps}; "
                f"choose 1 or {input_steps}"
            )
        self.shape = num_patches((input_steps, *grid.shape), patch)
        self.embed = PatchEmbedding(num_channels, dim, patch=patch, is_periodic=grid.is_periodic)
        self.position = nn.Parameter(0.02 * torch.randn(math.prod(self.shape), dim))
        hidden = round(dim * mlp_ratio)
        self.blocks = nn.Sequential(
            *(_Block(dim, heads, hidden, dropout, depth) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(dim)
        self.head = PatchHead(dim, num_outputs, patch=patch[1:], shape=grid.shape)

    def forward(self, fields: Tensor) -> Tensor:
        """(b, t, k, h, w) → (b, c, h, w)."""
        tokens = rearrange(self.embed(fields), "b T H W d -> b (T H W) d") + self.position
        count = self.shape[1] * self.shape[2]
        latest = self.norm(self.blocks(tokens)[:, -count:])
        outputs: Tensor = self.head(latest.unflatten(1, self.shape[1:]))
        return outputs


class _Block(nn.Module, Heard):
    """x + attention, then x + perceptron, each of the layer norm of x."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float, depth: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.to_out = nn.Linear(dim, dim)
        self.perceptron = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.dropout = nn.Dropout(dropout)
        for end in (self.to_out, self.perceptron[2]):
            start_small(end, 2 * depth)

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, d), kept."""
        q, k, v = rearrange(
            self.to_qkv(self.norms[0](x)), "b n (r e d) -> r b e n d", r=3, e=self.heads
        )
        if self.listener is not None:
            scaled = q.transpose(1, 2) * q.shape[-1] ** -0.5
            self.listener(weights_of(scaled, k.transpose(1, 2), axis=1))
        seen = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.dropout(self.to_out(rearrange(seen, "b e n d -> b n (e d)")))
        out: Tensor = x + self.dropout(self.perceptron(self.norms[1](x)))
        return out
