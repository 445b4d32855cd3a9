"""The Axial Transformer: a density over tensors of categories, drawn from in raster order.

b batch, c channels, d features, n tokens along an axis; an axial shape is (s1, ..., sa), N their
product; K categories of a value.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from axialcast.nn.papers.decoder import Cache, Decoder, shift
from axialcast.nn.position import AxialPositionalEmbedding

__all__ = ["AutoregressiveAxialTransformer"]


class AutoregressiveAxialTransformer(nn.Module):
    """p(x) = ∏ p(x_i | x_<i) over tensors x of categories, in raster order, channels outermost.

    The Axial Transformer (Ho et al. 2019, section 3.2). For an image, with E an embedding of
    values, P one of positions, and blocks of attention along one axis and a perceptron:

        e = encoder of the channels before this one, unmasked along rows and columns
        u = shift down (unmasked along rows and masked along columns, in turn (E(x) + P + e))
        logits = linear ∘ norm ∘ masked along rows (shift right (E(x)) + P + e + u)

    It extends to any number of axes by one outer decoder for each axis but the last: masked along
    its axis, unmasked along the later ones, shifted by one along its axis; what it gives is added
    to the input of every later decoder. So the logits of an element depend on all elements before
    it and on no other. Frames of a video are an axis, and so are channels that come after frames:
    shape (t, c, h, w) with one channel.

    Differences from the authors' code: blocks are reversible (the two streams of
    `ReversibleSequence` where theirs have one), the values of earlier channels are embedded where
    theirs enter as numbers, and every channel is trained on in each step where theirs draws one.

    Args:
        dim: features d.
        shape: size of each axis, in raster order: the last runs fastest.
        num_values: number of categories K of each value.
        num_channels: number of channels c.
        depth_outer: rounds of each outer decoder, a block for each of its axes.
        depth_inner: blocks of the inner decoder, the part that sampling repeats for each element.
        depth_encoder: rounds of the encoder of channels; not used for a single channel.
        heads: number of attention heads.
        mlp_ratio: hidden features of the perceptrons over d.
        dropout: probability to drop a feature of a branch's output in training.
        reversible: recompute activations in the backward pass in place of keeping them.

    Shape: (b, c, s1, ..., sa) of whole numbers from 0 to K - 1, to logits (b, c, s1, ..., sa, K).

    Raises:
        ValueError: if an argument or an input does not fit.

    Example:
        >>> model = AutoregressiveAxialTransformer(8, (4, 4), 2, heads=2)
        >>> optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        >>> stripes = torch.tensor([[0, 1, 0, 1], [1, 0, 1, 0]]).view(2, 1, 1, 4).expand(2, 1, 4, 4)
        >>> for _ in range(100):
        ...     optimizer.zero_grad()
        ...     model.bits_per_dim(stripes).mean().backward()
        ...     optimizer.step()
        >>> model.bits_per_dim(stripes).mean() < 0.1  # one bit in all is 1 / 16 for each element
        tensor(True)
        >>> model.eval().sample(3).shape
        torch.Size([3, 1, 4, 4])
    """

    def __init__(
        self,
        dim: int,
        shape: Sequence[int],
        num_values: int,
        *,
        num_channels: int = 1,
        depth_outer: int = 2,
        depth_inner: int = 2,
        depth_encoder: int = 2,
        heads: int = 8,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        reversible: bool = True,
    ) -> None:
        super().__init__()
        counts = {
            "dim": dim,
            "num_values": num_values,
            "num_channels": num_channels,
            "depth_outer": depth_outer,
            "depth_inner": depth_inner,
            "depth_encoder": depth_encoder,
        }
        for name, count in counts.items():
            if count < 1:
                raise ValueError(f"{name}: expected 1 or more, got {count}")
        if not shape or min(shape) < 1:
            raise ValueError(f"shape: expected one or more positive sizes, got {tuple(shape)}")
        self.dim = dim
        self.shape = tuple(shape)
        self.num_values = num_values
        self.num_channels = num_channels
        self.embedding = nn.Embedding(num_values, dim)
        self.position = AxialPositionalEmbedding(dim, self.shape, -1)
        stack = partial(
            Decoder,
            dim,
            heads=heads,
            mlp_ratio=mlp_ratio,
            dropout=dropout,
            reversible=reversible,
        )
        last = len(self.shape)
        self.outer = nn.ModuleList(
            stack(depth_outer, axes=range(last, axis - 1, -1), masked=axis)
            for axis in range(1, last)
        )
        self.inner = stack(depth_inner, axes=[last], masked=last)
        if num_channels > 1:
            self.channel = nn.Embedding(num_channels, dim)
            self.previous = nn.Embedding((num_channels - 1) * num_values, dim)
            self.encoder = stack(depth_encoder, axes=range(last, 0, -1), masked=None)
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, num_values))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (b, c, s1, ..., sa, K) of each value of x (b, c, s1, ..., sa) given those before.

        An element's logits do not depend on its own value or on those after it.
        """
        self._check(x)
        value = self.embedding(x).flatten(0, 1)
        context = self._encode(x, range(self.num_channels)).flatten(0, 1)
        for axis, decoder in enumerate(self.outer, start=1):
            context = context + shift(decoder(value + context), axis)
        hidden = self.inner(shift(value, len(self.shape)) + context)
        out: Tensor = self.head(hidden).unflatten(0, (-1, self.num_channels))
        return out

    def log_prob(self, x: Tensor) -> Tensor:
        """(b,) logarithm of the probability of each of x (b, c, s1, ..., sa), in nats."""
        logits = self(x)
        return -F.cross_entropy(logits.movedim(-1, 1), x, reduction="none").flatten(1).sum(1)

    def bits_per_dim(self, x: Tensor) -> Tensor:
        """(b,) bits it takes to store each of x (b, c, s1, ..., sa), per value: the usual loss."""
        return self.log_prob(x) / (-math.log(2) * x[0].numel())

    @torch.no_grad()
    def sample(
        self,
        batch_size: int,
        *,
        prefix: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw (b, c, s1, ..., sa) values from the model.

        Semi-parallel (section 3.2): a row's outer context is computed once, at once for the
        whole row, and only the inner decoder runs for each element. Keys and values of the rows
        and elements before are kept, so each token enters each decoder once: O(N √N) products of
        a query and a key for a square image and O(N d²) for the rest, where computing all anew
        for each element takes O(N² √N) and O(N² d²). Draws are those of computing all anew.

        Switch dropout off by `eval()` first.

        Args:
            batch_size: number of draws b.
            prefix: (b, m) values of the first m elements in raster order, which are kept; the
                draws are of the others given these.
            temperature: logits are divided by it; below 1 draws are likelier than the model's.
            generator: source of the random numbers, on the device of the model.
        """
        if temperature <= 0:
            raise ValueError(f"temperature: expected a positive number, got {temperature}")
        total = self.num_channels * math.prod(self.shape)
        if prefix is not None:
            if prefix.ndim != 2 or len(prefix) != batch_size or prefix.shape[1] > total:
                raise ValueError(
                    f"prefix: expected shape ({batch_size}, m) with m up to {total}, "
                    f"got {tuple(prefix.shape)}"
                )
            self._check_values("prefix", prefix)
        known = iter(() if prefix is None else prefix.unbind(1))

        def draw(logits: Tensor) -> Tensor:
            value = next(known, None)
            if value is not None:
                return value
            probabilities = (logits / temperature).softmax(-1)
            return torch.multinomial(probabilities, 1, generator=generator).squeeze(-1)

        device = self.embedding.weight.device
        x = torch.zeros(batch_size, self.num_channels, *self.shape, dtype=torch.long, device=device)
        for channel in range(self.num_channels):
            context = self._encode(x, [channel]).squeeze(1)
            self._fill(x[:, channel], context, 1, draw)
        return x

    def _fill(
        self, x: Tensor, context: Tensor, axis: int, draw: Callable[[Tensor], Tensor]
    ) -> None:
        """Draw all elements of x, one slice along `axis` after another, in place.

        Args:
            x: (b, 1, ..., 1, s_axis, ..., sa), a part of what is drawn.
            context: (b, 1, ..., 1, s_axis, ..., sa, d), all that earlier decoders say of it.
            draw: logits (b, K) to values (b,).
        """
        innermost = axis == len(self.shape)
        decoder = self.inner if innermost else self.outer[axis - 1]
        cache: Cache = {}
        before = torch.zeros_like(context.narrow(axis, 0, 1))
        for index in range(x.shape[axis]):
            here, around = x.narrow(axis, index, 1), context.narrow(axis, index, 1)
            if innermost:
                logits = self.head(decoder(around + before, cache))
                here.copy_(draw(logits.flatten(0, -2)).view_as(here))
                before = self.embedding(here)
            else:
                self._fill(here, around + before, axis + 1, draw)
                before = decoder(self.embedding(here) + around, cache)

    def _encode(self, x: Tensor, channels: Sequence[int]) -> Tensor:
        """Positions and what the channels before each of `channels` say: (b, c, s1, ..., sa, d).

        All channels are encoded as if each were a batch of its own, from the sum of the vectors
        of the values before it (section 3.2).
        """
        if self.num_channels == 1:
            nothing = self.embedding.weight.new_zeros(1, *self.shape, self.dim)
            position: Tensor = self.position(nothing)
            return position.unsqueeze(1).expand(len(x), -1, *position.shape[1:])
        offsets = torch.arange(self.num_channels - 1, device=x.device) * self.num_values
        vectors = self.previous(x[:, :-1] + offsets.view(-1, *[1] * len(self.shape)))
        none_yet = torch.zeros_like(vectors[:, :1])
        before = torch.cat([none_yet, vectors.cumsum(1)], dim=1)[:, channels]
        which = self.channel.weight[channels].view(-1, *[1] * len(self.shape), self.dim)
        hidden = self.position((before + which).flatten(0, 1))
        out: Tensor = self.encoder(hidden).unflatten(0, (-1, len(channels)))
        return out

    def _check(self, x: Tensor) -> None:
        wanted = (self.num_channels, *self.shape)
        if x.shape[1:] != wanted:
            sizes = ", ".join(map(str, wanted))
            raise ValueError(f"x: expected shape (b, {sizes}), got {tuple(x.shape)}")
        self._check_values("x", x)

    def _check_values(self, name: str, x: Tensor) -> None:
        if x.dtype != torch.long:
            raise ValueError(f"{name}: expected whole numbers of torch.long, got {x.dtype}")
        # Elsewhere the look would wait for the device, whose embedding refuses such values itself.
        if x.device.type != "cpu" or torch.compiler.is_compiling() or x.numel() == 0:
            return
        if not 0 <= x.min() <= x.max() < self.num_values:
            raise ValueError(
                f"{name}: expected values from 0 to {self.num_values - 1}, "
                f"got {int(x.min())} to {int(x.max())}; quantise it or raise num_values"
            )
