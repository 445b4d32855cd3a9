"""Runs the pipelines of a config in order and skips those whose outputs are up to date.

See `axialcast.run.stage` for what a pipeline says of itself, `axialcast.run.stamps` for what is
kept of it.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from axialcast import parallel
from axialcast.files import inventory
from axialcast.files.atomic import SUFFIX, remove, sweep
from axialcast.files.holding import hold, holder, refuse_held
from axialcast.run.config import Config, save_config
from axialcast.run.line import stages_of
from axialcast.run.parts import PARTS, Part, making
from axialcast.run.progress import recorded
from axialcast.run.stage import Stage
from axialcast.run.stamps import (
    STAMPS,
    MadeFrom,
    changes,
    content_of,
    damage,
    decided_by,
    differences,
    made_from,
    read_stamp,
    remove_stamp,
    store_of,
    write_stamp,
)
from axialcast.run.stores import places
from axialcast.run.urls import SCRATCH

__all__ = [
    "Stage",
    "differences",
    "follow_stages",
    "made_from",
    "run_part",
    "run_stages",
    "up_to_date",
]

SEEN = 60.0
"""Seconds until what one host wrote must be there on another; file systems remember absence."""


def run_stages(
    config: Config,
    *,
    folder: Path = Path(),
    force: bool = False,
    verify: bool = False,
    before: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = print,
) -> None:
    """Runs the config's pipelines in order, as the only run in the output folder.

    Where several processes were started together, this is what the leader does; see
    `follow_stages`.

    Args:
        config: the run.
        before: called once, before anything is written, if a stage is not up to date.
        folder: where the pipelines' relative paths are looked for besides the working directory.
        force: start stages over, those that are up to date and those that would go on.
        verify: read every byte of the outputs before they count as whole.
        say: told one line for each stage, and one for each part of an output that is damaged.

    Raises:
        ConfigError: the pipelines contradict one another or the config.
        FolderHeldError: another run holds the output folder.
    """
    _refuse_others(config)
    stages = stages_of(config, folder)
    names, output = [stage.name for stage in stages], config.output

    skipped = "up to date, skipped (--force runs it again)"
    if not force and _is_tidy(config, stages) and up_to_date(config, stages, verify) == len(names):
        for name in names:
            say(f"{name}: {skipped}")
        parallel.told(None)
        return
    for folder_of_part in output.glob(f"{PARTS}/*"):
        refuse_held(folder_of_part)
    refuse_held(output)
    before()
    with hold(output):
        save_config(config, output / "config.yaml")
        sweep(output, alone=True, outputs=tuple(name for s in stages for name in s.outputs))
        sweep(output / STAMPS, alone=True)
        for index, stage in enumerate(stages):
            decided, broken, why = _looked_at(config, stages, index, verify)
            if not (force or why is not None):
                stage.clear(output, ended=True)
                say(f"{stage.name}: {skipped}")
                continue
            for part in broken:
                if part.path.parent != output or part.what != "missing":
                    say(f"{stage.name}: {part}")
                # So that whoever goes on from the rest finds it missing.
                remove(part.path)
            say(f"{stage.name}: runs{'' if force else why}")
            remove_stamp(output, stage.name)
            if force:
                stage.clear(output, ended=False)
            _refuse_damaged(config, stage)
            with recorded(output / STAMPS / f"{stage.name}.progress.json"):
                if stage.every_rank:
                    parallel.told(stage.name)
                stage.run(config)
                if stage.every_rank:
                    parallel.barrier()  # what the others wrote is part of the outputs
            for record in (output / STAMPS).glob(f"{stage.name}.*.progress.json"):
                remove(record)  # of parts that were killed
            write_stamp(output, stage, decided)
            stage.clear(output, ended=True)
    parallel.told(None)


def up_to_date(config: Config, stages: Sequence[Stage], verify: bool = False) -> int:
    """How many stages, of the first ones, need not run: the first that must may change the rest."""
    looked_at = (_looked_at(config, stages, index, verify) for index in range(len(stages)))
    return next((n for n, (_, _, why) in enumerate(looked_at) if why is not None), len(stages))


def follow_stages(config: Config, *, folder: Path = Path()) -> None:
    """Runs those stages that the leader runs and that want every rank, silently.

    Args:
        config, folder: as the leader was given.

    Raises:
        ConfigError: as for the leader.
        FileNotFoundError: the output folder is another one here than where the leader is.
    """
    _refuse_others(config)
    stages = {stage.name: stage for stage in stages_of(config, folder)}
    with _silence():
        while (name := parallel.told(None)) is not None:
            _wait_for(config.output / "config.yaml")
            stages[name].run(config)
            parallel.barrier()


def run_part(
    config: Config, text: str, *, folder: Path = Path(), say: Callable[[str], None] = print
) -> None:
    """Makes one part of a stage, beside others that make theirs at the same time.

    That the stage has ended is not said by any of them: who runs it afterwards makes what is
    missing and says so.

    Args:
        config: the run, of this stage alone.
        text: which part, such as 3/8.
        folder: as for `run_stages`.
        say: told one line.

    Raises:
        ValueError: there is no such part, or the stage cannot be made in parts.
        FolderHeldError: another run holds the output folder, or makes the same part.
    """
    part, stages = Part.parse(text), stages_of(config, folder)
    if len(stages) != 1 or not stages[0].in_parts or parallel.launch().world_size > 1:
        raise ValueError(
            f"--part {text}: is for one process and one pipeline that can be made in parts, such "
            "as pipeline=forecast"
        )
    [stage], output = stages, config.output
    refuse_held(output)
    record = output / STAMPS / f"{stage.name}.{part.name}.progress.json"
    with hold(output / PARTS / part.name):
        remove_stamp(output, stage.name)
        _refuse_damaged(config, stage)
        say(f"{stage.name}: {part}")
        with making(part), recorded(record):
            stage.run(config)
    with suppress(OSError):
        (output / PARTS).rmdir()  # only the last of them can


def _refuse_others(config: Config) -> None:
    """Raises where processes have unlike configs: they would wait for ever, or train on unlikes."""
    known = config.model_dump(
        mode="json",
        include={"pipeline", "seed", "data", "prepare", "model", "train", "forecast"},
        exclude={"data": {"store", "storage_options"}},  # each may have a copy of its own
    )
    paths = [getattr(config.model, "path", None), config.train.loss.path]
    files = [config.own_file(p) for p in paths if p is not None and Path(p).is_file()]
    known["own files"] = [file.sha256 for file in files if file is not None]
    texts = {key: json.dumps(value, default=str).encode() for key, value in known.items()}
    leaders, *others = parallel.gathered(
        {key: hashlib.sha256(text).hexdigest() for key, text in texts.items()}
    )
    for rank, theirs in enumerate(others, start=1):
        if unlike := [key for key in leaders if theirs.get(key) != leaders[key]]:
            raise ValueError(
                f"{', '.join(unlike)}: rank {rank} was given another value than rank 0; start all "
                "by the same command with the same config"
            )


@contextmanager
def _silence() -> Iterator[None]:
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: SIM117
        with redirect_stdout(nowhere), redirect_stderr(nowhere):
            yield


def _wait_for(path: Path) -> None:
    """Raises where a file that the leader wrote does not come to be seen on this host."""
    end = time.monotonic() + SEEN
    while not path.exists():
        if time.monotonic() > end:
            raise FileNotFoundError(
                f"output {path.parent}: written by rank 0, but not seen by rank "
                f"{parallel.launch().rank}; set output= (of a URL, the variable {SCRATCH}) to a "
                "folder that all nodes share"
            )
        time.sleep(0.5)


def _refuse_damaged(config: Config, stage: Stage) -> None:
    """Raises where what a stage is made of lacks a part."""
    made_of = [config.output / name for name in stage.needs or ()]
    store = store_of(config, stage)
    made_of += map(Path, places(store) if store is not None else ())
    for path in made_of:
        if (path / inventory.FOLDER).is_dir():
            broken = inventory.problems(path)
            if broken:
                more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
                raise ValueError(
                    f"{broken[0]}{more}; run the pipeline that made {path}, or copy it again"
                )


def _is_tidy(config: Config, stages: Iterable[Stage]) -> bool:
    """Whether no killed run left anything to be cleaned up."""
    output = config.output
    scratch = [output / name for s in stages for name in s.resumes if name not in s.outputs]
    partial = [*output.glob(f".*{SUFFIX}"), *(output / STAMPS).glob(f".*{SUFFIX}")]
    held = holder(output)
    is_left = held is not None and not held.is_alive
    return not (is_left or partial or any(path.exists() for path in scratch))


def _looked_at(
    config: Config, stages: Sequence[Stage], index: int, verify: bool
) -> tuple[MadeFrom, list[inventory.Damage], str | None]:
    """What decides a stage's outputs, what of these is damaged, and why it must run."""
    stage, output = stages[index], config.output
    decided = decided_by(config, stage, [earlier.name for earlier in stages[:index]])
    broken = damage(output, stage.name, read_all=verify)
    known = read_stamp(output, stage.name)
    return decided, broken, _reason(stage, decided, known, broken, output)


def _reason(
    stage: Stage,
    decided: MadeFrom,
    known: Mapping[str, Any] | None,
    broken: Iterable[inventory.Damage],
    output: Path,
) -> str | None:
    """Why a stage runs, as it ends the line that says so; None: it is up to date."""
    if known is None or stage.reads is None:
        going_on = [name for name in stage.resumes if (output / name).exists()]
        return f" on, from {', '.join(going_on)}" if going_on else ""
    missing = [name for name in stage.outputs if not (output / name).exists()]
    if missing:
        return f" again, for {', '.join(missing)} is missing"
    if list(broken):
        return " again, for a part of its outputs is damaged"
    grown = [
        name
        for name, content in known["outputs"].items()
        if isinstance(content, str) and content != content_of(output / name)
    ]
    if grown:
        return f" again, for {', '.join(grown)} is not what it wrote"
    changed = changes(decided, known["made_from"])
    return f" again, for {', '.join(changed)} changed" if changed else None
