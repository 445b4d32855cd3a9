"""Moments of blocks of states and increments, merged without losing digits.

Shapes: n times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Moments"]


@dataclass(frozen=True)
class Moments:
    """Weighted moments of every channel over the cells that are not NaN, all (c,) float64.

    Args:
        weight: sum of the weights of the valid cells.
        mean: their weighted mean; 0 where there are none.
        squares: weighted sum of squared deviations from that mean.
        change_weight: sum of the weights of the cells that are valid at both ends of an increment.
        change_squares: weighted sum of their squared increments.
        missing: number of NaN cells.
        cells: number of cells, NaN or not.
    """

    weight: NDArray[np.float64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]
    change_weight: NDArray[np.float64]
    change_squares: NDArray[np.float64]
    missing: NDArray[np.float64]
    cells: NDArray[np.float64]

    @classmethod
    def none(cls, num_channels: int) -> "Moments":
        """Of no states at all, neutral in `merge`."""
        return cls(*(np.zeros(num_channels) for _ in fields(cls)))

    @classmethod
    def of(
        cls,
        values: NDArray[Any],
        times: NDArray[Any],
        *,
        span: np.timedelta64,
        weights: NDArray[np.float64],
        first: int = 0,
    ) -> "Moments":
        """Moments of a block.

        Args:
            values: (n, c, h, w), NaN where missing.
            times: (n,) increasing, datetime64 or cftime.
            span: from one end of an increment to the other; pairs of times that are not exactly
                so far apart make no increment.
            weights: (h, w) of the cells.
            first: states before it are known already: they only begin increments.
        """
        earlier, later = _pairs(times, span, first)
        num_channels = values.shape[1]
        sums = np.zeros((num_channels, len(fields(cls))))
        for channel in range(num_channels):
            # One channel at a time in double precision, so that little memory is needed.
            column = values[:, channel].astype(np.float64)
            valid = ~np.isnan(column)
            complete = bool(valid.all())
            fresh, known = column[first:], None if complete else valid[first:]
            weight, mean, squares = _moments(fresh, known, weights)
            change = column[later] - column[earlier]
            known = None if complete else valid[later] & valid[earlier]
            change_weight = _total(weights, len(change), known)
            change_squares = float((_zeroed(change, known) ** 2).sum(0).ravel() @ weights.ravel())
            missing = fresh.size - valid[first:].sum()
            sums[channel] = (
                *(weight, mean, squares),
                *(change_weight, change_squares),
                *(missing, fresh.size),
            )
        return cls(*sums.T.copy())

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
        )

    def to_dict(self) -> dict[str, list[float]]:
        """JSON-ready and exact, the inverse of `from_dict`."""
        return {field.name: getattr(self, field.name).tolist() for field in fields(self)}

    @classmethod
    def from_dict(cls, value: Mapping[str, ArrayLike]) -> "Moments":
        return cls(**{name: np.array(numbers, np.float64) for name, numbers in value.items()})


def _moments(
    values: NDArray[np.float64],
    valid: NDArray[np.bool_] | None,
    weights: NDArray[np.float64],
) -> tuple[float, float, float]:
    """Weight, mean and squares of (n, h, w) by the corrected two-pass algorithm.

    Deviations from a guess of the mean are summed and squared, then corrected for the guess (Chan
    et al., eq. 1.7).
    """
    weight = _total(weights, len(values), valid)
    if weight == 0:
        return 0.0, 0.0, 0.0
    guess = float(_zeroed(values, valid).sum(0).ravel() @ weights.ravel()) / weight
    deviation = _zeroed(values - guess, valid)
    excess = float(deviation.sum(0).ravel() @ weights.ravel())
    squares = float((deviation**2).sum(0).ravel() @ weights.ravel())
    return weight, guess + excess / weight, squares - excess**2 / weight


def _total(weights: NDArray[np.float64], num: int, valid: NDArray[np.bool_] | None) -> float:
    """Sum of the weights of the valid cells of `num` fields."""
    if valid is None:
        return float(weights.sum()) * num
    return float(valid.sum(0).ravel() @ weights.ravel())


def _zeroed(values: NDArray[np.float64], valid: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    return values if valid is None else np.where(valid, values, 0.0)


def _pairs(
    times: NDArray[Any], span: np.timedelta64, first: int
) -> tuple[Sequence[int] | NDArray[np.intp], Sequence[int] | NDArray[np.intp]]:
    """Indices of the two ends of every increment whose later end is not before `first`."""
    if len(times) == 0:
        return [], []
    elapsed = np.asarray(times - times[0]).astype("timedelta64[us]")
    wanted = elapsed[first:] - span
    earlier = np.searchsorted(elapsed, wanted)
    # A time is never after itself, so searchsorted stays within the block.
    found = np.flatnonzero(elapsed[earlier] == wanted)
    return earlier[found], found + first
