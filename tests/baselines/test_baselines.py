"""Baselines against processes whose best forecast is known, and the published benchmark."""

import numpy as np
import pytest
import xarray as xr

from axialcast.baselines import (
    Climatology,
    DampedPersistence,
    LinearInverseModel,
    Persistence,
    fit_baselines,
)
from axialcast.baselines.baseline import states_at
from axialcast.data import open_analysis

DAY = np.timedelta64(86_400_000_000_000, "ns")


def days(*numbers):
    return np.array(numbers) * DAY


def autoregressive(matrix, num_times, *, seed=0, second=None):
    """x(t + 1) = matrix x(t) + second x(t - 1) + white noise, (time, space)."""
    rng = np.random.default_rng(seed)
    states = np.zeros((num_times + 2, len(matrix)))
    for t in range(2, len(states)):
        states[t] = matrix @ states[t - 1] + rng.standard_normal(len(matrix))
        if second is not None:
            states[t] += second @ states[t - 2]
    return states[2:]


def test_persistence_is_the_initial_state(noise):
    inits = noise.time.values[[3, 50]]
    forecast = Persistence().forecast(noise, inits, days(1, 2, 7))
    assert forecast.pressure.dims == ("init_time", "lead_time", "latitude", "longitude")
    for lead in range(3):
        np.testing.assert_array_equal(forecast.pressure[:, lead], noise.pressure[[3, 50]])
    assert forecast.valid_time.values[1, 2] == inits[1] + 7 * DAY


def test_persistence_of_a_missing_date_is_nan(noise):
    gap = noise.isel(time=[0, 1, 3, 4])
    forecast = Persistence().forecast(gap, noise.time.values[[1, 2]], days(1))
    assert np.isfinite(forecast.pressure[0]).all()
    assert np.isnan(forecast.pressure[1]).all()


@pytest.mark.parametrize("rows", [[0, 3, 5], [5, 0, 3], [3, 3, 0]])
def test_states_come_in_the_order_asked_for(noise, rows):
    got = states_at(noise.isel(time=slice(5)), noise.time.values[rows])
    known = [row < 5 for row in rows]
    expected = np.where(np.reshape(known, (-1, 1, 1)), noise.pressure.values[rows], np.nan)
    np.testing.assert_array_equal(got.pressure, expected)


def test_damping_is_the_autoregression(analysis_of):
    memory = np.array([0.9, 0.5, 0.0, -0.3, 0.7, 0.2])
    states = autoregressive(np.diag(memory), 20_000).reshape(-1, 2, 3)
    training = analysis_of(1000 + 10 * states)
    climatology = Climatology.fit(training, harmonics=0)
    fitted = DampedPersistence.fit(training, climatology, lead_times=days(1, 3))
    for row, power in enumerate((1, 3)):
        got = fitted.damping.pressure[row].values.ravel()
        np.testing.assert_allclose(got, memory**power, atol=0.03)
    forecast = fitted.forecast(training, training.time.values[7:8], days(3))
    mean = training.pressure.values.astype(float).mean(0)
    expected = mean + fitted.damping.pressure[1].values * (training.pressure[7].values - mean)
    np.testing.assert_allclose(forecast.pressure[0, 0], expected, rtol=1e-6)


def test_damping_does_not_depend_on_blocks(noise, climatology):
    whole = DampedPersistence.fit(noise, climatology, lead_times=days(1, 4))
    chunked = noise.chunk(time=17)
    parts = DampedPersistence.fit(
        chunked, climatology, lead_times=days(1, 4), memory_gib=35 * 29 * 4 / 2**30
    )
    xr.testing.assert_allclose(parts.damping, whole.damping, atol=1e-6)


