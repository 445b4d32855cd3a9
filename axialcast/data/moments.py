"""Moments of an analysis: of blocks of states and increments, merged without losing digits.

Shapes: n times, c channels, h latitudes, w longitudes, x cells.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.cores import on_all_cores
from axialcast.data.reader import Analysis
from axialcast.data.transform import logarithm
from axialcast.times.dates import later

__all__ = ["Moments", "moments_of"]

TILE_VALUES = 2**16
"""Values taken together in double precision: they stay in cache."""


@dataclass(frozen=True)
class Moments:
    """Weighted moments of every channel over the cells that are not NaN, all (c,) float64.

    Args:
        weight: sum of the weights of the valid cells.
        mean: their weighted mean; 0 where there are none, NaN where one is infinite.
        squares: weighted sum of squared deviations from that mean; NaN likewise.
        change_weight: sum of the weights of the cells that are valid at both ends of an increment.
        change_squares: weighted sum of their squared increments.
        missing: number of NaN cells.
        cells: number of cells, NaN or not.
        lowest, highest: of the values; NaN where there are none, or none was looked for.
    """

    weight: NDArray[np.float64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]
    change_weight: NDArray[np.float64]
    change_squares: NDArray[np.float64]
    missing: NDArray[np.float64]
    cells: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]

    @classmethod
    def none(cls, num_channels: int) -> "Moments":
        """Of no states at all, neutral in `merge`."""
        nothing = [np.full(num_channels, fill) for fill in (*[0.0] * 7, np.nan, np.nan)]
        return cls(*nothing)

    @property
    def infinite(self) -> NDArray[np.bool_]:
        """(c,) whether a value is infinite."""
        infinite: NDArray[np.bool_] = ~np.isfinite(self.squares)
        return infinite

    @classmethod
    def of(
        cls,
        values: NDArray[Any],
        times: NDArray[Any],
        *,
        span: np.timedelta64,
        weights: NDArray[np.float64],
        first: int = 0,
        scales: NDArray[np.float64] | None = None,
    ) -> "Moments":
        """Moments of a block.

        Args:
            values: (n, c, h, w), NaN where missing.
            times: (n,) increasing, datetime64 or cftime.
            span: from one end of an increment to the other; pairs of times that are not exactly
                so far apart make no increment.
            weights: (h, w) of the cells.
            first: states before it are known already: they only begin increments.
            scales: (c,) of the logarithms that moments are of, but for the lowest and the highest
                value (see `axialcast.data.transform`); 0, or None: of the values.
        """
        starts, ends = _pairs(times, span, first)
        flat = values.reshape(*values.shape[:2], -1)

        def gather(channel: int) -> tuple[float, ...]:
            column, each = flat[:, channel], weights.ravel()
            scale = 0.0 if scales is None else float(scales[channel])
            weight, mean, squares, lowest, highest = _moments(column[first:], each, scale)
            return (
                *(weight, mean, squares),
                *_squared_changes(column, starts, ends, each, scale),
                float(np.isnan(column[first:]).sum()),
                float(column[first:].size),
                *(lowest, highest),
            )

        return cls(*np.array(on_all_cores(gather, range(values.shape[1])), np.float64).T)

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both together.

        Chan, Golub & LeVeque (1983), The American Statistician 37, 242-247, eq. 2.1, for weights
        in the place of counts.
        """
        weight = self.weight + other.weight
        share = np.divide(other.weight, weight, out=np.zeros_like(weight), where=weight > 0)
        delta = other.mean - self.mean
        return Moments(
            weight=weight,
            mean=self.mean + delta * share,
            squares=self.squares + other.squares + delta**2 * self.weight * share,
            change_weight=self.change_weight + other.change_weight,
            change_squares=self.change_squares + other.change_squares,
            missing=self.missing + other.missing,
            cells=self.cells + other.cells,
            lowest=np.fmin(self.lowest, other.lowest),
            highest=np.fmax(self.highest, other.highest),
        )

    def to_dict(self) -> dict[str, list[float | str]]:
        """JSON-ready and exact, the inverse of `from_dict`; what is not finite is text, as JSON
        has no such numbers."""
        values = {field.name: getattr(self, field.name).tolist() for field in fields(self)}
        return {
            name: [x if math.isfinite(x) else str(x) for x in numbers]
            for name, numbers in values.items()
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Sequence[float | str]]) -> "Moments":
        """Version 0.1.0 did not look for the lowest and the highest."""
        unknown = dict.fromkeys(("lowest", "highest"), [np.nan] * len(value["weight"]))
        every = {**unknown, **value}
        return cls(**{name: np.array(numbers, np.float64) for name, numbers in every.items()})


