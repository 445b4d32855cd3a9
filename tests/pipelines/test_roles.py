"""Roles of variables through the line: what is given alone, and what is forecast alone."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from axialcast.data import Channel, Channels, open_analysis
from axialcast.data.windows.batch import Batch
from axialcast.forecast import ForecastStore, load
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork, rollout
from axialcast.names import DIAGNOSTIC, FORCING
from axialcast.run.config import ConfigError, load_config
from axialcast.run.inspection import describe
from axialcast.run.preflight import check_run
from axialcast.run.shipped import find_pipeline
from axialcast.run.stage import Stage
from axialcast.run.stages import run_stages
from axialcast.run.stamps import decided_by, differences

DAY = np.timedelta64(1, "D").astype("m8[ns]")
NUM, GRID = 170, LatLonGrid.regular(5, 8, poles=False)
CONFIG = """
pipeline: [train, forecast, verify]
output: {folder}/{name}
device: cpu
data:
  store: {folder}/analysis.nc
  variables: [geopotential]
  train: ["2001-01-01", "2001-04-20"]
  validate: ["2001-04-21", "2001-05-10"]
  test: ["2001-05-11", "2001-06-12"]
model: {{position: none, patch: [1, 1, 1], dim: 16, depth: 1, heads: 2}}
train:
  schedule: [{{steps: 150}}, {{steps: 30, rollout_steps: 2}}]
  batch_size: 8
  learning_rate: 1.0e-2
  ema_decay: 0.9
  warmup_steps: 5
  validate_every: 60
forecast: {{lead_time_hours: 72, batch_size: 4}}
verify: {{harmonics: 0, baselines: [persistence]}}
"""
ROLES = "data.forcings=[sst,cosine_of_solar_zenith_angle]", "data.diagnostic=[tp]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Geopotential that follows the next day's sea; rain that follows the geopotential; the sea
    is missing at two cells and nowhere foreseeable."""
    folder, rng = tmp_path_factory.mktemp("roles"), np.random.default_rng(0)
    sea, values = rng.standard_normal((NUM, *GRID.shape)), np.zeros((NUM, *GRID.shape))
    for day in range(1, NUM):
        values[day] = 0.5 * values[day - 1] + sea[day] + 0.05 * rng.standard_normal(GRID.shape)
    rain = np.maximum(values, 0) / 100
    sea[:, 1, 2:4] = np.nan
    dims = ("time", "latitude", "longitude")
    xr.Dataset(
        {
            "tp": (dims, rain.astype("f4"), {"units": "m"}),
            "sst": (dims, (290 + sea).astype("f4"), {"units": "K"}),
            "z": (dims, values.astype("f4"), {"units": "m2 s-2"}),
        },
        {
            "time": np.datetime64("2001-01-01", "ns") + np.arange(NUM) * DAY,
            "latitude": ("latitude", GRID.latitude, {"units": "degrees_north"}),
            "longitude": ("longitude", GRID.longitude, {"units": "degrees_east"}),
        },
    ).to_netcdf(folder / "analysis.nc")
    for name, settings in (("with", ROLES), ("without", ROLES[1:])):
        run(folder, name, *settings)
    return folder


def config_of(folder, name, *overrides):
    path = folder / f"{name}.yaml"
    path.write_text(CONFIG.format(folder=folder, name=name))
    return load_config(path, overrides)


def run(folder, name, *overrides):
    said = []
    run_stages(config_of(folder, name, *overrides), say=said.append)
    return said


def rmse(folder, name, variable):
    table = pd.read_csv(folder / name / "scores.csv")
    chosen = table[(table.metric == "rmse") & (table.model == "forecast") & (table.region == "all")]
    chosen = chosen[chosen.variable == variable].sort_values("lead_time_hours")
    return chosen["value"].to_numpy()


def test_what_a_forcing_tells_of_the_coming_day_is_used(folder):
    told, untold = (rmse(folder, name, "geopotential") for name in ("with", "without"))
    assert (told < 0.5 * untold).all(), (told, untold)
    assert (rmse(folder, "with", "total_precipitation") < 0.005).all()


def test_forecasts_and_scores_hold_what_is_forecast_alone(folder):
    forecast = ForecastStore(folder / "with" / "forecast.zarr").dataset()
    assert list(forecast) == ["geopotential", "total_precipitation"]
    assert set(pd.read_csv(folder / "with" / "scores.csv").variable) == set(forecast)
    # The sea's missing cells are nobody else's.
    assert not any(forecast.isnull().any().to_array())


