"""Slurm and PBS by the commands that they give their users; nothing needs accounting."""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

__all__ = ["SCHEDULERS", "Scheduler", "State"]

PATIENCE = 60.0
"""Seconds that a batch system may take to answer."""

Phase = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True)
class State:
    """What a batch system says of a job, or of one part of an array.

    Args:
        phase: where it is, in our words.
        word: in the batch system's.
        reason: why it waits or failed, if that is said.
        count: parts of an array that this is said of.
    """

    phase: Phase
    word: str
    reason: str = ""
    count: int = 1


class Scheduler(Protocol):
    """A batch system."""

    cancel: str
    """The command that cancels jobs."""

    def submit(self, script: Path, *, after: str | None) -> str:
        """Submits a script to run once another job has ended well; the job's number.

        Raises:
            OSError: in the batch system's words.
        """

    def take_back(self, number: str) -> None:
        """Cancels a job."""

    def states(self, numbers: Sequence[str]) -> dict[str, list[State]] | None:
        """Of the jobs that it knows, by number; None: it cannot be asked."""

    def log(self, name: str, number: str) -> str:
        """How the logs of a job are called, as a pattern without their endings."""


class Slurm:
    """By sbatch and squeue. It forgets a job some minutes after its end."""

    cancel = "scancel"

    def submit(self, script: Path, *, after: str | None) -> str:
        needs = [f"--dependency=afterok:{after}", "--kill-on-invalid-dep=yes"] if after else []
        return _ask("sbatch", "--parsable", *needs, str(script)).partition(";")[0]

    def take_back(self, number: str) -> None:
        _ask(self.cancel, number)

    def states(self, numbers: Sequence[str]) -> dict[str, list[State]] | None:
        asked = ("--states=all", f"--jobs={','.join(numbers)}", "--format=%F|%K|%T|%r")
        try:
            text = _ask("squeue", "--noheader", *asked)
        except OSError as error:
            # It says so where it knows none of them any more.
            return {} if "Invalid job id" in str(error) else None
        found: dict[str, list[State]] = {}
        for line in text.splitlines():
            number, parts, word, reason = line.split("|", 3)
            state = State(_slurm_phase(word), word.lower(), reason, _count(parts))
            found.setdefault(number, []).append(state)
        return found

    def log(self, name: str, number: str) -> str:
        return f"{name}-{number}"


class PBS:
    """By qsub and qstat. It forgets a job at its end."""

    cancel = "qdel"

    def submit(self, script: Path, *, after: str | None) -> str:
        needs = ["-W", f"depend=afterok:{after}"] if after else []
        return _ask("qsub", *needs, str(script))

    def take_back(self, number: str) -> None:
        _ask(self.cancel, number)

    def states(self, numbers: Sequence[str]) -> dict[str, list[State]] | None:
        try:
            text = _ask("qstat", "-f", *numbers)
        except OSError as error:
            return {} if re.search("unknown job|has finished", str(error), re.I) else None
        found: dict[str, list[State]] = {}
        for number, letter in _pbs_jobs(text):
            phase: Phase = "running" if letter in "RBE" else "done" if letter in "FCX" else "queued"
            if phase != "done":  # of those that ended, the script says how
                found[number] = [State(phase, phase)]
        return found

    def log(self, name: str, number: str) -> str:
        digits, *_ = re.split(r"[.\[]", number)
        return f"{name}-{digits}"


SCHEDULERS: dict[str, Scheduler] = {"slurm": Slurm(), "pbs": PBS()}


def _slurm_phase(word: str) -> Phase:
    if word in ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SUSPENDED"):
        return "queued"
    if word in ("RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "STOPPED", "RESIZING"):
        return "running"
    return "done" if word == "COMPLETED" else "failed"


def _count(parts: str) -> int:
    """Of an array's parts such as 3, 1-8 or 1,4-6%2; 1 of a job that is no array."""
    count = 0
    for piece in parts.partition("%")[0].split(","):
        first, _, last = piece.partition("-")
        count += int(last) - int(first) + 1 if first.isdigit() and last.isdigit() else 1
    return count


def _pbs_jobs(text: str) -> Iterator[tuple[str, str]]:
    """Number and letter of the state of each job that `qstat -f` tells of."""
    for part in text.split("Job Id:")[1:]:
        state = re.search(r"^\s*job_state = (\w)", part, re.MULTILINE)
        if state:
            yield part.split(maxsplit=1)[0], state[1]


def _ask(command: str, *arguments: str) -> str:
    """What a command prints.

    Raises:
        OSError: it is not there, does not answer, or failed and printed nothing: in its own words.
    """
    # What Slurm says of a job that this may run in is not to be handed on to another.
    known = {k: v for k, v in os.environ.items() if k[:6] != "SLURM_" or k == "SLURM_CONF"}
    called = [command, *arguments]
    try:
        done = subprocess.run(
            called, capture_output=True, text=True, timeout=PATIENCE, env=known, check=False
        )
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{command}: no such command on this machine; go to one where jobs are submitted, or "
            "load the batch system's module"
        ) from None
    except subprocess.TimeoutExpired:
        raise OSError(f"{command}: no answer within {PATIENCE:g} s; try again later") from None
    if done.returncode and not done.stdout.strip():
        [first, *_] = done.stderr.strip().splitlines() or [f"failed with status {done.returncode}"]
        raise OSError(first if first.startswith(f"{command}:") else f"{command}: {first}")
    return done.stdout.strip()
