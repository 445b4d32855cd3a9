"""Axial transformers: attention along axes and perceptrons in reversible blocks.

b batch, d features; an axial shape is (s1, ..., sa); h, w are the axes of an image.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from axialcast.nn.attention import AxialAttention, Position
from axialcast.nn.checks import check_channel, check_features, check_per_axis
from axialcast.nn.drop_path import DropPath
from axialcast.nn.position import AxialPositionalEmbedding, AxialSinusoidalEmbedding
from axialcast.nn.reversible import ReversibleSequence
from axialcast.nn.self_attention import AlongAxis, SelfAttention

__all__ = ["AxialImageTransformer", "AxialTransformer"]


class AxialTransformer(nn.Module):
    """Pre-norm transformer over any number of axes, features last, with a norm at its end.

    Position, then `depth` reversible blocks y1 = x1 + A(N(x2)), y2 = x2 + M(N(y1)), with A the sum
    of attention along each axis, M a perceptron with one hidden layer of GELU and N layer
    normalisation, then N of the mean of the two streams.

    The projections that end a branch start small: their outputs have a variance of about
    1 / (2 depth) each, so the streams start within a factor of two of the input at any depth.

    Args:
        dim: features d.
        depth: number of blocks; each holds attention and a perceptron.
        num_dimensions: number of axes a.
        heads: number of attention heads.
        dim_heads: features of one head; d / heads if not given. Fewer make attention cheaper.
        shape: size of each axis that positions refer to; other sizes are taken as another
            resolution of the same domain. Learned and relative positions need it.
        position: "learned" vectors or fixed "sinusoidal" waves added to the input once, "rotary"
            turns of queries and keys or "relative" biases of scores in each block, or "none".
        periodic: per axis, whether it closes on itself. With rotary or relative positions,
            rolling the input along a periodic axis rolls the output. No axis if not given.
        causal: per axis, whether a token sees itself and those before it alone.
        span: per axis, the odd number of tokens in the window that a token sees, None for all.
        mlp_ratio: hidden features of the perceptron over d.
        dropout: probability to drop a feature of a branch's output in training.
        drop_path: probability to drop the branches of the last block as a whole, of a window; of
            the blocks before it less, in equal steps from 0.
        reversible: recompute activations in the backward pass in place of keeping them; the
            function and its parameters are the same.

    Shape: (b, s1, ..., sa, d), kept. An axis of length 1 costs one product of d by heads x
    dim_heads for each token.

    Raises:
        ValueError: if an argument or the input's shape does not fit.
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        *,
        num_dimensions: int,
        heads: int = 8,
        dim_heads: int | None = None,
        shape: Sequence[int] | None = None,
        position: Position = "learned",
        periodic: Sequence[bool] | None = None,
        causal: Sequence[bool] | None = None,
        span: Sequence[int | None] | None = None,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        reversible: bool = True,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.num_dimensions = num_dimensions
        self.position = _position(position, dim, num_dimensions, shape, periodic)

        def attention(dropped: float) -> nn.Module:
            layer = AxialAttention(
                dim,
                num_dimensions,
                heads,
                dim_heads,
                position=position if position in ("rotary", "relative") else "none",
                periodic=periodic,
                shape=shape,
                causal=causal,
                span=span,
            )
            ends = [fn.to_out for fn in layer.attentions()]
            for end in ends:
                start_small(end, 2 * depth * len(ends))
            return _branch(dim, layer, dropout, dropped)

        def perceptron(dropped: float) -> nn.Module:
            hidden = round(dim * mlp_ratio)
            layer = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
            start_small(layer[2], 2 * depth)
            return _branch(dim, layer, dropout, dropped)

        shares = [drop_path * number / max(1, depth - 1) for number in range(depth)]
        shares = [drop_path] if depth == 1 else shares
        self.layers = ReversibleSequence(
            [(attention(share), perceptron(share)) for share in shares], reversible=reversible
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        check_features(x, self.dim, self.num_dimensions + 1, self.num_dimensions)
        out: Tensor = self.norm(self.layers(self.position(x)))
        return out


class AxialImageTransformer(nn.Module):
    """Attention along the two axes of an image, and 3 x 3 convolutions, in residual blocks.

    A drop-in for `axial_attention.AxialImageTransformer`: same arguments, state dict, results.

    Args:
        dim: features d.
        depth: number of layers; each is a block of attention along h and along w, and a block of
            two perceptrons whose projections are 3 x 3 convolutions.
        heads: number of attention heads.
        dim_heads: features of one head; d / heads if not given.
        dim_index: dimension that holds the features, negative ones counting from the last.
        reversible: reversible blocks; otherwise ordinary ones, which are another function.
        axial_pos_emb_shape: (h, w) of a learned positional embedding; none if not given.

    Shape: (b, h, w) with d inserted at `dim_index`; input and output are alike.

    Raises:
        ValueError: if an argument or the input's shape does not fit.
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        heads: int = 8,
        dim_heads: int | None = None,
        dim_index: int = 1,
        reversible: bool = True,
        axial_pos_emb_shape: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.channel = check_channel("dim_index", dim_index, 2)
        self.pos_emb = (
            nn.Identity()
            if axial_pos_emb_shape is None
            else AxialPositionalEmbedding(dim, axial_pos_emb_shape, self.channel)
        )

        def attention(axis: int) -> nn.Module:
            return AlongAxis(
                axis, self.channel, _PreNorm(dim, SelfAttention(dim, heads, dim_heads))
            )

        def perceptron() -> nn.Module:
            return _ConvolutionalPerceptron(dim, self.channel)

        axes = [axis for axis in (1, 2, 3) if axis != self.channel]
        blocks = []
        for _ in range(depth):
            blocks += [[attention(axis) for axis in axes], [perceptron(), perceptron()]]
        self.layers = ReversibleSequence(blocks) if reversible else _ResidualSequence(blocks)

    def forward(self, x: Tensor) -> Tensor:
        check_features(x, self.dim, self.channel, 2)
        out: Tensor = self.layers(self.pos_emb(x))
        return out


class _PreNorm(nn.Module):
    """fn of the normalised input; the names are those of the original's state dict."""

    def __init__(self, dim: int, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fn(self.norm(x))
        return out


class _ChannelNorm(nn.Module):
    """(x - mean) / (standard deviation + 1e-5) over the features of (b, d, h, w), g and b after.

    Layer normalisation adds its epsilon to the variance; the original adds it here.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1, dim, 1, 1))
        self.b = nn.Parameter(torch.zeros(1, dim, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
        return (x - mean) / (variance.sqrt() + 1e-5) * self.g + self.b


class _ConvolutionalPerceptron(nn.Sequential):
    """Norm, 3 x 3 convolution to 4 d features, leaky rectifier, 3 x 3 convolution back."""

    def __init__(self, dim: int, channel: int) -> None:
        super().__init__(
            _ChannelNorm(dim),
            nn.Conv2d(dim, 4 * dim, 3, padding=1),
            nn.LeakyReLU(inplace=True),
            nn.Conv2d(4 * dim, dim, 3, padding=1),
        )
        self.channel = channel

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(self.channel, 1)
        for layer in self:
            x = layer(x)
        return x.movedim(1, self.channel)


class _ResidualSequence(nn.Module):
    """x + f(x), then x + g(x), for each pair (f, g) of blocks."""

    def __init__(self, blocks: Sequence[Sequence[nn.Module]]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.ModuleList(pair) for pair in blocks)

    def forward(self, x: Tensor) -> Tensor:
        for pair in self.blocks:
            assert isinstance(pair, nn.ModuleList)
            for branch in pair:
                x = x + branch(x)
        return x


def _position(
    position: str,
    dim: int,
    num_dimensions: int,
    shape: Sequence[int] | None,
    periodic: Sequence[bool] | None,
) -> nn.Module:
    check_per_axis("shape", shape, num_dimensions, None)
    match position:
        case "learned":
            if shape is None:
                raise ValueError(
                    "shape: learned positions need the size of each axis, got None; give it or "
                    "choose another position"
                )
            return AxialPositionalEmbedding(
                dim, shape, -1, periodic=periodic, interpolate=True, std=0.02
            )
        case "sinusoidal":
            return AxialSinusoidalEmbedding(dim, num_dimensions, periodic=periodic, shape=shape)
        case "rotary" | "relative" | "none":
            return nn.Identity()
    raise ValueError(
        "position: expected 'learned', 'sinusoidal', 'rotary', 'relative' or 'none', got "
        f"{position!r}"
    )


def _branch(dim: int, layer: nn.Module, dropout: float, drop_path: float) -> nn.Module:
    branch = nn.Sequential(nn.LayerNorm(dim), layer)
    if dropout > 0:
        branch.append(nn.Dropout(dropout))
    if drop_path > 0:
        branch.append(DropPath(drop_path))
    return branch


def start_small(linear: nn.Module, count: int) -> None:
    """Weights whose outputs, `count` of them summed, keep the variance of the inputs; no bias."""
    assert isinstance(linear, nn.Linear)
    nn.init.normal_(linear.weight, std=(linear.in_features * count) ** -0.5)
    nn.init.zeros_(linear.bias)
