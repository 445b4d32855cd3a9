"""Where a token is on each axis: learned, sinusoidal, rotary and relative positions.

b batch, n tokens along an axis, d features, e features of one head; an axial shape is
(s1, ..., sa).

Two conventions hold for all of them. On a periodic axis a position is an angle, i / n of a turn,
so whole waves fit around it and n adjoins 0. An axis given in another size than the one a
position was made for is the same domain at another resolution: on a periodic axis index 0 stays
where it is, on any other axis the cells share the domain out evenly.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["AxialPositionalEmbedding", "AxialSinusoidalEmbedding"]

LONGEST_WAVE = 100.0
"""Ratio of the longest to the shortest wavelength on an axis that is not periodic.

Vaswani et al. 2017 take 10 000 for sentences; an axis has tens of tokens.
"""

T = TypeVar("T")


class AxialPositionalEmbedding(nn.Module):
    """Adds a learned vector for the index on each axis: x + p1[i1] + ... + pa[ia].

    A drop-in for `axial_attention.AxialPositionalEmbedding`: same arguments, state dict, results;
    the keyword-only arguments go beyond it.

    Args:
        dim: features d.
        shape: size of each axis.
        emb_dim_index: dimension that holds the features, negative ones counting from the last.
        periodic: per axis, whether it closes on itself; it matters only to interpolation.
        interpolate: take another size as another resolution of the same domain, linearly between
            the learned vectors, in place of an error.
        std: standard deviation of the initial vectors.

    Shape: (b, s1, ..., sa) with d inserted at `emb_dim_index`; input and output are alike.

    Raises:
        ValueError: if an argument or the input's shape does not fit.
    """

    def __init__(
        self,
        dim: int,
        shape: Sequence[int],
        emb_dim_index: int = 1,
        *,
        periodic: Sequence[bool] | None = None,
        interpolate: bool = False,
        std: float = 1.0,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.shape = tuple(shape)
        self.channel = check_channel("emb_dim_index", emb_dim_index, len(self.shape))
        self.periodic = check_per_axis("periodic", periodic, len(self.shape), False)
        self.interpolate = interpolate
        rank = len(self.shape) + 2
        self.axes = [axis for axis in range(1, rank) if axis != self.channel]
        for index, (axis, size) in enumerate(zip(self.axes, self.shape, strict=True)):
            sizes = [1] * rank
            sizes[axis], sizes[self.channel] = size, dim
            self.register_parameter(f"param_{index}", nn.Parameter(torch.randn(sizes) * std))

    def forward(self, x: Tensor) -> Tensor:
        sizes = tuple(x.shape[axis] for axis in self.axes) if x.ndim == len(self.shape) + 2 else ()
        if not sizes or x.shape[self.channel] != self.dim:
            raise ValueError(
                f"x: expected {len(self.shape) + 2} dimensions with {self.dim} features in "
                f"dimension {self.channel}, got shape {tuple(x.shape)}"
            )
        if sizes != self.shape and not self.interpolate:
            raise ValueError(
                f"x: expected axes of {self.shape}, got {sizes}; set interpolate=True to take "
                "them as another resolution"
            )
        position: Tensor | None = None
        for index, (axis, size) in enumerate(zip(self.axes, sizes, strict=True)):
            vectors: Tensor = self.get_parameter(f"param_{index}")
            if size != self.shape[index]:
                vectors = _resample(vectors, axis, size, periodic=self.periodic[index])
            # Vectors first, x last: the sum over the whole tensor is then taken once.
            position = vectors if position is None else position + vectors
        return x if position is None else x + position


class AxialSinusoidalEmbedding(nn.Module):
    """Adds fixed waves: each axis fills its share of the features with sines and cosines.

    The waves of Vaswani et al. 2017 (section 3.5) with wavelengths for axes of tens of tokens; on a
    periodic axis whole wavenumbers 1 to n / 2, which continue across its seam.

    Args:
        dim: features d; an axis takes an even number of them, about d / a.
        num_dimensions: number of axes a.
        periodic: per axis, whether it closes on itself. No axis if not given.
        shape: per axis, the size that positions refer to; that of the input if not given.

    Shape: (b, s1, ..., sa, d), features last; input and output are alike.
    """

    def __init__(
        self,
        dim: int,
        num_dimensions: int,
        *,
        periodic: Sequence[bool] | None = None,
        shape: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.pairs = dim // 2 // num_dimensions
        if self.pairs == 0:
            raise ValueError(
                f"dim: expected at least {2 * num_dimensions}, a sine and a cosine for each of "
                f"{num_dimensions} axes, got {dim}"
            )
        self.periodic = check_per_axis("periodic", periodic, num_dimensions, False)
        self.shape = check_per_axis("shape", shape, num_dimensions, None)

    def forward(self, x: Tensor) -> Tensor:
        position = x.new_zeros(*x.shape[1:])
        for index, (periodic, reference) in enumerate(zip(self.periodic, self.shape, strict=True)):
            size = x.shape[index + 1]
            phase = phases(size, self.pairs, periodic, reference, x.device)
            waves = torch.cat([phase.sin(), phase.cos()], dim=-1).to(x.dtype)
            share = position[..., 2 * self.pairs * index : 2 * self.pairs * (index + 1)]
            share.add_(waves.reshape(size, *[1] * (x.ndim - index - 3), -1))
        return x + position


def phases(
    size: int, count: int, periodic: bool, reference: int | None, device: torch.device
) -> Tensor:
    """(n, count) phases in radians of `count` waves at the n = `size` indices of an axis.

    On a periodic axis 2π k i / n for whole wavenumbers k from 1 to half the reference size,
    repeated where there are fewer of them than `count`; elsewhere i ω with wavelengths from 2π to
    2π `LONGEST_WAVE` indices of the reference size.
    """
    reference = size if reference is None else reference
    index = torch.arange(size, device=device, dtype=torch.float64)
    steps = torch.arange(count, device=device, dtype=torch.float64)
    if periodic:
        longest = max(reference // 2, 1)
        wavenumbers = (longest ** (steps / max(count - 1, 1))).round()
        # Reduced to one turn in whole numbers, so that indices n apart agree to the last bit.
        return (index[:, None] * wavenumbers) % size * (2 * math.pi / size)
    if size != reference:
        index = (index + 0.5) * (reference / size) - 0.5
    return index[:, None] * LONGEST_WAVE ** (-steps / max(count - 1, 1))


def rotary_table(
    size: int, dim_heads: int, *, periodic: bool, reference: int | None, device: torch.device
) -> Tensor:
    """(n, e / 2) unit complex numbers that turn the feature pairs of a head at each index."""
    phase = phases(size, dim_heads // 2, periodic, reference, device)
    return torch.polar(torch.ones_like(phase), phase)


def apply_rotary(x: Tensor, table: Tensor, *, axis: int) -> Tensor:
    """x (b, s1, ..., sa, heads, e) with each head's feature pairs turned by their place on `axis`.

    Rotary position embedding (Su et al. 2021, section 3.4.2): the product of a turned query and a
    turned key depends on the difference of their positions alone.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    pairs = torch.view_as_complex(wide.view(*x.shape[:-1], -1, 2))
    table = table.reshape(len(table), *[1] * (x.ndim - axis - 2), table.shape[-1])
    return torch.view_as_real(pairs * table.to(pairs.dtype)).flatten(-2).to(x.dtype)


