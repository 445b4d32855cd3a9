"""The line with a linear floor: whatever roles, masks, steps and edges there are."""

import sys

import numpy as np
import pytest
import torch
import xarray as xr

from axialcast.forecast import load_checkpoint
from axialcast.grid import LatLonGrid
from axialcast.run.config import load_config
from axialcast.run.inspection import describe
from axialcast.run.stages import run_stages

DAY = np.timedelta64(86_400_000_000_000, "ns")
CONFIG = """
pipeline: [train, forecast, verify]
output: {folder}/run
device: cpu
data:
  store: {folder}/analysis.nc
  variables: [air_temperature, sea_surface_temperature]
  train: ["2001", "2003"]
  validate: ["2004-01", "2004-06"]
  test: ["2004-07", "2004-12"]
model: {{patch: [2, 2], dim: 8, depth: 1, heads: 2, base: {base}}}
train: {{schedule: [{{steps: 6}}], batch_size: 4, warmup_steps: 1, validate_every: 6}}
forecast: {{lead_time: {lead}}}
"""


def analysis(times, channels=("air_temperature", "sea_surface_temperature")):
    """Waves in red noise around a year's cycle; land in the last channel."""
    rng = np.random.default_rng(5)
    num, shape = len(times), (6, 9)
    noise = rng.standard_normal((num, len(channels), *shape))
    for time in range(1, num):
        noise[time] = 0.8 * noise[time - 1] + noise[time]
    steps = np.arange(num)[:, None, None, None]
    values = 280 + noise + 5 * np.sin(np.arange(9) * 4 * np.pi / 9 - 0.3 * steps)
    year = (times - times.astype("M8[Y]")) / np.timedelta64(365, "D")
    values += 8 * np.cos(2 * np.pi * year)[:, None, None, None]
    values[:, -1, 2:4, 5:8] = np.nan
    grid = LatLonGrid.regular(num_latitudes=shape[0], num_longitudes=shape[1], poles=False)
    coords = {"time": times, "latitude": grid.axes[0], "longitude": grid.axes[1]}
    dims = ("time", "latitude", "longitude")
    fields = {
        name: (dims, values[:, n].astype(np.float32), {"units": "K"})
        for n, name in enumerate(channels)
    }
    return xr.Dataset(fields, coords)


def days():
    return np.datetime64("2001-01-01", "ns") + np.arange(1461) * DAY


def months():
    return np.arange("2001-01", "2013-01", dtype="M8[M]").astype("M8[ns]")


def line(folder, dataset, *changes, base="auto", lead="3 days"):
    dataset.to_netcdf(folder / "analysis.nc")
    (folder / "run.yaml").write_text(CONFIG.format(folder=folder, base=base, lead=lead))
    config = load_config(folder / "run.yaml", list(changes))
    run_stages(config)
    return config


def test_a_blend_is_never_worse_than_its_floor_on_what_decides(tmp_path, capsys):
    line(tmp_path, analysis(days()), "forecast.init_every=3 days")
    checkpoint = load_checkpoint(tmp_path / "run" / "checkpoint")
    assert checkpoint.network["floor"]["patterns"] > 10
    blend = checkpoint.weights["blend"]
    assert blend.shape == (3, 2)
    assert ((blend >= 0) & (blend <= 1)).all()
    [said] = [text for text in capsys.readouterr().out.splitlines() if "blended" in text]
    assert "% below the floor's" in said
    assert "-" not in said.partition("RMSE is")[2]
    assert any(
        text.startswith("base: a vector autoregression (") for text in describe(tmp_path / "run")
    )
    assert "Built on" in (tmp_path / "run" / "report.html").read_text()
    scores = xr.open_dataset(tmp_path / "run" / "scores.nc")
    rmse = scores.air_temperature.sel(metric="rmse", region="all")
    # Six steps of training: nearly all is the floor's.
    floor = rmse.sel(model="vector_autoregression")
    assert (rmse.sel(model="forecast") < 1.01 * floor).all()
    assert (floor < rmse.sel(model="persistence")).all()


def test_every_second_member_builds_on_the_floor(tmp_path):
    """In a world of states as they are, too: the floor then has a climatology of its own."""
    changes = ["train.members=2", "pipeline=[train]", "model.departures=false"]
    line(tmp_path, analysis(days()), *changes)
    members = load_checkpoint(tmp_path / "run" / "checkpoint").members
    assert (members[0]["floor_share"] == 0).all()
    assert (members[1]["floor_share"] != 0).all()
    assert members[0]["floor.departures.usual"].any()
    assert members[0]["floor.patterns"].equal(members[1]["floor.patterns"])


def test_months_and_what_is_diagnosed(tmp_path):
    config = line(
        tmp_path,
        analysis(months(), ("air_temperature", "specific", "sea_surface_temperature")),
        "data.variables=[air_temperature]",
        "data.diagnostic=[sea_surface_temperature]",
        "data.forcings=[specific]",
        "data.train=['2001','2007']",
        "data.validate=['2008','2009']",
        "data.test=['2010','2012-08']",
        lead="3 months",
    )
    checkpoint = load_checkpoint(config.output / "checkpoint")
    assert checkpoint.weights["blend"].shape == (3, 1)
    assert (config.output / "scores.csv").is_file()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (["data.train=['2001','2001-06']"], "a training period of a year or more"),
        (["data.transform={air_temperature: {log1p: 1}}"], "normalised by its logarithm"),
        (["model.noise=2", "train.loss=crps"], "would narrow the spread"),
    ],
)
def test_where_there_is_no_floor_it_is_said(tmp_path, changes, reason, capsys):
    config = line(tmp_path, analysis(days()), "pipeline=[train]", *changes)
    assert reason in capsys.readouterr().out
    assert "floor" not in load_checkpoint(config.output / "checkpoint").network
    with pytest.raises(ValueError, match=r"^model.base: blend is not possible: .*set it to auto"):
        line(tmp_path, analysis(days()), "pipeline=[train]", *changes, base="blend")


@pytest.mark.slow
def test_two_processes_blend_as_one(tmp_path, ranks):
    """The leader alone asks again for what both have fitted: neither waits for the other then."""
    config = line(tmp_path, analysis(days()), "pipeline=[train]", "train.members=2")
    alone = load_checkpoint(config.output / "checkpoint")
    command = [sys.executable, "-m", "axialcast", "run", str(tmp_path / "run.yaml")]
    command += ["pipeline=[train]", "train.members=2", f"output={tmp_path / 'two'}"]
    for status, _, err in ranks(command, command):
        assert status == 0, err
    both = load_checkpoint(tmp_path / "two" / "checkpoint")
    for one, other in zip(alone.members, both.members, strict=True):
        for name in ("blend", "floor_share"):
            torch.testing.assert_close(one[name], other[name], atol=1e-3, rtol=0)
