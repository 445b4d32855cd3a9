"""Scores at stations on points of the grid: those of the fields there, by hand."""

import itertools

import numpy as np
import pandas as pd
import xarray as xr

from axialcast.baselines import Persistence
from axialcast.data import Channels
from axialcast.grid import LatLonGrid
from axialcast.scores.at_stations import _statistics, at_stations, with_stations
from axialcast.scores.observations import Observations
from axialcast.times.leads import lead_coordinate
from axialcast.verify import ByInit, Cases, Climatology, Resampling, evaluate, with_intervals

DAY = np.timedelta64(86_400_000_000_000, "ns")


def test_means_over_stations_where_all_is_known():
    models = np.array([[[[1.0, 4.0, 9.0]], [[2.0, 2.0, np.nan]]]])  # (i, m, l, s)
    truth, expected = np.array([[[[0.0, 2.0, 5.0]]]]), np.array([[[[1.0, 1.0, 1.0]]]])
    found = _statistics(models, truth, expected)
    assert found["num"].tolist() == [[2]]
    np.testing.assert_allclose(found["error"][0, :, 0], [1.5, 1.0])
    np.testing.assert_allclose(found["squared_error"][0, :, 0], [2.5, 2.0])
    np.testing.assert_allclose(found["anomaly_product"][0, :, 0], [(0 * -1 + 3 * 1) / 2, 0.0])
    np.testing.assert_allclose(found["squared_truth_anomaly"][0, :, 0], [1.0, 1.0])
    nothing = _statistics(models, truth * np.nan, expected)
    assert np.isnan(nothing["error"]).all()
    assert nothing["num"].item() == 0


def test_forecasts_by_the_month_are_scored_at_stations():
    grid = LatLonGrid(np.array([10.0, 0.0]), np.array([0.0, 20.0, 40.0]))
    months = pd.date_range("2001-01-01", periods=5, freq="MS").values
    horizontal = {"latitude": grid.latitude, "longitude": grid.longitude}
    values = np.arange(3 * 2 * 2 * 3, dtype=np.float64).reshape(3, 2, 2, 3)
    forecast = xr.Dataset(
        {"2m_temperature": (("init_time", "lead_time", *horizontal), values, {"units": "K"})},
        {"init_time": months[:3], **horizontal},
    ).assign_coords(lead_time=lead_coordinate(np.array([1, 2], "m8[M]")))
    analysis = xr.Dataset(
        {"2m_temperature": (("time", *horizontal), np.zeros((5, 2, 3)), {"units": "K"})},
        {"time": months, **horizontal},
    )
    observed = Observations(
        np.array([10.0]), np.array([20.0]), np.array([0.0]), months, np.full((5, 1), 2.0), 0
    )
    still = Persistence()
    found = at_stations(
        forecast,
        analysis,
        Channels.of(forecast)[0],
        observed,
        climatology=still,
        baselines={"persistence": still},
    )
    np.testing.assert_array_equal(found["error"][:, 0], values[:, :, 0, 1] - 2.0)
    np.testing.assert_array_equal(found["error"][:, 1], -2.0)


