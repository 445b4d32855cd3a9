"""The whole line on the smallest config: every output is there and made of the others."""

import json

import numpy as np
import pandas as pd
import xarray as xr
import yaml

import axialcast
from axialcast.planet.nature_run import WITHOUT_CONTINENTS
from axialcast.report.frames import COAST


def test_outputs(smallest_run):
    names = {path.name for path in smallest_run.iterdir() if not path.name.startswith(".")}
    assert names == {
        "analysis.zarr",
        "checkpoint",
        "config.yaml",
        "forecast.zarr",
        "log.jsonl",
        "report.html",
        "scores.csv",
        "scores.nc",
        "scores_by_init.nc",
    }


def test_the_forecast_on_disk_is_what_the_checkpoint_predicts(smallest_run):
    forecast = xr.open_zarr(smallest_run / "forecast.zarr").load()
    forecaster = axialcast.load(smallest_run / "checkpoint", device="cpu")
    again = forecaster.predict(
        smallest_run / "analysis.zarr",
        init_times=forecast.init_time.values,
        lead_times=forecast.lead_time.values,
    )
    xr.testing.assert_allclose(forecast, again, rtol=1e-6)
    assert forecast.lead_time.values[-1] == np.timedelta64(24, "h")


def test_a_planet_without_continents_has_no_coasts(smallest_run):
    """Its store says so, and so does the forecast, whose network learned from it."""
    for name in ("analysis.zarr", "forecast.zarr"):
        assert xr.open_zarr(smallest_run / name).attrs["planet"] == WITHOUT_CONTINENTS
    assert COAST not in (smallest_run / "report.html").read_text("utf-8")


def test_scores_are_those_of_the_forecast(smallest_run):
    forecast = xr.open_zarr(smallest_run / "forecast.zarr").geopotential.load()
    truth = xr.open_zarr(smallest_run / "analysis.zarr").geopotential.sel(level=[500.0]).load()
    scores = pd.read_csv(smallest_run / "scores.csv")
    assert list(scores) == [
        "model",
        "variable",
        "level",
        "lead_time_hours",
        "metric",
        "region",
        "value",
        "num_pairs",
        "masked",
        "lower",
        "upper",
    ]
    assert set(scores.model) == {
        "forecast",
        "persistence",
        "climatology",
        "damped_persistence",
        "linear_inverse_model",
        "vector_autoregression",
    }
    grid = axialcast.LatLonGrid(forecast.latitude.values, forecast.longitude.values)
    for hours in (6, 24):
        one = forecast.sel(lead_time=np.timedelta64(hours, "h"))
        one = one[one.valid_time <= truth.time[-1]]
        error = one.values - truth.sel(time=one.valid_time.values).values
        rmse = np.sqrt((error.astype(np.float64) ** 2 * grid.area_weights).mean())
        row = scores.query(
            "model == 'forecast' and region == 'all' and metric == 'rmse'"
            f" and lead_time_hours == {hours}"
        )
        assert row.level.item() == 500
        np.testing.assert_allclose(row.value.item(), rmse, rtol=1e-5)


def test_log_and_config(smallest_run):
    log = [json.loads(line) for line in (smallest_run / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == list(range(1, 11))
    assert all(np.isfinite(entry["loss"]) for entry in log)
    assert [entry["step"] for entry in log if "validation_loss" in entry] == [5, 10]
    config = yaml.safe_load((smallest_run / "config.yaml").read_text())
    assert config["model"]["dim"] == 16
    assert config["data"]["input_steps"] == 2


def test_report_needs_no_other_file(smallest_run):
    report = (smallest_run / "report.html").read_text()
    assert 'src="http' not in report
    assert 'href="http' not in report
    assert "<html" in report
