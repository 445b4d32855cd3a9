"""Patches in and out, and what a patch knows of where and when it is.

Shapes: b windows, t times, c channels, h latitudes, w longitudes; T, H, W the same counted in
patches; d features.
"""

from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor, nn

from axialcast.grid import Grid

__all__ = [
    "PatchEmbedding",
    "PatchHead",
    "SphereFeatures",
    "SpherePlanes",
    "num_patches",
    "patch_centres",
]


def num_patches(size: Sequence[int], patch: Sequence[int]) -> tuple[int, ...]:
    """Patches along each axis; the last one may be partly padding."""
    return tuple(-(-s // p) for s, p in zip(size, patch, strict=True))


class PatchEmbedding(nn.Module):
    """Projects patches of time × latitude × longitude to features.

    Grids that patches do not divide are padded: around the globe in longitude where it is
    periodic, else by repeating the edge.

    Args:
        num_channels: c.
        dim: d.
        patch: times, latitudes and longitudes in a patch.
        is_periodic: whether the last longitude adjoins the first.
    """

    def __init__(
        self, num_channels: int, dim: int, *, patch: tuple[int, int, int], is_periodic: bool
    ) -> None:
        super().__init__()
        self.patch, self.is_periodic = patch, is_periodic
        self.project = nn.Linear(num_channels * patch[0] * patch[1] * patch[2], dim)

    def forward(self, states: Tensor) -> Tensor:
        """(b, t, c, h, w) → (b, T, H, W, d)."""
        _, p, q = self.patch
        south, east = -states.shape[-2] % p, -states.shape[-1] % q
        if east:
            edge = states[..., :east] if self.is_periodic else states[..., -1:]
            repeat = 1 if self.is_periodic else east
            states = torch.cat([states, edge.repeat_interleave(repeat, -1)], -1)
        if south:
            states = torch.cat([states, states[..., -1:, :].repeat_interleave(south, -2)], -2)
        patches = rearrange(
            states,
            "b (T o) c (H p) (W q) -> b T H W (o c p q)",
            o=self.patch[0],
            p=p,
            q=q,
        )
        tokens: Tensor = self.project(patches)
        return tokens


class PatchHead(nn.Module):
    """Projects features of one time back to a grid; zero at first, so that nothing changes.

    Args:
        dim: d.
        num_channels: c.
        patch: latitudes and longitudes in a patch.
        shape: (h, w) of the grid, to which padded patches are cropped.

    Attributes:
        rows: rows of the grid whose patches come; None: all.
    """

    def __init__(
        self, dim: int, num_channels: int, *, patch: tuple[int, int], shape: tuple[int, int]
    ) -> None:
        super().__init__()
        self.patch, self.shape = patch, shape
        self.rows: slice | None = None
        self.project = nn.Linear(dim, num_channels * patch[0] * patch[1])
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(b, H, W, d) → (b, c, h, w)."""
        p, q = self.patch
        fields: Tensor = rearrange(
            self.project(features), "b H W (c p q) -> b c (H p) (W q)", p=p, q=q
        )
        height = self.shape[0] if self.rows is None else self.rows.stop - self.rows.start
        return fields[..., :height, : self.shape[1]]


class SpherePlanes(nn.Module):
    """Place and time at the centre of every patch, as ten numbers.

    Sine and cosine of latitude, longitude, time of year and local solar time; the seasons of the
    two hemispheres differ, so time of year also comes multiplied by the sine of latitude.

    Args:
        grid: of the states.
        patch: latitudes and longitudes in a patch.

    Attributes:
        band: rows of patches that are wanted; None: all.
    """

    COUNT = 10
    place: Tensor
    longitude: Tensor

    def __init__(self, grid: Grid, *, patch: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.band: slice | None = None
        axes = zip(grid.axes, patch, strict=True)
        centres = [patch_centres(axis, size) for axis, size in axes]
        latitude, longitude = (torch.tensor(at).nan_to_num(0.0) for at in grid.places(*centres))
        phi, theta = torch.deg2rad(latitude), torch.deg2rad(longitude)
        place = [phi.sin() + 0 * theta, phi.cos() + 0 * theta]
        place += [theta.sin() + 0 * phi, theta.cos() + 0 * phi]
        self.register_buffer("place", torch.stack(place, -1).float(), persistent=False)
        self.register_buffer("longitude", (longitude / 360.0).float(), persistent=False)

    def forward(self, calendar: Tensor) -> Tensor:
        """(b, T, 2) fractions of the year and of the UTC day → (b, T, H, W, 10)."""
        turn = 2 * torch.pi
        place = self.place if self.band is None else self.place[self.band]
        year, day = calendar[..., 0, None, None] * turn, calendar[..., 1, None, None]
        longitude = self.longitude
        if self.band is not None and len(longitude) > 1:
            longitude = longitude[self.band]
        solar = (day + longitude) * turn
        sine = place[None, None, ..., 0]
        season = [year.sin(), year.cos(), year.sin() * sine, year.cos() * sine]
        season += [solar.sin(), solar.cos()]
        shape = (*calendar.shape[:2], *place.shape[:2])
        moving = torch.stack([feature.expand(shape) for feature in season], -1)
        return torch.cat([place.expand(*shape, 4), moving], -1)


class SphereFeatures(SpherePlanes):
    """Features of place and time at the centre of every patch: a projection of `SpherePlanes`.

    Args:
        grid, patch: as for SpherePlanes.
        dim: d.
    """

    def __init__(self, grid: Grid, dim: int, *, patch: tuple[int, int]) -> None:
        super().__init__(grid, patch=patch)
        self.project = nn.Linear(self.COUNT, dim)

    def forward(self, calendar: Tensor) -> Tensor:
        """(b, T, 2) fractions of the year and of the UTC day → (b, T, H, W, d)."""
        projected: Tensor = self.project(super().forward(calendar))
        return projected


def patch_centres(coordinate: NDArray[np.float64], patch: int) -> NDArray[np.float64]:
    """Mean coordinate of every patch; a partial one is continued at the grid's spacing."""
    missing = -len(coordinate) % patch
    if missing:
        step = coordinate[-1] - coordinate[-2] if len(coordinate) > 1 else 0.0
        more = coordinate[-1] + step * np.arange(1, missing + 1)
        coordinate = np.concatenate([coordinate, more])
    centres: NDArray[np.float64] = coordinate.reshape(-1, patch).sum(1) / patch
    return centres
