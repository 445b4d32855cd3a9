"""Scores of ensembles: how far members are from the truth, from one another, and where it ranks.

Shapes: i init times, l lead times, c channels, m members, h latitudes, w longitudes, x grid points,
e ensembles, r regions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.names import LEVEL
from axialcast.scores.metrics import Means
from axialcast.scores.sums import PairSums, Sums, rows_of

__all__ = [
    "ENSEMBLE_METRICS",
    "ENSEMBLE_STATISTICS",
    "ENSEMBLE_SUMS",
    "RANKS",
    "EnsembleSums",
    "Members",
    "judged",
    "labelled_ranks",
    "mean_of",
    "rank_histogram_name",
]

Floats = np.floating[Any]

ENSEMBLE_SUMS, RANKS = "ensembles", "ranks"
"""Names of their sums among those of pairs."""

ENSEMBLE_STATISTICS = ("crps", "variance", "expected_squared_error")

POINTS = 2**14
"""Grid points that are judged at once: with their members they stay in the processor's cache."""

FORECAST = "forecast"
"""The model whose rank histogram is made."""


@dataclass(frozen=True, eq=False)
class Members:
    """The members of an ensemble at some pairs of initial and lead time.

    Args:
        which: (i, l) numbers of what pairs share: those of one number have the same members and
            the same truth. For each lead time they rise with the initial time.
        values: (c, m, h, w) of such a number.
    """

    which: NDArray[np.intp]
    values: Callable[[int], NDArray[np.float32]]


class Judged(NamedTuple):
    """What is known of an ensemble at each grid point; NaN where fewer than two members are.

    Args:
        crps: (h, w) see `judged`.
        variance: (h, w) between members, unbiased.
        expected: (h, w) squared error of the mean that this variance stands for.
        below, ties: (h, w) how many members are less than the truth, and equal to it.
    """

    crps: NDArray[np.float64]
    variance: NDArray[np.float64]
    expected: NDArray[np.float64]
    below: NDArray[np.intp]
    ties: NDArray[np.intp]


def judged(members: NDArray[Floats], observed: NDArray[Floats]) -> Judged:
    """What members (m, h, w) say of a truth (h, w), point by point; of those that are not NaN.

    The fair continuous ranked probability score (Ferro 2014, Q. J. R. Meteorol. Soc. 140, eq. 4;
    Zamo and Naveau 2018, Math. Geosci. 50, eq. 7) of m members x and the truth y is

        mean |x - y| - sum_{j<k} |x_j - x_k| / (m (m - 1)),

    which does not depend on m where members and truth are of one distribution. Of such an ensemble
    the squared error of the mean is (m + 1) / m times the variance between members, on the average
    (Fortin et al. 2014, J. Hydrometeorol. 15, eq. 15).
    """
    shape, size = observed.shape, observed.size
    every, truth = members.reshape(len(members), size), observed.reshape(size)
    fields = np.full((len(ENSEMBLE_STATISTICS), size), np.nan)
    counts = np.zeros((2, size), np.intp)
    for first in range(0, size, POINTS):
        here = slice(first, first + POINTS)
        errors = every[:, here].T.astype(np.float64) - truth[here, None]
        errors.sort(axis=-1)  # NaN last
        counts[0, here], counts[1, here] = (errors < 0).sum(-1), (errors == 0).sum(-1)
        if np.isfinite(errors[:, -1]).all():
            fields[:, here] = _statistics(errors)
            continue
        known = np.isfinite(errors).sum(-1)
        for num in np.unique(known[known > 1]).tolist():
            rows = known == num
            fields[:, here][:, rows] = _statistics(errors[rows, :num])
    return Judged(*fields.reshape(-1, *shape), *counts.reshape(-1, *shape))


