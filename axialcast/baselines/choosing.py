"""How many lags, how much ridge and whether the season: what years that were left out want.

Shapes: n times, a times of the gapless axis, m earlier states, k patterns, r functions of the
season, i initial times, f folds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.baselines.autoregression import (
    Numbers,
    moments,
    own_memory,
    predictors,
    regression,
)
from axialcast.baselines.baseline import spacing, whole_steps
from axialcast.baselines.cycle import annual_basis
from axialcast.cores import on_all_cores
from axialcast.times.calendars import gapless_axis
from axialcast.times.dates import Times, later
from axialcast.times.months import month_numbers

__all__ = ["Choice", "Series", "chosen", "folds_of"]

LAGS = (3, 2)
RIDGES = (1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0)
SEASON_RIDGES = (10.0, 3.0)
JUDGED = (1, 2, 4, 8)
"""Lags ahead that free-running forecasts are judged at."""
MOST_FOLDS, FEWEST_YEARS, PARTS = 8, 3, 5
STARTS = 600
"""Initial times that choices are judged from."""
FEWEST_ROWS = 40
"""Below, there is nothing to choose by."""


@dataclass(frozen=True)
class Choice:
    """Settings of a vector autoregression.

    Args:
        lags: m.
        ridge: as of `regression`, towards each pattern's own memory.
        season_ridge: as of `regression`; 0: the weights do not vary with the season.
    """

    lags: int = 2
    ridge: float = 0.1
    season_ridge: float = 0.0


class Series:
    """Amplitudes of the training period on its gapless axis.

    Args:
        values: (n, k); all zero where a state is missing.
        times: (n,).
        lag: of one step.

    Attributes:
        axis: (a,) row of the values at each time, -1 where a state is missing.
        season: (a, r) functions of the season: one, cosine and sine of the year.
        steps: times of the axis in a lag.
    """

    def __init__(self, values: NDArray[np.float32], times: Times, lag: np.timedelta64) -> None:
        axis, cadence = gapless_axis(times)
        self.values, self.times = values, times
        self.axis = np.where((axis >= 0) & np.any(values, axis=1)[axis], axis, -1)
        self.season = annual_basis(later(times[:1], np.arange(len(axis)) * cadence), 1)
        self.steps = int(whole_steps("lag", np.array([lag]), spacing(times))[0])

    def rows(self, lags: int) -> NDArray[np.int64]:
        """(m + 1, n) positions on the axis of m states, the earliest first, and of the one ahead,
        where all are there."""
        offsets = self.steps * np.arange(lags + 1)[:, None]
        places = np.arange(max(len(self.axis) - offsets[-1, 0], 0)) + offsets
        return places[:, (self.axis[places] >= 0).all(0)]

    def moments(self, rows: NDArray[np.int64], *, season: bool) -> tuple[Numbers, Numbers]:
        """`autoregression.moments` of positions on the axis."""
        return moments(self.values, self.axis[rows], self.season[rows[-2]] if season else None)

    def weights(self, choice: Choice) -> Numbers:
        """(r m k, k) regressed on all rows."""
        return weights_of(*self._moments_of(choice, slice(None)), choice)

    def crossed(self, choice: Choice) -> Numbers:
        """(f, r m k, k) regressed on all rows but those ahead in each fold."""
        folds = folds_of(self.times)[self.axis[self.rows(choice.lags)[-1]]]
        whole = self._moments_of(choice, slice(None))
        found = []
        for fold in range(int(folds_of(self.times).max()) + 1):
            part = self._moments_of(choice, folds == fold)
            found.append(weights_of(whole[0] - part[0], whole[1] - part[1], choice))
        return np.stack(found)

    def _moments_of(self, choice: Choice, which: Any) -> tuple[Numbers, Numbers]:
        rows = self.rows(choice.lags)[:, which]
        return self.moments(rows, season=choice.season_ridge > 0)


def weights_of(squares: Numbers, products: Numbers, choice: Choice) -> Numbers:
    """(r m k, k) the weights of a choice, of its moments."""
    prior = own_memory(squares, products, choice.lags)
    return regression(
        squares, products, choice.ridge, season_ridge=choice.season_ridge or 1.0, prior=prior
    )


def folds_of(times: Times) -> NDArray[np.int64]:
    """(n,) the fold that each time is in: whole years of its calendar, or equal parts of less.

    At most `MOST_FOLDS`, of years that follow each other.
    """
    years = month_numbers(times) // 12
    years -= years[0]
    num = int(years[-1]) + 1
    if num < FEWEST_YEARS:
        return np.arange(len(times)) * PARTS // len(times)
    return np.asarray(years * min(num, MOST_FOLDS) // num)


def chosen(series: Series) -> Choice:
    """The choice whose free-running forecasts of what was left out are best.

    The score is the mean over `JUDGED` of the logarithm of the squared error of all amplitudes,
    each fold forecast by weights that never saw it. Lags and ridge are chosen first, then whether
    weights vary with the season.
    """
    if series.rows(LAGS[0]).shape[1] < FEWEST_ROWS:
        return Choice()
    judge = _Judge(series)
    plain = [Choice(lags, ridge) for lags in LAGS for ridge in RIDGES]
    best, score = judge.best(plain)
    if not judge.knows_seasons:
        return best
    by_season = [Choice(best.lags, best.ridge, dearer) for dearer in SEASON_RIDGES]
    other, better = judge.best(by_season)
    return other if better < score else best


class _Judge:
    """Errors of free-running forecasts of folds that weights never saw."""

    def __init__(self, series: Series) -> None:
        self._series = series
        folds = np.full(len(series.axis), -1)
        there = series.axis >= 0
        folds[there] = folds_of(series.times)[series.axis[there]]
        self._folds = folds
        steps, longest = series.steps, LAGS[0]
        starts = series.rows(longest)[longest - 1]
        starts = starts[:: max(1, len(starts) // STARTS)]
        self._starts, self._steps = starts, steps
        months = month_numbers(series.times)
        self.knows_seasons = bool(months[-1] - months[0] >= 12 * 2 - 1)

    def best(self, choices: Sequence[Choice]) -> tuple[Choice, float]:
        """The best of several that all vary with the season, or none, and its score."""
        season = choices[0].season_ridge > 0
        rows = self._series.rows(max(choice.lags for choice in choices))
        folds = np.unique(self._folds[self._folds >= 0])
        in_fold = self._folds[rows[-1]]
        parts = [self._series.moments(rows[:, in_fold == n], season=season) for n in folds]
        whole = [np.sum(each, axis=0) for each in zip(*parts, strict=True)]

        def errors_of(number: int) -> NDArray[np.float64]:
            squares, products = (a - b for a, b in zip(whole, parts[number], strict=True))
            found = []
            for choice in choices:
                # What fewer lags are regressed on comes first.
                size = len(squares) if season else choice.lags * products.shape[1]
                weights = weights_of(squares[:size, :size], products[:size], choice)
                found.append(self._errors(weights, choice, folds[number]))
            return np.array(found)

        errors = np.sum(on_all_cores(errors_of, range(len(folds))), axis=0)
        if not errors.all():
            return choices[0], np.inf
        scores = np.log(errors).mean(1)
        best = int(np.argmin(scores))
        return choices[best], float(scores[best])

    def _errors(self, weights: Numbers, choice: Choice, fold: int) -> NDArray[np.float64]:
        """Sums of squared errors at the lags that are judged."""
        series, steps = self._series, self._steps
        starts = self._starts[self._folds[self._starts] == fold]
        states = [
            series.values[series.axis[starts - lag * steps]].astype(np.float64)
            for lag in range(choice.lags)
        ]
        found = []
        for ahead in range(JUDGED[-1]):
            at = np.minimum(starts + ahead * steps, len(series.axis) - 1)
            season = series.season[at] if choice.season_ridge else None
            with np.errstate(over="ignore", invalid="ignore"):
                states = [predictors(states, season) @ weights, *states[:-1]]
            if ahead + 1 in JUDGED:
                valid = starts + (ahead + 1) * steps
                there = valid < len(series.axis)
                there[there] = series.axis[valid[there]] >= 0
                truth = series.values[series.axis[valid[there]]]
                with np.errstate(over="ignore", invalid="ignore"):
                    found.append(float(np.square(states[0][there] - truth).sum()))
        return np.asarray(np.nan_to_num(np.array(found), nan=np.inf))
