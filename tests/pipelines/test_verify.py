"""The stage `verify` on a store and a forecast made by hand."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.config import Config
from axialcast.forecast import ForecastStore, ForecastWriter
from axialcast.grid import LatLonGrid
from axialcast.names import VARIABLES
from axialcast.verify.climatology import with_valid_time

STAGE = runpy.run_path(str(Path(__file__).parents[2] / "pipelines" / "verify.py"))
DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.array([1, 2, 3]) * DAY


def store(path, forecast):
    """Writes forecasts as the pipeline does."""
    template = with_valid_time(forecast)
    with ForecastWriter(path, template) as writer:
        writer.write(template.isel(init_time=writer.missing))


@pytest.fixture
def config(tmp_path, analysis_and_forecast):
    analysis, forecast = analysis_and_forecast
    analysis.to_netcdf(tmp_path / "analysis.nc")
    output = tmp_path / "run"
    store(output / "forecast.zarr", forecast)
    return Config(
        pipeline=["verify"],
        output=output,
        data={
            "store": str(tmp_path / "analysis.nc"),
            "variables": ["mean_sea_level_pressure"],
            "train": ["2001", "2002"],
            "validate": ["2003-01", "2003-06"],
            "test": ["2003-07", "2003-12"],
        },
        verify={"regions": {"north": {"latitude": [20, 90], "longitude": [-30, 60]}}},
    )


@pytest.fixture(scope="module")
def analysis_and_forecast():
    """Three years of noise around 1000 hPa, and forecasts 200 Pa too high."""
    grid = LatLonGrid.regular(5, 7, poles=False)
    times = np.datetime64("2001-01-01", "ns") + np.arange(1095) * DAY
    values = 1e5 + 500 * np.random.default_rng(0).standard_normal((1095, 5, 7))
    coords = {"time": times, "latitude": grid.latitude, "longitude": grid.longitude}
    attrs = VARIABLES["mean_sea_level_pressure"].attrs
    name, dims = "mean_sea_level_pressure", ("time", "latitude", "longitude")
    analysis = xr.Dataset({name: (dims, values.astype(np.float32), attrs)}, coords)
    inits = times[1050:1061]
    rows = np.add.outer(np.arange(1050, 1061), [1, 2, 3])
    forecast = xr.Dataset(
        {name: (("init_time", "lead_time", *dims[1:]), analysis[name].values[rows] + 200, attrs)},
        {"init_time": inits, "lead_time": LEADS, **{dim: coords[dim] for dim in dims[1:]}},
    )
    return analysis, forecast


def test_scores_on_disk(config, capsys):
    STAGE["run"](config)
    assert {path.name for path in config.output.iterdir()} == {
        "forecast.zarr",
        "scores.nc",
        "scores.csv",
        "report.html",
        ".sums",
    }
    table = pd.read_csv(config.output / "scores.csv")
    assert list(table) == [
        "model",
        "variable",
        "level",
        "lead_time_hours",
        "metric",
        "region",
        "value",
        "num_pairs",
        "masked",
    ]
    assert len(table) == 5 * 4 * 2 * 3
    own = table[(table.model == "forecast") & table.metric.isin(["rmse", "mae", "bias"])]
    np.testing.assert_allclose(own.value, 200.0, rtol=1e-5)
    assert set(table.region) == {"all", "north"}
    climatology = table[(table.model == "climatology") & (table.metric == "rmse")].value
    np.testing.assert_allclose(climatology, 500, rtol=0.2)
    with xr.open_dataset(config.output / "scores.nc", decode_timedelta=True) as scores:
        np.testing.assert_array_equal(scores.lead_time.values, LEADS)
        rmse = scores.mean_sea_level_pressure.sel(metric="rmse", model="persistence", region="all")
        kept = table[(table.model == "persistence") & (table.metric == "rmse")]
        np.testing.assert_allclose(kept[kept.region == "all"].value, rmse, rtol=1e-6)
        assert (scores.mean_sea_level_pressure_num_pairs == 11).all()
    printed = capsys.readouterr().out
    assert "rmse of air pressure at mean sea level (Pa)" in printed
    assert "linear_inverse_model" in printed
    page = (config.output / "report.html").read_text("utf-8")
    assert "mean_sea_level_pressure" in page  # the config
    assert "2001 to 2002" in page


def test_baselines_never_see_the_test_years(config, analysis_and_forecast):
    analysis, _ = analysis_and_forecast
    climatology, baselines = STAGE["fit_baselines"](config, analysis, LEADS)
    spoilt = analysis.copy(deep=True)
    spoilt["mean_sea_level_pressure"][730:] = 0.0
    again, others = STAGE["fit_baselines"](config, spoilt, LEADS)
    xr.testing.assert_identical(climatology.coefficients, again.coefficients)
    xr.testing.assert_identical(
        baselines["damped_persistence"].damping, others["damped_persistence"].damping
    )
    np.testing.assert_array_equal(
        baselines["linear_inverse_model"].propagator, others["linear_inverse_model"].propagator
    )


def test_a_forecast_that_was_not_made_is_named(config):
    elsewhere = config.model_copy(update={"output": config.output / "other"})
    with pytest.raises(FileNotFoundError, match=r"forecast\.zarr: no such forecast; run"):
        STAGE["run"](elsewhere)
