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

import torch
from torch import Tensor, nn

from axialcast.nn.checks import check_channel, check_features, check_per_axis
from axialcast.nn.domain import Domain

__all__ = ["AxialPositionalEmbedding", "AxialSinusoidalEmbedding"]

WITHOUT_FLOAT64 = {"mps"}
"""Kinds of devices that have no float64: positions are computed on the CPU for them."""

LONGEST_WAVE = 100.0
"""Ratio of the longest to the shortest wavelength on an axis that is not periodic.

Vaswani et al. 2017 take 10 000 for sentences; an axis has tens of tokens.
"""


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
        self.domain: Domain | None = None
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
        check_features(x, self.dim, self.channel, len(self.shape))
        sizes = tuple(_whole(x.shape[axis], n, self.domain) for n, axis in enumerate(self.axes))
        if sizes != self.shape and not self.interpolate:
            raise ValueError(
                f"x: expected axes of {self.shape}, got {sizes}; set interpolate=True to take "
                "them as another resolution"
            )
        position: Tensor | None = None
        for index, (axis, size) in enumerate(zip(self.axes, sizes, strict=True)):
            # Not get_parameter, which torch.func's stand-ins for parameters fail.
            vectors: Tensor = getattr(self, f"param_{index}")
            if size != self.shape[index]:
                vectors = _resample(vectors, axis, size, periodic=self.periodic[index])
            vectors = _own(vectors, axis, index, self.domain)
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
        self.domain: Domain | None = None
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
            size = _whole(x.shape[index + 1], index, self.domain)
            phase = phases(size, self.pairs, periodic, reference, x.device)
            waves = torch.cat([phase.sin(), phase.cos()], dim=-1).to(x.dtype).to(x.device)
            waves = _own(waves, 0, index, self.domain)
            share = position[..., 2 * self.pairs * index : 2 * self.pairs * (index + 1)]
            share.add_(waves.reshape(len(waves), *[1] * (x.ndim - index - 3), -1))
        return x + position


def _whole(size: int, index: int, domain: Domain | None) -> int:
    """Tokens on all of axis `index`, of which there are `size` here."""
    return domain.length if domain is not None and domain.axis == index else size


def _own(vectors: Tensor, dim: int, index: int, domain: Domain | None) -> Tensor:
    """Of the vectors of axis `index`, those of the tokens here."""
    if domain is None or domain.axis != index:
        return vectors
    return vectors.narrow(dim, domain.band.start, domain.band.stop - domain.band.start)


def phases(
    size: int, count: int, periodic: bool, reference: int | None, device: torch.device
) -> Tensor:
    """(n, count) phases in radians of `count` waves at the n = `size` indices of an axis.

    In float64, on the device if it has that, else on the CPU.

    On a periodic axis 2π k i / n for whole wavenumbers k from 1 to half the reference size,
    repeated where there are fewer of them than `count`; elsewhere i ω with wavelengths from 2π to
    2π `LONGEST_WAVE` indices of the reference size.
    """
    reference = size if reference is None else reference
    index, steps = _counted(size, device), _counted(count, device)
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
    """(n, e / 2) unit complex numbers that turn the feature pairs of a head at each index.

    As `phases`, in complex128 on the device or on the CPU.
    """
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
    table = table.to(pairs.dtype).to(x.device)
    return torch.view_as_real(pairs * table).flatten(-2).to(x.dtype)


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
        """(heads, 2 n - 1) biases of the scores at the steps 1 - n to n - 1 from query to key."""
        if self.periodic:
            around: Tensor = self.bias
            if n != self.size:
                around = _resample(around, 1, n, periodic=True)
            return torch.cat([around[:, 1:], around], dim=1)
        if n == self.size:
            return self.bias
        place = _counted(2 * n - 1, self.bias.device) + (1 - n)
        place = (place * (self.size / n)).clamp(1 - self.size, self.size - 1) + self.size - 1
        return _between(self.bias, 1, place, periodic=False)


def _resample(vectors: Tensor, axis: int, size: int, *, periodic: bool) -> Tensor:
    """`vectors` taken linearly at `size` places evenly spread over the same axis."""
    old = vectors.shape[axis]
    place = _counted(size, vectors.device)
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
    share = (place - below).to(vectors.dtype).view(-1, *[1] * (vectors.ndim - axis - 1))
    below, above, share = (part.to(vectors.device) for part in (below, above, share))
    return torch.lerp(vectors.index_select(axis, below), vectors.index_select(axis, above), share)


def _counted(count: int, device: torch.device) -> Tensor:
    """(count,) 0, 1, 2, … in float64, on the device if it has that, else on the CPU."""
    where = "cpu" if device.type in WITHOUT_FLOAT64 else device
    return torch.arange(count, device=where, dtype=torch.float64)