def test_roles_are_in_the_checkpoint_and_told_by_inspect(folder):
    channels = load(folder / "with" / "checkpoint").checkpoint.channels
    assert [(str(c), c.role) for c in channels] == [
        ("geopotential", "prognostic"),
        ("total_precipitation", "diagnostic"),
        ("sea_surface_temperature", "forcing"),
    ]
    lines = dict(line.split(": ", 1) for line in describe(folder / "with") if ": " in line)
    assert lines["prognostic"] == "geopotential (m2 s-2)"
    assert lines["diagnostic"] == "total_precipitation (m)"
    assert lines["forcing"] == "sea_surface_temperature (K), cosine_of_solar_zenith_angle"
    heard = dict(one.rsplit(" ", 1) for one in lines["listens"].partition(" (")[0].split(", "))
    assert float(heard["sea_surface_temperature"]) > 0.3
    assert float(heard["cosine_of_solar_zenith_angle"]) < 0.1


@pytest.mark.parametrize("source", ["persist", "climatology", "of another run"])
def test_forcings_come_from_where_it_is_said(folder, tmp_path, source):
    """As from an analysis that holds just that at the coming times."""
    inits = np.datetime64("2001-05-20", "ns") + np.arange(3) * DAY
    analysis = xr.load_dataset(folder / "analysis.nc")
    expected = []
    for init in inits:
        changed = analysis.copy(deep=True)
        later = changed.time > init
        if source == "persist":
            changed.sst[later] = analysis.sst.sel(time=init)
        elif source == "climatology":
            mean = analysis.sst.sel(time=slice("2001-01-01", "2001-04-20")).mean("time")
            changed.sst[later] = mean.astype("f4")
        else:
            changed.sst[later] += np.float32(0.5)
        changed.to_netcdf(tmp_path / "changed.nc")
        forecaster = load(folder / "with" / "checkpoint", device="cpu")
        expected.append(
            forecaster.predict(tmp_path / "changed.nc", init_times=init, lead_times=["24h", "72h"])
        )
    if source == "of another run":
        leads = np.arange(1, 4) * DAY
        sea = [analysis.sst.sel(time=init + leads).drop_vars("time") + 0.5 for init in inits]
        stored = xr.concat(sea, "init_time").rename(time="lead_time").astype("f4")
        stored = stored.assign_coords(init_time=inits, lead_time=leads).assign_attrs(units="K")
        given = stored.rename("sea_surface_temperature").to_dataset()
    elif source == "climatology":
        given = Mean(Channels([Channel("sea_surface_temperature", None, "K")]), mean.values)
    else:
        given = source
    forecaster = load(
        folder / "with" / "checkpoint", device="cpu", forcings={"sea_surface_temperature": given}
    )
    got = forecaster.predict(
        folder / "analysis.nc", init_times=inits, lead_times=["24h", "72h"], batch_size=2
    )
    xr.testing.assert_allclose(got, xr.concat(expected, "init_time"), rtol=1e-5)
    word = "forecast" if source == "of another run" else source
    assert got.attrs["forcings"] == f"sea_surface_temperature: {word}"


class Mean:
    """A climatology that knows no season."""

    def __init__(self, channels, values):
        self.channels, self._values = channels, values.astype("f4")

    def values_at(self, times):
        return np.broadcast_to(self._values, (len(times), 1, *self._values.shape)).copy()


def test_the_end_of_the_forcings_is_told_with_what_helps(folder):
    late = "data.test=[2001-05-11,2001-06-19]"
    with pytest.raises(ConfigError) as told:
        check_run(config_of(folder, "late", *ROLES, late), folder=folder)
    [line] = str(told.value).splitlines()
    for part in (
        "sea_surface_temperature: a forcing is wanted at all times",
        "the forecast from 2001-06-17T00 needs that of 2001-06-20T00",
        "times 2001-01-01T00 to 2001-06-19T00",
        "forecast.forcings: {sea_surface_temperature: persist}",
    ):
        assert part in line
    check_run(
        config_of(folder, "late", *ROLES, late, "forecast.forcings={sst: persist}"), folder=folder
    )
    forecaster = load(folder / "with" / "checkpoint", device="cpu")
    with pytest.raises(ValueError, match="needs that of 2001-06-20T00, which is not among"):
        forecaster.predict(folder / "analysis.nc", init_times="2001-06-19", lead_times="24h")


@pytest.mark.parametrize("word", ["persist", "climatology"])
def test_a_run_says_where_its_forcings_come_from(folder, word):
    """The words of the config, to the end: other forecasts, and less skill than with the truth."""
    settings = [*ROLES, f"forecast.forcings={{sst: {word}}}", f"output={folder}/{word}"]
    config = config_of(folder, "with", *settings, "pipeline=[forecast,verify]")
    config.output.mkdir()
    (config.output / "checkpoint").symlink_to(folder / "with" / "checkpoint")
    run_stages(config, say=lambda line: None)
    assert (rmse(folder, word, "geopotential") > 1.3 * rmse(folder, "with", "geopotential")).all()


