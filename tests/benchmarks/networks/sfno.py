"""Spherical Fourier neural operator as a network by file: Bonev et al. (2023, sections 3 and 4).

On a globe its filters are functions of the total wavenumber, exactly so on Gauss-Legendre grids.
(The library torch-harmonics has such transforms, for newer versions of torch than ours; these are
equal to them.) A region has none: there it is a Fourier neural operator (Li et al. 2021, section 4)
on the region and its mirror images, which are periodic.

Shapes: b windows, t input times, n channels, c outputs, h rows, w columns; d features; l total and
m zonal wavenumbers.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def build(
    num_channels: int,
    grid: Any,
    *,
    num_outputs: int,
    input_steps: int,
    dim: int = 64,
    depth: int = 4,
    modes: int | None = None,
) -> nn.Module:
    kind = Spherical if grid.is_periodic else Mirrored
    filters = [kind(dim, grid, modes) for _ in range(depth)]
    return Operator(num_channels * input_steps, num_outputs, dim, filters)


class Operator(nn.Module):
    """Perceptrons of each point into and out of blocks that filter whole fields."""

    def __init__(self, given: int, made: int, dim: int, filters: list[nn.Module]) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(given, dim, 1), nn.GELU(), nn.Conv2d(dim, dim, 1))
        self.blocks = nn.ModuleList(Block(dim, one) for one in filters)
        self.leave = nn.Sequential(nn.Conv2d(dim, dim, 1), nn.GELU(), nn.Conv2d(dim, made, 1))
        nn.init.zeros_(self.leave[2].weight)
        nn.init.zeros_(self.leave[2].bias)

    def forward(self, fields: Tensor) -> Tensor:
        """(b, t, n, h, w) → (b, c, h, w)."""
        x = self.enter(fields.flatten(1, 2))
        for block in self.blocks:
            x = block(x)
        return self.leave(x)


class Block(nn.Module):
    """x + perceptron(gelu(filter(norm(x)) + linear(norm(x)))): their figure 3."""

    def __init__(self, dim: int, filtered: nn.Module) -> None:
        super().__init__()
        self.norm, self.filtered = nn.GroupNorm(1, dim), filtered
        self.linear = nn.Conv2d(dim, dim, 1)
        self.perceptron = nn.Sequential(
            nn.Conv2d(dim, 2 * dim, 1), nn.GELU(), nn.Conv2d(2 * dim, dim, 1)
        )
        nn.init.normal_(self.perceptron[2].weight, std=0.1 * (2 * dim) ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        seen = nn.functional.gelu(self.filtered(normed) + self.linear(normed))
        return x + self.perceptron(seen)


class Spherical(nn.Module):
    """Multiplies coefficients by a d x d matrix for each l, whatever m: their equation 7."""

    legendre: Tensor
    weights: Tensor

    def __init__(self, dim: int, grid: Any, modes: int | None) -> None:
        super().__init__()
        height, width = grid.shape
        num = modes or min(height, width // 2)
        sines = np.sin(np.deg2rad(np.ravel(grid.latitudes)))
        nodes, weights = np.polynomial.legendre.leggauss(height)
        if not np.allclose(np.sort(sines), nodes, atol=1e-4):
            weights = np.sort(sines)  # none of Gauss: cells count by what they span
            edges = np.concatenate([[-1], (weights[1:] + weights[:-1]) / 2, [1]])
            weights = np.diff(edges)
        weights = weights if sines[0] < sines[-1] else weights[::-1]
        # Not part of the state: both follow from the grid.
        for name, values in (("legendre", legendre(num, sines)), ("weights", weights)):
            tensor = torch.tensor(np.ascontiguousarray(values), dtype=torch.float32)
            self.register_buffer(name, tensor, persistent=False)
        self.weight = nn.Parameter(torch.randn(num, dim, dim, 2) * (2 * dim) ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        num, width = len(self.legendre), x.shape[-1]
        weighted = x.float() * self.weights[:, None]
        zonal = torch.fft.rfft(weighted, norm="forward")[..., :num]
        legendre = self.legendre.to(zonal.dtype)
        waves = torch.einsum("bdhm,lmh->bdlm", zonal, legendre)
        waves = torch.einsum("bdlm,lde->belm", waves, torch.view_as_complex(self.weight))
        zonal = torch.einsum("belm,lmh->behm", waves, legendre)
        return torch.fft.irfft(zonal, n=width, norm="forward").to(x.dtype)


def legendre(num: int, sines: NDArray[np.float64]) -> NDArray[np.float64]:
    """(l, m, h) associated Legendre functions of sines of latitude, orthonormal over [-1, 1].

    By the recurrence in l of Holmes & Featherstone (2002, equation 11).
    """
    found = np.zeros((num, num, len(sines)))
    sectoral = np.full_like(sines, 0.5**0.5)
    for m in range(num):
        found[m, m] = sectoral
        for n in range(m + 1, num):
            a = ((4 * n**2 - 1) / (n**2 - m**2)) ** 0.5
            b = (((n - 1) ** 2 - m**2) / (4 * (n - 1) ** 2 - 1)) ** 0.5
            found[n, m] = a * (sines * found[n - 1, m] - b * found[n - 2, m] * (n > m + 1))
        sectoral = sectoral * ((2 * m + 3) / (2 * m + 2) * (1 - sines**2)) ** 0.5
    return found


class Mirrored(nn.Module):
    """Multiplies the lowest waves of a region and its mirror images by a matrix for each."""

    def __init__(self, dim: int, grid: Any, modes: int | None) -> None:
        super().__init__()
        height, width = grid.shape
        self.modes = (min(modes or 8, height), min(modes or 8, width))
        rows, columns = 2 * self.modes[0] - 1, self.modes[1]
        self.weight = nn.Parameter(torch.randn(rows, columns, dim, dim, 2) * (2 * dim) ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        (rows, columns), num = self.modes, 2 * height
        twice = torch.cat([x, x.flip(-2)], -2)
        twice = torch.cat([twice, twice.flip(-1)], -1).float()
        waves = torch.fft.rfft2(twice, norm="ortho")
        kept = [*range(rows), *range(num - rows + 1, num)]
        weight = torch.view_as_complex(self.weight)
        some = torch.einsum("bdlm,lmde->belm", waves[..., kept, :columns], weight)
        out = torch.zeros_like(waves)
        out[..., kept, :columns] = some
        return torch.fft.irfft2(out, s=twice.shape[-2:], norm="ortho")[..., :height, :width].to(
            x.dtype
        )
