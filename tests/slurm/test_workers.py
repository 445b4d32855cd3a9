"""Dask workers that are jobs of a real Slurm."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr

pytestmark = pytest.mark.slurm

CONFIG = """
pipeline: [train, forecast]
output: out
device: cpu
data:
  store: analysis.nc
  variables: [geopotential, mean_sea_level_pressure]
  train: ["2001-01-01", "2001-01-20"]
  validate: ["2001-01-21", "2001-01-27"]
  test: ["2001-01-28", "2001-02-09"]
model: {dim: 8, depth: 1, heads: 2}
train: {batch_size: 4, schedule: [{steps: 2}]}
forecast: {lead_time_hours: 240, batch_size: 1}
cluster: {memory_gib: 1, walltime: 10 minutes}
"""


def test_a_hindcast_whose_worker_is_killed_leaves_the_same_store(
    slurm: Path,
    tmp_path: Path,
    analysis: xr.Dataset,
    axialcast: Callable[..., str],
    wait_until: Callable[..., None],
    content: Callable[[Path], dict[str, bytes]],
) -> None:
    (tmp_path / "x.yaml").write_text(CONFIG)
    analysis.to_netcdf(tmp_path / "analysis.nc")
    axialcast(tmp_path, "run", "x.yaml")
    store = tmp_path / "out" / "forecast.zarr"
    expected = content(store)
    shutil.rmtree(store)
    command = [sys.executable, "-m", "axialcast", "run", "x.yaml", "pipeline=forecast"]
    chosen = ["cluster.kind=slurm", "cluster.workers=2"]
    leader = subprocess.Popen([*command, *chosen], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: len(workers()) == 2, seconds=60)
        wait_until(lambda: len(list(store.glob("geopotential/c/*"))) > 0, seconds=60)
        subprocess.run(["scancel", "--signal=KILL", workers()[0]], check=True)
        assert leader.poll() is None
        _, said = leader.communicate(timeout=90)
    finally:
        leader.kill()
    assert leader.returncode == 0, said
    assert content(store) == expected
    assert not list(tmp_path.glob("slurm-*"))  # what workers said lies with the other logs
    assert len(list((tmp_path / "out" / "logs").glob("dask-worker-*.out"))) >= 2
    wait_until(lambda: not workers(), seconds=30)


def workers() -> list[str]:
    """Numbers of the jobs that run."""
    asked = ["squeue", "--noheader", "--states=running", "--format=%i"]
    return subprocess.check_output(asked, text=True).split()