class RelativeBias(nn.Module):
    """A learned number for each head and each distance j - i between two tokens of an axis.

    It is added to the scores (Raffel et al. 2020, section 2.1, with one bin per distance). On a
    periodic axis distances count around it. It starts as zero.

    Args:
        heads: number of heads.
        size: size n of the axis that distances refer to; another size is taken as another
            resolution of the same domain, linearly between the learned numbers.
        periodic: whether the axis closes on itself.
    """

    def __init__(self, heads: int, size: int, *, periodic: bool) -> None:
        super().__init__()
        self.size = size
        self.periodic = periodic
        self.bias = nn.Parameter(torch.zeros(heads, size if periodic else 2 * size - 1))

    def forward(self, n: int) -> Tensor:
        """(heads, n, n) biases of the scores of query i and key j."""
        index = torch.arange(n, device=self.bias.device)
        steps = index[None, :] - index[:, None]
        table: Tensor = self.bias
        if self.periodic:
            if n != self.size:
                table = _resample(table, 1, n, periodic=True)
            return table[:, steps % n]
        if n != self.size:
            places = torch.arange(1 - n, n, device=table.device, dtype=torch.float64)
            places = (places * (self.size / n)).clamp(1 - self.size, self.size - 1) + self.size - 1
            table = _between(table, 1, places, periodic=False)
        return table[:, steps + n - 1]


def _resample(vectors: Tensor, axis: int, size: int, *, periodic: bool) -> Tensor:
    """`vectors` taken linearly at `size` places evenly spread over the same axis."""
    old = vectors.shape[axis]
    place = torch.arange(size, device=vectors.device, dtype=torch.float64)
    if periodic:
        place = place * (old / size)
    else:
        place = ((place + 0.5) * (old / size) - 0.5).clamp(0, old - 1)
    return _between(vectors, axis, place, periodic=periodic)


def _between(vectors: Tensor, axis: int, place: Tensor, *, periodic: bool) -> Tensor:
    """`vectors` taken linearly at places, in float64, that count along `axis`."""
    old = vectors.shape[axis]
    below = place.floor().long()
    above = (below + 1) % old if periodic else (below + 1).clamp(max=old - 1)
    weights = F.one_hot(below, old) * (1 - place + below)[:, None]
    weights = weights + F.one_hot(above, old) * (place - below)[:, None]
    return (vectors.movedim(axis, -1) @ weights.T.to(vectors.dtype)).movedim(-1, axis)


def check_channel(name: str, dim_index: int, num_dimensions: int) -> int:
    """`dim_index` counted from the first dimension, if it is one that can hold features."""
    if num_dimensions < 1:
        raise ValueError(f"num_dimensions: expected 1 or more axes, got {num_dimensions}")
    rank = num_dimensions + 2
    channel = dim_index + rank if dim_index < 0 else dim_index
    if not 1 <= channel < rank:
        raise ValueError(
            f"{name}: expected 1 to {rank - 1} or {1 - rank} to -1 for {num_dimensions} axes "
            f"(dimension 0 is the batch), got {dim_index}"
        )
    return channel


def check_per_axis(
    name: str, values: Sequence[T] | None, num_dimensions: int, default: T
) -> tuple[T, ...]:
    """`values` as a tuple, one for each axis; the default for all if None."""
    if values is None:
        return (default,) * num_dimensions
    if len(values) != num_dimensions:
        raise ValueError(
            f"{name}: expected {num_dimensions} values, one per axis, got {tuple(values)}"
        )
    return tuple(values)
