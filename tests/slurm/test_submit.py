"""`axialcast submit` on a real Slurm."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file

pytestmark = pytest.mark.slurm

CONFIG = """
pipeline: [simulate, train, forecast, verify]
output: out
device: cpu
simulate: {start: "2001-01-01", end: "2001-02-28", truncation: 10, spinup_days: 5}
data:
  variables: [geopotential]
  levels: [500]
  train: ["2001-01-01", "2001-02-10"]
  validate: ["2001-02-11", "2001-02-17"]
  test: ["2001-02-18", "2001-02-28"]
model: {dim: 8, depth: 1, heads: 2}
train: {schedule: [{steps: 6}], batch_size: 6, warmup_steps: 2, validate_every: 3}
forecast: {lead_time_hours: 24, init_every_hours: 24}
verify: {harmonics: 0, baselines: [persistence]}
cluster:
  kind: slurm
  memory_gib: 2
  walltime: 10 minutes
  prologue: [export MASTER_ADDR=127.0.0.1 GLOO_SOCKET_IFNAME=lo]
"""
LONG = "train.schedule=[{steps: 600}]"
"""Long enough for a signal to come in the middle."""


@pytest.fixture(scope="module")
def alone(
    tmp_path_factory: pytest.TempPathFactory, slurm: Path, axialcast: Callable[..., str]
) -> Path:
    """A folder with the config, run from the command line."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "x.yaml").write_text(CONFIG)
    axialcast(folder, "run", "x.yaml")
    return folder


@pytest.fixture
def here(alone: Path, tmp_path: Path) -> Path:
    """A folder with the config and the analysis that it needs."""
    (tmp_path / "x.yaml").write_text(CONFIG)
    (tmp_path / "out" / ".stages").mkdir(parents=True)
    shutil.copytree(alone / "out" / "analysis.zarr", tmp_path / "out" / "analysis.zarr")
    shutil.copy(alone / "out" / ".stages" / "simulate.json", tmp_path / "out" / ".stages")
    return tmp_path


def test_a_line_of_jobs_makes_what_one_run_makes(
    alone: Path,
    tmp_path: Path,
    submit: Callable[..., dict[str, str]],
    ended: Callable[..., None],
    axialcast: Callable[..., str],
    content: Callable[[Path], dict[str, bytes]],
) -> None:
    """The forecast by an array of two, which its next job completes and verifies."""
    (tmp_path / "x.yaml").write_text(CONFIG)
    jobs = submit(tmp_path, "cluster.forecast_jobs=2")
    assert list(jobs) == ["simulate", "train", "forecast", "verify"]
    said = axialcast(tmp_path, "submit", "x.yaml", status=2)
    assert f"submitted already, as {jobs['simulate']} (simulate, " in said
    assert f"{jobs['verify']} (verify, queued)" in said
    said = axialcast(tmp_path, "status", "out")
    assert f"job {jobs['forecast']} (forecast): 2 queued (Dependency) of 2 parts" in said
    ended(tmp_path)
    said = axialcast(tmp_path, "status", "out")
    for name, number in jobs.items():
        assert f"{name}: done\n" in said, said
        assert (tmp_path / "out" / "logs" / f"{name}-{number}.log").exists() or name == "forecast"
    assert "job" not in said
    for name in ("analysis.zarr", "checkpoint", "forecast.zarr"):
        assert content(tmp_path / "out" / name) == content(alone / "out" / name), name
    scores = (tmp_path / "out" / "scores.csv").read_text()
    assert scores == (alone / "out" / "scores.csv").read_text()
    log = next((tmp_path / "out" / "logs").glob("verify-*.log")).read_text()
    assert "forecast: runs on, from forecast.zarr" in log