def test_an_ensemble_at_stations_has_its_fair_crps_and_spread():
    """Three members on a grid whose points are the stations; one value of the truth is missing."""
    grid = LatLonGrid(np.array([10.0, 0.0]), np.array([0.0, 20.0, 40.0]))
    inits = np.array(["2001-01-01", "2001-01-02"], "M8[ns]")
    leads = pd.to_timedelta([24, 48], "h")
    rng = np.random.default_rng(5)
    values = rng.normal(size=(2, 3, 2, 2, 3)).astype(np.float32)
    horizontal = {"latitude": grid.latitude, "longitude": grid.longitude}
    forecast = xr.Dataset(
        {"2m_temperature": (("init_time", "number", "lead_time", *horizontal), values)},
        {"init_time": inits, "number": range(3), "lead_time": leads, **horizontal},
    )
    forecast["2m_temperature"].attrs["units"] = "K"
    flat = forecast.isel(number=0, drop=True) * 0
    channel = Channels.of(forecast)[0]
    latitude, longitude = (
        axis.ravel() for axis in np.meshgrid(*horizontal.values(), indexing="ij")
    )
    truth = rng.normal(size=(3, 6))
    truth[1, 4] = np.nan
    observed = Observations(
        latitude,
        longitude,
        latitude * np.nan,
        inits[0] + np.arange(1, 4) * np.timedelta64(1, "D"),
        truth,
        1,
    )

    class Zero:
        def forecast(self, analysis, inits, leads):
            return flat.sel(init_time=inits)

    found = at_stations(
        forecast, flat, channel, observed, climatology=Zero(), baselines={"climatology": Zero()}
    )
    assert found["num"].tolist() == [[6, 5], [5, 6]]
    assert found["crps"].shape == (2, 2, 2)
    for init in range(2):
        for lead in range(2):
            crps, variance, errors, baseline = [], [], [], []
            for place in range(6):
                y = truth[init + lead, place]
                if np.isnan(y):
                    continue
                x = values[init, :, lead].reshape(3, 6)[:, place].astype(float)
                apart = sum(abs(a - b) for a, b in itertools.combinations(x, 2))
                crps.append(np.abs(x - y).mean() - apart / 6)
                variance.append(x.var(ddof=1))
                errors.append((x.mean() - y) ** 2)
                baseline.append(abs(y))
            at = (init, 0, lead)
            np.testing.assert_allclose(found["crps"][at], np.mean(crps), rtol=1e-6)
            np.testing.assert_allclose(found["variance"][at], np.mean(variance), rtol=1e-6)
            np.testing.assert_allclose(found["squared_error"][at], np.mean(errors), rtol=1e-5)
            np.testing.assert_allclose(found["crps"][init, 1, lead], np.mean(baseline), rtol=1e-6)
            assert np.isnan(found["variance"][init, 1, lead])


def test_seasons_at_stations_are_those_of_their_forecasts_alone():
    grid = LatLonGrid(np.array([10.0, 0.0]), np.array([0.0, 20.0, 40.0]))
    days = np.datetime64("2001-01-01", "ns") + np.arange(160) * DAY
    horizontal = {"latitude": grid.latitude, "longitude": grid.longitude}
    fields = np.random.default_rng(0).standard_normal((160, 2, 3))
    analysis = xr.Dataset(
        {"2m_temperature": (("time", *horizontal), fields, {"units": "K"})},
        {"time": days, **horizontal},
    )
    seen = fields[:, 0, 1:2] + 0.5
    seen[100] = np.nan
    observed = Observations(
        np.array([10.0]), np.array([20.0]), np.array([0.0]), days, seen, 1, None
    )
    climatology, leads = Climatology.fit(analysis, harmonics=0), np.array([1, 30]) * DAY

    def scored(which, cases=None):
        """Of forecasts from some days, with the intervals of their scores."""
        forecast = Persistence().forecast(analysis, days[which], leads)
        arguments = {"climatology": climatology, "baselines": {"climatology": climatology}}
        by_init = ByInit()
        scores = evaluate(forecast, analysis, **arguments, by_init=by_init, cases=cases)
        channel = Channels.of(forecast)[0]
        found = at_stations(forecast, analysis, channel, observed, **arguments)
        both = scores, by_init.dataset, found, channel, forecast["init_time"].values
        scores, each = with_stations(*both, cases=cases)
        how = Resampling(resamples=50)
        return with_intervals(scores, each, how=how, cases=cases).sel(region="stations")

    found = scored(slice(0, 125), Cases("init"))
    assert found["cases"].values.tolist() == ["all", "DJF", "MAM"]
    for case, which in {"all": (0, 125), "DJF": (0, 59), "MAM": (59, 125)}.items():
        alone = scored(slice(*which))
        for name in alone.data_vars:
            here = found[name].sel(cases=case) if "cases" in found[name].dims else found[name]
            np.testing.assert_allclose(here, alone[name].transpose(*here.dims), err_msg=name)
    error = fields[59:125, 0, 1] - seen[60:126, 0]
    spring = found["2m_temperature"].sel(model="forecast", cases="MAM").isel(lead_time=0)
    np.testing.assert_allclose(spring.sel(metric="rmse"), np.sqrt(np.nanmean(error**2)), rtol=1e-6)
    assert found["2m_temperature_num_observations"].sel(cases="MAM").values.tolist() == [65, 65]
    few = scored(slice(0, 64), Cases("init")).sel(cases="MAM")  # five forecasts of March
    assert few["2m_temperature"].sel(metric="rmse").notnull().all()
    assert few["2m_temperature_lower"].isnull().all()
    hours = scored(slice(0, 125), Cases(init_hours=True))
    np.testing.assert_array_equal(*(hours["2m_temperature"].sel(cases=c) for c in hours["cases"]))
