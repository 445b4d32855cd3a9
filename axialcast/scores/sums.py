"""What pairs of forecast and truth say, which scores are made of.

What a block says are arrays by name, a row for each of its initial times, put after those of other
blocks; scores are of the sums over rows. Shapes: i init times, l lead times, c channels, h
latitudes, w longitudes, x grid points, r regions, m models.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.scores.metrics import STATISTICS

__all__ = ["PairSums", "Sums", "joined", "rows_of"]

Sums = dict[str, NDArray[Any]]

CACHED_VALUES = 2**18
"""Grid points whose statistics are computed at once: they stay in the processor's cache, and calls
that are longer leave the interpreter to other threads for longer."""

UNDIVIDED = 8192
"""Longest sum of products: of longer ones, BLAS would take a part to threads of its own."""


class PairSums:
    """Statistics of pairs, area-weighted means of each pair over its known points, and their sums.

    What is noted of a pair follows from it alone: to the bit, whatever else is looked at together.
    Pairs that differ may be noted by threads at once.

    Args:
        sums: where they are, or will be, among others; zero to begin with.
        weights: (r, h, w) each region's cell areas over its area.
        num_models: models scored.
        shape: (i, l, c).
    """

    def __init__(
        self, sums: Sums, weights: NDArray[np.float64], num_models: int, shape: tuple[int, int, int]
    ) -> None:
        num, *by_region = (*shape, len(weights))
        self.sums = rows_of(sums, "sums", (num, len(STATISTICS), num_models, *by_region))
        self.area = rows_of(sums, "area", (num, *by_region))
        self.pairs = rows_of(sums, "pairs", (num, *by_region), np.int8)
        self.size = weights[0].size
        parts = -(-self.size // UNDIVIDED)
        self.padded = parts, -(-self.size // parts)
        self.weights = self._rows((len(weights),))
        self.weights.reshape(len(weights), -1)[:, : self.size] = weights.reshape(len(weights), -1)
        self.whole = self.weights.sum((-2, -1))
        self._one_field = self._rows(())
        self.flat_weights = self.weights.reshape(len(weights), -1)[:, : self.size]

    def add(
        self,
        cases: slice,
        leads: slice,
        channels: slice,
        predictions: Sequence[NDArray[np.floating]],
        truth: NDArray[np.float32],
        normal: NDArray[np.float32],
    ) -> None:
        """Notes pairs of these initial times, lead times and channels.

        Args:
            predictions: (i, l, c, h, w) of each model.
            truth: (i, l, c, h, w) the analysis at the valid times.
            normal: (i, l, c, h, w) the climatology there, which anomalies are taken from.
        """
        num_leads, num_channels = truth.shape[1:3]
        many = max(1, CACHED_VALUES // self.size)
        steps = max(1, many // num_channels), min(many, num_channels)
        work = self._rows((4, min(steps[0], num_leads), steps[1]))
        for case in range(len(truth)):
            for lead in _steps(num_leads, steps[0]):
                for channel in _steps(num_channels, steps[1]):
                    at = (case, lead, channel)
                    fields = [self._flat(prediction[at]) for prediction in predictions]
                    observed, expected = self._flat(truth[at]), self._flat(normal[at])
                    room = work[:, : len(observed), : observed.shape[1]]
                    found = self._statistics(fields, observed, expected, room)
                    rows = (_shifted(lead, leads.start), _shifted(channel, channels.start))
                    self._note((cases.start + case, *rows), *found)

    @property
    def scratch_bytes(self) -> int:
        """Memory that `add` takes for a while."""
        num_regions, padded = len(self.weights), self.padded[0] * self.padded[1]
        at_once = padded * max(1, CACHED_VALUES // self.size)
        return 8 * int(at_once * (5 + num_regions) + padded * (num_regions + 1))

    def area_of(self, where: NDArray[Any], *, squared: bool = False) -> NDArray[np.float64]:
        """(..., r) share of each region's area that points (..., h, w) have; of numbers, their sum
        weighted by it, or that of their squares. By one thread at a time."""
        found = np.empty((*where.shape[:-2], len(self.weights)))
        points = self._one_field.reshape(-1)[: self.size]
        flat = zip(where.reshape(-1, self.size), found.reshape(-1, len(self.weights)), strict=True)
        for values, total in flat:
            points[:] = values
            if squared:
                np.square(points, out=points)
            total[:] = np.vecdot(self._one_field, self.weights).sum(-1)
        return found

    def rows(self) -> dict[str, NDArray[np.float64]]:
        """Statistics by name, (i, m, l, c, r); zero where there is no pair."""
        return dict(zip(STATISTICS, np.moveaxis(self.sums, 1, 0), strict=True))

    def means(self) -> dict[str, NDArray[np.float64]]:
        """Statistics by name, (m, l, c, r); NaN where there is no pair."""
        return {name: rows.sum(0) / self.counted() for name, rows in self.rows().items()}

    def counted(self) -> NDArray[np.float64]:
        """(l, c, r) pairs with anything to score; NaN where there is none."""
        pairs = self.pairs.sum(0, dtype=np.int64)
        return np.asarray(np.where(pairs > 0, pairs, np.nan), np.float64)

    def masked(self) -> NDArray[np.float64]:
        """(l, c, r) share of the area that is left out of the pairs counted."""
        share = 1 - self.area.sum(0) / self.counted()
        return np.asarray(np.where(share > 1e-12, share, 0.0 * np.abs(share)))

    def _statistics(
        self,
        fields: Sequence[NDArray[np.floating]],
        observed: NDArray[np.float32],
        expected: NDArray[np.float32],
        work: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Area sums (6, m, l, c, r) over points where all is known, and (l, c, r) their area."""
        sums = np.empty((len(STATISTICS), len(fields), *work.shape[1:3], len(self.weights)))
        anomaly = work[3]
        points = anomaly.reshape(*anomaly.shape[:2], -1)[..., : self.size]
        np.subtract(observed, expected, out=points, dtype=np.float64)
        if np.isfinite(points).all():
            self._sum(fields, observed, None, work, sums)
            if np.isfinite(sums).all():
                return sums, np.broadcast_to(self.whole, sums.shape[2:])
        known = np.isfinite(points)
        for field in fields:
            known &= np.isfinite(field)
        absent = ~known
        np.copyto(points, 0.0, where=absent)
        self._sum(fields, observed, absent, work, sums)
        seen = self._rows(known.shape[:2])
        seen.reshape(*seen.shape[:2], -1)[..., : self.size] = known
        return sums, self._over_area(seen, self.weights)

    def _sum(
        self,
        fields: Sequence[NDArray[np.floating]],
        observed: NDArray[np.float32],
        absent: NDArray[np.bool_] | None,
        work: NDArray[np.float64],
        sums: NDArray[np.float64],
    ) -> None:
        """Area sums (6, m, l, c, r) of the `STATISTICS`, zero at absent points."""
        error, other, power, anomaly = work
        points = error.reshape(*error.shape[:2], -1)[..., : self.size]
        weighted = anomaly[:, :, None] * self.weights
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is looked at again
            sums[5] = self._over_area(np.square(anomaly, out=power), self.weights)
            for model, field in enumerate(fields):
                np.subtract(field, observed, out=points, dtype=np.float64)
                if absent is not None:
                    np.copyto(points, 0.0, where=absent)
                sums[0, model] = self._over_area(error, self.weights)
                sums[1, model] = self._over_area(np.square(error, out=power), self.weights)
                sums[2, model] = self._over_area(np.abs(error, out=power), self.weights)
                np.add(error, anomaly, out=other)
                sums[3, model] = self._over_area(other, weighted)
                sums[4, model] = self._over_area(np.square(other, out=power), self.weights)

    def _note(
        self, at: tuple[int, slice, slice], sums: NDArray[np.float64], area: NDArray[np.float64]
    ) -> None:
        counted = area > 0
        self.area[at] = area
        self.pairs[at] = counted
        case, leads, channels = at
        self.sums[case, :, :, leads, channels] = np.divide(sums, area, out=sums, where=counted)

    def _over_area(
        self, field: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(l, c, r) sums over the grid of a padded (l, c) field times each region's weights."""
        return np.asarray(np.vecdot(field[:, :, None], weights).sum(-1))

    def _rows(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Zeros for so many fields, each padded to parts of equal length."""
        return np.zeros((*shape, *self.padded))

    def _flat(self, fields: NDArray[Any]) -> NDArray[Any]:
        return fields.reshape(*fields.shape[:2], self.size)


def rows_of(sums: Sums, name: str, shape: Sequence[int], dtype: Any = np.float64) -> NDArray[Any]:
    """The array of a name among others; zero, and among them from now on, if it was not there."""
    if name not in sums:
        sums[name] = np.zeros(shape, dtype)
    assert sums[name].shape == tuple(shape), (name, sums[name].shape, shape)
    return sums[name]


def joined(parts: Iterable[Mapping[str, NDArray[Any]]], num: int) -> Sums:
    """The rows of all parts, one after the other.

    Args:
        num: of rows, of all parts.
    """
    whole: Sums = {}
    first = 0
    for part in parts:
        stop = first
        for name, rows in part.items():
            stop = first + len(rows)
            rows_of(whole, name, (num, *rows.shape[1:]), rows.dtype)[first:stop] = rows
        first = stop
    assert first == num, (first, num)
    return whole


def _steps(length: int, step: int) -> Iterator[slice]:
    return (slice(first, min(first + step, length)) for first in range(0, length, step))


def _shifted(part: slice, start: int) -> slice:
    return slice(part.start + start, part.stop + start)
