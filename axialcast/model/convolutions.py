"""Convolutions on a grid, around the globe where it goes around.

Shapes: b windows, c channels, h latitudes, w longitudes.
"""

import math

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Convolution", "ResidualBlock", "norm"]


class ResidualBlock(nn.Module):
    """x + two convolutions, each after a group norm and SiLU."""

    def __init__(self, given: int, made: int, around: bool, dropout: float) -> None:
        super().__init__()
        self.passed = nn.Identity() if given == made else nn.Conv2d(given, made, 1)
        self.branch = nn.Sequential(
            *(norm(given), nn.SiLU(), Convolution(given, made, around)),
            *(norm(made), nn.SiLU(), nn.Dropout(dropout), Convolution(made, made, around)),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.passed(x) + self.branch(x)
        return out


class Convolution(nn.Conv2d):
    """3 x 3, of fields continued by a row and a column on every side."""

    def __init__(self, given: int, made: int, around: bool, stride: int = 1) -> None:
        super().__init__(given, made, 3, stride)
        self.beyond = "circular" if around else "replicate"

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, (1, 1, 0, 0), mode=self.beyond)
        return super().forward(functional.pad(x, (0, 0, 1, 1), mode="replicate"))


def norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(8, width), width)
