"""Transformer blocks masked along an axis, run over a whole tensor or a slice at a time.

b batch, d features, e features of one head, n tokens along an axis; an axial shape is
(s1, ..., sa). Axes count from 1, dimension 0 being the batch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from axialcast.nn.reversible import ReversibleSequence
from axialcast.nn.self_attention import SelfAttention
from axialcast.nn.transformer import start_small

__all__ = ["Cache", "Decoder", "shift"]

Cache = dict[nn.Module, tuple[Tensor, Tensor]]
"""Keys and values of the slices so far, for each attention along the masked axis."""


class Decoder(nn.Module):
    """Rounds of blocks, each attention along one of `axes` in turn, and a perceptron.

    Blocks are reversible and pre-norm: y1 = x1 + A(N(x2)), y2 = x2 + M(N(y1)). What comes out at
    an index of the masked axis depends on what goes in up to that index. Given a cache, the input
    is the next slice of the masked axis and the output is that of the whole for this slice.

    Args:
        dim: features d.
        rounds: times to go over the axes.
        axes: axes to attend along, in order.
        masked: the one of them along which a token sees itself and those before; None for none.
        heads: number of attention heads.
        mlp_ratio: hidden features of the perceptrons over d.
        dropout: probability to drop a feature of a branch's output in training.
        reversible: recompute activations in the backward pass in place of keeping them.

    Shape: (b, s1, ..., sa, d), kept.
    """

    def __init__(
        self,
        dim: int,
        rounds: int,
        axes: Sequence[int],
        masked: int | None,
        *,
        heads: int,
        mlp_ratio: float,
        dropout: float,
        reversible: bool,
    ) -> None:
        super().__init__()
        # Ends of branches start small, so that their sum has about the variance of the input.
        num_branches = 2 * rounds * len(axes)
        blocks = [
            (
                _AxisAttention(dim, heads, axis, axis == masked, num_branches, dropout),
                _perceptron(dim, round(dim * mlp_ratio), num_branches, dropout),
            )
            for axis in [*axes] * rounds
        ]
        self.layers = ReversibleSequence(blocks, reversible=reversible)

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        out: Tensor = self.layers(x, (True, False), cache=cache)
        return out


class _AxisAttention(nn.Module):
    """Norm, attention along one axis of (b, s1, ..., sa, d), masked or not, and dropout."""

    def __init__(
        self, dim: int, heads: int, axis: int, masked: bool, num_branches: int, dropout: float
    ) -> None:
        super().__init__()
        self.axis = axis
        self.masked = masked
        self.norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads)
        start_small(self.attention.to_out, num_branches)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        x = self.norm(x)
        heads = (self.attention.heads, -1)
        q = self.attention.to_q(x).unflatten(-1, heads) * self.attention.dim_heads**-0.5
        k, v = self.attention.to_kv(x).unflatten(-1, (2, *heads)).unbind(-3)
        if self.masked and cache is not None:
            if self in cache:
                earlier_k, earlier_v = cache[self]
                k, v = torch.cat([earlier_k, k], self.axis), torch.cat([earlier_v, v], self.axis)
            cache[self] = k, v
        # The newest slice sees all slices there are: it needs no mask.
        causal = self.masked and cache is None
        out = self.attention.attend(q, k, v, axis=self.axis, causal=causal).flatten(-2)
        dropped: Tensor = self.dropout(self.attention.to_out(out))
        return dropped


def _perceptron(dim: int, hidden: int, num_branches: int, dropout: float) -> nn.Module:
    end = nn.Linear(hidden, dim)
    start_small(end, num_branches)
    return nn.Sequential(
        nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), end, nn.Dropout(dropout)
    )


def shift(x: Tensor, axis: int) -> Tensor:
    """x one index further along `axis`: zeros enter and the last slice leaves."""
    return torch.cat(
        [torch.zeros_like(x.narrow(axis, 0, 1)), x.narrow(axis, 0, x.shape[axis] - 1)], dim=axis
    )
