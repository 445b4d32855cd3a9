"""The vector autoregression: what it is regressed on, what it chooses, what it leaves out."""

import numpy as np
import pytest
import xarray as xr

from axialcast.baselines import LinearInverseModel, VectorAutoregression, fit_baselines
from axialcast.baselines.autoregression import (
    moments,
    own_memory,
    predictors,
    propagated,
    regression,
)
from axialcast.baselines.choosing import Choice, Series, chosen, folds_of
from axialcast.baselines.vector_autoregression import _yule_walker, rest_weights
from axialcast.data import Analysis
from axialcast.grid import LatLonGrid
from axialcast.times.dates import later

DAY = np.timedelta64(86_400_000_000_000, "ns")
K = 5


def days(num, first="2001-01-01"):
    return np.datetime64(first, "ns") + np.arange(num) * DAY


def system(num, weights, season=None, seed=3):
    """(num, K) amplitudes driven by (m K, K) weights and noise."""
    rng = np.random.default_rng(seed)
    lags = len(weights) // K
    series = rng.standard_normal((num, K))
    for time in range(lags, num):
        before = np.concatenate(series[time - lags : time][::-1])
        factor = 1.0 if season is None else season[time - 1]
        series[time] += factor * (before @ weights)
    return series.astype(np.float32)


def weights_of(lags, seed=7):
    rng = np.random.default_rng(seed)
    return 0.5 / lags * np.linalg.qr(rng.standard_normal((lags * K, lags * K)))[0][:, :K]


@pytest.mark.parametrize("season", [False, True])
def test_it_is_a_regression_whose_ridge_draws_to_a_prior(season):
    series, times = system(400, weights_of(2)), days(400)
    choice = Choice(2, 0.05, 10.0 if season else 0.0)
    found = Series(series, times, DAY)
    got = found.weights(choice)
    x = np.concatenate([series[1:-1], series[:-2]], axis=1).astype(np.float64)
    own = np.zeros((2 * K, K))
    for pattern in range(K):
        pair = x[:, [pattern, K + pattern]]
        own[[pattern, K + pattern], pattern] = np.linalg.lstsq(pair, series[2:, pattern])[0]
    penalty = np.full(2 * K, 0.05 * (x**2).sum() / (2 * K))
    if season:
        x = predictors([x], found.season[1:-1])
        own, penalty = (np.concatenate([a, 0 * a, 0 * a]) for a in (own, penalty))
        penalty[2 * K :] = 10 * penalty[0]
    # min |y - x b|² + Σ penalty (b - own)², as least squares.
    left = np.concatenate([x, np.diag(np.sqrt(penalty))])
    right = np.concatenate([series[2:], np.sqrt(penalty)[:, None] * own])
    np.testing.assert_allclose(got, np.linalg.lstsq(left, right)[0], atol=1e-6)


def test_crossed_weights_never_saw_their_fold():
    series, times = system(1500, weights_of(2)), days(1500)
    choice = Choice(2, 0.1)
    crossed = Series(series, times, DAY).crossed(choice)
    folds = folds_of(times)
    assert len(crossed) == 5  # years 2001 to 2005
    for fold in (0, 3):
        rows = np.stack([np.arange(1498) + n for n in range(3)])
        squares, products = moments(series, rows[:, folds[rows[-1]] != fold])
        prior = own_memory(squares, products, 2)
        expected = regression(squares, products, 0.1, prior=prior)
        np.testing.assert_allclose(crossed[fold], expected, atol=1e-8)


def test_left_out_years_choose_lags_ridge_and_season():
    times = days(2600)
    three = chosen(Series(system(2600, weights_of(3)), times, DAY))
    two = chosen(Series(system(2600, weights_of(2)), times, DAY))
    assert (three.lags, three.season_ridge) == (3, 0.0)
    assert (two.lags, two.season_ridge) == (2, 0.0)
    phase = 2 * np.pi * np.arange(2600) / 365.2425
    by_season = Series(system(2600, weights_of(2), 1.2 * np.cos(phase)), times, DAY)
    assert chosen(by_season).season_ridge > 0


