"""Missing values: left out pair by pair, for all models alike, and told."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from axialcast.grid import LatLonGrid
from axialcast.verify import (
    Climatology,
    DampedPersistence,
    LinearInverseModel,
    Persistence,
    evaluate,
    omissions,
    to_table,
)

DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.array([1, 2, 3]) * DAY
LAND = np.zeros((5, 7), bool)
LAND[[0, 2, 2, 3], [1, 3, 4, 4]] = True


@pytest.fixture(scope="module")
def setting(analysis_of, forecast_of):
    """A year of noise, a climatology of it, and forecasts with errors."""
    rng = np.random.default_rng(7)
    analysis = analysis_of(1000 + 10 * rng.standard_normal((400, 5, 7)))
    inits = analysis.time.values[370:381]
    forecast = forecast_of(analysis, inits, LEADS, error=rng.standard_normal((11, 3, 5, 7)))
    return analysis, forecast, Climatology.fit(analysis.isel(time=slice(366)), harmonics=0)


def holed(dataset, share, seed):
    mask = np.random.default_rng(seed).random(dataset.pressure.shape) < share
    return dataset.assign(pressure=dataset.pressure.where(~mask))


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 99), st.floats(0, 0.999), st.floats(0, 0.999), st.integers(1, 40))
def test_scores_are_means_of_pairs_over_what_is_known(setting, seed, lost, unseen, pairs_read):
    analysis, forecast, climatology = setting
    truth, forecast = holed(analysis, unseen, seed), holed(forecast, lost, seed + 1)
    got = evaluate(
        forecast.chunk(init_time=1 + seed % 5),
        truth.chunk(time=1 + seed % 17),
        climatology=climatology,
        regions={"north": {"latitude": [10, 90], "longitude": [0, 200]}},
        block_values=35 * pairs_read,
    )
    areas = LatLonGrid(analysis.latitude.values, analysis.longitude.values).areas
    north = (analysis.latitude.values >= 10)[:, None] & (analysis.longitude.values <= 200)
    for region, weights in (("all", areas), ("north", areas * north)):
        for lead in range(3):
            squares, biases, seen = [], [], []
            for init in range(11):
                error = forecast.pressure.values[init, lead].astype(float)
                error -= truth.pressure.values[370 + init + lead + 1]
                known = np.isfinite(error) & (weights > 0)
                if known.any():
                    squares.append(np.average(error[known] ** 2, weights=weights[known]))
                    biases.append(np.average(error[known], weights=weights[known]))
                    seen.append(weights[known].sum() / weights.sum())
            at = got.isel(lead_time=lead).sel(region=region)
            assert at.pressure_num_pairs == len(seen)
            if seen:
                one = at.pressure.sel(model="forecast")
                assert one.sel(metric="rmse") == pytest.approx(np.sqrt(np.mean(squares)))
                assert one.sel(metric="bias") == pytest.approx(np.mean(biases), abs=1e-9)
                assert at.pressure_masked == pytest.approx(1 - np.mean(seen), abs=1e-9)
            else:
                assert np.isnan(at.pressure).all()


def test_what_is_left_out_is_told(setting):
    analysis, forecast, climatology = setting
    assert omissions(evaluate(forecast, analysis, climatology=climatology)) == []
    holes = forecast.copy(deep=True)
    holes.pressure[:, 0, 0] = np.nan
    holes.pressure[3:5, 1] = np.nan
    scores = evaluate(holes, analysis, climatology=climatology)
    areas = LatLonGrid(analysis.latitude.values, analysis.longitude.values).areas
    share = 100 * areas[0].sum() / areas.sum()
    assert omissions(scores) == [
        f"pressure: up to {share:.2g} % of the area and all points of 2 pairs"
    ]
    table = to_table(scores).query("metric == 'rmse'")
    np.testing.assert_allclose(table.masked, [share / 100, 0, 0])
    assert table.num_pairs.tolist() == [11, 9, 11]


def on_sea(dataset):
    return dataset.assign(pressure=dataset.pressure.where(~LAND))


def test_baselines_on_data_with_land_are_those_of_the_sea(setting):
    """Land changes nothing elsewhere, and no baseline forecasts anything there."""
    analysis, forecast, _ = setting
    east, west = slice(4, None), slice(4)  # cells have the same area with and without the east
    masked = analysis.copy(deep=True)
    masked.pressure[..., east] = np.nan
    parts = {}
    for name, data in (("masked", masked), ("sea", analysis.isel(longitude=west))):
        training, inits = data.isel(time=slice(366)), forecast.init_time.values
        climatology = Climatology.fit(training, harmonics=1)
        models = {
            "climatology": climatology,
            "damped": DampedPersistence.fit(training, climatology, lead_times=LEADS),
            "linear": LinearInverseModel.fit(training, climatology),
            "persistence": Persistence(),
        }
        parts[name] = {key: m.forecast(data, inits, LEADS) for key, m in models.items()}
    for key, whole in parts["masked"].items():
        assert np.isnan(whole.pressure.isel(longitude=east)).all()
        got, want = whole.pressure.isel(longitude=west), parts["sea"][key].pressure
        np.testing.assert_allclose(got, want, rtol=1e-5, err_msg=key)


def test_land_is_left_out_of_the_scores(setting, forecast_of):
    analysis, forecast, _ = setting
    sea, predicted = on_sea(analysis), on_sea(forecast)
    training = sea.isel(time=slice(366))
    climatology = Climatology.fit(training, harmonics=0)
    baselines = {
        "damped": DampedPersistence.fit(training, climatology, lead_times=LEADS),
        "linear": LinearInverseModel.fit(training, climatology),
    }
    scores = evaluate(predicted, sea, climatology=climatology, baselines=baselines)
    areas = LatLonGrid(analysis.latitude.values, analysis.longitude.values).areas
    np.testing.assert_allclose(scores.pressure_masked, areas[LAND].sum() / areas.sum())
    assert np.isfinite(scores.pressure).all()
    # Forecast over land too, as long as the truth is not known there, is the same.
    xr.testing.assert_allclose(
        scores, evaluate(forecast, sea, climatology=climatology, baselines=baselines)
    )


def test_damping_leaves_out_pairs_that_lack_a_value(setting):
    analysis, _, climatology = setting
    training = holed(analysis, 0.3, 5)
    fitted = DampedPersistence.fit(training, climatology, lead_times=LEADS)
    anomalies = climatology.anomalies(training).pressure.values.astype(float)
    for index in range(3):
        now, then = anomalies[: 400 - 3], anomalies[index + 1 : 400 - 3 + index + 1]
        both = np.isfinite(now) & np.isfinite(then)
        products = np.where(both, now * then, 0).sum(0)
        want = products / np.where(both, now**2, 0).sum(0)
        np.testing.assert_allclose(fitted.damping.pressure[index], want, rtol=1e-4, atol=1e-6)


def test_a_field_that_is_never_known_is_refused(setting, analysis_of):
    analysis, _, _ = setting
    nothing = analysis.assign(other=analysis.pressure * np.nan)
    with pytest.raises(ValueError, match=r"other: no point has the 6 values .* at 0 h UTC"):
        Climatology.fit(nothing.isel(time=slice(366)), harmonics=1)
    levels = analysis_of(np.ones((400, 2, 5, 7)), levels=[500, 850])
    levels.pressure[:, 1] = np.nan
    with pytest.raises(ValueError, match="pressure 850 hPa: no point has the 2 values"):
        Climatology.fit(levels, harmonics=0)


@pytest.mark.parametrize("calendar", ["noleap", "all_leap", "360_day"])
def test_the_same_days_of_another_calendar_have_the_same_scores(setting, calendar):
    analysis, forecast, _ = setting

    def scores_of(analysis, forecast):
        climatology = Climatology.fit(analysis, harmonics=0)
        baselines = {
            "persistence": Persistence(),
            "damped": DampedPersistence.fit(analysis, climatology, lead_times=LEADS),
            "linear": LinearInverseModel.fit(analysis, climatology),
        }
        return evaluate(forecast, analysis, climatology=climatology, baselines=baselines)

    times = xr.date_range("1999-01-01", periods=400, calendar=calendar, use_cftime=True)
    rows = np.searchsorted(analysis.time.values, forecast.init_time.values)
    found = scores_of(
        analysis.assign_coords(time=times),
        forecast.assign_coords(init_time=times[rows]).drop_vars("valid_time", errors="ignore"),
    )
    want = scores_of(analysis, forecast)
    for name in want.data_vars:
        np.testing.assert_allclose(found[name], want[name], rtol=1e-5, err_msg=str(name))