def test_a_job_that_fails_ends_those_after_it_and_says_why(
    here: Path,
    submit: Callable[..., dict[str, str]],
    ended: Callable[..., None],
    axialcast: Callable[..., str],
) -> None:
    jobs = submit(
        here, "pipeline=[train, forecast]", "cluster.prologue=['rm -r out/analysis.zarr']"
    )
    ended(here)
    said = axialcast(here, "status", "out")
    assert f"job {jobs['train']} (train): failed with status 2\n" in said
    assert "    axialcast: error: " in said
    assert f"job {jobs['forecast']} (forecast): never ran (cancelled" in said


def test_a_training_that_is_signalled_and_cancelled_loses_nothing(
    alone: Path,
    here: Path,
    submit: Callable[..., dict[str, str]],
    ended: Callable[..., None],
    wait_until: Callable[..., None],
    axialcast: Callable[..., str],
) -> None:
    """SIGUSR1 as before the walltime: saved, queued again, on; scancel: saved; submitted: on."""
    axialcast(alone, "run", "x.yaml", "pipeline=train", LONG, "train.save_every=1 hour")
    expected = load_file(alone / "out" / "checkpoint" / "weights.safetensors")
    chosen = ("pipeline=train", LONG, "train.save_every=1 hour")
    number = submit(here, *chosen)["train"]
    log = here / "out" / "logs" / f"train-{number}.log"
    wait_until(lambda: steps_of(here) > 50, seconds=60)
    subprocess.run(["scancel", "--batch", "--signal=USR1", number], check=True)
    wait_until(lambda: "train: stopped by SIGUSR1, saved at step " in read(log), seconds=30)
    saved = steps_of(here)
    wait_until(lambda: "train: runs on, from states" in read(log), seconds=60)
    wait_until(lambda: steps_of(here) > saved + 50, seconds=60)
    subprocess.run(["scancel", number], check=True)
    ended(here)
    said = axialcast(here, "status", "out")
    assert "train: stopped at " in said
    assert f"job {number} (train): was cancelled, or its walltime ended" in said
    again = submit(here, *chosen)["train"]
    assert again != number
    ended(here)
    assert "train: done\n" in axialcast(here, "status", "out")
    found = load_file(here / "out" / "checkpoint" / "weights.safetensors")
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert (found[name] == values).all(), name


@pytest.mark.slow
def test_a_training_longer_than_its_walltime(
    alone: Path,
    here: Path,
    submit: Callable[..., dict[str, str]],
    ended: Callable[..., None],
    axialcast: Callable[..., str],
) -> None:
    """Slurm itself sends SIGUSR1, up to a minute earlier than it was asked to."""
    chosen = ("pipeline=train", "train.schedule=[{steps: 7000}]")
    axialcast(alone, "run", "x.yaml", *chosen, seconds=300)
    number = submit(here, *chosen, "cluster.walltime=2 minutes", "cluster.save_minutes=1")["train"]
    ended(here, seconds=400)
    said = read(here / "out" / "logs" / f"train-{number}.log")
    assert "train: stopped by SIGUSR1, saved at step " in said
    assert "train: runs on, from states" in said
    expected, found = (
        load_file(folder / "out" / "checkpoint" / "weights.safetensors") for folder in (alone, here)
    )
    for name, values in expected.items():
        assert (found[name] == values).all(), name


@pytest.mark.parametrize("overrides", [(), ("cluster.forecast_jobs=3",), ("cluster.nodes=2",)])
def test_slurm_and_shellcheck_take_the_scripts(
    here: Path, slurm: Path, axialcast: Callable[..., str], overrides: tuple[str, ...]
) -> None:
    said = axialcast(here, "submit", "x.yaml", "--dry-run", *overrides)
    scripts = said.split("\n# sbatch ")
    assert len(scripts) == 3  # simulate is done
    for number, script in enumerate(scripts):
        path = here / f"{number}.sh"
        path.write_text(script.partition("\n")[2])
        subprocess.run(["sbatch", "--test-only", path], check=True, capture_output=True)
        if shutil.which("shellcheck"):
            subprocess.run(["shellcheck", path], check=True)


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def steps_of(here: Path) -> int:
    """Steps that the training's log tells of."""
    return read(here / "out" / "log.jsonl").count("\n")
