"""`axialcast submit`: the stages of a run as jobs of a batch system, each after the one before.

What was submitted is kept in `<output>/.jobs.json`, for `axialcast status`, and so that a run that
waits in a queue is not submitted again.
"""

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from axialcast.files.atomic import write_json, write_text
from axialcast.files.documents import read_document
from axialcast.files.holding import hold, refuse_held
from axialcast.run.config import Config
from axialcast.run.jobs import Job, jobs_of
from axialcast.run.schedulers import SCHEDULERS, Scheduler
from axialcast.run.scripts import LOGS, find_template, render
from axialcast.run.urls import refuse_url

__all__ = ["RECORD", "dry_run", "read_record", "submit"]

RECORD = ".jobs.json"
KNOWN = ("name", "stage", "number", "parts")
"""What is kept of a job."""

_LEFT_OUT = re.compile(r"\$\{oc\.env:(AXIALCAST_\w+)\}")
"""What a written config has in place of a secret that stood there in clear."""


def dry_run(config: Config, folder: Path = Path()) -> list[str]:
    """The scripts that `submit` would submit, each with the command before it; writes nothing.

    Raises:
        ValueError, OSError: as `submit`.
    """
    _scheduler(config)
    lines, before = [], ""
    for job, script in _scripts(config, folder):
        place = config.output.absolute() / LOGS / f"{job.name}.sh"
        command = {"slurm": "sbatch", "pbs": "qsub"}[config.cluster.kind]
        after = f", after {before} has ended well" if before else ""
        lines.append(f"# {command} {place}{after}\n{script}")
        before = job.name
    return lines


def submit(
    config: Config,
    *,
    folder: Path = Path(),
    before: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = print,
) -> None:
    """Writes the batch scripts of a run and submits them.

    Args:
        config: the run.
        folder: where the pipelines' relative paths are looked for besides the working directory.
        before: called before anything is written, when the run is not under way already.
        say: told one line for each job.

    Raises:
        ValueError: the config or the template of scripts is wrong, or the run is under way.
        OSError: the batch system refuses; then no job of this run is left in it.
    """
    scheduler, output = _scheduler(config), config.output
    scripts = _scripts(config, folder)
    if not scripts:
        say("all is up to date, and nothing is submitted")
        return
    text = _text(config, [job for job, _ in scripts])
    _refuse_under_way(output)  # first, for a job of it may hold the folder: its number says more
    refuse_held(output)
    before()
    with hold(output / LOGS):
        _refuse_under_way(output)
        write_text(output / LOGS / "config.yaml", text)
        known: list[dict[str, Any]] = []
        for job, script in scripts:
            path = (output / LOGS / f"{job.name}.sh").absolute()
            write_text(path, script)
            try:
                number = scheduler.submit(path, after=known[-1]["number"] if known else None)
            except OSError:
                _cancel(scheduler, output, known)
                raise
            known.append(_known(job, number))
            write_json(output / RECORD, {"kind": config.cluster.kind, "jobs": known})
            say(f"{job.name}: job {number}{f' of {job.parts} parts' if job.parts > 1 else ''}")


def read_record(output: Path) -> tuple[str, list[dict[str, Any]]]:
    """Kind of the batch system, and name, stage, number and parts of each job, if any."""
    try:
        known = read_document(output / RECORD, "kind", "jobs")
        jobs = [{key: job[key] for key in KNOWN} for job in known["jobs"]]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return "slurm", []
    return (known["kind"], jobs) if known["kind"] in SCHEDULERS else ("slurm", [])


def _scheduler(config: Config) -> Scheduler:
    kind = config.cluster.kind
    if kind not in SCHEDULERS:
        raise ValueError(
            f"cluster.kind: {kind} has no queue to submit to; use `axialcast run`, or set "
            f"cluster.kind={' or '.join(SCHEDULERS)}"
        )
    return SCHEDULERS[kind]


def _scripts(config: Config, folder: Path) -> list[tuple[Job, str]]:
    refuse_url(config, "jobs keep their scripts and logs beside the outputs")
    if "${" in str(yaml.safe_load(config.text)["cluster"]["prologue"]):
        raise ValueError(
            "cluster.prologue: takes a value from the environment, which no script is to hold; "
            "jobs have that environment, too: write $NAME in place of ${oc.env:NAME}"
        )
    template = find_template(config, folder)
    return [(job, render(job, config, template)) for job in jobs_of(config, folder)]


def _text(config: Config, jobs: Sequence[Job]) -> str:
    """The config that the jobs read, with own pipelines by their whole paths.

    Raises:
        ValueError: a secret stands in it in clear that the jobs would not find.
    """
    names = list(dict.fromkeys(name for job in jobs for name in job.pipeline))
    text = config.model_copy(update={"pipeline": names}).text
    unset = [name for name in dict.fromkeys(_LEFT_OUT.findall(text)) if name not in os.environ]
    if unset:
        raise ValueError(
            "data: holds a secret in clear, which is not written into the jobs' config; give it "
            f"as {unset[0]} in the environment, and write ${{oc.env:{unset[0]}}} in its place"
        )
    return text


def _known(job: Job, number: str) -> dict[str, Any]:
    return {"name": job.name, "stage": job.stage, "number": number, "parts": job.parts}


def _refuse_under_way(output: Path) -> None:
    kind, jobs = read_record(output)
    numbers = [job["number"] for job in jobs]
    states = SCHEDULERS[kind].states(numbers) if numbers else {}
    if states is None:
        return
    waiting = [
        f"{job['number']} ({job['name']}, {state.phase})"
        for job in jobs
        for state in states.get(job["number"], [])[:1]
        if state.phase in ("queued", "running")
    ]
    if waiting:
        first = [text.split()[0] for text in waiting]
        raise ValueError(
            f"{output}: submitted already, as {', '.join(waiting)}; wait, or cancel them with "
            f"`{SCHEDULERS[kind].cancel} {' '.join(first)}`"
        )


def _cancel(scheduler: Scheduler, output: Path, known: Sequence[dict[str, Any]]) -> None:
    """Takes back what was submitted before the batch system refused."""
    for job in reversed(known):
        with suppress(OSError):
            scheduler.take_back(job["number"])
    (output / RECORD).unlink(missing_ok=True)
