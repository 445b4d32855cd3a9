"""SIGKILL in place of a file-system event, or at any moment: the run after it ends the same."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from axialcast.run.config import save_config


@pytest.mark.parametrize(
    ("how", "number"),
    [
        ("events", 5),
        pytest.param("events", 0, marks=pytest.mark.slow),
        pytest.param("moments", 60, marks=pytest.mark.slow),
    ],
)
def test_killed_and_run_again(runner, tmp_path, how, number):
    config = runner.config(tmp_path / "x", "train.save_every=3", "train.keep_states=1")
    save_config(config, tmp_path / "config.yaml")
    program = Path(__file__).parents[1] / "benchmarks" / "kills.py"
    arguments = [tmp_path / "config.yaml", tmp_path, how, number]
    result = subprocess.run(
        [sys.executable, program, *map(str, arguments)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    match = re.search(r"(\d+) of (\d+) were killed \((\d+) events", result.stdout)
    killed, runs, events = map(int, match.groups())
    assert killed >= 0.6 * runs
    assert killed > 0 if how == "events" else killed >= number
    assert how == "moments" or runs == (number or events)