@pytest.mark.parametrize("num", [4, 30, 200])
def test_little_data_have_a_choice_too(num):
    choice = chosen(Series(system(num, weights_of(1)), days(num), DAY))
    assert choice.lags in (2, 3)
    assert num == 200 or choice == Choice()


def test_folds_are_years_of_the_calendar_or_parts_of_less():
    assert np.unique(folds_of(days(365 * 3))).tolist() == [0, 1, 2]
    assert (np.diff(folds_of(days(3653))) >= 0).all()
    assert folds_of(days(365 * 20)).max() == 7
    assert np.bincount(folds_of(days(500))).tolist() == [100] * 5
    months = np.arange(36).astype("M8[M]").astype("M8[ns]")
    assert np.bincount(folds_of(months)).tolist() == [12] * 3


def test_steps_are_those_of_the_difference_equation():
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((9 * K, K)) / 9
    states = [rng.standard_normal((4, K)) for _ in range(3)]
    season = [rng.standard_normal((4, 3)) for _ in range(3)]
    got = propagated(weights, states, np.array([3, 1]), season)
    for n in range(3):
        given = np.concatenate([np.concatenate(states, 1) * c[:, None] for c in season[n].T], 1)
        states = [given @ weights, *states[:-1]]
        if n == 0:
            np.testing.assert_allclose(got[:, 1], states[0], rtol=1e-5)
    np.testing.assert_allclose(got[:, 0], states[0], rtol=1e-5)


def test_what_is_left_out_fades_as_an_autoregression_of_its_own():
    rng = np.random.default_rng(2)
    series = rng.standard_normal((20_000, 2))
    for time in range(2, len(series)):
        series[time] += [1.5, 0.4] * series[time - 1] + [-0.7, 0.1] * series[time - 2]
    covariances = np.stack(
        [(series[: 19_000 + 0] * series[n : 19_000 + n]).mean(0) for n in (0, 1, 2)]
    )
    rest = _yule_walker(covariances)
    np.testing.assert_allclose(rest, [[1.5, 0.4], [-0.7, 0.1]], atol=0.03)
    ahead = rest_weights(rest, np.array([0, 1, 2, 40]))
    np.testing.assert_allclose(ahead[0], [[1, 1], [0, 0]])
    np.testing.assert_allclose(ahead[1], rest)
    np.testing.assert_allclose(ahead[2], [rest[0] ** 2 + rest[1], rest[0] * rest[1]])
    assert (np.abs(ahead[3]) < 0.01).all()
    assert (_yule_walker(np.array([[1.0, 0.0], [-0.2, 0.0], [0.1, 0.0]])) == 0).all()


def test_small_scales_are_not_taken_for_climatology():
    """Slow noise in every cell, of which few patterns hold little: the linear inverse model forgets
    it at once."""
    rng = np.random.default_rng(4)
    num, grid = 800, LatLonGrid.regular(num_latitudes=13, num_longitudes=17, poles=False)
    noise = rng.standard_normal((num, *grid.shape))
    for time in range(1, num):
        noise[time] += 0.95 * noise[time - 1]
    coords = {"time": days(num), "latitude": grid.axes[0], "longitude": grid.axes[1]}
    values = (("time", "latitude", "longitude"), noise.astype(np.float32), {"units": "K"})
    analysis = xr.Dataset({"air_temperature": values}, coords)
    training, leads = analysis.isel(time=slice(0, 600)), np.array([1, 3]) * DAY
    climatology, _ = fit_baselines(training, [], lead_times=leads, harmonics=0)
    inits = analysis.time.values[610:780]
    errors = []
    for model in (
        LinearInverseModel.fit(training, climatology, max_patterns=20),
        VectorAutoregression.fit(training, climatology),
    ):
        forecast = model.forecast(analysis, inits, leads).air_temperature
        truth = Analysis(analysis)
        valid = [truth.read(truth.rows(later(inits, lead)))[:, 0] for lead in leads]
        errors.append(((forecast.values - np.stack(valid, 1)) ** 2).mean((0, 2, 3)))
    limit = [1.0, 1 + 0.95**2 + 0.95**4]  # of who knows all
    assert (errors[1] < 1.25 * np.array(limit)).all()
    assert (errors[1] < 0.5 * errors[0]).all()
