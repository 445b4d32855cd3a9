"""Sums over pairs of forecast and truth, which scores are made of.

Sums of a block are arrays by name, `<variable>/<what>`, that are added to others of the same names.
Shapes: i init times, l lead times, z levels, h latitudes, w longitudes, r regions, m models.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.scores.metrics import STATISTICS, area_sums, pair_statistics

__all__ = ["Sums", "VariableSums", "total"]

Sums = dict[str, NDArray[Any]]

CACHED_VALUES = 2**15
"""Grid points whose statistics are computed at once: they stay in the processor's cache."""


class VariableSums:
    """Sums over pairs of one variable's statistics, area-weighted means of each pair.

    Args:
        sums: where they are, or will be, among others; zero to begin with.
        name: of the variable.
        weights: (r, h, w) each region's cell areas over its area.
        num_models: models scored.
        shape: lead times, and levels where there are any.
    """

    def __init__(
        self,
        sums: Sums,
        name: str,
        weights: NDArray[np.float64],
        num_models: int,
        shape: tuple[int, ...],
    ) -> None:
        self.weights = weights
        by_region = (*shape, len(weights))
        self.sums = sums.setdefault(
            f"{name}/sums", np.zeros((len(STATISTICS), num_models, *by_region))
        )
        self.area = sums.setdefault(f"{name}/area", np.zeros(by_region))
        self.pairs = sums.setdefault(f"{name}/pairs", np.zeros(by_region, dtype=np.int64))

    def add(
        self,
        leads: slice,
        predictions: Sequence[NDArray[Any]],
        truth: NDArray[Any],
        reference: NDArray[Any],
    ) -> None:
        """Add pairs (i, l, [z], h, w) of these lead times."""
        num_leads = truth.shape[1]
        step = min(num_leads, max(1, CACHED_VALUES // max(1, truth[0, 0].size)))
        work = np.empty((len(STATISTICS), step, *truth.shape[2:]))
        for case in range(len(truth)):
            for lead in range(0, num_leads, step):
                part = slice(lead, min(lead + step, num_leads))
                fields = [prediction[case, part] for prediction in predictions]
                observed, normal = truth[case, part], reference[case, part]
                valid = np.isfinite(sum(fields, observed + normal))
                area = area_sums(valid.astype(np.float64), self.weights)
                counted = area > 0
                rows = slice(leads.start + part.start, leads.start + part.stop)
                self.area[rows] += area
                self.pairs[rows] += counted
                for model, field in enumerate(fields):
                    statistics = pair_statistics(
                        field, observed, normal, valid, out=work[:, : len(field)]
                    )
                    sums = area_sums(statistics, self.weights)
                    self.sums[:, model, rows] += np.divide(sums, area, out=sums, where=counted)

    def means(self) -> dict[str, NDArray[np.float64]]:
        """Statistics by name, (m, l, [z], r); NaN where there is no pair."""
        pairs = np.where(self.pairs > 0, self.pairs, np.nan)
        return dict(zip(STATISTICS, self.sums / pairs, strict=True))

    def masked(self) -> NDArray[np.float64]:
        """(l, [z], r) share of the area that is left out of the pairs counted."""
        share = 1 - self.area / np.where(self.pairs > 0, self.pairs, np.nan)
        return np.where(share > 1e-12, share, 0.0 * np.abs(share))


def total(parts: Iterable[Mapping[str, NDArray[Any]]]) -> Sums:
    """The parts added one after the other: the same in one go and in many."""
    whole: Sums = {}
    for part in parts:
        for name, array in part.items():
            if name in whole:
                whole[name] += array
            else:
                whole[name] = array.copy()
    return whole
