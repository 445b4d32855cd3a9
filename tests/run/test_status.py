"""`axialcast status`: from files alone, whatever state they are in."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from axialcast.files.holding import hold
from axialcast.run.config import load_config
from axialcast.run.stages import run_stages
from axialcast.run.status import status

SIMULATE = """
READS = ("seed",)
OUTPUTS = ("simulated.txt",)
def run(config):
    (config.output / "simulated.txt").write_text(str(config.seed))
"""
TRAIN = """
from axialcast.run.progress import track
READS = ("model",)
OUTPUTS = ("trained.txt",)
RESUMES = ("states",)
def run(config):
    (config.output / "states" / "00000030").mkdir(parents=True, exist_ok=True)
    for number in track(range(50), description="train", unit="steps"):
        if number == 40 and (config.output / "stop").exists():
            raise ValueError("stopped")
    (config.output / "trained.txt").write_text("x" * 100)
"""


@pytest.fixture
def output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("axialcast.run.progress.RECORD_SECONDS", 0.0)
    Path("simulate.py").write_text(SIMULATE)
    Path("train.py").write_text(TRAIN)
    Path("x.yaml").write_text(
        "pipeline: [./simulate.py, ./train.py]\noutput: out\n"
        "data: {variables: [a], train: [2001, 2001], validate: [2002, 2002], test: [2003, 2003]}\n"
    )
    return tmp_path / "out"


def run(**options):
    config = load_config("x.yaml")

    def before():
        (config.output / "config.yaml").write_text("pipeline: [./simulate.py, ./train.py]\n")

    run_stages(config, before=before, say=lambda line: None, **options)


def test_done_stopped_and_damaged(output):
    output.mkdir()
    (output / "stop").touch()
    with pytest.raises(ValueError, match="stopped"):
        run()
    assert status(output) == [
        f"{output}: no run is at work",
        "simulate: done",
        "train: stopped at 40 of 50 steps (80%), saved at step 30; run it again to go on",
    ]
    (output / "stop").unlink()
    run()
    assert status(output)[1:] == ["simulate: done", "train: done"]
    assert not (output / "states").exists()
    (output / "trained.txt").write_text("x" * 99)
    assert status(output)[1:] == [
        "simulate: done",
        "train: damaged, 1 part",
        f"  {output}/trained.txt: has 99 bytes instead of 100",
    ]
    run()
    Path("x.yaml").write_text(
        Path("x.yaml").read_text().replace("./simulate.py, ", "") + "seed: 1\n"
    )
    Path("simulate.py").write_text(SIMULATE.replace("str(config.seed)", "'other'"))
    run_stages(load_config("x.yaml", ["pipeline=./simulate.py"]), say=lambda line: None)
    (output / "config.yaml").write_text("pipeline: [./simulate.py, ./train.py]\n")
    lines = status(output)[1:]
    assert lines == ["simulate: done", "train: done, but of another simulated.txt"]
    (output / "simulated.txt").unlink()
    assert status(output)[1:3] == [
        "simulate: damaged, 1 part",
        f"  {output}/simulated.txt: missing",
    ]


def test_running_and_dead(output, monkeypatch):
    output.mkdir()
    (output / "stop").touch()
    with pytest.raises(ValueError, match="stopped"):
        run()
    record = output / ".stages" / "train.progress.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"per_second": 0.5}))
    os.utime(record, (time.time() - 4, time.time() - 4))
    with hold(output):
        lines = status(output)
    assert lines[0].startswith(f"{output}: held by process {os.getpid()} on ")
    assert lines[2].startswith("train: running, 40 of 50 steps (80%), 0.5 steps/s, 1")
    assert lines[2].endswith(" s left, saved at step 30")
    program = (
        "import os, sys; from pathlib import Path; from axialcast.files.holding import hold\n"
        "with hold(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(output)], check=False)
    lines = status(output)
    assert lines[0].startswith(f"{output}: its run ended without a word (process ")
    assert lines[2].startswith("train: stopped at 40 of 50")


def test_where_no_run_was(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError, match="no run was started there"):
            status(path)


def test_pipelines_of_the_environment_are_told_by_what_they_left(tmp_path: Path) -> None:
    (tmp_path / ".stages").mkdir()
    (tmp_path / ".stages" / "train.progress.json").write_text("{}")
    for pipeline in ("${oc.env:STAGE}", "['${oc.env:STAGE}', train]"):
        (tmp_path / "config.yaml").write_text(f"pipeline: {pipeline}\n")
        assert [line.split(":")[0] for line in status(tmp_path)[1:]] == ["train"]
