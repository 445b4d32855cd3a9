"""The whole line in steps and calendars of every kind, against xarray's own arithmetic of dates."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from typer.testing import CliRunner

import axialcast
from axialcast.data import grid_of
from axialcast.forecast import ForecastStore
from axialcast.run.cli import app
from axialcast.run.config import load_config
from axialcast.run.stages import run_stages

CONFIG = """
pipeline: [train, forecast, verify]
device: cpu
output: run
data: {store: analysis.nc, variables: [surface_temperature]}
model: {dim: 8, depth: 1, heads: 2}
train: {batch_size: 4, schedule: [{steps: 2}, {steps: 1, rollout_steps: 2}]}
"""


@dataclass(frozen=True)
class Case:
    """What a store holds and a run asks for, in words of xarray and of the config.

    Args:
        freq: of `xr.date_range`, from `start`, for `num` times.
        lead: a frequency of xarray's for each lead time.
        column, values: of the lead times in the table of scores.
        words: what the report says of the longest.
    """

    calendar: str
    start: str
    freq: str
    num: int
    config: dict
    leads: tuple[str, ...]
    column: str
    values: tuple[float, ...]
    words: str

    @property
    def times(self):
        chosen = {"periods": self.num, "freq": self.freq, "calendar": self.calendar}
        return xr.date_range(self.start, **chosen).values


MONTHS = {
    "data": {"train": ["2000", "2004"], "validate": ["2005", "2005"], "test": ["2006", "2007"]},
    "forecast": {"lead_time": "3 months", "init_every": "2 months"},
}
CASES = {
    "months": Case(
        *("standard", "2000-01-01", "MS", 96, MONTHS, ("1MS", "2MS", "3MS")),
        *("lead_time_months", (1, 2, 3), "3 months"),
    ),
    "ends of months": Case(
        *("noleap", "2000-01-31", "ME", 96, MONTHS, ("1MS", "2MS", "3MS")),
        *("lead_time_months", (1, 2, 3), "3 months"),
    ),
    "30 days": Case(
        *("360_day", "2000-01-16", "30D", 96, MONTHS, ("1MS", "2MS", "3MS")),
        *("lead_time_months", (1, 2, 3), "3 months"),
    ),
    "seasons": Case(
        *("standard", "1980-01-01", "QS", 112),
        {
            "data": {
                "train": ["1980", "1999"],
                "validate": ["2000", "2003"],
                "test": ["2004", "2007"],
                "step": "3 months",
            },
            "forecast": {
                "lead_time": "1 year",
                "init_every": "6 months",
                "layout": "weatherbench2",
            },
        },
        *(("3MS", "6MS", "9MS", "12MS"), "lead_time_months", (3, 6, 9, 12), "12 months"),
    ),
    "10 minutes": Case(
        *("standard", "2000-02-27", "10min", 576),
        {
            "data": {
                "train": ["2000-02-27", "2000-02-28"],
                "validate": ["2000-02-29", "2000-02-29"],
                "test": ["2000-03-01T00", "2000-03-01T23"],
            },
            "forecast": {
                "lead_time": "30 min",
                "init_times": {"first": "2000-03-01T01", "last": "2000-03-01T08", "every": "1 h"},
            },
            "verify": {"harmonics": 0},
        },
        *(("10min", "20min", "30min"), "lead_time_hours", (1 / 6, 1 / 3, 1 / 2), "30 minutes"),
    ),
    "days of 360": Case(
        *("360_day", "2000-01-01", "D", 1080),
        {
            "data": {
                "train": ["2000-01", "2001-06"],
                "validate": ["2001-07", "2001-12"],
                "test": ["2002-01", "2002-12"],
            },
            "forecast": {
                "lead_time_hours": 48,
                "init_times": {"first": "2002-02-20", "last": "2002-04", "every": "5 days"},
            },
            "verify": {"harmonics": 2},
        },
        *(("1D", "2D"), "lead_time_hours", (24, 48), "2 days"),
    ),
}


SLOW = ("30 days", "seasons")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in CASES]
)
def test_a_line(name, tmp_path, monkeypatch):
    case = CASES[name]
    monkeypatch.chdir(tmp_path)
    truth = _field(case.times)
    truth.to_netcdf("analysis.nc")
    config = yaml.safe_load(CONFIG)
    for section, values in case.config.items():
        config[section] = {**config.get(section, {}), **values}
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(config))
    said("check", "x.yaml")
    run_stages(load_config(tmp_path / "x.yaml"))

    forecast = ForecastStore("run/forecast.zarr").dataset()
    opened = axialcast.open_analysis("analysis.nc")
    inits = forecast.init_time.to_index()
    assert len(inits) >= 6
    assert inits.isin(opened.time.to_index()).all()
    table = pd.read_csv("run/scores.csv")
    own = table.query("model == 'persistence' and metric == 'rmse' and region == 'all'")
    np.testing.assert_allclose(own[case.column], case.values, rtol=1e-6)
    weights = grid_of(opened).area_weights
    for number, freq in enumerate(case.leads):
        valid = _moved(inits, freq)
        if "valid_time" in forecast:
            np.testing.assert_array_equal(forecast.valid_time[:, number], valid)
        there = valid.isin(opened.time.to_index())
        now, then = (opened.sel(time=times[there]) for times in (inits, valid))
        error = now.surface_temperature.values - then.surface_temperature.values
        rmse = np.sqrt((error.astype(float) ** 2 * weights).mean())
        np.testing.assert_allclose(own.value.iloc[number], rmse, rtol=1e-5)
    assert case.words in (tmp_path / "run/report.html").read_text()
    said("inspect", "run/checkpoint")
    said("inspect", "run/forecast.zarr")
    assert said("run", "x.yaml").count("up to date") == 3


@pytest.mark.parametrize("calendar", [pytest.param("standard", marks=pytest.mark.slow), "noleap"])
def test_a_store_of_months_grows_and_its_scores_are_kept(calendar, tmp_path, monkeypatch, content):
    """Whatever came first, stores are equal to the byte, and so are scores."""
    monkeypatch.chdir(tmp_path)
    times = xr.date_range("2000-01-31", periods=96, freq="ME", calendar=calendar)
    _field(times.values).to_netcdf("analysis.nc")
    config = yaml.safe_load(CONFIG)
    for section, values in MONTHS.items():
        config[section] = {**config.get(section, {}), **values}
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(config))
    run_stages(load_config(tmp_path / "x.yaml"))
    every = ["forecast.init_every=null"]
    assert "12 of 24 initial times kept" in said("run", "x.yaml", *every)
    forecasts, scores = content(tmp_path / "run/forecast.zarr"), Path("run/scores.csv").read_text()
    assert "blocks were kept" in said("run", "x.yaml", *every, "verify.metrics=[rmse]")
    assert said("run", "x.yaml", *every, "--force").count("runs") == 3
    assert content(tmp_path / "run/forecast.zarr") == forecasts
    assert Path("run/scores.csv").read_text() == scores
    forecaster = axialcast.load("run/checkpoint")
    forecast = ForecastStore("run/forecast.zarr").dataset()
    again = forecaster.predict(
        "analysis.nc", init_times=forecast.init_time.values, lead_times=forecast.lead_time
    )
    xr.testing.assert_allclose(forecast.load(), again, rtol=1e-5)
    one = forecaster.predict(
        axialcast.open_analysis("analysis.nc", period=("2006-01", "2006-02")),
        init_times="2006-02",
        lead_times="2 months",
    )
    xr.testing.assert_allclose(one, again.sel(init_time=one.init_time, lead_time=[2]), rtol=1e-5)


def said(*arguments: str) -> str:
    """What the command says, without an error."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def _field(times) -> xr.Dataset:
    """A wave, and the seasons, of a temperature at these times."""
    phase = np.arange(len(times))[:, None, None] / 5
    latitude, longitude = np.linspace(-75, 75, 6), np.arange(0, 360, 45.0)
    wave = np.sin(phase + np.deg2rad(longitude)) * np.cos(np.deg2rad(latitude))[:, None]
    season = np.cos(2 * np.pi * xr.DataArray(times, dims="time").dt.month.values / 12)
    values = 280 + 3 * wave + 5 * season[:, None, None]
    coords = {"time": times, "latitude": latitude, "longitude": longitude}
    dims = ("time", "latitude", "longitude")
    return xr.Dataset(
        {"surface_temperature": (dims, values.astype(np.float32), {"units": "K"})}, coords
    )


