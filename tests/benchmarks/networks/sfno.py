"""Spherical Fourier neural operator as a network by file: Bonev et al. (2023, sections 3 and 4).

On a global Gauss-Legendre or equiangular grid its filters are functions of the total wavenumber, by
the transforms of the library torch-harmonics. A region has no such transform: there it is a Fourier
neural operator (Li et al. 2021, section 4) on the region and its mirror images, which are periodic.

Shapes: b windows, t input times, n channels, c outputs, h rows, w columns; d features; l total and
m zonal wavenumbers.
"""

from typing import Any

import numpy as np
import torch
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

    def __init__(self, dim: int, grid: Any, modes: int | None) -> None:
        super().__init__()
        from torch_harmonics import InverseRealSHT, RealSHT

        height, width = grid.shape
        latitudes = np.ravel(grid.latitudes)
        gauss = np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(height)[0]))
        is_gauss = np.allclose(np.sort(latitudes), gauss, atol=0.01)
        kind = "legendre-gauss" if is_gauss else "equiangular"
        self.from_south = bool(latitudes[0] < latitudes[-1])
        num = modes or min(height, width // 2)
        # Not part of the state: both follow from the grid.
        self.there = RealSHT(height, width, lmax=num, mmax=num, grid=kind)
        self.back = InverseRealSHT(height, width, lmax=num, mmax=num, grid=kind)
        self.weight = nn.Parameter(torch.randn(num, dim, dim, 2) * (2 * dim) ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flip(-2) if self.from_south else x
        waves = self.there(x.float())
        waves = torch.einsum("bdlm,lde->belm", waves, torch.view_as_complex(self.weight))
        out = self.back(waves.contiguous()).to(x.dtype)
        return out.flip(-2) if self.from_south else out


class Mirrored(nn.Module):
    """Multiplies the lowest waves of a region and its mirror images by a matrix for each."""

    def __init__(self, dim: int, grid: Any, modes: int | None) -> None:
        super().__init__()
        height, width = grid.shape
        self.modes = (min(modes or 12, height), min(modes or 12, width))
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
