"""Dask workers that cannot start, or are gone: a line for each, and nothing that waits for ever."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from axialcast.run import workers as subject
from axialcast.run.config import Config, load_config
from axialcast.run.line import stages_of
from axialcast.run.workers import workers

SMALLEST = Path(__file__).parents[2] / "configs" / "smallest.yaml"
SBATCH = """#!/bin/bash
if [ -e {folder}/refused ]; then
    echo "sbatch: error: Unable to open file" >&2
    echo "sbatch: error: Batch job submission failed: Invalid account" >&2
    exit 1
fi
setsid bash $1 > {folder}/said 2>&1 &
echo Submitted batch job $!
"""
SCANCEL = """#!/bin/bash
kill -9 -- -$1
"""


def config(tmp_path: Path, *overrides: str) -> Config:
    return load_config(SMALLEST, [f"output={tmp_path / 'run'}", *overrides])


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands as Slurm has them; while a file `refused` is there, jobs are."""
    pytest.importorskip("dask_jobqueue")
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(text.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize("kind", ["slurm", "pbs"])
def test_a_job_that_is_refused_is_said(slurm: Path, kind: str) -> None:
    (slurm / "refused").touch()
    (slurm / "qsub").symlink_to(slurm / "sbatch")
    wanted = config(slurm, f"cluster.kind={kind}", "cluster.workers=2")
    with pytest.raises(OSError, match=rf"cluster.kind {kind}: .*Invalid account\); run"):  # noqa: SIM117
        with workers(wanted):
            pass


@pytest.mark.slow
def test_a_lost_worker_is_submitted_until_it_is_taken(
    slurm: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(subject, "TRY_SECONDS", 0.5)
    with workers(config(slurm, "cluster.kind=slurm", "cluster.workers=1")) as pool:
        assert pool is not None
        first = pool.submit(os.getpid).result(timeout=60)
        (slurm / "refused").touch()
        os.killpg(os.getpgid(first), signal.SIGKILL)
        end = time.monotonic() + 60
        while "refuses a worker" not in caplog.text:
            assert time.monotonic() < end
            time.sleep(0.1)
        (slurm / "refused").unlink()
        assert pool.submit(os.getpid).result(timeout=60) != first


@pytest.mark.parametrize("packages", [("distributed",), ("dask_jobqueue",)])
def test_what_is_not_installed_is_said_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packages: tuple[str, ...]
) -> None:
    for name in packages:
        monkeypatch.setitem(sys.modules, name, None)
    wanted = config(tmp_path, "cluster.kind=slurm", "cluster.workers=2")
    with pytest.raises(ValueError, match=r"cluster.workers: .*pip install 'axialcast\[hpc\]'; or"):
        stages_of(wanted)
    stages_of(config(tmp_path, "cluster.kind=slurm", "cluster.workers=2", "pipeline=[simulate]"))


def test_whoever_is_interrupted_does_not_wait_for_tasks(tmp_path: Path) -> None:
    """Ctrl-C ends the workers as well: nobody would do them any more."""
    pytest.importorskip("distributed")
    tasks = []

    def work() -> None:
        with workers(config(tmp_path, "cluster.workers=1")) as pool:
            assert pool is not None
            tasks.append(pool.submit(time.sleep, 600))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert tasks[0].cancelled()


def test_two_runs_of_a_machine_say_nothing_of_each_other(tmp_path: Path) -> None:
    """Warnings are errors here: schedulers would both want the same port for their pages."""
    pytest.importorskip("distributed")
    wanted = config(tmp_path, "cluster.workers=1")
    with workers(wanted) as one, workers(wanted) as other:
        assert one is not None
        assert other is not None
        assert one.submit(abs, -3).result() == other.submit(abs, 3).result()
