"""What became of the jobs of a run, as the batch system and what they left tell it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axialcast.run.schedulers import SCHEDULERS, State
from axialcast.run.scripts import LOGS
from axialcast.run.submission import read_record

__all__ = ["job_lines"]

STOPPED = "138"
"""Exit status of who was told to stop by SIGUSR1."""
SHOWN = 5
"""Lines of a log that are shown of a job that failed."""
READ_BYTES = 2**14
"""Of the end of a log that these are looked for in."""


def job_lines(output: Path) -> list[str]:
    """A line for each job of a run, and of one that failed the last lines that it said."""
    kind, jobs = read_record(output)
    if not jobs:
        return []
    states = SCHEDULERS[kind].states([job["number"] for job in jobs])
    return [line for job in jobs for line in _told(output, kind, job, states)]


def _told(
    output: Path, kind: str, job: dict[str, Any], states: dict[str, list[State]] | None
) -> Iterator[str]:
    begin = f"job {job['number']} ({job['name']})"
    known = (states or {}).get(job["number"], [])
    under_way = [state for state in known if state.phase in ("queued", "running")]
    pattern = SCHEDULERS[kind].log(job["name"], job["number"])
    ended = sorted((output / LOGS).glob(f"{pattern}*.exit"))
    failed = [path for path in ended if _status(path) != "0"]
    of = f" of {job['parts']} parts" if job["parts"] > 1 else ""
    if under_way:
        yield f"{begin}: {', '.join(_phase(state, job['parts']) for state in under_way)}{of}"
    elif len(ended) == job["parts"] and not failed:
        yield f"{begin}: ended"
    elif failed:
        number = f"{len(failed)}{of} " if of else ""
        yield f"{begin}: {number}{_failure(_status(failed[0]))}"
    elif states is None:
        yield f"{begin}: not known on this machine, which has no {kind} or cannot reach it"
    else:
        words = [state for state in known if state.phase == "failed"]
        why = f" ({', '.join(dict.fromkeys(_word(state) for state in words))})" if words else ""
        logs = list((output / LOGS).glob(f"{pattern}*.log"))
        yield f"{begin}: {'ended without a word' if logs else 'never ran'}{why}"
        yield from _last_lines(logs)
        return
    yield from _last_lines([path.with_suffix(".log") for path in failed])


def _phase(state: State, parts: int) -> str:
    count = f"{state.count} " if parts > 1 else ""
    reason = f" ({state.reason})" if state.phase == "queued" and state.reason != "None" else ""
    return f"{count}{state.phase}{reason if state.reason else ''}"


def _failure(status: str) -> str:
    if status == STOPPED:
        return "stopped for the end of its walltime; submit the run again to go on"
    return f"failed with status {status}"


def _word(state: State) -> str:
    said = state.reason if state.reason not in ("", "None") else ""
    return f"{state.word}: {said}" if said else state.word


def _status(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip() or "?"
    except (OSError, ValueError):
        return "?"


def _last_lines(logs: list[Path]) -> Iterator[str]:
    """What the first of some logs says at its end."""
    for path in sorted(logs)[:1]:
        try:
            with path.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - READ_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return
        yield f"  {path}:"
        yield from (f"    {line}" for line in [line for line in lines if line.strip()][-SHOWN:])
