"""Kills a run and runs it again, many times: it must end as one that nobody killed.

    python tests/benchmarks/kills.py                              # 200 moments, 40 events
    python tests/benchmarks/kills.py CONFIG FOLDER moments|events NUMBER

Each run is a process of its own, forked from this one, which has imported everything and touched
nothing. `moments`: it is killed (SIGKILL) at a random moment, half of the times once more while it
goes on, NUMBER times in all. `events`: in place of a file-system event (a write, rename, link,
removal, folder made, wait for the disk), NUMBER of them spread over all there are, 0: all of them.
Then it runs to the end, and must have made the files of a run that nobody killed, byte for byte,
and left no others.
"""

import itertools
import json
import os
import random
import runpy
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path

from axialcast.run.config import Config, load_config
from axialcast.run.stages import run_stages

ROOT = Path(__file__).parents[2]
ALL_STAGES = [
    "pipeline=[simulate,prepare,train,forecast,verify]",
    "device=cpu",
    "train.save_every=2",
    "forecast.batch_size=5",
    "simulate.spinup_days=3",
]
PATHS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link"}

# What runs would import, the optimizer's first step for instance, is imported once.
for pipeline in (ROOT / "pipelines").glob("*.py"):
    runpy.run_path(str(pipeline))
for module in ("torch._dynamo", "distributed", "netCDF4", "zarr", "matplotlib.pyplot", "ducc0"):
    import_module(module)


class Events:
    """Counts what this process does to files below a folder; kills it in place of number `last`."""

    def __init__(self, folder: Path, last: int = 0) -> None:
        self.folder, self.last, self.count = str(folder), last, 0
        sys.addaudithook(self.audit)
        for name in ("fsync", "write", "pwrite", "ftruncate"):
            setattr(os, name, self.counted(getattr(os, name)))

    def audit(self, event: str, arguments: tuple) -> None:
        is_written = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
        if (is_written or event in PATHS) and str(arguments[0]).startswith(self.folder):
            self.add()

    def counted(self, function):
        def call(*arguments):
            self.add()
            return function(*arguments)

        return call

    def add(self) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


def child(config: Config, *, last: int = 0, seconds: float | None = None) -> tuple[int, int]:
    """Runs the config's stages in a process; its status and the number of events."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            tell = os.write
            events = Events(config.output, last)
            with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
                run_stages(config, say=lambda line: None)
            tell(write, str(events.count).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(write)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with os.fdopen(read) as pipe:
        return status, int(pipe.read() or 0)


def result(output: Path) -> dict[str, object]:
    """Every file with its bytes; the log without its clock, its stamp without its checksum."""
    found: dict[str, object] = {}
    for path in sorted(output.rglob("*")):
        name = str(path.relative_to(output))
        if path.name == "log.jsonl":
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            found[name] = [{**line, "seconds": 0} for line in lines]
        elif name == ".stages/train.json":
            stamp = json.loads(path.read_text())
            found[name] = stamp["made_from"], {**stamp["outputs"], "log.jsonl": ""}
        else:
            found[name] = path.read_bytes() if path.is_file() else "folder"
    return found


def stage_of(config: Config) -> str:
    """The stage that a run was in when it was killed."""
    done = {path.stem for path in (config.output / ".stages").glob("[!.]*.json")}
    return next((name for name in config.pipeline if name not in done), "the end")


def main(path: str, folder: Path, how: str, number: int, overrides: list[str]) -> None:
    def config_in(name: str) -> Config:
        return load_config(path, [*overrides, f"output={folder / name}"])

    start = time.monotonic()
    config = config_in("run")
    status, count = child(config)
    assert status == 0, status
    took, reference = time.monotonic() - start, result(config.output)
    shutil.rmtree(config.output)
    rng = random.Random(0)
    if how == "events":
        chosen = range(1, count + 1)
        if number:
            chosen = [round(1 + n * (count - 1) / max(1, number - 1)) for n in range(number)]
        plans = iter([[{"last": last}] for last in chosen])
    else:
        plans = (
            [{"seconds": rng.uniform(0, took / n)} for n in range(1, 2 + (rng.random() < 0.5))]
            for _ in itertools.count()
        )
    killed: Counter[str] = Counter()
    tried = 0
    for plan in plans:
        tried += len(plan)
        for kill in plan:
            status, _ = child(config, **kill)
            if os.WIFSIGNALED(status):
                killed[stage_of(config)] += 1
        status, _ = child(config)
        assert status == 0, f"{plan}: status {status}"
        found = result(config.output)
        differing = {k for k in found.keys() | reference.keys() if found.get(k) != reference.get(k)}
        assert not differing, f"{plan}: {differing}"
        shutil.rmtree(config.output)
        if how == "moments" and sum(killed.values()) >= number:
            break
    where = ", ".join(f"{name} {killed[name]}" for name in [*config.pipeline, "the end"])
    print(
        f"{sum(killed.values())} of {tried} were killed ({count} events in a run): all the same\n"
        f"{how}: {where}; {len(reference)} files and folders compared",
        flush=True,
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), [])
    else:
        config = str(ROOT / "configs" / "smallest.yaml")
        for how, number in (("moments", 200), ("events", 40)):
            main(config, Path("runs/kills").absolute(), how, number, ALL_STAGES)
