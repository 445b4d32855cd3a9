"""Kills a training and runs it again, many times: python killing.py CONFIG FOLDER events|moments N

Each run is a process of its own, forked from this one, which has imported everything and touched
nothing. `events`: it is killed (SIGKILL) in place of its n-th file-system event, N of them spread
over all there are, or all of them for N = 0. `moments`: N times at a random moment. Then it runs to
the end and must have made the files of a run that nobody killed, and left no others.
"""

import json
import os
import random
import runpy
import signal
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

from axialcast.config import load_config
from axialcast.stages import run_stages

PATHS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link"}

# What runs would import, the optimizer's first step for instance, is imported once.
runpy.run_path(str(Path(__file__).parents[2] / "pipelines" / "train.py"))
for module in ("torch._dynamo", "distributed", "netCDF4", "zarr"):
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


def child(config, *, last: int = 0, seconds: float | None = None) -> tuple[int, int]:
    """Runs the config's stages in a process; its status and the number of events."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            tell = os.write
            events = Events(config.output, last)
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
    """Every file with its bytes; the log without its clock, the stamp without the log's size."""
    found: dict[str, object] = {}
    for path in sorted(output.rglob("*")):
        if path.name == "log.jsonl":
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            found[path.name] = [{**line, "seconds": 0} for line in lines]
        elif path.parent.name == ".stages":
            found[str(path.relative_to(output))] = sorted(json.loads(path.read_text()))
        elif path.is_file():
            found[str(path.relative_to(output))] = path.read_bytes()
        else:
            found[str(path.relative_to(output))] = "folder"
    return found


def main() -> None:
    path, folder, how, number = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    start = time.monotonic()
    config = load_config(path, [f"output={folder / 'reference'}"])
    status, count = child(config)
    assert status == 0, status
    took, reference = time.monotonic() - start, result(config.output)
    rng = random.Random(0)
    if how == "events":
        chosen = range(1, count + 1)
        if number:
            chosen = [round(1 + n * (count - 1) / max(1, number - 1)) for n in range(number)]
        kills = [{"last": last} for last in chosen]
    else:
        kills = [{"seconds": rng.uniform(0, took)} for _ in range(number)]
    killed = 0
    for kill in kills:
        config = load_config(path, [f"output={folder / 'output'}"])
        status, _ = child(config, **kill)
        killed += os.WIFSIGNALED(status)
        status, _ = child(config)
        assert status == 0, f"{kill}: status {status}"
        found = result(config.output)
        differing = {k for k in found.keys() | reference.keys() if found.get(k) != reference.get(k)}
        assert not differing, f"{kill}: {differing}"
        os.system(f"rm -r {config.output}")
    print(f"{killed} of {len(kills)} were killed ({count} events in a run): all the same")


if __name__ == "__main__":
    main()
