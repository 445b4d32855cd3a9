"""Kills one of two processes that train, again and again: python tests/benchmarks/kills_parallel.py

    python tests/benchmarks/kills_parallel.py [NUMBER] [ddp|fsdp] [FOLDER]

Both are forked from this one, which has imported everything and touched nothing, and run the
command as torchrun would start it. When they have met, a random one of them is killed (SIGKILL) at
a random moment; the other must end by itself, and not well. They run again and may be killed again,
half of the times; then they run to the end, and must have made the files of a run that nobody
killed, byte for byte, and left no others. NUMBER kills in all, 50 by default.
"""

import os

# Read when torch is imported; a killed process breaks connections, of which each would speak.
os.environ |= {"TORCH_CPP_LOG_LEVEL": "ERROR", "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}

import random
import shutil
import signal
import socket
import sys
import time
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import torch
from kills import result

from axialcast.run.cli import app

CONFIG = Path(__file__).parents[2] / "configs" / "smallest.yaml"
SETTINGS = (
    "pipeline=[simulate,train]",
    "device=cpu",
    "model.dropout=0.2",
    "train.schedule=[{steps: 120, rollout_steps: 1}, {steps: 30, rollout_steps: 2}]",
    "train.save_every=4 steps",
    "train.validate_every=20",
)
PATIENCE = 60.0
"""Seconds that processes have to end by themselves."""
RANKS = 2


def started(arguments: list[str], log: Path) -> list[int]:
    """Process ids of the command in two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pids = []
    for rank in range(RANKS):
        pid = os.fork()
        if pid == 0:
            status = 1
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(RANKS)}
            torch.set_num_threads(1)
            try:
                with log.open("a") as file, redirect_stdout(file), redirect_stderr(file):
                    app(["run", str(CONFIG), *arguments])
            except SystemExit as end:
                status = int(end.code or 0)
            finally:
                os._exit(status)
        pids.append(pid)
    return pids


def ended(pids: list[int]) -> list[int]:
    """Exit statuses; negative: the signal that ended one."""
    statuses: dict[int, int] = {}
    end = time.monotonic() + PATIENCE
    while len(statuses) < len(pids):
        for pid in pids:
            if pid not in statuses:
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    statuses[pid] = os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            for pid in pids:
                if pid not in statuses:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
            raise TimeoutError(f"a process did not end within {PATIENCE:.0f} s")
        time.sleep(0.01)
    return [statuses[pid] for pid in pids]


def main(number: int, kind: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    output, log = folder / "run", folder / "said.txt"
    shutil.rmtree(output, ignore_errors=True)
    arguments = [*SETTINGS, f"train.parallel={kind}", f"output={output}"]
    start = time.monotonic()
    statuses = ended(started(arguments, log))
    assert statuses == [0] * RANKS, f"{statuses}, see {log}"
    took, reference = time.monotonic() - start, result(output)
    shutil.rmtree(output)
    rng = random.Random(0)
    killed: Counter[str] = Counter()
    while sum(killed.values()) < number:
        for again in range(1 + (rng.random() < 0.5)):
            said = log.stat().st_size
            pids, victim = started(arguments, log), rng.randrange(RANKS)
            while log.stat().st_size == said:  # one that is alone waits for the other for minutes
                time.sleep(0.005)
            time.sleep(rng.uniform(0, took / (1 + again)))
            os.kill(pids[victim], signal.SIGKILL)  # of one that has ended, too: nothing happens
            statuses = ended(pids)
            if statuses[victim] == -signal.SIGKILL:
                assert statuses[1 - victim] or (output / ".stages" / "train.json").exists()
                states = sorted((output / "states").glob("[0-9]*"))
                killed["with states" if states else "without"] += 1
        statuses = ended(started(arguments, log))
        assert statuses == [0] * RANKS, f"{statuses}, see {log}"
        found = result(output)
        differing = {k for k in found.keys() | reference.keys() if found.get(k) != reference.get(k)}
        assert not differing, f"after {sum(killed.values())} kills: {differing}"
        shutil.rmtree(output)
    print(
        f"{kind}: {sum(killed.values())} kills of one of two processes ({killed['with states']} "
        f"with states to go on from), {len(reference)} files and folders the same to the byte",
        flush=True,
    )


if __name__ == "__main__":
    number, kind, folder, *_ = [
        *sys.argv[1:],
        *("50", "ddp", "runs/kills_parallel")[len(sys.argv) - 1 :],
    ]
    main(int(number), kind, Path(folder).absolute())