def test_forecasts_of_another_climatology_are_other_forecasts(folder):
    """The harmonics of verify.harmonics decide the forcing, and where there is none, nothing."""
    said = {}
    for word in ("climatology", "persist"):
        settings = [*ROLES, f"forecast.forcings={{sst: {word}}}", f"output={folder}/of {word}"]
        config = config_of(folder, "with", *settings)
        stage = Stage.load(find_pipeline("forecast"))
        one, other = (
            decided_by(config.model_copy(update={"verify": verify}), stage, [])
            for verify in (config.verify, config.verify.model_copy(update={"harmonics": 1}))
        )
        said[word] = differences(other, one)
    assert said == {"climatology": ["verify.harmonics was 0, is 1"], "persist": []}


def test_a_changed_forcing_makes_the_forecasts_that_used_it_anew(folder, capsys):
    """And no other: initial times up to three days before it, and the one after (two states)."""
    analysis = xr.load_dataset(folder / "analysis.nc")
    changed = analysis.copy(deep=True)
    changed.sst.loc[{"time": "2001-05-25"}] += 0.5
    changed.to_netcdf(folder / "changed.nc")
    shutil.copytree(folder / "with", folder / "again")
    settings = [*ROLES, f"data.store={folder}/changed.nc", f"output={folder}/again"]
    run(folder, "with", *settings, "pipeline=forecast")
    said = capsys.readouterr().out
    assert "the states of 5 initial times changed; made anew" in said


def test_diagnostics_need_no_analysis(folder):
    """Nothing is made from them: neither their values nor their absence matter."""
    analysis = xr.load_dataset(folder / "analysis.nc")
    forecaster = load(folder / "with" / "checkpoint", device="cpu")
    asked = {"init_times": "2001-05-20", "lead_times": ["24h", "48h"]}
    whole = forecaster.predict(folder / "analysis.nc", **asked)
    opened = open_analysis(analysis)
    xr.testing.assert_identical(
        forecaster.predict(opened.drop_vars("total_precipitation"), **asked), whole
    )


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("data.diagnostic=[z]", "data: geopotential is among variables and diagnostic; name it in"),
        (
            "data.forcings=[cosine_of_solar_zenith]",
            "got 'cosine_of_solar_zenith'; did you mean cosine_of_solar_zenith_angle, which is",
        ),
        (
            "data.forcings=[calendar]",
            "calendar: every network is told times of year and day; leave",
        ),
        (
            "forecast.forcings={tp: persist}",
            "forecast.forcings: tp is not among data.forcings, or is computed; leave it out",
        ),
    ],
)
def test_errors_name_key_and_remedy(folder, override, line):
    with pytest.raises(ConfigError) as told:
        config_of(folder, "wrong", override)
    assert line in str(told.value)


def test_a_source_of_forcings_that_is_nowhere_is_told_before_the_training(folder):
    config = config_of(folder, "wrong", *ROLES, "forecast.forcings={sst: persit}")
    with pytest.raises(ConfigError, match="sst: persit is not there; expected analysis, persist, "):
        run_stages(config, say=lambda line: None)
    assert not (folder / "wrong" / "checkpoint").exists()


def test_weights_and_bounds_are_of_what_is_forecast(folder):
    for override in ("data.bounds={sst: [271, null]}", "data.weights={sst: 2}"):
        with pytest.raises(ValueError, match="sst is none of"):
            check_run(config_of(folder, "wrong", *ROLES, override), folder=folder)


def test_a_network_is_given_each_forcing_one_step_after_the_state():
    """What comes is the last state and the forcing of its own time."""
    given = []

    def network(states, dates, forcings):
        given.append(forcings[:, :, 0, 0, 0].tolist())
        return torch.cat([states[:, -1] + forcings[:, -1], forcings[:, -1]], 1)

    channels = Channels(
        [
            Channel("x", None, "1"),
            Channel("y", None, "1", DIAGNOSTIC),
            Channel("f", None, "1", FORCING),
        ]
    )
    states = torch.arange(5.0).reshape(1, 5, 1, 1, 1) * torch.tensor([0.0, 9.0, 1.0])[:, None, None]
    times = np.datetime64("2001-01-01", "ns") + np.arange(5)[None] * DAY
    batch = Batch(states, times, None, 2, channels)
    steps = rollout(
        network, batch.inputs, batch.input_times, step=DAY, num_steps=3, forcings=batch.forcings
    )
    assert [step.flatten().tolist() for step in steps] == [[2, 2], [5, 3], [9, 4]]
    assert given == [[[1, 2]], [[2, 3]], [[3, 4]]]
    assert batch.targets.shape == (1, 3, 2, 1, 1)
    assert batch.inputs.shape == (1, 2, 1, 1, 1)


def test_diagnostics_begin_at_their_mean():
    network = ForecastNetwork(
        num_channels=2, num_diagnostic=1, num_forcings=1, grid=GRID, increment_scale=[0.3, 0.7],
        dim=8, depth=1, heads=2,
    )  # fmt: skip
    states = torch.randn(3, 2, 2, *GRID.shape)
    following = network(states, torch.zeros(3, 2, 5), torch.randn(3, 2, 1, *GRID.shape))
    torch.testing.assert_close(following[:, :2], states[:, -1])
    assert not following[:, 2].any()
