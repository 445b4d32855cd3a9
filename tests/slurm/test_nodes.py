"""Jobs of several nodes on a real Slurm: processes that meet, are told to stop, and go on."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from safetensors.numpy import load_file

pytestmark = pytest.mark.slurm

CONFIG = """
pipeline: [./meet.py]
output: out
device: cpu
data:
  store: analysis.nc
  variables: [geopotential]
  train: ["2001-01-01", "2001-01-20"]
  validate: ["2001-01-21", "2001-01-27"]
  test: ["2001-01-28", "2001-02-09"]
model: {dim: 8, depth: 1, heads: 2}
train: {batch_size: 4, schedule: [{steps: 2}]}
forecast: {lead_time_hours: 24}
cluster:
  kind: slurm
  memory_gib: 1
  nodes: 2
  walltime: 10 minutes
  prologue: [export MASTER_ADDR=127.0.0.1 GLOO_SOCKET_IFNAME=lo]
"""
MEET = """
import os
import time
from axialcast import parallel
from axialcast.stopping import Stopped, noted

EVERY_RANK = True
READS = ("seed",)
OUTPUTS = ("nodes.txt",)
RESUMES = ("steps",)

def run(config):
    me, state = parallel.launch(), config.output / "steps"
    nodes = parallel.gathered([os.environ["SLURMD_NODENAME"], me.local_rank, me.local_world_size])
    first = parallel.told(len(list(state.glob("*"))))
    with noted() as found:
        for step in range(first, 60):
            time.sleep(0.1)
            if parallel.any_of(found.signal is not None):
                time.sleep(0.5 * me.rank)  # the others save for longer
                if me.rank == me.world_size - 1:
                    state.mkdir(exist_ok=True)
                    for done in range(step):
                        (state / str(done)).touch()
                signal, found.signal = found.signal, None
                raise Stopped(signal, f"meet: stopped by {signal.name} at step {step}")
    if me.is_leader:
        (config.output / "nodes.txt").write_text(f"{nodes} from {first}")
"""


def test_ranks_of_two_nodes_meet_stop_together_and_go_on(
    tmp_path: Path,
    analysis: xr.Dataset,
    submit: Callable[..., dict[str, str]],
    ended: Callable[..., None],
    wait_until: Callable[..., None],
) -> None:
    (tmp_path / "x.yaml").write_text(CONFIG)
    analysis.to_netcdf(tmp_path / "analysis.nc")
    (tmp_path / "meet.py").write_text(MEET)
    number = submit(tmp_path)["meet"]
    log = tmp_path / "out" / "logs" / f"meet-{number}.log"
    wait_until(lambda: log.exists() and "meet: runs" in log.read_text(), seconds=60)
    wait_until(lambda: (tmp_path / "out" / "config.yaml").exists(), seconds=30)
    subprocess.run(["sleep", "2"], check=True)
    subprocess.run(["scancel", "--batch", "--signal=USR1", number], check=True)
    ended(tmp_path)
    said = log.read_text()
    assert said.count("meet: stopped by SIGUSR1") == 1, said
    assert "meet: runs on, from steps" in said
    nodes, _, first = (tmp_path / "out" / "nodes.txt").read_text().partition(" from ")
    assert nodes == "[['n1', 0, 1], ['n2', 0, 1]]"
    assert 0 < int(first) < 60
    assert log.with_suffix(".exit").read_text() == "0\n"


def test_a_training_on_two_nodes_has_the_losses_of_one(
    tmp_path: Path,
    analysis: xr.Dataset,
    axialcast: Callable[..., str],
    submit: Callable[..., dict[str, str]],
    ended: Callable[..., None],
) -> None:
    (tmp_path / "x.yaml").write_text(CONFIG)
    analysis.to_netcdf(tmp_path / "analysis.nc")
    chosen = ["pipeline=train", "train.schedule=[{steps: 5}, {steps: 2, rollout_steps: 2}]"]
    axialcast(tmp_path, "run", "x.yaml", "output=one", *chosen)
    number = submit(tmp_path, *chosen)["train"]
    ended(tmp_path)
    assert (tmp_path / "out" / "logs" / f"train-{number}.exit").read_text() == "0\n"
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("one", "out")
    )
    assert len(one) == len(two) == 7
    for expected, found in zip(one, two, strict=True):
        for name in expected.keys() - {"seconds"}:
            assert found[name] == pytest.approx(expected[name], rel=1e-4), (name, found)
    weights, same = (
        load_file(tmp_path / name / "checkpoint" / "weights.safetensors") for name in ("one", "out")
    )
    for name, values in weights.items():
        np.testing.assert_allclose(same[name], values, atol=1e-4)


@pytest.mark.slow
def test_a_training_on_two_nodes_that_is_signalled_has_the_weights_of_one_that_is_not(
    tmp_path: Path,
    analysis: xr.Dataset,
    submit: Callable[..., dict[str, str]],
    ended: Callable[..., None],
    wait_until: Callable[..., None],
) -> None:
    (tmp_path / "x.yaml").write_text(CONFIG)
    analysis.to_netcdf(tmp_path / "analysis.nc")
    chosen = ["pipeline=train", "train.schedule=[{steps: 900}]", "model.dropout=0.2"]
    submit(tmp_path, "output=whole", *chosen)
    ended(tmp_path)
    number = submit(tmp_path, *chosen)["train"]
    steps = tmp_path / "out" / "log.jsonl"
    wait_until(lambda: steps.exists() and steps.read_text().count("\n") > 50, seconds=60)
    subprocess.run(["scancel", "--batch", "--signal=USR1", number], check=True)
    ended(tmp_path)
    assert "train: runs on" in (tmp_path / "out" / "logs" / f"train-{number}.log").read_text()
    expected, found = (
        load_file(tmp_path / name / "checkpoint" / "weights.safetensors")
        for name in ("whole", "out")
    )
    for name, values in expected.items():
        assert (found[name] == values).all(), name
