"""Baselines of monthly data and of other calendars, against xarray's groups and by hand."""

import numpy as np
import pytest
import xarray as xr

from axialcast.baselines import Climatology, DampedPersistence, LinearInverseModel, Persistence
from axialcast.baselines.fitting import check_times, fit_baselines
from axialcast.times.dates import later
from axialcast.times.steps import MONTH
from axialcast.verify import evaluate

LEADS = np.array([1, 3]) * MONTH


@pytest.fixture(params=["standard", "noleap", "360_day"])
def analysis(request, analysis_of):
    """Twenty years of months, a few values missing."""
    chosen = {"freq": "MS", "calendar": request.param, "use_cftime": request.param != "standard"}
    times = xr.date_range("1999-04-01", periods=240, **chosen)
    rng = np.random.default_rng(3)
    values = 1000 + 10 * rng.standard_normal((240, 5, 7))
    values[rng.random(values.shape) < 0.02] = np.nan
    return analysis_of(values).assign_coords(time=times)


def test_the_climatology_is_the_mean_of_each_month(analysis):
    training = analysis.isel(time=slice(200))
    climatology = Climatology.fit(training)
    want = training.pressure.groupby("time.month").mean("time")
    found = climatology.at(analysis.time.values).pressure
    np.testing.assert_allclose(found, want.sel(month=analysis.time.dt.month), rtol=1e-5, atol=1e-5)
    anomalies = climatology.anomalies(training).pressure
    np.testing.assert_allclose(
        anomalies, training.pressure.groupby("time.month") - want, rtol=1e-4, atol=1e-3
    )


def test_without_harmonics_it_is_the_plain_mean(analysis):
    found = Climatology.fit(analysis, harmonics=0).at(analysis.time.values[:2]).pressure
    want = analysis.pressure.mean("time")
    np.testing.assert_allclose(found, xr.concat([want, want], "time"), rtol=1e-5, atol=1e-5)


def test_damped_persistence_of_months(analysis):
    climatology = Climatology.fit(analysis)
    fitted = DampedPersistence.fit(analysis, climatology, lead_times=LEADS)
    assert fitted.damping.lead_time.values.tolist() == [1, 3]
    assert fitted.damping.lead_time.attrs["units"] == "months"
    anomaly = climatology.anomalies(analysis).pressure.values.astype(float)
    inits = analysis.time.values[[5, 100]]
    forecast = fitted.forecast(analysis, inits, LEADS).pressure
    for number, months in enumerate((1, 3)):
        now, then = anomaly[:-3], anomaly[months : len(anomaly) - 3 + months]
        both = np.isfinite(now) & np.isfinite(then)
        damping = np.where(both, now * then, 0).sum(0) / np.where(both, now**2, 0).sum(0)
        np.testing.assert_allclose(fitted.damping.pressure[number], damping, rtol=1e-4, atol=1e-6)
        valid = later(inits, months * MONTH)
        np.testing.assert_array_equal(forecast.valid_time[:, number], valid)
        want = climatology.at(valid).pressure + damping * anomaly[[5, 100]]
        np.testing.assert_allclose(forecast[:, number], want, rtol=1e-4, atol=1e-4)


def test_scores_of_months(analysis):
    """Of persistence against itself, of anomalies by hand, and every model on the same pairs."""
    training, inits = analysis.isel(time=slice(200)), analysis.time.values[200:220]
    climatology, baselines = fit_baselines(training, lead_times=LEADS)
    forecast = Persistence().forecast(analysis, inits, LEADS)
    scores = evaluate(forecast, analysis, climatology=climatology, baselines=baselines)
    assert scores.lead_time.attrs["units"] == "months"
    rmse = scores.pressure.sel(metric="rmse", region="all")
    assert np.isfinite(rmse).all()
    np.testing.assert_allclose(rmse.sel(model="forecast"), rmse.sel(model="persistence"))
    acc = scores.pressure.sel(metric="acc", region="all", model="climatology")
    assert np.isnan(acc).all() or np.abs(acc).max() < 1e-6


def test_a_month_that_was_never_seen_is_refused(analysis):
    winters = analysis.isel(time=np.isin(analysis.time.dt.month, [12, 1, 2]))
    fitted = Climatology.fit(winters)
    with pytest.raises(ValueError, match="fitted in month 1, 2, 12, got times in month 7; fit it"):
        fitted.at(analysis.time.values[3:4])
    with pytest.raises(ValueError, match=r"needs 2 of it, the training period has 1 in month 1;"):
        Climatology.fit(analysis.isel(time=slice(12)))
    inits = winters.time.values[:1]
    with pytest.raises(ValueError, match=r"times: .*got times in month 3"):
        check_times(winters.time.values, [], lead_times=LEADS, init_times=inits)


def test_a_lag_of_months(analysis):
    training = analysis.fillna(0)
    climatology = Climatology.fit(training)
    fitted = LinearInverseModel.fit(training, climatology, lag=2 * MONTH)
    inits = training.time.values[[10, 20]]
    assert fitted.states(inits)[2:].tolist() == training.time.values[[8, 18]].tolist()
    with pytest.raises(
        ValueError, match="lead_times: expected multiples of 2 months, got 1, 3 mon"
    ):
        fitted.forecast(training, inits, LEADS)


@pytest.mark.parametrize(
    ("calendar", "days"), [("noleap", 365), ("all_leap", 366), ("360_day", 360)]
)
def test_the_year_of_another_calendar_is_its_own(analysis_of, calendar, days):
    """A cycle of the calendar's own year is fitted without a remainder."""
    times = xr.date_range("2000-01-01", periods=4 * days, calendar=calendar, use_cftime=True)
    phase = 2 * np.pi * np.arange(4 * days) / days
    values = 5 + np.cos(phase) + 0.5 * np.sin(2 * phase)
    field = np.broadcast_to(values[:, None, None], (4 * days, 2, 3)).astype(np.float32)
    analysis = analysis_of(field).assign_coords(time=times)
    fitted = Climatology.fit(analysis, harmonics=2)
    np.testing.assert_allclose(fitted.at(times.values).pressure, field, atol=1e-4)
