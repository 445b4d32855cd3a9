"""Training: learns, is a function of its seed, and says what it cannot do."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import axialcast
from axialcast.forecast import load_checkpoint
from axialcast.grid import LatLonGrid
from axialcast.run.config import load_config
from axialcast.run.inspection import describe

ROOT = Path(__file__).parents[2]
SETTINGS = [
    "pipeline=train",
    "data.variables=[geopotential,mean_sea_level_pressure]",
    "data.train=[2001-01-01,2001-03-31]",
    "data.validate=[2001-04-01,2001-04-20]",
    "data.test=[2001-04-21,2001-05-30]",
    "data.levels=null",
    "model.patch=[1,2,2]",
    "train.batch_size=8",
]


@pytest.fixture(scope="module")
def pipeline():
    return runpy.run_path(str(ROOT / "pipelines" / "train.py"))


@pytest.fixture
def store(make_analysis, tmp_path):
    path = tmp_path / "analysis.nc"
    make_analysis(num_times=150).to_netcdf(path)
    return path


def train(pipeline, store, output, *overrides):
    settings = [*SETTINGS, f"data.store={store}", f"output={output}", *overrides]
    pipeline["run"](load_config(ROOT / "configs" / "smallest.yaml", settings))
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def test_it_learns_a_travelling_wave(pipeline, store, tmp_path):
    """The waves move a quarter radian a day: persistence is far off, the network is not."""
    log = train(
        pipeline,
        store,
        tmp_path,
        "train.schedule=[{steps: 100, rollout_steps: 1}, {steps: 20, rollout_steps: 2}]",
        "train.learning_rate=1e-2",
        "train.ema_decay=0.9",
        "train.warmup_steps=5",
        "train.validate_every=1000",
    )
    forecaster = axialcast.load(tmp_path / "checkpoint", device="cpu")
    analysis = xr.open_dataset(store).load()
    inits = analysis.sel(time=slice("2001-04-21", "2001-05-25")).time.values
    forecast = forecaster.predict(analysis, init_times=inits, lead_times="24h")
    truth = analysis.geopotential.sel(time=inits + np.timedelta64(1, "D")).values
    error = np.sqrt(np.mean((forecast.geopotential.values[:, 0] - truth) ** 2))
    persistence = np.sqrt(np.mean((analysis.geopotential.sel(time=inits).values - truth) ** 2))
    assert error < 0.6 * persistence
    assert log[-1]["loss"] < 0.5 * log[0]["loss"]


def test_same_seed_same_weights(pipeline, store, tmp_path):
    runs = [tmp_path / name for name in ("a", "b", "c")]
    for output, seed in zip(runs, (1, 1, 2), strict=True):
        train(pipeline, store, output, f"seed={seed}")
    weights = [(path / "checkpoint" / "weights.safetensors").read_bytes() for path in runs]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_a_step_that_the_cadence_does_not_divide(pipeline, store, tmp_path):
    with pytest.raises(ValueError, match="36 h is not a multiple of the cadence, 24 h"):
        train(pipeline, store, tmp_path, "data.step_hours=36", "forecast.lead_time_hours=36")
    assert not (tmp_path / "checkpoint").exists()


def test_it_learns_around_land(pipeline, make_analysis, tmp_path, capsys):
    """Pressure that is not known on land: told, masked in the loss, and forecast where it is."""
    analysis = make_analysis(num_times=150)
    land = np.zeros((7, 12), bool)
    land[2:4, 3:8] = True
    analysis["mean_sea_level_pressure"] = analysis.mean_sea_level_pressure.where(~land)
    analysis.to_netcdf(tmp_path / "analysis.nc")
    schedule = "train.schedule=[{steps: 60, rollout_steps: 1}, {steps: 10, rollout_steps: 2}]"
    rates = ["train.learning_rate=1e-2", "train.ema_decay=0.9", "train.warmup_steps=5"]
    log = train(pipeline, tmp_path / "analysis.nc", tmp_path / "run", schedule, *rates)
    assert "train: mean_sea_level_pressure is NaN on " in capsys.readouterr().out
    assert all(np.isfinite(entry["loss"]) for entry in log)
    forecaster = axialcast.load(tmp_path / "run" / "checkpoint", device="cpu")
    np.testing.assert_array_equal(forecaster.checkpoint.statistics.missing > 0, [0, 0, 1])
    inits = analysis.sel(time=slice("2001-04-21", "2001-05-25")).time.values
    forecast = forecaster.predict(analysis, init_times=inits, lead_times="24h")
    pressure = forecast.mean_sea_level_pressure.values[:, 0]
    assert (np.isnan(pressure) == land).all()
    truth = analysis.mean_sea_level_pressure.sel(time=inits + np.timedelta64(1, "D")).values
    persistence = analysis.mean_sea_level_pressure.sel(time=inits).values
    error, reference = (np.nanstd(field - truth) for field in (pressure, persistence))
    assert error < 0.8 * reference


def test_a_calendar_without_leap_days(pipeline, make_analysis, tmp_path):
    analysis = make_analysis(num_times=150)
    times = xr.date_range("2001-01-01", periods=150, calendar="noleap", use_cftime=True)
    path = tmp_path / "analysis.nc"
    analysis.assign_coords(time=times).to_netcdf(path)
    train(pipeline, path, tmp_path / "run")
    forecaster = axialcast.load(tmp_path / "run" / "checkpoint", device="cpu")
    forecast = forecaster.predict(path, init_times="2001-03-01", lead_times="24h")
    assert str(forecast.valid_time.values[0, 0]) == "2001-03-02 00:00:00"


def test_statistics_are_gathered_once(pipeline, store, tmp_path, monkeypatch):
    train(pipeline, store, tmp_path / "run")
    first = axialcast.load(tmp_path / "run" / "checkpoint", device="cpu").checkpoint.statistics
    found = list((tmp_path / "run" / ".fitted").glob("statistics-*.npy"))
    assert len(found) == 7

    def fail(*args, **kwargs):
        raise AssertionError("gathered again")

    monkeypatch.setattr("axialcast.run.training_data.statistics", fail)
    train(pipeline, store, tmp_path / "run", "model.dim=32")
    again = axialcast.load(tmp_path / "run" / "checkpoint", device="cpu").checkpoint.statistics
    assert again.to_dict() == first.to_dict()
    with pytest.raises(AssertionError, match="gathered again"):
        train(pipeline, store, tmp_path / "run", "data.train=[2001-01-01,2001-03-30]")


def test_it_hears_of_static_fields(pipeline, tmp_path):
    """What comes next depends on a field that the states do not show and that is elsewhere."""
    grid, rng = LatLonGrid.regular(5, 8, poles=False), np.random.default_rng(0)
    hidden = rng.choice([-1.0, 1.0], grid.shape)
    times = np.datetime64("2001-01-01", "ns") + np.arange(150) * np.timedelta64(1, "D")
    noise = rng.standard_normal((150, *grid.shape))
    values = noise.copy()
    values[1:] += 3 * hidden * np.sign(noise[:-1])
    dims, places = (
        ("time", "latitude", "longitude"),
        {
            "latitude": ("latitude", grid.latitude, {"units": "degrees_north"}),
            "longitude": ("longitude", grid.longitude, {"units": "degrees_east"}),
        },
    )
    units = {"units": "m2 s-2"}
    xr.Dataset(
        {"geopotential": (dims, values.astype("f4"), units)}, {"time": times, **places}
    ).to_netcdf(tmp_path / "analysis.nc")
    xr.Dataset({"lsm": (dims[1:], hidden, {"units": "1"})}, places).isel(
        latitude=slice(None, None, -1)
    ).to_netcdf(tmp_path / "static.nc")
    losses = []
    for number, told in enumerate(
        ([], ["data.static=[lsm]", f"data.static_store={tmp_path}/static.nc"])
    ):
        log = train(
            pipeline,
            tmp_path / "analysis.nc",
            tmp_path / str(number),
            "data.variables=[geopotential]",
            "model={position: none, patch: [1, 1, 1], dim: 16, depth: 1, heads: 2}",
            "train.schedule=[{steps: 200, rollout_steps: 1}]",
            "train.learning_rate=1e-2",
            "train.ema_decay=0.9",
            "train.warmup_steps=5",
            "train.validate_every=200",
            *told,
        )
        losses.append(log[-1]["validation_loss"])
    assert losses[1] < 0.85 * losses[0], losses
    checkpoint = load_checkpoint(tmp_path / "1" / "checkpoint")
    assert [str(field) for field in checkpoint.static] == ["land_sea_mask"]
    np.testing.assert_array_equal(np.sign(checkpoint.weights["static"][0].numpy()), hidden)
    lines = dict(line.split(": ", 1) for line in describe(tmp_path / "1") if ": " in line)
    assert lines["static"] == "land_sea_mask (1)"
    name, share, *_ = lines["listens"].split()
    assert name == "land_sea_mask"
    assert float(share) > 0.1


def test_the_first_loss_is_the_weighted_mean_over_channels(pipeline, store, tmp_path):
    """Before the first step all forecasts are persistence: a mean that weights make."""
    of = {"geopotential 500": 2.0, "geopotential 850": 3.0, "msl": 7.0}
    alone = []
    for number, name in enumerate(of):
        # Others count for next to nothing.
        weights = "{" + ", ".join(f"{n}: {1 if n == name else 1e-9}" for n in of) + "}"
        log = train(pipeline, store, tmp_path / str(number), f"data.weights={weights}")
        alone.append(log[0]["loss"])
    weights = "{" + ", ".join(f"{name}: {weight}" for name, weight in of.items()) + "}"
    log = train(pipeline, store, tmp_path / "all", f"data.weights={weights}")
    expected = np.average(alone, weights=list(of.values()))
    assert log[0]["loss"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match=r"data\.weights: t is none of geopotential 500, geop"):
        train(pipeline, store, tmp_path / "2", "data.weights={t: 2}")


def test_foreign_names_are_mended_from_the_config(pipeline, store, tmp_path):
    """A store of names that say nothing trains the same weights as itself."""
    foreign = xr.open_dataset(store).rename(geopotential="var129", latitude="rows")
    foreign["rows"].attrs = {}
    foreign.to_netcdf(tmp_path / "foreign.nc")
    train(pipeline, store, tmp_path / "a")
    train(
        pipeline,
        tmp_path / "foreign.nc",
        tmp_path / "b",
        "data.rename={var129: geopotential, rows: latitude}",
    )
    weights = [(tmp_path / n / "checkpoint" / "weights.safetensors").read_bytes() for n in "ab"]
    assert weights[0] == weights[1]
    with pytest.raises(ValueError, match=r"data\.rename: var is none of"):
        train(pipeline, store, tmp_path / "c", "data.rename={var: geopotential}")


REGION = ["data.region={latitude: [-70, 45], longitude: [80, 310]}", "data.levels=[500]"]
STEPS = [
    "train.schedule=[{steps: 60, rollout_steps: 1}]",
    "train.learning_rate=1e-2",
    "train.ema_decay=0.9",
    "train.warmup_steps=5",
    "train.validate_every=60",
]


def test_a_region_learns_more_with_a_boundary(pipeline, store, tmp_path):
    """Waves come in from the west. The store's own frame, or that of another store with the same
    states, are the same to the bit, and the network listens."""
    boundary = "data.boundary={width: 1, relaxation: overwrite"
    told = {
        "own": [boundary + "}"],
        "other": [boundary + f", store: {store}}}"],
        "none": [],
    }
    log = {
        name: train(pipeline, store, tmp_path / name, *REGION, *STEPS, *more)
        for name, more in told.items()
    }
    assert [entry["loss"] for entry in log["own"]] == [entry["loss"] for entry in log["other"]]
    assert log["own"][-1]["validation_loss"] < 0.9 * log["none"][-1]["validation_loss"], log
    lines = dict(line.split(": ", 1) for line in describe(tmp_path / "own") if ": " in line)
    assert lines["boundary"] == "1-point frame (overwrite)"
    name, share, *_ = lines["listens"].removeprefix("boundary of ").split(",")[0].rsplit(" ", 1)
    assert name == "geopotential 500 hPa"
    assert float(share) > 0.05


def test_a_boundary_that_does_not_fit_is_refused(pipeline, store, tmp_path, make_analysis):
    make_analysis(num_times=60).to_netcdf(tmp_path / "short.nc")
    boundary = f"data.boundary={{width: 1, store: {tmp_path}/short.nc}}"
    with pytest.raises(ValueError, match=r"data\.boundary\.store: .*short\.nc: holds .* is wanted"):
        train(pipeline, store, tmp_path / "a", *REGION, boundary)
    with pytest.raises(ValueError, match=r"data\.boundary: .* is global, so nothing comes in"):
        train(pipeline, store, tmp_path / "b", "data.boundary={width: 1}")
