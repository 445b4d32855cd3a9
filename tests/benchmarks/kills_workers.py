"""Kills workers that share a hindcast, and the run itself: python tests/benchmarks/kills_workers.py

    python tests/benchmarks/kills_workers.py [COUNT] [FOLDER]

A hindcast and its verification run on two local Dask workers. At random moments now one of the
workers is killed (SIGKILL), which the run must survive, now the run with all its processes, now its
own process alone, whose workers must not spoil what is written next: then it is started again. In
the end the forecasts, sums, fits and scores must be, byte for byte, those of a run without workers
that nobody touched, with nothing left over. COUNT kills in all, 50 by default.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

CONFIG = Path(__file__).parents[2] / "configs" / "smallest.yaml"
COMMAND = (sys.executable, "-m", "axialcast", "run", str(CONFIG))
SETTINGS = (
    "device=cpu",
    "simulate.end=2001-06-30",
    "data.test=[2001-03-11, 2001-06-30]",
    "forecast.init_every_hours=6",
    "forecast.batch_size=2",
    "forecast.lead_time_hours=96",
)
WORKERS = ("cluster.kind=local", "cluster.workers=2", "cluster.memory_gib=2")
COMPARED = ("forecast.zarr", ".sums", ".fitted", "scores.nc", "scores.csv")
KINDS = ("worker", "worker", "run", "leader")
KILLS_A_RUN = 3
"""While a hindcast that goes on would take its time, on average."""
PATIENCE = 300.0
"""Seconds that a run may take to its end."""


def started(output: Path, log: Path, *more: str) -> subprocess.Popen[str]:
    """The command, with a process group of its own."""
    with log.open("a") as file:
        return subprocess.Popen(
            [*COMMAND, f"output={output}", *SETTINGS, *more],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Dask workers of a run, which are processes of its group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group = int((folder / "stat").read_text().rpartition(")")[2].split()[2])
            command = (folder / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if group == process.pid and b"spawn_main" in command:
            found.append(int(folder.name))
    return sorted(found)


def kill(process: subprocess.Popen[str], kind: str, rng: random.Random) -> bool:
    """Whether there was something to kill."""
    if kind == "worker":
        workers = workers_of(process)
        if not workers or process.poll() is not None:
            return False
        try:
            os.kill(rng.choice(workers), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True
    if process.poll() is not None:
        return False
    (os.killpg if kind == "run" else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    return True


def result(output: Path) -> dict[str, bytes | str]:
    """Every file that is compared, with its bytes, and the names of all others."""
    found: dict[str, bytes | str] = {}
    for path in sorted(output.rglob("*")):
        name = path.relative_to(output)
        is_compared = path.is_file() and name.parts[0] in COMPARED
        found[str(name)] = path.read_bytes() if is_compared else "there"
    return found


def where(output: Path) -> str:
    """How far a run has come."""
    forecasts = len(list((output / "forecast.zarr").glob("*/c/*")))
    stage = "verify" if (output / ".stages" / "forecast.json").exists() else "forecast"
    return f"{stage}, {forecasts} forecasts"


def go_through(
    output: Path, log: Path, seconds: float, rng: random.Random, killed: Counter[str], count: int
) -> None:
    """Runs to the end what is killed on the way; a line for each kill."""
    start = time.monotonic()
    process = started(output, log, *WORKERS, "pipeline=[forecast,verify]")
    while process.poll() is None:
        end = time.monotonic() + rng.uniform(0, 2 * seconds / KILLS_A_RUN)
        kind = rng.choice(KINDS)
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        if sum(killed.values()) < count and kill(process, kind, rng):
            killed[kind] += 1
            number, when = sum(killed.values()), time.monotonic() - start
            print(f"{number:3d} {kind:6s} after {when:5.1f} s: {where(output)}", flush=True)
            if kind != "worker":
                process = started(output, log, *WORKERS, "pipeline=[forecast,verify]")
        if time.monotonic() - start > PATIENCE:
            os.killpg(process.pid, signal.SIGKILL)
            raise TimeoutError(f"not at its end after {PATIENCE:.0f} s, see {log}")
    assert process.returncode == 0, f"status {process.returncode}, see {log}"


def main(count: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    alone, shared, log = folder / "alone", folder / "shared", folder / "said.txt"
    for path in (alone, shared):
        shutil.rmtree(path, ignore_errors=True)
    trained = folder / "trained"
    if not trained.exists():
        assert started(trained, log, "pipeline=[simulate,train]").wait() == 0, f"see {log}"
    shutil.copytree(trained, alone)
    assert started(alone, log, "pipeline=[forecast,verify]").wait() == 0, f"see {log}"
    reference = result(alone)
    shutil.copytree(trained, shared)
    start = time.monotonic()
    assert started(shared, log, *WORKERS, "pipeline=[forecast,verify]").wait() == 0, f"see {log}"
    took, rounds = time.monotonic() - start, 0
    compare(reference, shared)
    rng = random.Random(0)
    killed: Counter[str] = Counter()
    while sum(killed.values()) < count:
        shutil.rmtree(shared)
        shutil.copytree(trained, shared)
        go_through(shared, log, took, rng, killed, count)
        compare(reference, shared)
        rounds += 1
    print(
        f"{sum(killed.values())} kills in {rounds} hindcasts of {took:.0f} s: "
        f"{killed['worker']} of a worker, {killed['run']} of all processes, {killed['leader']} of "
        f"the leader alone; {len(reference)} files and folders the same to the byte",
        flush=True,
    )


def compare(reference: dict[str, bytes | str], output: Path) -> None:
    found = result(output)
    differing = {k for k in found.keys() | reference.keys() if found.get(k) != reference.get(k)}
    assert not differing, sorted(differing)[:20]


if __name__ == "__main__":
    number, place, *_ = [*sys.argv[1:], *("50", "runs/kills_workers")[len(sys.argv) - 1 :]]
    main(int(number), Path(place).absolute())
