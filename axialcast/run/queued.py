"""What became of the jobs of a run, as the batch system and what they left tell it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from axialcast.run.schedulers import SCHEDULERS, State
from axialcast.run.scripts import LOGS
from axialcast.run.submission import read_record

__all__ = ["JobState", "job_states"]

FAILURES = {
    "137": "was killed, as when memory runs out; see cluster.memory_gib",
    "138": "stopped for the end of its walltime; submit the run again to go on",
    "143": "was cancelled, or its walltime ended; submit the run again to go on",
}
"""By exit status, which is 128 and the number of a signal: SIGKILL, SIGUSR1 and SIGTERM."""
SHOWN = 5
"""Lines of a log that are shown of a job that failed."""
READ_BYTES = 2**14
"""Of the end of a log that these are looked for in."""


@dataclass(frozen=True)
class JobState:
    """A job that was submitted, and what is known of it.

    Args:
        kind: of the batch system.
        name, stage, number, parts: of the job.
        logs: how its logs are called, without what follows its number.
        states: what the batch system says, of each part; None: it cannot be asked.
    """

    kind: str
    name: str
    stage: str
    number: str
    parts: int
    logs: Path
    states: Sequence[State] | None

    @property
    def under_way(self) -> list[State]:
        return [state for state in self.states or () if state.phase in ("queued", "running")]

    def lines(self) -> Iterator[str]:
        """One that says how it is, and of a job that failed the last that it said."""
        begin, of = f"job {self.number} ({self.name})", f" of {self.parts} parts"
        of = of if self.parts > 1 else ""
        ended = self._files("exit")
        failed = [path for path in ended if _status(path) != "0"]
        if self.under_way:
            yield f"{begin}: {', '.join(self._phases())}{of}"
        elif len(ended) == self.parts and not failed:
            yield f"{begin}: ended"
        elif failed:
            number = f"{len(failed)}{of} " if of else ""
            status = _status(failed[0])
            yield f"{begin}: {number}{FAILURES.get(status, f'failed with status {status}')}"
            yield from _last_lines([path.with_suffix(".log") for path in failed])
        elif self.states is None:
            yield f"{begin}: not known on this machine, which has no {self.kind} or cannot reach it"
        else:
            words = dict.fromkeys(_word(state) for state in self.states if state.phase == "failed")
            why, logs = f" ({', '.join(words)})" if words else "", self._files("log")
            yield f"{begin}: {'ended without a word' if logs else 'never ran'}{why}"
            yield from _last_lines(logs)

    def _files(self, ending: str) -> list[Path]:
        """What its parts left, one of each; another job's number may begin with this one's."""
        of_parts = self.logs.parent.glob(f"{self.logs.name}_*.{ending}")
        alone = self.logs.with_name(f"{self.logs.name}.{ending}")
        return sorted(of_parts) if self.parts > 1 else [alone] if alone.exists() else []

    def _phases(self) -> Iterator[str]:
        """Where its parts are, alike ones as one."""
        counts: Counter[str] = Counter()
        for state in self.under_way:
            says_why = state.phase == "queued" and state.reason not in ("", "None")
            counts[f"{state.phase} ({state.reason})" if says_why else state.phase] += state.count
        for text, count in counts.items():
            yield f"{count} {text}" if self.parts > 1 else text


def job_states(output: Path) -> list[JobState]:
    """The jobs that were last submitted for a run, in order."""
    kind, jobs = read_record(output)
    if not jobs:
        return []
    scheduler = SCHEDULERS[kind]
    states = scheduler.states([job["number"] for job in jobs])
    return [
        JobState(
            kind=kind,
            **job,
            logs=output / LOGS / scheduler.log(job["name"], job["number"]),
            states=None if states is None else states.get(job["number"], []),
        )
        for job in jobs
    ]


def _word(state: State) -> str:
    return f"{state.word}: {state.reason}" if state.reason not in ("", "None") else state.word


def _status(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip() or "?"
    except (OSError, ValueError):
        return "?"


def _last_lines(logs: list[Path]) -> Iterator[str]:
    """What the first of some logs says at its end."""
    for path in logs[:1]:
        try:
            with path.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - READ_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return
        yield f"  {path}:"
        yield from (f"    {line}" for line in [line for line in lines if line.strip()][-SHOWN:])
