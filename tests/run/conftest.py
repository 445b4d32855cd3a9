"""A small config that passes, in a folder of its own, and what an error may not say."""

from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr

CONFIG = """
pipeline: [train, forecast, verify]
device: cpu
data:
  store: analysis.nc
  variables: [geopotential, mean_sea_level_pressure]
  train: ["2001-01-01", "2001-01-20"]
  validate: ["2001-01-21", "2001-01-27"]
  test: ["2001-01-28", "2001-02-09"]
model: {dim: 8, depth: 2, heads: 2}
train: {batch_size: 3, schedule: [{steps: 2}, {steps: 1, rollout_steps: 2}]}
forecast: {lead_time_hours: 48, init_every_hours: 72}
verify: {harmonics: 0}
"""


@pytest.fixture
def config_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    Path("mine/train.py").write_text("def run(config): ...\n")
    Path("x.yaml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def data_here(config_here: Path, analysis: xr.Dataset) -> Path:
    analysis.to_netcdf("analysis.nc")
    return config_here


@pytest.fixture(scope="session")
def plain() -> Callable[[str], bool]:
    """A function that says whether an error is one line in words of ours, not of a library's."""
    leaks = ("Traceback", "validation error", "pydantic", "omegaconf", "<class", "Errno", "[key]")
    return lambda text: not any(leak in text for leak in (*leaks, "\n"))
