"""Whether a network is given departures from the climatology, from which, and how large."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from axialcast.baselines import Climatology
from axialcast.run import departures
from axialcast.run.config import Config
from axialcast.run.departures import departures_to_train, no_departures, usual
from axialcast.run.network import network_to_train
from axialcast.run.training_data import TrainingData
from axialcast.times.steps import DAY, MONTH

CALENDARS = ["standard", "noleap", "360_day"]


def written(folder: Path, days: int, calendar: str = "standard") -> Path:
    """Twelve-hourly temperature with a cycle of year and day, and rain."""
    count = 2 * days
    chosen = {"calendar": calendar, "use_cftime": calendar != "standard"}
    times = xr.date_range("2001-01-01", periods=count, freq="12h", **chosen)
    rng = np.random.default_rng(0)
    year = 2 * np.pi * np.arange(count) / 730.5
    cycle = 10 * np.cos(year + 0.3)[:, None, None] + 3 * (np.arange(count) % 2)[:, None, None]
    noise = rng.standard_normal((count, 5, 7))
    noise[1:] = 0.6 * noise[:-1] + 0.8 * noise[1:]
    values = (280 + cycle + 2 * noise).astype(np.float32)
    values[:, 1, 2] = np.nan
    rain = rng.exponential(2.0, values.shape).astype(np.float32)
    place = {"latitude": np.linspace(60, -60, 5), "longitude": np.arange(7) * 360 / 7}
    dims = ("time", "latitude", "longitude")
    xr.Dataset(
        {
            "2m_temperature": (dims, values, {"units": "K"}),
            "total_precipitation": (dims, rain / 1000, {"units": "m"}),
        },
        {"time": times, **place},
    ).to_netcdf(folder / "analysis.nc")
    return folder / "analysis.nc"


def config_of(folder: Path, store: Path, wanted: object = "auto", **data: object) -> Config:
    values = {
        "pipeline": "train",
        "output": folder / "out",
        "data": {
            "store": str(store),
            "variables": ["2m_temperature", "total_precipitation"],
            "train": ["2001-01-01", "2002-03-30"],
            "validate": ["2002-04-01", "2002-04-19"],
            "test": ["2002-04-20", "2002-04-29"],
            "transform": {"total_precipitation": {"log1p": 1e-3}},
            **data,
        },
        "model": {"dim": 8, "heads": 2, "depth": 1, "departures": wanted},
    }
    return Config.model_validate(values)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return written(tmp_path_factory.mktemp("seasons"), 490)


@pytest.fixture
def made(store, tmp_path):
    config = config_of(tmp_path, store)
    return config, TrainingData.of(config)


def test_a_year_gives_harmonics_at_each_hour(made):
    settings, reason = departures_to_train(*made)
    assert reason is None
    assert settings == {
        "hours": [0.0, 12.0],
        "harmonics": 1,
        "step_days": 0.5,
        "year_days": 365.2425,
    }


def test_what_is_usual_is_the_climatology_normalised(made):
    config, data = made
    settings, _ = departures_to_train(config, data)
    coefficients, spread = usual(config, data, settings)
    fitted = Climatology.fit(data.train[["2m_temperature"]]).coefficients
    climatology = Climatology(fitted.isel(coefficient=[0, 1, 4]))
    want = climatology.coefficients["2m_temperature"].values.copy()
    want[:, 0] -= data.statistics.mean[0]
    np.testing.assert_allclose(coefficients[:, :, 0], want / data.statistics.std[0], atol=2e-5)
    assert (coefficients[:, :, 1] == 0).all(), "of a logarithm nothing is usual"
    states = data.train["2m_temperature"]
    apart = (states - climatology.at(states.time.values)["2m_temperature"]) / data.statistics.std[0]
    squares = (apart**2).weighted(np.cos(np.deg2rad(apart.latitude))).mean()
    assert spread[0] == pytest.approx(float(np.sqrt(squares)), rel=0.1)
    assert spread[1] == 1.0


def test_the_network_has_it_and_it_is_fitted_once(made, monkeypatch):
    config, data = made
    network = network_to_train(config, data)
    assert network.departures.usual.isfinite().all()
    assert network.departures.usual[:, 0, 0].abs().max() > 0.1
    monkeypatch.setattr(departures.Climatology, "fit", None)
    monkeypatch.setattr("axialcast.baselines.fitting.go_through", None)
    monkeypatch.setattr(departures, "_spread", None)
    again = network_to_train(config, data)
    assert again.departures.usual.equal(network.departures.usual)


@pytest.mark.parametrize("wanted", ["auto", True])
def test_less_than_a_year_has_none(store, tmp_path, wanted):
    config = config_of(tmp_path, store, wanted, train=["2001-01-01", "2001-08-31"])
    data = TrainingData.of(config)
    if wanted == "auto":
        assert departures_to_train(config, data) == (
            False,
            "3 annual harmonics need a training period of a year or more, got 243 days",
        )
        assert network_to_train(config, data).departures is None
        return
    with pytest.raises(ValueError, match=r"model\.departures: 3 annual .*; set it to auto, or to"):
        departures_to_train(config, data)


def test_coefficients_that_are_too_large_are_left_out_by_auto_alone(made, monkeypatch):
    config, data = made
    monkeypatch.setattr(departures, "LARGEST_BYTES", 2 * 3 * 2 * 35 * 4 - 1)
    assert departures_to_train(config, data) == (False, "they take 1.68 kB, more than 1.68 kB")
    sure = config.model_copy(update={"model": config.model.model_copy(update={"departures": True})})
    assert isinstance(departures_to_train(sure, data)[0], dict)


@pytest.mark.parametrize("calendar", CALENDARS[1:])
def test_other_calendars_have_years_of_their_own(tmp_path, calendar):
    config = config_of(tmp_path, written(tmp_path, 490, calendar))
    settings, reason = departures_to_train(config, TrainingData.of(config))
    assert reason is None
    assert settings["year_days"] == {"noleap": 365.0, "360_day": 360.0}[calendar]


def test_months_want_each_of_them_twice():
    times = xr.date_range("2001-01-01", periods=23, freq="MS").values
    assert "needs 2 of it, the training period has 1 in month 12" in no_departures(times, MONTH)
    assert no_departures(times, MONTH, sure=True) is None
    assert "a step is 3 months, expected 1" in no_departures(times, 3 * MONTH)
    more = xr.date_range("2001-01-01", periods=24, freq="MS").values
    assert no_departures(more, MONTH) is None
    assert no_departures(xr.date_range("2001-01-01", periods=400).values, DAY) is None


@pytest.mark.parametrize(("days", "number"), [(370, 1), (2190, 1), (2200, 2), (5450, 2), (5500, 3)])
def test_more_years_tell_more_harmonics(days, number):
    times = xr.date_range("2001-01-01", periods=days)
    train = xr.Dataset(coords={"time": times})
    assert departures._harmonics(SimpleNamespace(train=train)) == number
