"""Amplitudes one lag ahead, as linear functions of those of the last few states.

Shapes: n times, m earlier states (lags), k patterns, r functions of the season, i initial times,
l lead times, q numbers in what is regressed on: r m k.
"""

from collections.abc import Sequence

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from axialcast.baselines.baseline import spacing, whole_steps
from axialcast.times.calendars import gapless_axis
from axialcast.times.dates import Times

__all__ = ["lagged_rows", "moments", "own_memory", "predictors", "propagated", "regression"]

Numbers = NDArray[np.float64]
TOGETHER = 4096
"""Times whose products are summed at once."""


def lagged_rows(
    times: Times, lag: np.timedelta64, *, model: str = "a linear inverse model"
) -> NDArray[np.int64]:
    """(3, n) positions of all times that have one a lag later and one two lags later, and of these.

    Args:
        model: that needs them, in words.

    Raises:
        ValueError: the lag is not a multiple of the cadence, or there are none.
    """
    steps = int(whole_steps("lag", np.array([lag]), spacing(times))[0])
    rows, _ = gapless_axis(times)
    num = max(len(rows) - 2 * steps, 0)
    triples = np.stack([rows[lags * steps :][:num] for lags in range(3)])
    triples = triples[:, (triples >= 0).all(0)]
    if not triples.size:
        raise ValueError(
            f"training: {len(times)} times are too few for {model} of lag "
            f"{steps} steps, which needs three a lag apart; train on more"
        )
    return triples


def predictors(states: Sequence[Numbers], season: Numbers | None = None) -> Numbers:
    """(n, q) what is regressed on: (n, k) states, the latest first, times each of (n, r)
    functions of the season; None: themselves."""
    together = np.concatenate(states, axis=1)
    if season is None:
        return together
    return np.concatenate([together * column[:, None] for column in season.T], axis=1)


def moments(
    series: NDArray[np.float32], rows: NDArray[np.int64], season: Numbers | None = None
) -> tuple[Numbers, Numbers]:
    """(q, q) products of what is regressed on with itself, and (q, k) with the state ahead.

    Args:
        series: (n, k) amplitudes; all zero where a state is missing.
        rows: (m + 1, n) positions of m states, the earliest first, and of the one ahead.
        season: (n, r) at the last but one of each.
    """
    seen = np.any(series, axis=1)
    there = np.all(seen[rows], axis=0)
    rows, season = rows[:, there], None if season is None else season[there]
    size = series.shape[1] * (len(rows) - 1) * (1 if season is None else season.shape[1])
    squares, products = np.zeros((size, size)), np.zeros((size, series.shape[1]))
    for start in range(0, rows.shape[1], TOGETHER):
        together = slice(start, start + TOGETHER)
        *before, after = series[rows[:, together]].astype(np.float64)
        given = predictors(before[::-1], None if season is None else season[together])
        squares += given.T @ given
        products += given.T @ after
    return squares, products


def regression(
    squares: Numbers,
    products: Numbers,
    ridge: float,
    *,
    season_ridge: float = 1.0,
    prior: Numbers | None = None,
) -> Numbers:
    """(q, k) weights by ridge regression on `moments`.

    Args:
        ridge: penalty relative to the mean variance of the states.
        season_ridge: how much dearer the weights are that vary with the season.
        prior: (m k, k) weights that cost nothing; None: zero.
    """
    size = len(squares) if prior is None else len(prior)
    penalty = np.full(len(squares), ridge * np.trace(squares[:size, :size]) / size)
    penalty[size:] *= season_ridge
    squares = squares.copy()
    if prior is None:
        squares[np.diag_indices_from(squares)] += penalty
        return np.asarray(scipy.linalg.solve(squares, products, assume_a="pos"))
    free = np.zeros_like(products)
    free[:size] = prior
    products = products - squares[:, :size] @ prior
    squares[np.diag_indices_from(squares)] += penalty
    return np.asarray(free + scipy.linalg.solve(squares, products, assume_a="pos"))


def own_memory(squares: Numbers, products: Numbers, lags: int) -> Numbers:
    """(m k, k) what each pattern alone says of itself: regressed on its own last m states."""
    size = products.shape[1]
    places = np.arange(lags)[:, None] * size + np.arange(size)
    own = squares[places.T[:, :, None], places.T[:, None, :]]
    touch = 1e-9 * np.trace(own, axis1=1, axis2=2)[:, None, None] * np.eye(lags)
    weights = np.zeros((lags * size, size))
    ahead = products[places.T, np.arange(size)[:, None]]
    # A pattern that never varies has no memory.
    own = own + np.where(touch > 0, touch, np.eye(lags))
    weights[places.T, np.arange(size)[:, None]] = np.linalg.solve(own, ahead[..., None])[..., 0]
    return weights


def propagated(
    weights: Numbers,
    states: Sequence[Numbers],
    steps: NDArray[np.int64],
    season: Sequence[Numbers] | None = None,
) -> NDArray[np.float32]:
    """(i, l, k) amplitudes so many steps ahead.

    Args:
        weights: (q, k).
        states: m times (i, k), the latest first.
        steps: (l,) numbers of lags.
        season: (i, r) at the initial times and each lag after them; None: the weights know none.
    """
    states = list(states)
    series = np.empty((len(states[0]), len(steps), states[0].shape[1]), np.float32)
    for step in range(steps.max() + 1):
        series[:, steps == step] = states[0][:, None]
        if step < steps.max():
            given = predictors(states, None if season is None else season[step])
            states = [given @ weights, *states[:-1]]
    return series
