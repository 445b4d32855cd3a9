"""The stage `forecast`: what is there stays, what is missing or of something else is made."""

import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from axialcast.data import grid_of
from axialcast.files import inventory
from axialcast.forecast import ForecastStore, load
from axialcast.run.config import load_config
from axialcast.run.shipped import find_pipeline
from axialcast.run.stages import run_stages

DAY = np.timedelta64(1, "D").astype("m8[ns]")
CONFIG = """
pipeline: [train, forecast]
output: {folder}/run
device: cpu
data:
  store: {folder}/analysis.nc
  variables: [geopotential, mean_sea_level_pressure]
  train: ["2001-01-01", "2001-01-20"]
  validate: ["2001-01-21", "2001-01-27"]
  test: ["2001-01-28", "2001-02-09"]
model: {{dim: 8, depth: 1, heads: 2}}
train: {{schedule: [{{steps: 2}}], batch_size: 4}}
forecast: {{lead_time_hours: 48, batch_size: 4}}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory, make_analysis):
    """A folder with an analysis, a config and the run that was made of it."""
    folder = tmp_path_factory.mktemp("trained")
    make_analysis().to_netcdf(folder / "analysis.nc")
    (folder / "x.yaml").write_text(CONFIG.format(folder=folder))
    run_stages(load_config(folder / "x.yaml"), say=lambda line: None)
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    """As `trained`, to be changed."""
    shutil.copytree(trained, tmp_path / "here")
    (tmp_path / "here" / "x.yaml").write_text(CONFIG.format(folder=tmp_path / "here"))
    # Copied, the analysis has another time of change and path; so has all that was made of it.
    run(tmp_path / "here")
    return tmp_path / "here"


def run(folder, *overrides, **options):
    """What the stages said."""
    said = []
    run_stages(load_config(folder / "x.yaml", overrides), say=said.append, **options)
    return said


def dates(folder):
    return [date[5:10] for date in ForecastStore(folder / "run" / "forecast.zarr").complete()]


def test_initial_times_that_are_added_cost_themselves(folder, content, capsys):
    store = folder / "run" / "forecast.zarr"
    one_go = content(store)
    shutil.rmtree(folder / "run" / "forecast.zarr")
    few = ["data.test=[2001-02-01,2001-02-04]"]
    run(folder, *few)
    assert dates(folder) == ["02-01", "02-02", "02-03", "02-04"]
    said = run(folder)
    assert said == [
        "train: up to date, skipped (--force runs it again)",
        "forecast: runs again, for data.test changed",
    ]
    assert "forecast: 4 of 13 initial times kept" in capsys.readouterr().out
    assert content(store) == one_go
    # Fewer are asked for: what is there stays.
    run(folder, *few)
    assert len(dates(folder)) == 13
    assert content(store) == one_go


def test_another_checkpoint_makes_all_anew(folder, capsys):
    before = ForecastStore(folder / "run" / "forecast.zarr").contents()
    said = run(folder, "seed=1")
    assert said[1] == "forecast: runs again, for checkpoint, seed changed"
    assert "forecast: made anew, for checkpoint changed" in capsys.readouterr().out
    after = ForecastStore(folder / "run" / "forecast.zarr").contents()
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    run(folder, "seed=1", "forecast.lead_time_hours=24")
    assert "forecast.lead_time_hours was 48.0, is 24.0" in capsys.readouterr().out
    assert ForecastStore(folder / "run" / "forecast.zarr").dataset().sizes["lead_time"] == 1


def test_an_analysis_that_grows_and_one_that_is_corrected(folder, make_analysis, content, capsys):
    store = folder / "run" / "forecast.zarr"
    grown = make_analysis(num_times=40)
    grown = xr.concat(
        [grown, grown.assign_coords(time=grown.time + np.timedelta64(40, "D"))], "time"
    )
    grown.isel(time=slice(0, 45)).to_netcdf(folder / "analysis.nc")
    before = content(store)
    line = "data.test=[2001-01-28,2001-02-13]"
    run(folder, line, "pipeline=forecast")
    assert "forecast: 13 of 17 initial times kept" in capsys.readouterr().out
    after = content(store)
    chunks = [name for name in before if "/c/" in name and name.startswith(("geo", "mean"))]
    assert all(after[name] == before[name] for name in chunks)
    grown.mean_sea_level_pressure[35] += 1
    grown.isel(time=slice(0, 45)).to_netcdf(folder / "analysis.nc")
    run(folder, line, "pipeline=forecast")
    out = capsys.readouterr().out
    # The state of 5 February begins the forecasts of the 5th and the 6th.
    assert "forecast: the states of 2 initial times changed; made anew" in out
    assert "forecast: 15 of 17 initial times kept" in out
    # What the analysis does not hold any more cannot be compared, and stays.
    grown.isel(time=slice(30, 45)).to_netcdf(folder / "analysis.nc")
    run(folder, "data.test=[2001-02-03,2001-02-13]", "pipeline=forecast")
    assert len(dates(folder)) == 17


def test_force_starts_over_and_spares_a_users_file(folder, content, capsys):
    store = folder / "run" / "forecast.zarr"
    before = content(store)
    (store / "mine.txt").write_text("mine")
    (store / "geopotential" / "c" / "mine.txt").write_text("mine")
    run(folder, "pipeline=forecast", force=True)
    assert "kept" not in capsys.readouterr().out
    after = content(store)
    assert after.pop("mine.txt") == after.pop("geopotential/c/mine.txt") == b"mine"
    assert after == before


def test_a_store_of_an_earlier_version_is_made_anew_and_a_users_is_refused(folder, content):
    store = folder / "run" / "forecast.zarr"
    before = content(store)
    shutil.rmtree(store / inventory.FOLDER)
    run(folder, "pipeline=forecast")
    assert content(store) == before
    shutil.rmtree(store)
    xr.Dataset({"mine": ("x", np.arange(3.0))}).to_netcdf(folder / "mine.nc")
    store.mkdir()
    (folder / "mine.nc").rename(store / "mine.nc")
    with pytest.raises(
        ValueError, match=r"forecast\.zarr: is a folder with mine\.nc that axialcast"
    ):
        run(folder, "pipeline=forecast")
    assert (store / "mine.nc").exists()


@pytest.mark.parametrize("step", [83, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("there", ["another", pytest.param("nothing", marks=pytest.mark.slow)])
def test_killed_at_any_event_the_stage_goes_on(
    folder, content, killed_at, monkeypatch, there, step
):
    """Where there is nothing, or a store of other lead times, that is taken away first.

    The network is made before and left out, for torch's threads do not survive a fork.
    """
    forecaster = load(folder / "run" / "checkpoint", device="cpu")
    monkeypatch.setattr("axialcast.forecast.hindcast.load", lambda path, **options: forecaster)

    def hindcast(self, analysis, *, init_times, lead_times, batch_size, leads_together):
        template = self.template(init_times, lead_times) if len(init_times) else None
        for first in range(0, len(init_times), batch_size):
            block = template.isel(init_time=slice(first, first + batch_size)) * 1.0
            yield block, ["states"] * block.sizes["init_time"]

    monkeypatch.setattr("axialcast.forecast.Forecaster.hindcast", hindcast)
    store, number = folder / "run" / "forecast.zarr", 1
    run(folder, "pipeline=forecast", "forecast.lead_time_hours=24", force=True)
    shutil.copytree(store, folder / "another")
    run(folder, "pipeline=forecast", force=True)
    expected = content(folder / "run")
    while True:
        shutil.rmtree(store)
        if there == "another":
            shutil.copytree(folder / "another", store)
        (folder / "run" / ".stages" / "forecast.json").unlink()
        died = killed_at(lambda: run(folder, "pipeline=forecast"), number, folder / "run")
        run(folder, "pipeline=forecast")
        assert content(folder / "run") == expected, f"event {number}"
        if not died:
            break
        number += step
    assert number > 150


@pytest.mark.parametrize("levels", ["[850, 500]", "[500, 850]"])
def test_levels_that_descend_go_through_all_stages(tmp_path, make_analysis, levels):
    """In the store, and in another order in the config: the same forecasts, the same scores."""
    turned = make_analysis().isel(level=[1, 0])[["mean_sea_level_pressure", "geopotential"]]
    turned.to_netcdf(tmp_path / "analysis.nc")
    text = CONFIG.format(folder=tmp_path).replace("[train, forecast]", "[train, forecast, verify]")
    text = text.replace("  train:", f"  levels: {levels}\n  train:", 1)
    (tmp_path / "x.yaml").write_text(text + "verify: {harmonics: 0, baselines: [persistence]}\n")
    run(tmp_path)
    forecast = ForecastStore(tmp_path / "run" / "forecast.zarr").dataset().load()
    analysis = make_analysis()
    again = load(tmp_path / "run" / "checkpoint", device="cpu").predict(
        analysis, init_times=forecast.init_time.values[:3], lead_times=["24h", "48h"]
    )
    xr.testing.assert_allclose(again, forecast.isel(init_time=slice(3)), rtol=1e-6)
    scores = xr.open_dataset(tmp_path / "run" / "scores.nc", decode_timedelta=True)
    of = {"model": "forecast", "metric": "rmse", "region": "all", "lead_time": "24h"}
    inits = forecast.init_time.values
    for level in (500.0, 850.0):
        truth = analysis.geopotential.sel(level=level)
        truth = truth.sel(time=[t for t in inits + DAY if t in analysis.time.values])
        got = forecast.geopotential.sel(level=level, lead_time="24h")
        error = got.values[: len(truth)] - truth.values
        weights = grid_of(analysis).area_weights
        by_hand = np.sqrt((error**2 * weights).sum((1, 2)).mean() / weights.sum())
        np.testing.assert_allclose(scores.geopotential.sel(of | {"level": level}), by_hand, 1e-4)


def test_killed_it_makes_what_is_missing(folder, content):
    store = folder / "run" / "forecast.zarr"
    expected = content(store)
    shutil.rmtree(store)
    overrides = [str(folder / "x.yaml"), "pipeline=forecast", "forecast.batch_size=1"]
    command = [sys.executable, "-m", "axialcast", "run", *overrides]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if len(list(store.glob("geopotential/c/*"))) >= 3:
                process.kill()
            time.sleep(0.001)
    assert len(dates(folder)) >= 1
    run(folder, "pipeline=forecast")
    found = content(store)
    assert found.keys() == expected.keys()
    with xr.open_zarr(store, decode_timedelta=True) as read:
        assert not np.isnan(read.geopotential).any()


def test_jobs_that_share_a_store_leave_that_of_one(folder):
    """Three parts at once, over a store of another training, then what completes it."""
    run(folder, "seed=7")
    shutil.copytree(folder / "run" / "forecast.zarr", folder / "expected.zarr")
    run(folder)
    run(folder, "seed=7", "pipeline=train")
    command = [sys.executable, "-m", "axialcast", "run", str(folder / "x.yaml"), "seed=7"]
    parts = [
        subprocess.Popen([*command, "pipeline=forecast", "--part", f"{number}/3"])
        for number in (1, 2, 3)
    ]
    assert [part.wait(timeout=90) for part in parts] == [0, 0, 0]
    store, expected = (
        ForecastStore(path) for path in (folder / "run/forecast.zarr", folder / "expected.zarr")
    )
    assert len(store.complete()) == len(expected.complete()) == 13
    assert run(folder, "seed=7", "pipeline=forecast") == ["forecast: runs on, from forecast.zarr"]
    files = [path.relative_to(store.path) for path in store.path.rglob("*") if path.is_file()]
    assert len(files) > 13
    for path in files:
        assert (store.path / path).read_bytes() == (expected.path / path).read_bytes(), path


class Dealt:
    """Stands for a hindcast whose process gets some blocks, in three parts each."""

    neighbours = 1

    def num_parts(self, opened):
        return 3

    def write(self, blocks, opened):
        for block in blocks:
            for _ in range(3):
                yield len(block)


@pytest.mark.parametrize("own", [[0, 1, 2, 3], [0, 3], [1, 2], [2], []])
def test_progress_counts_what_other_processes_make(own, monkeypatch):
    """Whoever is faster gets more blocks, so that no share of them is known beforehand."""
    stage = runpy.run_path(str(find_pipeline("forecast", Path())))["dealt_out"]
    monkeypatch.setitem(
        stage.__globals__, "dealt", lambda items, together: [items[number] for number in own]
    )
    assert len(list(stage(Dealt(), [["a", "b"]] * 4, None))) == 4 * 3
