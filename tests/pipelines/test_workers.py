"""Forecasts and scores shared by Dask workers, one of which is lost: the same to the byte."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = [
    "forecast.init_every_hours=6",
    "forecast.batch_size=3",
    "forecast.lead_time_hours=48",
    "device=cpu",
]


def run(output: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "axialcast", "run", str(ROOT / "configs" / "smallest.yaml")]
    return subprocess.Popen(
        [*command, f"output={output}", *SETTINGS, *more],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def workers_of(process: subprocess.Popen) -> list[int]:
    """Processes that a run started and that work, of which each nanny has one."""
    found, pending = [], [process.pid]
    while pending:
        pid = pending.pop()
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        below = [int(child) for task in tasks for child in task.read_text().split()]
        found += below
        pending += below
    return [pid for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def kill_one(process: subprocess.Popen, output: Path, killed: list[int]) -> None:
    """Kills a worker as soon as a month of forecasts is partly there."""
    while process.poll() is None:
        if list((output / "forecast.zarr" / ".inventory").glob("2001-*.json")):
            pids = workers_of(process)
            if pids:
                os.kill(pids[0], signal.SIGKILL)
                killed.append(pids[0])
                return
        time.sleep(0.005)


@pytest.mark.slow
def test_a_lost_worker_costs_no_bit(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    outcome = run(alone, "pipeline=[simulate,train]").communicate(timeout=120)[0]
    assert "done in" in outcome
    shutil.copytree(alone, shared)
    outcome = run(alone, "pipeline=[forecast,verify]").communicate(timeout=120)[0]
    assert "done in" in outcome
    killed: list[int] = []
    process = run(shared, "pipeline=[forecast,verify]", "cluster.workers=2")
    killer = threading.Thread(target=kill_one, args=(process, shared, killed))
    killer.start()
    outcome = process.communicate(timeout=180)[0]
    killer.join()
    assert process.returncode == 0, outcome
    assert killed, "done before one could be killed"
    for name in ("forecast.zarr", ".sums", "scores.nc", "scores.csv"):
        files = sorted(p for p in (alone / name).rglob("*") if p.is_file()) or [alone / name]
        for path in files:
            other = shared / path.relative_to(alone)
            assert other.read_bytes() == path.read_bytes(), path
        count = len([p for p in (shared / name).rglob("*") if p.is_file()])
        assert count in (0, len(files)), "nothing is left over"