def _statistics(errors: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """(x,) CRPS, variance and expected squared error of the mean, of errors (x, m) in order."""
    num = errors.shape[-1]
    # Not a product of matrices, which BLAS would take to threads of its own.
    apart = np.vecdot(errors, 2.0 * np.arange(num) - (num - 1)) / (num * (num - 1))
    variance = np.square(errors - errors.mean(-1, keepdims=True)).sum(-1) / (num - 1)
    return np.abs(errors).mean(-1) - apart, variance, (num + 1) / num * variance


def mean_of(members: NDArray[Floats], *, axis: int) -> NDArray[np.float64]:
    """Mean over the members that are known, NaN where these are fewer than two."""
    known = np.isfinite(members)
    number = known.sum(axis)
    total = members.sum(axis, dtype=np.float64, where=known)
    return np.asarray(total / np.where(number > 1, number, np.nan))


class EnsembleSums:
    """Sums over pairs of what ensembles say, over the points and pairs that `PairSums` counts.

    Args:
        sums: where they are, or will be, among others; zero to begin with.
        pairs: of the same channels and among the same sums.
        models: names of all that is scored.
        ensembles: those that are ensembles, by their number of members.
    """

    def __init__(
        self, sums: Sums, pairs: PairSums, models: Sequence[str], ensembles: Mapping[str, int]
    ) -> None:
        num, *shape = pairs.area.shape
        self.sums = rows_of(
            sums, ENSEMBLE_SUMS, (num, len(ENSEMBLE_STATISTICS), len(ensembles), *shape)
        )
        self.ranks: NDArray[Any] | None = None
        if FORECAST in ensembles:
            self.ranks = rows_of(sums, RANKS, (num, ensembles[FORECAST] + 1, *shape))
        self.pairs, self.models, self.ensembles = pairs, list(models), list(ensembles)
        self._weights = pairs.flat_weights

    def add(
        self,
        cases: slice,
        leads: slice,
        channels: slice,
        members: Mapping[str, Members],
        predictions: Sequence[NDArray[np.floating]],
        truth: NDArray[np.float32],
        normal: NDArray[np.float32],
    ) -> None:
        """Notes pairs of these initial times, lead times and channels.

        Args:
            members: of each ensemble.
            predictions, truth, normal: as of `PairSums.add`.
        """
        known = np.isfinite(truth) & np.isfinite(normal)
        for field in predictions:
            known &= np.isfinite(field)
        for number, name in enumerate(self.ensembles):
            of = members[name]
            for which in np.unique(of.which).tolist():
                pairs = np.argwhere(of.which == which).tolist()
                values, observed = of.values(which), truth[tuple(pairs[0])]
                for place in range(truth.shape[2]):
                    seen = judged(values[place], observed[place])
                    for case, lead in pairs:
                        at = (cases.start + case, leads.start + lead, channels.start + place)
                        self._note(number, name, at, seen, known[case, lead, place])

    def _note(
        self,
        number: int,
        name: str,
        at: tuple[int, int, int],
        seen: Judged,
        known: NDArray[np.bool_],
    ) -> None:
        fields = np.stack(
            [np.where(known, field, 0.0) for field in seen[: len(ENSEMBLE_STATISTICS)]]
        )
        area, totals = self.pairs.area_of(known), self.pairs.area_of(fields)
        shares = np.divide(totals, area, out=np.zeros_like(totals), where=area > 0)
        case, lead, channel = at
        self.sums[case, :, number, lead, channel] = shares
        if self.ranks is not None and name == FORECAST:
            ranks = self._ranked(seen, known.ravel(), self.ranks.shape[1])
            self.ranks[case, :, lead, channel] = np.divide(
                ranks, area, out=np.zeros_like(ranks), where=area > 0
            )

    def _ranked(self, seen: Judged, known: NDArray[np.bool_], num: int) -> NDArray[np.float64]:
        """(m + 1, r) shares of the area where the truth has a rank among the members; one that is
        equal to some of them counts in equal parts for each rank that it could have."""
        below, ties = seen.below.ravel(), seen.ties.ravel()
        found = np.zeros((num, len(self._weights)))
        for region, weights in enumerate(self._weights):
            for many in np.unique(ties[known]).tolist():
                rows = known & (ties == many)
                shares = weights[rows] / (many + 1)
                for more in range(many + 1):
                    found[:, region] += np.bincount(below[rows] + more, shares, num)
        return found

    def rows(self) -> dict[str, NDArray[np.float64]]:
        """Statistics by name, (i, m, l, c, r); zero where there is no pair, NaN of what is no
        ensemble, but that the CRPS of such a forecast is its absolute error."""
        errors = self.pairs.rows()["absolute_error"]
        found = {name: np.full_like(errors, np.nan) for name in ENSEMBLE_STATISTICS}
        found["crps"] = errors.copy()
        places = [self.models.index(name) for name in self.ensembles]
        for name, rows in zip(ENSEMBLE_STATISTICS, np.moveaxis(self.sums, 1, 0), strict=True):
            found[name][:, places] = rows
        return found

    def means(self) -> dict[str, NDArray[np.float64]]:
        """Statistics by name, (m, l, c, r); NaN where there is no pair, and as `rows` are."""
        counted = self.pairs.counted()
        return {name: rows.sum(0) / counted for name, rows in self.rows().items()}

    def histogram(self) -> NDArray[np.float64] | None:
        """(m + 1, l, c, r) how often the truth has each rank, in all one; None: of one member."""
        if self.ranks is None:
            return None
        return np.asarray(self.ranks.sum(0) / self.pairs.counted())


def crps(means: Means) -> NDArray[np.float64]:
    """Fair continuous ranked probability score, in the variable's units: see `judged`."""
    return means["crps"]


def spread(means: Means) -> NDArray[np.float64]:
    """Root of the mean variance between members, in the variable's units."""
    return np.sqrt(means["variance"])


def member_rmse(means: Means) -> NDArray[np.float64]:
    """Root of the mean squared error of single members, in the variable's units; of a forecast that
    is no ensemble, its own.

    The mean over members of the squared error is that of their mean, and (m - 1) / m times the
    variance between them.
    """
    within = 2 * means["variance"] - means["expected_squared_error"]
    return np.sqrt(means["squared_error"] + np.nan_to_num(within))


def spread_skill(means: Means) -> NDArray[np.float64]:
    """Spread over the error of the mean, corrected for the number of members: 1 is reliable.

    Fortin et al. (2014, eq. 15): sqrt((m + 1) / m) · spread / RMSE. NaN where the error is zero.
    """
    ratio = np.full_like(means["squared_error"], np.nan)
    squares, errors = means["expected_squared_error"], means["squared_error"]
    return np.sqrt(np.divide(squares, errors, out=ratio, where=errors > 0))


ENSEMBLE_METRICS: dict[str, Callable[[Means], NDArray[np.float64]]] = {
    "crps": crps,
    "spread": spread,
    "spread_skill": spread_skill,
    "member_rmse": member_rmse,
}
"""Metrics of ensembles by name; `units` are the variable's, except that `spread_skill` has none."""


def rank_histogram_name(variable: str) -> str:
    """Name of the variable of `evaluate`'s result that has its rank histogram."""
    return f"{variable}_rank_histogram"


def labelled_ranks(
    histogram: NDArray[np.float64], forecast: xr.Dataset, coords: Mapping[str, Any]
) -> xr.Dataset:
    """Rank histograms with their labels.

    Args:
        histogram: (m + 1, l, c, r).
        forecast: that was scored.
        coords: by name: region and those of the forecast.
    """
    fields, start = {}, 0
    for name, array in forecast.data_vars.items():
        num = array.sizes.get(LEVEL, 1)
        places = slice(start, start + num) if LEVEL in array.dims else start
        start += num
        levels = [LEVEL] if LEVEL in array.dims else []
        attrs = {"long_name": f"share of {name} that ranks there among members", "units": "1"}
        dims = ("rank", "lead_time", *levels, "region")
        fields[rank_histogram_name(str(name))] = (dims, histogram[:, :, places], attrs)
    rank = {"long_name": "number of members below the analysis", "units": "1"}
    labels = {**coords, "rank": ("rank", np.arange(len(histogram)), rank)}
    found = xr.Dataset(fields, labels)
    return found.transpose("region", "lead_time", LEVEL, "rank", missing_dims="ignore")
