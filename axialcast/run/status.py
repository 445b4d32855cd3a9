"""What `axialcast status` says of a run, from its folder and from the batch system, if any."""

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import yaml

from axialcast.files.documents import read_document
from axialcast.files.holding import Holder, holder
from axialcast.run.parts import PARTS
from axialcast.run.progress import clock
from axialcast.run.queued import job_states
from axialcast.run.stamps import ORDER, STAMPS, damage, outdated, stamped
from axialcast.run.submission import RECORD
from axialcast.run.watch import Watch

__all__ = ["status"]

PROGRESS = ("done", "total", "unit", "per_second")
"""What `axialcast.run.progress` keeps of a stage at work."""

SHOWN = 3
"""Damaged parts that are named of each stage."""


def status(output: str | Path) -> list[str]:
    """A line for the run, and one or more for each of its stages and of its jobs.

    Args:
        output: the run's folder, on this machine or another's file system.

    Raises:
        FileNotFoundError: there is no such folder, or no run was started in it.
    """
    output = Path(output)
    stages, jobs = _stages(output), job_states(output)
    if not stages and not jobs:
        raise FileNotFoundError(
            f"{output}: no run was started there; give the output folder of a run"
        )
    held = holder(output)
    parts = [holder(folder) for folder in (output / PARTS).glob("*-of-*")]
    num_parts = sum(part is not None and part.is_alive for part in parts)
    of = f"{num_parts} {'part' if num_parts == 1 else 'parts'} of a stage at work"
    lines = [f"{output}: {of if num_parts else _held(held)}"]
    is_running = held is not None and held.is_alive
    is_queued = any(job.under_way for job in jobs)
    done = stamped(output)
    for name in stages:
        if name in done:
            lines += _finished(output, name)
            continue
        lines.append(f"{name}: {_unfinished(output, name, is_running, is_queued)}")
        lines += _watched(output, name)
        is_running = False  # one stage at a time
    told = [job for job in jobs if job.under_way or not _has_ended_since(output, job.stage)]
    return [*lines, *(line for job in told for line in job.lines())]


def _has_ended_since(output: Path, stage: str) -> bool:
    """Whether a stage has ended well after jobs were submitted, in one of them or otherwise."""
    try:
        ended = (output / STAMPS / f"{stage}.json").stat().st_mtime
        return ended > (output / RECORD).stat().st_mtime
    except OSError:
        return False


def _stages(output: Path) -> list[str]:
    """Names of the run's stages, in order: of its config, or else of what they left."""
    try:
        config = yaml.safe_load((output / "config.yaml").read_text("utf-8"))
        pipeline = config["pipeline"]
        names = [pipeline] if isinstance(pipeline, str) else pipeline
        named = [Path(name).stem for name in names if "${" not in name]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, RecursionError):
        named = []
    left = {path.name.split(".")[0] for path in (output / STAMPS).glob("[!.]*.json")}
    known = [*ORDER, *sorted(left - {*ORDER, *named})]
    before = [name for name in known if name in left and name not in named]
    return [*before, *named]


def _held(held: Holder | None) -> str:
    if held is None:
        return "no run is at work"
    if held.is_alive:
        heard = f", last heard of {clock(held.silent_seconds)} ago"
        return f"held by {held}{heard if held.silent_seconds > 60 else ''}"
    return f"its run ended without a word ({held})"


def _finished(output: Path, name: str) -> Iterator[str]:
    broken, older = damage(output, name), outdated(output, name)
    if broken:
        yield f"{name}: damaged, {len(broken)} {'part' if len(broken) == 1 else 'parts'}"
        yield from (f"  {part}" for part in broken[:SHOWN])
    elif older:
        yield f"{name}: done, but of another {' and '.join(older)}"
    else:
        yield f"{name}: done"


def _unfinished(output: Path, name: str, is_running: bool, is_queued: bool) -> str:
    if at_work := list(_parts(output, name)):
        return f"running in parts: {', '.join(at_work)}"
    record = output / STAMPS / f"{name}.progress.json"
    try:
        known = read_document(record, *PROGRESS)
        done, total, rate = (int(known["done"]), known["total"], known["per_second"])
        total, rate = total and int(total), rate and float(rate)
        ago = time.time() - record.stat().st_mtime
    except (OSError, ValueError, TypeError, OverflowError):
        return "running" if is_running else "not run yet"
    unit = known["unit"]
    steps = _saved_steps(output) if name == "train" else []
    # The record is some seconds old; a state may be newer.
    done = max([done, *steps])
    place = f"{done:,} of {total:,} {unit} ({done / total:.0%})" if total else f"{done:,} {unit}"
    saved = f", saved at step {steps[-1]:,}" if steps else ""
    if not is_running:
        goes_on = "its job goes on" if is_queued else "run it again to go on"
        return f"stopped at {place}{saved}; {goes_on}"
    pace = f", {rate:.3g} {unit}/s" if rate else ""
    left = f", {clock(max(0.0, (total - done) / rate - ago))} left" if rate and total else ""
    return f"running, {place}{pace}{left}{saved}"


def _watched(output: Path, name: str) -> Iterator[str]:
    """What is told beside the progress of a stage: the losses of a training."""
    with suppress(OSError, ValueError, TypeError, KeyError, OverflowError):
        record = read_document(output / STAMPS / f"{name}.progress.json", "plan", "memory")
        columns, curves = shutil.get_terminal_size().columns, sys.stdout.isatty()
        watch = Watch.of_record(record, output / "log.jsonl")
        yield from (f"  {line}" for line in watch.lines(columns - 2, curves=curves))


def _parts(output: Path, name: str) -> Iterator[str]:
    """The parts of a stage that are being made, as 3/8, and how far each of them is."""
    for folder in sorted((output / PARTS).glob("*-of-*")):
        record = output / STAMPS / f"{name}.{folder.name}.progress.json"
        held = holder(folder)
        if held is None or not held.is_alive or not record.exists():
            continue
        with suppress(OSError, ValueError, TypeError, ZeroDivisionError, OverflowError):
            known = read_document(record, *PROGRESS)
            yield f"{folder.name.replace('-of-', '/')} ({known['done'] / known['total']:.0%})"


def _saved_steps(output: Path) -> list[int]:
    """Steps of the states that a training can go on from, sorted."""
    if not (output / "states").is_dir():
        return []
    return sorted(int(path.name) for path in (output / "states").iterdir() if path.name.isdigit())