def moments_of(
    analysis: Analysis,
    *,
    span: np.timedelta64,
    overlap: int,
    weights: NDArray[np.float64],
    num_bytes: int,
    scales: NDArray[np.float64] | None = None,
) -> Moments:
    """Moments of a whole analysis, read once.

    Args:
        span, scales: as in `Moments.of`.
        overlap: most times from one end of an increment to the other.
        weights: (h, w) of the cells.
        num_bytes: of the states that are held.
    """
    names = [each.name for each in fields(Moments)]
    total = np.stack([getattr(Moments.none(len(analysis.channels)), name) for name in names])
    for group in analysis.groups(num_bytes, overlap=overlap, by_cells=True):
        channels, rows, columns = group.place
        # Sums of cells add up as those of times do.
        moments = Moments(*total[:, channels])
        for block in group.blocks(num_bytes, overlap=overlap):
            fresh = Moments.of(
                block.values,
                block.times,
                span=span,
                weights=weights[rows, columns],
                first=block.overlap,
                scales=None if scales is None else scales[channels],
            )
            moments = moments.merge(fresh)
        total[:, channels] = [getattr(moments, name) for name in names]
    return Moments(*total)


def _moments(values: NDArray[Any], weights: NDArray[np.float64], scale: float) -> tuple[float, ...]:
    """Weight, mean, weighted sum of squared deviations, lowest and highest of (n, x).

    Of each tile by the corrected two-pass algorithm: deviations from a guess of the mean are summed
    and squared, then corrected for the guess (Chan et al., eq. 1.7).
    """
    tiles, lowest, highest = [], np.nan, np.nan
    for rows in _tiles(len(values), len(weights)):
        given = values[rows]
        part = given.astype(np.float64)
        valid = None
        weight = len(part) * float(weights.sum())
        low, high = float(given.min()), float(given.max())
        if np.isnan(low):
            valid = ~np.isnan(part)
            weight = float(valid.sum(0) @ weights)
            low, high = float(np.fmin.reduce(given, None)), float(np.fmax.reduce(given, None))
            part[~valid] = 0.0
        lowest, highest = np.fmin(lowest, low), np.fmax(highest, high)
        if weight == 0:
            continue
        if np.isinf([low, high]).any():
            return weight, np.nan, np.nan, lowest, highest
        if scale:
            part = logarithm(part, scale)
        guess = _weighted(part, weights) / weight
        part -= guess
        if valid is not None:
            part[~valid] = 0.0
        excess = _weighted(part, weights)
        squares = _weighted(np.square(part, out=part), weights)
        squares = max(squares - excess**2 / weight, 0.0)
        tiles.append((weight, guess + excess / weight, squares))
    if not tiles:
        return 0.0, 0.0, 0.0, lowest, highest
    weight, mean, squares = np.array(tiles).T
    overall = float(weight @ mean / weight.sum())
    squares = float(squares.sum() + weight @ (mean - overall) ** 2)
    return float(weight.sum()), overall, squares, lowest, highest


def _squared_changes(
    values: NDArray[Any],
    starts: NDArray[np.intp],
    ends: NDArray[np.intp],
    weights: NDArray[np.float64],
    scale: float,
) -> tuple[float, float]:
    """Weight and weighted sum of the squared increments of (n, x) that are valid at both ends."""
    weight = squares = 0.0
    for rows in _tiles(len(ends), len(weights)):
        with np.errstate(invalid="ignore"):  # infinities: `_moments` has seen them
            pair = [values[ends[rows]], values[starts[rows]]]
            if scale:
                pair = [logarithm(end.astype(np.float64), scale) for end in pair]
            change = np.subtract(*pair, dtype=np.float64)
        total = _weighted(np.square(change, out=change), weights)
        if np.isnan(total):
            valid = ~np.isnan(change)
            weight += float(valid.sum(0) @ weights)
            change[~valid] = 0.0
            total = _weighted(change, weights)
        else:
            weight += len(change) * float(weights.sum())
        squares += total
    return weight, squares


def _weighted(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Weighted sum of (n, x)."""
    return float(np.einsum("nx,x->", values, weights))


def _tiles(num: int, num_cells: int) -> list[slice]:
    length = max(1, TILE_VALUES // num_cells)
    return [slice(start, start + length) for start in range(0, num, length)]


def _pairs(
    times: NDArray[Any], span: np.timedelta64, first: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the two ends of every increment whose later end is not before `first`."""
    if len(times) == 0:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    wanted = later(times[first:], -span)
    starts = np.searchsorted(times, wanted)
    # A time is never after itself, so searchsorted stays within the block.
    found = np.flatnonzero(times[starts] == wanted)
    return starts[found], found + first