def _moved(times, freq):
    """Each time so much later, as xarray and pandas count it."""
    if isinstance(times, xr.CFTimeIndex):
        return times.shift(1, freq)
    return times + pd.tseries.frequencies.to_offset(freq)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "file", "fields"),
    [
        ("cobe2_sst", "cobe2_sst_2deg_monthly_1950_2009.nc", ["sea_surface_temperature"]),
        (
            "fnoc_winds",
            "fnoc_winds_global_monthly_1982_1992.nc",
            ["10m_u_component_of_wind", "10m_v_component_of_wind"],
        ),
    ],
)
def test_monthly_data_as_they_are(config, file, fields, real_data, tmp_path, monkeypatch):
    """The shipped configs, after one step of training: departures persist, or states do."""
    monkeypatch.setenv("AXIALCAST_DATA", str(real_data(file).parent))
    path = Path(__file__).parents[2] / "configs" / f"{config}.yaml"
    short = ["train.schedule=[{steps: 1}]", "train.learning_rate=1e-9", f"output={tmp_path}"]
    run_stages(load_config(path, short))
    table = pd.read_csv(tmp_path / "scores.csv").query("metric == 'rmse' and region == 'all'")
    rmse = table.pivot_table(
        index=["variable", "lead_time_months"], columns="model", values="value"
    )
    assert sorted(set(rmse.index.get_level_values(0))) == sorted(fields)
    assert np.isfinite(rmse).all().all()
    first = rmse.xs(1, level="lead_time_months")
    if config == "fnoc_winds":
        np.testing.assert_allclose(first.forecast, first.persistence, rtol=1e-3)
    else:
        assert (first.forecast < 0.5 * first.persistence).all()
        assert (first.damped_persistence < first.forecast).all()
