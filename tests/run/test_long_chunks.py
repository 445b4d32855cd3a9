"""A store whose chunks are longer than the buffer trains after prepare, and check knows both."""

import numpy as np
import pytest
import xarray as xr

from axialcast.data.windows import loader
from axialcast.run.config import load_config
from axialcast.run.preflight import check_run

CONFIG = """
pipeline: [{stages}]
output: {folder}/run
{prepare}
data:
  store: {folder}/a.nc
  variables: [t2m]
  train: ["2001-01-01", "2001-03-20"]
  validate: ["2001-03-21", "2001-04-01"]
  test: ["2001-04-02", "2001-04-09"]
  buffer_gib: {buffer}
model: {{dim: 4, depth: 1, heads: 1, patch: [1, 1]}}
train: {{schedule: [{{steps: 2}}], batch_size: 2, validate_every: 2}}
"""


@pytest.fixture
def folder(tmp_path):
    times, height, width = 397, 7, 11
    values = np.random.default_rng(0).standard_normal((times, height, width)).astype(np.float32)
    coords = {
        "time": np.datetime64("2001-01-01", "ns") + np.arange(times) * np.timedelta64(6, "h"),
        "latitude": ("latitude", np.linspace(75.0, -75.0, height), {"units": "degrees_north"}),
        "longitude": ("longitude", np.arange(width) * 360 / width, {"units": "degrees_east"}),
    }
    field = (tuple(coords), 280 + values, {"units": "K"})
    chunks = {"t2m": {"chunksizes": (times, 3, 5), "zlib": True}}
    xr.Dataset({"t2m": field}, coords).to_netcdf(tmp_path / "a.nc", encoding=chunks)
    return tmp_path


def checked(folder, stages, prepare=""):
    path = folder / "config.yaml"
    buffer = 300 * 4 * 7 * 11 / 2**30
    text = CONFIG.format(folder=folder, stages=stages, prepare=prepare, buffer=buffer)
    path.write_text(text)
    return check_run(load_config(path), scan=True)


def test_without_prepare_it_is_the_remedy(folder, monkeypatch):
    monkeypatch.setattr(loader, "PAGE_BYTES", 100 * 4 * 7 * 11)
    with pytest.raises(ValueError, match=r"data.buffer_gib: .*put prepare into the pipeline"):
        checked(folder, "train")


@pytest.mark.parametrize("prepare", ["prepare: {}", "prepare: {aggregate_hours: 12}"])
def test_with_prepare_it_passes(prepare, folder):
    preflight = checked(folder, "prepare, train", prepare)
    assert preflight.source.chunk < preflight.analysis.chunk
    assert any("while preparing" in line for line in preflight.memory())
