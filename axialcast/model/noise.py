"""Noise that a network is conditioned on: fields drawn anew at each step of each member.

FourCastNet 3 (Bonev et al. 2025, arXiv 2507.12144) is given fields that are correlated over
several lengths, AIFS-CRPS (Lang et al. 2024, arXiv 2412.15832) white noise at each point. Here the
first field is white, cell by cell, and the others are white on ever coarser lattices.

Shapes: b windows or members, n fields, h latitudes, w longitudes.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from axialcast.times.dates import Times, microseconds

__all__ = ["FORECAST", "TRAINING", "Noise", "drawn_for"]

TRAINING, FORECAST = 2, 3
"""What is drawn, told to `drawn_for`: noise of training, of forecasts; 1 are perturbations."""
COARSEST = 4
"""Points of the coarsest lattice along the shorter side of the grid."""


def drawn_for(seed: int, init_time: Times, *numbers: int) -> np.random.Generator:
    """Random numbers of one forecast: the same whatever others are made with it, and where.

    Args:
        seed: of the run.
        init_time: () of the forecast, of any calendar.
        numbers: what else they are for: what they stand for, and of which member.
    """
    ticks = int(microseconds(np.asarray(init_time)[None])[0]) % 2**64
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, ticks, *numbers])))


class Noise:
    """Fields of Gaussian noise on a grid, each value of mean 0 and variance 1.

    Field i is white noise on a lattice of s_i by s_i cells, interpolated, with s from 1 to a
    quarter of the grid's shorter side in equal ratios: what is near together is alike, on as many
    scales as there are fields.

    Args:
        num: n.
        shape: (h, w) of the whole grid.
        is_periodic: whether the last longitude adjoins the first.
        rows: of the grid that this process has. The numbers are those of the whole grid.
        device: where fields are wanted.
    """

    def __init__(
        self,
        num: int,
        shape: tuple[int, int],
        *,
        is_periodic: bool,
        rows: slice = slice(None),
        device: torch.device | str = "cpu",
    ) -> None:
        self.shape, self.device = (num, *shape), torch.device(device)
        coarsest = max(1.0, min(shape) / COARSEST)
        self._lattices = []
        for number in range(num):
            spacing = coarsest ** (number / max(1, num - 1))
            south = _interpolation(shape[0], spacing, is_periodic=False)
            east = _interpolation(shape[1], spacing, is_periodic=is_periodic)
            self._lattices.append((south[rows].to(device), east.T.contiguous().to(device)))

    def steps(self, drawn: Sequence[np.random.Generator]) -> Iterator[Tensor]:
        """(b, n, h, w) at one step after another, of the numbers drawn for each of b."""
        while True:
            white = [
                np.stack([d.standard_normal(shape, np.float32) for d in drawn])
                for shape in self.lattices
            ]
            yield self.of([_sent(values, self.device) for values in white])

    @property
    def lattices(self) -> list[tuple[int, int]]:
        """Points of the lattice of each field, as rows and columns."""
        return [(south.shape[1], east.shape[0]) for south, east in self._lattices]

    def of(self, white: Sequence[Tensor]) -> Tensor:
        """(b, n, h, w) fields of standard normal numbers on the lattices, (b, rows, columns)."""
        with torch.autocast(self.device.type, enabled=False):
            pairs = zip(self._lattices, white, strict=True)
            return torch.stack([south @ numbers @ east for (south, east), numbers in pairs], 1)


def _interpolation(num: int, spacing: float, *, is_periodic: bool) -> Tensor:
    """(num, points) weights of the points of a lattice at each cell, their squares adding up to 1.

    Linear between neighbours before that. A spacing that does not divide a circle is stretched.
    """
    place = np.arange(num)
    count = max(1, round(num / spacing)) if is_periodic else int(np.ceil((num - 1) / spacing)) + 1
    spacing = num / count if is_periodic else spacing
    distance = np.abs(place[:, None] - spacing * np.arange(count))
    if is_periodic:
        distance = np.minimum(distance, num - distance)
    weights = np.maximum(0.0, 1 - distance / spacing)
    return torch.from_numpy(weights / np.sqrt((weights**2).sum(1, keepdims=True))).float()


def _sent(values: NDArray[np.float32], device: torch.device) -> Tensor:
    """Values on a device, which reads them when it comes to them."""
    tensor = torch.from_numpy(values)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
