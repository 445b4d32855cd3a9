"""Patches of two grids along one axis: where those of one lie among those of the other.

Shapes: n, m patches and p, q cells of a patch, of the old grid and of the new one.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.grid import Grid
from axialcast.model.embedding import patch_centres

__all__ = ["Along", "Matrix", "along"]

Matrix = NDArray[np.floating[Any]]
ALIKE = 0.02
"""Spacings that differ by less are the same: rows of Gaussian grids are not quite even."""
HALF = 0.5
"""Share of the new patches that must lie within the old ones' reach to count as the same domain."""


@dataclass(frozen=True)
class Along:
    """How what was learned along an axis of one grid is used along that of another one.

    Args:
        places: (m, n) linear interpolation from the old patches' centres to the new ones'.
        cells: (q, p) from the cells of an old patch to those of a new one.
        is_relative: whether the domains have so little in common that a place is a share of each,
            as the middle is, not degrees.
    """

    places: Matrix
    cells: Matrix
    is_relative: bool

    @property
    def kernel(self) -> Matrix:
        """(q, p) weights of a new patch's cells from those of an old one's, that see the same.

        The pseudo-inverse resize of Beyer et al. 2023 (FlexiViT, section 3.4): what the new
        weights make of interpolated cells is what the old ones made of the cells.
        """
        inverse: Matrix = np.linalg.pinv(self.cells.T)
        return _plain(inverse)


def along(old: Grid, new: Grid, axis: int, patches: tuple[int, int]) -> Along:
    """Of the rows (axis 0) or columns (1) of two grids, whose patches have p and q cells."""
    was, now = old.axes[axis], new.axes[axis]
    places, is_relative = _places(old, new, axis, patches)
    p, q = patches
    spacings = _spacing(was), _spacing(now)
    if _units(old) != _units(new):
        spacings = 1.0 / p, 1.0 / q
    return Along(_plain(places), _plain(_cells(p, q, *spacings)), is_relative)


def _cells(p: int, q: int, was: float, now: float) -> Matrix:
    """(q, p) the linear interpolant of p cells, `was` apart, at q cells, `now` apart, same centre.

    A cell wider than an old one has the mean of as many points as old ones fit into it. Patches
    that reach further than the old ones are drawn together to their size: nothing is known of what
    is beyond them.
    """
    if p == 1:
        return np.ones((q, 1))
    ratio = now / was
    if abs(abs(ratio) - 1) < ALIKE:
        ratio = math.copysign(1.0, ratio)
    ratio *= min(1.0, p / abs(q * ratio))
    num = max(1, math.ceil(abs(ratio) - ALIKE))
    within = (np.arange(num) + 0.5) / num - 0.5
    points = ((np.arange(q) - (q - 1) / 2)[:, None] + within) * ratio + (p - 1) / 2
    before = np.clip(np.floor(points), 0, p - 2).astype(int)
    share = points - before  # below 0 and above 1 at the edges, where the line goes on
    cells = np.zeros((q, p))
    for index in range(num):
        np.add.at(cells, (np.arange(q), before[:, index]), (1 - share[:, index]) / num)
        np.add.at(cells, (np.arange(q), before[:, index] + 1), share[:, index] / num)
    return cells


def _places(old: Grid, new: Grid, axis: int, patches: tuple[int, int]) -> tuple[Matrix, bool]:
    """(m, n) places, and whether they are relative."""
    was, now = (patch_centres(g.axes[axis], p) for g, p in zip((old, new), patches, strict=True))
    turn = 360.0 if axis == 1 and old.is_periodic else None
    if is_alike(old, new):
        if axis == 1 and old.dims[1] == "longitude" and turn is None:
            now = now - 360.0 * round((now.mean() - was.mean()) / 360.0)
        reach = np.sort(was)[[0, -1]] + np.array([-0.5, 0.5]) * abs(_spacing(was))
        inside = (now >= reach[0]) & (now <= reach[1])
        if turn is not None or inside.mean() >= HALF:
            return _interpolation(was, now, turn), False
    n, m = len(was), len(now)
    share = (np.arange(m) + 0.5) * (n / m) - 0.5
    return _interpolation(np.arange(n, dtype=np.float64), share, None), True


def is_alike(old: Grid, new: Grid) -> bool:
    """Whether coordinates of two grids mean the same places."""
    if old.dims != new.dims:
        return False
    rows, columns = (axis[np.linspace(0, len(axis) - 1, 5).astype(int)] for axis in new.axes)
    one, two = (np.stack(np.broadcast_arrays(*g.places(rows, columns))) for g in (old, new))
    return bool(np.allclose(one, two, atol=1e-3, equal_nan=True))


def _interpolation(have: Matrix, want: Matrix, turn: float | None) -> Matrix:
    """(m, n) weights of linear interpolation; beyond the ends the nearest, or around the turn."""
    order = np.argsort(have)
    line = have[order]
    if turn is not None:
        order, line = np.append(order, order[0]), np.append(line, line[0] + turn)
        want = (want - line[0] + 1e-6) % turn - 1e-6 + line[0]
    after = np.clip(np.searchsorted(line, want), min(1, len(line) - 1), len(line) - 1)
    before = np.maximum(after - 1, 0)
    span = np.where(after > before, line[after] - line[before], 1.0)
    share = np.clip((want - line[before]) / span, 0.0, 1.0)
    weights = np.zeros((len(want), len(have)))
    rows = np.arange(len(want))
    np.add.at(weights, (rows, order[before]), 1 - share)
    np.add.at(weights, (rows, order[after]), share)
    return weights


def _units(grid: Grid) -> object:
    """Of the distances between its rows and columns."""
    return getattr(grid, "units", grid.dims)


def _spacing(axis: Matrix) -> float:
    return float((axis[-1] - axis[0]) / (len(axis) - 1)) if len(axis) > 1 else 1.0


def _plain(matrix: Matrix) -> Matrix:
    """Without what rounding left of zeros and ones."""
    nearest = matrix.round()
    return np.where(np.abs(matrix - nearest) < 1e-6, nearest, matrix)
