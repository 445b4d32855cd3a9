"""The command is stopped by signals, killed in between, and ends as an untouched run."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from axialcast.run.config import save_config

SCHEDULE = "train.schedule=[{steps: 300, rollout_steps: 1}, {steps: 60, rollout_steps: 2}]"


def lines(output: Path) -> int:
    try:
        return (output / "log.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def stop(output: Path, number: signal.Signals) -> tuple[int, str]:
    """Starts the command, sends the signal after some more steps; its status and what it said."""
    begun = lines(output)
    command = [sys.executable, "-m", "axialcast", "run", str(output.parent / "config.yaml")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while lines(output) < begun + 20 and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(number)
        _, said = process.communicate()
    return process.returncode, said.splitlines()[-1] if said else ""


@pytest.mark.slow
def test_stopped_by_signals(runner, same, tmp_path):
    runner(tmp_path / "reference", SCHEDULE)
    output = tmp_path / "output"
    config = runner.config(output, SCHEDULE, "train.save_every=5")
    save_config(config, tmp_path / "config.yaml")
    for number, status in ((signal.SIGTERM, 143), (signal.SIGUSR1, 138), (signal.SIGINT, 130)):
        code, said = stop(output, number)
        assert code == status
        saved = int(sorted(p.name for p in (output / "states").iterdir())[-1])
        assert said == f"train: stopped by {number.name}, saved at step {saved}; run again to go on"
        assert lines(output) == saved
    code, said = stop(output, signal.SIGKILL)
    assert (code, said) == (-9, "")
    command = [sys.executable, "-m", "axialcast", "run", str(tmp_path / "config.yaml")]
    subprocess.run(command, check=True, capture_output=True)
    same(output, tmp_path / "reference")
    assert sorted(p.name for p in output.iterdir()) == [
        ".fitted",
        ".stages",
        "checkpoint",
        "config.yaml",
        "log.jsonl",
    ]
