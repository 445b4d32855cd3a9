"""simulate as a stage: killed, refused, damaged, on a full disk."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from axialcast.planet.nature_run import nature_run
from axialcast.run.cli import app
from axialcast.run.config import load_config
from axialcast.run.stages import run_stages

CONFIG = """
pipeline: simulate
output: {folder}/run
simulate: {{start: "2001-01", end: "2001-07", truncation: 11, spinup_days: 70}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "x.yaml").write_text(CONFIG.format(folder=tmp_path))
    return tmp_path / "x.yaml"


def simulate(path: Path, *overrides: str, **keywords: bool) -> list[str]:
    """What was said."""
    said: list[str] = []
    run_stages(load_config(path, overrides), say=said.append, **keywords)
    return said


def content(folder: Path) -> dict[str, bytes]:
    """Bytes of every file but the stamps, by name."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".stages" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def killed(path: Path, seconds: float) -> bool:
    """Whether a run was killed after so many seconds, before it had ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "axialcast", "run", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def test_simulates_what_the_nature_run_is(path: Path) -> None:
    assert simulate(path) == ["simulate: runs"]
    settings = {"start": "2001-01", "end": "2001-07", "truncation": 11, "spinup_days": 70}
    with xr.open_zarr(path.parent / "run" / "analysis.zarr") as stored:
        told = [name for name in stored.attrs if name.startswith("axialcast_")]
        assert told == ["axialcast_config", "axialcast_software"]
        for name in told:
            del stored.attrs[name]
        xr.testing.assert_identical(stored.load(), xr.concat(nature_run(**settings), "time"))
    assert simulate(path)[0].startswith("simulate: up to date")


@pytest.mark.parametrize(
    "kills", [pytest.param(1, id="1"), pytest.param(50, id="50", marks=pytest.mark.slow)]
)
def test_killed_at_random_moments_it_goes_on(path: Path, kills: int, capsys) -> None:
    run = path.parent / "run"
    began = time.monotonic()
    assert not killed(path, 600)
    whole = time.monotonic() - began
    expected = content(run)
    moments, count = random.Random(5), 0
    while count < kills:
        shutil.rmtree(run)
        while count < kills and killed(path, moments.uniform(0.5, 1.0) * whole):
            count += 1
        capsys.readouterr()
        simulate(path)
        assert {k: v for k, v in content(run).items() if k != "config.yaml"} == {
            k: v for k, v in expected.items() if k != "config.yaml"
        }


def stopped(path: Path, monkeypatch: pytest.MonkeyPatch, after: int = 4) -> None:
    """Stops a run after some blocks."""
    from axialcast.planet.nature_run import NatureRun

    advance, left = NatureRun.advance, [after]

    def advancing(self, state):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return advance(self, state)

    with monkeypatch.context() as patch:
        patch.setattr(NatureRun, "advance", advancing)
        with pytest.raises(KeyboardInterrupt):
            simulate(path)


def test_says_from_where_it_goes_on(path: Path, monkeypatch, capsys) -> None:
    stopped(path, monkeypatch)
    # 70 days of spin-up are 3 blocks.
    assert simulate(path) == ["simulate: runs on, from analysis.zarr.unfinished"]
    assert capsys.readouterr().out == "simulate: goes on from 2001-01-31\n"


def test_other_settings_are_refused_by_name(path: Path, monkeypatch, capsys) -> None:
    stopped(path, monkeypatch)
    result = CliRunner().invoke(app, ["run", str(path), "simulate.truncation=12", "seed=3"])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line == (
        f"axialcast: error: {path.parent}/run/analysis.zarr.unfinished: holds an unfinished "
        "simulation of other settings (seed was 0, is 3, simulate.truncation was 11, is 12); set "
        "it back, or run with --force to start over"
    )
    simulate(path, "simulate.truncation=12", force=True)
    assert "goes on" not in capsys.readouterr().out
    with xr.open_zarr(path.parent / "run" / "analysis.zarr") as stored:
        assert stored.sizes["latitude"] == 20
    assert not (path.parent / "run" / "analysis.zarr.unfinished").exists()


@pytest.mark.parametrize(
    ("part", "how"),
    [
        ("geopotential/c/3/0/0/0", "deleted"),
        ("geopotential/c/3/0/0/0", "flipped"),
        ("zarr.json", "flipped"),
        ("time/c/0", "deleted"),
        (".inventory/files.json", "flipped"),
        (".inventory/files.json", "deleted"),
    ],
)
def test_what_is_damaged_is_named_and_made_again(path: Path, part: str, how: str) -> None:
    simulate(path)
    run = path.parent / "run"
    (run / "analysis.zarr" / "mine.txt").write_text("mine")
    expected = content(run)
    file = run / "analysis.zarr" / part
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.unlink()
    if how == "flipped":
        file.write_bytes(data)
    said = simulate(path, verify=True)
    assert "simulate: runs again, for" in said[-1]
    if not (how == "deleted" and ".inventory" in part):
        assert str(file) in said[0]
    assert content(run) == expected
    assert simulate(path, verify=True)[0].startswith("simulate: up to date")


def test_a_full_disk_costs_nothing(path: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        output = f"output={disk}/run"
        result = CliRunner().invoke(app, ["run", str(path), output])
        assert result.exit_code == 2, result.output
        line = result.stderr.splitlines()[-1]
        assert line.startswith(f"axialcast: error: {disk}/run/analysis.zarr.unfinished/")
        assert "the disk is full: " in line
        assert " needed, " in line
        assert " free; make room and run again" in line
        subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
        result = CliRunner().invoke(app, ["run", str(path), output])
        assert result.exit_code == 0, result.output
        assert "simulate: goes on from 2001-0" in result.stdout
        simulate(path)
        assert content(disk / "run" / "analysis.zarr") == content(
            tmp_path / "run" / "analysis.zarr"
        )
        with xr.open_zarr(disk / "run" / "analysis.zarr") as stored:
            assert np.isfinite(stored.geopotential.values).all()
    finally:
        subprocess.run(["umount", str(disk)], check=True)