def test_damping_refuses_lead_times_it_was_not_fitted_for(noise, climatology):
    fitted = DampedPersistence.fit(noise, climatology, lead_times=days(1, 2))
    with pytest.raises(ValueError, match=r"fitted for 24, 48 h, got 72 h"):
        fitted.forecast(noise, noise.time.values[:1], days(3))
    with pytest.raises(ValueError, match="lead_times: expected multiples of 24 h, got 6 h"):
        DampedPersistence.fit(noise, climatology, lead_times=np.array([DAY // 4]))
    with pytest.raises(ValueError, match="not longer than the longest lead time of 5 steps"):
        DampedPersistence.fit(noise.isel(time=slice(5)), climatology, lead_times=days(5))


def linear_system(analysis_of):
    """A stable second-order system on 2 x 3 points that mixes them, and its matrices."""
    rng = np.random.default_rng(5)
    matrix = 0.9 * np.linalg.qr(rng.standard_normal((6, 6)))[0]
    second = 0.3 * np.linalg.qr(rng.standard_normal((6, 6)))[0]
    first = 0.6 * matrix
    states = autoregressive(first, 40_000, second=second)
    return analysis_of(50 + states.reshape(-1, 2, 3)), first, second


def test_the_linear_inverse_model_recovers_a_linear_system(analysis_of):
    training, first, second = linear_system(analysis_of)
    climatology = Climatology.fit(training, harmonics=0)
    model = LinearInverseModel.fit(training, climatology, explained=1.0, ridge=0.0)
    mean = training.pressure.values.astype(float).mean(0).ravel()
    anomalies = training.pressure.values.reshape(-1, 6) - mean
    now, before = anomalies[100], anomalies[99]
    forecast = model.forecast(training, training.time.values[100:101], days(1, 2, 3))
    for lead in range(3):
        now, before = first @ now + second @ before, now
        got = forecast.pressure[0, lead].values.ravel() - mean
        np.testing.assert_allclose(got, now, atol=0.05)


def test_the_linear_inverse_model_is_least_squares(analysis_of):
    training, _, _ = linear_system(analysis_of)
    training = training.isel(time=slice(0, 1000))
    climatology = Climatology.fit(training, harmonics=0)
    model = LinearInverseModel.fit(training, climatology, explained=1.0, ridge=0.0)
    mean = training.pressure.values.astype(float).mean(0).ravel()
    states = training.pressure.values.reshape(-1, 6) - mean
    predictors = np.concatenate([states[1:-1], states[:-2]], axis=1)
    regression, *_ = np.linalg.lstsq(predictors, states[2:])
    forecast = model.forecast(training, training.time.values[1:-1], days(1)).pressure
    got = forecast.values.reshape(-1, 6) - mean
    np.testing.assert_allclose(got, predictors @ regression, atol=2e-4)


def test_the_order_of_variables_does_not_matter_to_the_linear_inverse_model(noise):
    both = noise.assign(other=2.0 * noise.pressure.roll(time=1, roll_coords=False))
    climatology = Climatology.fit(both, harmonics=1)
    model = LinearInverseModel.fit(both, climatology)
    inits = both.time.values[10:13]
    straight = model.forecast(both, inits, days(1, 2))
    swapped = model.forecast(both[["other", "pressure"]], inits, days(1, 2))
    xr.testing.assert_equal(straight, swapped[["pressure", "other"]])


def test_the_linear_inverse_model_needs_its_earlier_state(noise, climatology):
    model = LinearInverseModel.fit(noise, climatology, lag=2 * DAY)
    forecast = model.forecast(noise, noise.time.values[[1, 2]], days(2)).pressure
    assert np.isnan(forecast[0]).all()
    assert np.isfinite(forecast[1]).all()
    with pytest.raises(ValueError, match="lead_times: expected multiples of 48 h, got 24 h"):
        model.forecast(noise, noise.time.values[5:6], days(1))


def test_states_on_another_grid_are_refused(noise, climatology):
    for other in (
        noise.isel(longitude=slice(0, 6)),
        noise.assign_coords(longitude=noise.longitude + 1),
        noise.isel(latitude=slice(None, None, -1)),
    ):
        with pytest.raises(ValueError, match="align"):
            climatology.anomalies(other)


BENCHMARK = {
    "persistence": (615, 906, 1033, 1167),
    "climatology": (979, 979, 979, 979),
    "damped_persistence": (584, 802, 878, 941),
    "linear_inverse_model": (461, 725, 840, 921),
}


def test_sea_level_pressure_scores_as_published(real_data):
    """RMSE (Pa) at 1, 2, 3 and 5 days, every day of 2009-2010, fitted on 2001-2007."""
    from axialcast.scores import evaluate

    analysis = open_analysis(real_data("ncep_slp_natlantic_daily_2001_2010.nc")).load()
    training = analysis.sel(time=slice("2001", "2007"))
    climatology = Climatology.fit(training)
    leads = days(1, 2, 3, 5)
    baselines = {
        "persistence": Persistence(),
        "climatology": climatology,
        "damped_persistence": DampedPersistence.fit(training, climatology, lead_times=leads),
        "linear_inverse_model": LinearInverseModel.fit(training, climatology),
    }
    inits = analysis.time.sel(time=slice("2009", "2010")).values
    forecast = climatology.forecast(analysis, inits, leads)
    forecast["mean_sea_level_pressure"].attrs = analysis["mean_sea_level_pressure"].attrs
    scores = evaluate(forecast, analysis, climatology=climatology, baselines=baselines)
    rmse = scores["mean_sea_level_pressure"].sel(metric="rmse", region="all")
    for model, published in BENCHMARK.items():
        np.testing.assert_allclose(rmse.sel(model=model), published, atol=4)
    pairs = scores["mean_sea_level_pressure_num_pairs"].sel(region="all").values
    assert pairs.tolist() == [729, 728, 727, 725]
    assert scores.num_missing_truth.values.tolist() == [1, 2, 3, 5]


def test_an_infinite_value_is_a_missing_one(noise):
    """To every fit and forecast: it takes nothing away from the other cells."""
    holes, infinite = noise.copy(deep=True), noise.copy(deep=True)
    holes.pressure[7, 1, 2] = np.nan
    infinite.pressure[7, 1, 2] = np.inf
    inits = noise.time.values[[7, 8]]
    want, got = (
        {
            name: fitted.forecast(noise, inits, days(1, 2)).pressure.values
            for name, fitted in fit_baselines(training, lead_times=days(1, 2))[1].items()
        }
        for training in (holes, infinite)
    )
    for name, values in got.items():
        assert np.isfinite(values).all()
        np.testing.assert_allclose(values, want[name], rtol=1e-6)
