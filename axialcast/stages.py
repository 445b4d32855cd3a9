"""Runs the pipelines of a config in order and skips those whose outputs are up to date.

A pipeline is a Python program with `run(config)`. It is a stage that can be skipped if it says, in
constants at its top,

    READS     keys of the config that decide its outputs
    NEEDS     outputs of earlier stages that it is made of; without it, all of theirs
    OUTPUTS   what it makes: files or folders in the output folder
    RESUMES   what it goes on from when it was stopped; `--force` removes it, and so does the end of
              the stage unless it is among the outputs

A stamp `<output>/.stages/<name>.json` is written when a stage has ended and removed before it
starts. It keeps what decided the outputs, as it was before the stage ran, and what they are: size
and checksum of each file, or the fingerprint of a folder that has an inventory of its own.
"""

import ast
import glob
import hashlib
import json
import runpy
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from axialcast import inventory
from axialcast.atomic import SUFFIX, remove, sweep, write_json
from axialcast.config import Config, save_config
from axialcast.holding import hold, holder, refuse_held
from axialcast.progress import recorded
from axialcast.shipped import find_pipeline

__all__ = ["Stage", "damage", "differences", "made_from", "outdated", "run_stages", "stamped"]

ORDER = ("simulate", "prepare", "train", "forecast", "verify")
"""Each shipped stage depends on those before it."""

ZARR_METADATA = ("zarr.json", ".zmetadata", ".zgroup", ".zattrs", ".zarray")

READ_BYTES, READ_FILES = 2**28, 100
"""Outputs of no more bytes in no more files are read at start; larger ones are measured."""

MadeFrom = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """A pipeline and what it says of itself.

    Args:
        path: its file; the stem is its name.
        reads: config keys that decide its outputs; None: unknown, so it always runs.
        needs: outputs of earlier stages that decide its own; None: all of them.
        outputs: files or folders under the output folder.
        resumes: files or folders under the output folder that it goes on from.
    """

    path: Path
    reads: tuple[str, ...] | None = None
    needs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] = ()
    resumes: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: Path) -> "Stage":
        """The stage in a Python file, read without running any of it.

        Raises:
            ValueError: it is not Python, defines no `run(config)`, or computes its constants.
        """
        try:
            program = ast.parse(path.read_text("utf-8"))
        except SyntaxError as error:
            raise ValueError(f"{path}:{error.lineno}: not valid Python: {error.msg}") from None
        if not any(
            isinstance(node, ast.FunctionDef) and node.name == "run" for node in program.body
        ):
            raise ValueError(f"{path}: defines no run(config); add `def run(config): ...`")
        reads, needs, outputs, resumes = (
            _constant(program, name, path) for name in ("READS", "NEEDS", "OUTPUTS", "RESUMES")
        )
        return cls(path, reads, needs, outputs or (), resumes or ())

    @property
    def name(self) -> str:
        return self.path.stem

    def run(self, config: Config) -> None:
        """Executes the file and calls its `run(config)`."""
        runpy.run_path(str(self.path), run_name="axialcast_pipeline")["run"](config)

    def clear(self, output: Path, *, ended: bool) -> None:
        """Removes what the stage would go on from; once it has `ended`, not its outputs."""
        for name in self.resumes:
            path = output / name
            if name in self.outputs:
                if not ended:
                    inventory.clear(path) if path.is_dir() else remove(path)
                continue
            # Beside numbered parts that have inventories, as saved states, a user's file stays.
            parts = [part.parent for part in path.glob(f"[0-9]*/{inventory.FOLDER}")]
            for part in parts:
                inventory.clear(part)
            sweep(path, alone=True)
            if not parts:
                remove(path)
            with suppress(OSError):
                path.rmdir()


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

    Args:
        config: the run.
        before: called once, before anything is written, if a stage is not up to date.
        folder: where the pipelines' relative paths are looked for besides the working directory.
        force: start stages over, those that are up to date and those that would go on.
        verify: read every byte of the outputs before they count as whole.
        say: told one line for each stage, and one for each part of an output that is damaged.

    Raises:
        FolderHeldError: another run holds the output folder.
    """
    stages = [Stage.load(find_pipeline(name, folder)) for name in config.pipeline]
    names = [stage.name for stage in stages]

    def looked_at(index: int) -> tuple[MadeFrom, list[inventory.Damage], str | None]:
        """What decides a stage's outputs, what of these is damaged, and why it must run."""
        stage = stages[index]
        inputs = _inputs(config, stage, names[:index])
        broken = damage(config.output, stage.name, read_all=verify)
        known = _read_stamp(_stamp(config, stage.name))
        return inputs, broken, _reason(stage, inputs, known, broken, config.output)

    skipped = "up to date, skipped (--force runs it again)"
    indices = range(len(stages))
    if not force and _is_tidy(config, stages) and all(looked_at(n)[2] is None for n in indices):
        for name in names:
            say(f"{name}: {skipped}")
        return
    refuse_held(config.output)
    before()
    with hold(config.output):
        save_config(config, config.output / "config.yaml")
        sweep(config.output, alone=True, outputs=tuple(n for s in stages for n in s.outputs))
        sweep(config.output / ".stages", alone=True)
        for index, stage in enumerate(stages):
            inputs, broken, why = looked_at(index)
            if not (force or why is not None):
                stage.clear(config.output, ended=True)
                say(f"{stage.name}: {skipped}")
                continue
            stamp = _stamp(config, stage.name)
            for part in broken:
                if part.path.parent != config.output or part.what != "missing":
                    say(f"{stage.name}: {part}")
                # So that whoever goes on from the rest finds it missing.
                remove(part.path)
            say(f"{stage.name}: runs{'' if force else why}")
            stamp.unlink(missing_ok=True)
            if force:
                stage.clear(config.output, ended=False)
            _refuse_damaged(config, stage)
            with recorded(_progress(config, stage.name)):
                stage.run(config)
            outputs = {name: _content(config.output / name) for name in stage.outputs}
            write_json(stamp, {"made_from": inputs, "outputs": outputs})
            stage.clear(config.output, ended=True)


def made_from(config: Config, program: str | Path) -> MadeFrom:
    """What decides the outputs of a pipeline, by name: what a program's saved state belongs to.

    Args:
        config: the run.
        program: the pipeline's file, `__file__` in itself.
    """
    return _inputs(config, Stage.load(Path(program)), [])


def differences(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    """In words, for each name: what it was and what it is, where these can be told."""
    lines = []
    for key in sorted(now.keys() | then.keys()):
        if now.get(key) != then.get(key):
            telling = "." in key or key == "seed"
            told = f" was {then.get(key)!r}, is {now.get(key)!r}" if telling else " changed"
            lines.append(f"{key}{told}")
    return lines


def damage(output: Path, name: str, *, read_all: bool = False) -> list[inventory.Damage]:
    """Each part of a stage's outputs that is not as it was when the stage ended.

    Args:
        output: the run's folder.
        name: of the stage; one without a stamp has no outputs.
        read_all: compare every byte, of large outputs as well.
    """
    known = _read_stamp(output / ".stages" / f"{name}.json")
    found: list[inventory.Damage] = []
    for key, content in (known["outputs"] if known else {}).items():
        path = output / key
        if not path.exists():
            found.append(inventory.Damage(path, "missing"))
        elif isinstance(content, str):
            found += inventory.problems(path, read_all=read_all)
        else:
            files = {name: (size, checksum) for name, (size, checksum) in content.items()}
            folder = path if path.is_dir() else output
            found += inventory.check(folder, files, read_all=read_all or _is_small(files))
    return found


def stamped(output: Path) -> dict[str, dict[str, Any]]:
    """The stamps in a run's folder by name of their stage: `made_from` and `outputs` of each."""
    stamps = {path.stem: _read_stamp(path) for path in (output / ".stages").glob("[!.]*.json")}
    return {name: known for name, known in stamps.items() if known is not None}


def outdated(output: Path, name: str) -> list[str]:
    """Outputs that a stage was made of and that other stages have made anew since."""
    stamps = stamped(output)
    now = {key: _hash(content) for of in stamps.values() for key, content in of["outputs"].items()}
    then = stamps[name]["made_from"]
    return [key for key, content in now.items() if key in then and then[key] != content]


def _refuse_damaged(config: Config, stage: Stage) -> None:
    """Raises where what a stage is made of lacks a part."""
    made_of = [config.output / name for name in stage.needs or ()]
    if _reads_data(stage):
        made_of.append(Path(_store_of(config, stage)))
    for path in made_of:
        if (path / inventory.FOLDER).is_dir():
            broken = inventory.problems(path)
            if broken:
                more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
                raise ValueError(
                    f"{broken[0]}{more}; run the pipeline that made {path}, or copy it again"
                )


def _reads_data(stage: Stage) -> bool:
    return any(key.partition(".")[0] == "data" for key in stage.reads or ())


def _store_of(config: Config, stage: Stage) -> str:
    return config.source_store if stage.name == "prepare" else config.analysis_store


def _is_tidy(config: Config, stages: Iterable[Stage]) -> bool:
    """Whether no killed run left anything to be cleaned up."""
    output = config.output
    scratch = [output / name for s in stages for name in s.resumes if name not in s.outputs]
    partial = [*output.glob(f".*{SUFFIX}"), *(output / ".stages").glob(f".*{SUFFIX}")]
    held = holder(output)
    is_left = held is not None and not held.is_alive
    return not (is_left or partial or any(path.exists() for path in scratch))


def _is_small(files: inventory.Files) -> bool:
    return len(files) <= READ_FILES and sum(size for size, _ in files.values()) <= READ_BYTES


def _content(path: Path) -> str | dict[str, Any]:
    """What an output is: its inventory's fingerprint where it has one, else all of its files."""
    if (path / inventory.FOLDER).is_dir():
        return inventory.fingerprint(inventory.read(path))
    if path.is_dir():
        return dict(inventory.take(path))
    return {path.name: inventory.entry(path)} if path.exists() else {}


def _inputs(config: Config, stage: Stage, earlier: list[str]) -> MadeFrom:
    """Everything that decides a stage's outputs, by name."""
    inputs: MadeFrom = {
        "axialcast": version("axialcast"),
        "program": _hash(stage.path.read_text("utf-8")),
    }
    if stage.reads is None:
        inputs["run at"] = str(time.time_ns())
        return inputs
    values = config.model_dump(mode="json")
    for key in stage.reads:
        inputs |= _leaves(key, _value(values, key))
    if _reads_data(stage):
        inputs["store"] = _store_state(_store_of(config, stage))
    return inputs | _needed(config, stage, earlier)


def _needed(config: Config, stage: Stage, earlier: list[str]) -> MadeFrom:
    """What the outputs of earlier stages that it needs are, by name."""
    upstream = ORDER[: ORDER.index(stage.name)] if stage.name in ORDER else ()
    found: MadeFrom = {}
    for name in dict.fromkeys([*upstream, *earlier]):
        known = _read_stamp(_stamp(config, name))
        if known is None:
            continue
        outputs: dict[str, Any] = known["outputs"]
        if stage.needs is None and not outputs:  # it says not what it makes
            found[f"stage {name}"] = _hash(known["made_from"])
        for key, content in outputs.items():
            if stage.needs is None or key in stage.needs:
                found[key] = _hash(content)
    for key in stage.needs or ():
        if key not in found and (config.output / key).exists():
            found[key] = _hash(_content(config.output / key))
    return found


def _constant(program: ast.Module, name: str, path: Path) -> tuple[str, ...] | None:
    """The literal assigned to a name at the top of a program, None if it is not assigned."""
    for node in program.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            assert isinstance(node, ast.Assign)
            try:
                return tuple(ast.literal_eval(node.value))
            except ValueError:
                raise ValueError(
                    f"{path}:{node.lineno}: {name} is computed; write out its names"
                ) from None
    return None


def _value(values: Mapping[str, Any], key: str) -> Any:
    value: Any = values
    for part in key.split("."):
        value = None if value is None else value[part]
    return value


def _leaves(key: str, value: Any) -> MadeFrom:
    """The values of a section by dotted key; what may be secret as a checksum alone."""
    if key == "data.storage_options":
        return {key: _hash(value)}
    if not isinstance(value, dict) or not value:
        return {key: value}
    leaves: MadeFrom = {}
    for name, below in value.items():
        leaves |= _leaves(f"{key}.{name}", below)
    return leaves


def _store_state(store: str) -> Any:
    """What changes when a store's data do: its inventory, or else files, their sizes and times."""
    if "://" in store:
        return store
    if (Path(store) / inventory.FOLDER).is_dir():
        return _hash(_content(Path(store)))
    files: list[Path] = []
    for match in sorted(glob.glob(store)) or [store]:
        path = Path(match)
        if path.is_dir():
            # Groups and arrays, not chunks: there may be millions.
            for name in ZARR_METADATA:
                files += sorted([*path.glob(name), *path.glob(f"*/{name}")])
        elif path.exists():
            files.append(path)
    return _hash([(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in files])


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _reason(
    stage: Stage,
    inputs: MadeFrom,
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
        if isinstance(content, str) and content != _content(output / name)
    ]
    if grown:
        return f" again, for {', '.join(grown)} is not what it wrote"
    changed = sorted(
        key
        for key in inputs.keys() | known["made_from"].keys()
        if inputs.get(key) != known["made_from"].get(key)
    )
    return f" again, for {', '.join(changed)} changed" if changed else None


def _stamp(config: Config, name: str) -> Path:
    return config.output / ".stages" / f"{name}.json"


def _progress(config: Config, name: str) -> Path:
    return config.output / ".stages" / f"{name}.progress.json"


def _read_stamp(stamp: Path) -> dict[str, Any] | None:
    try:
        known = json.loads(stamp.read_text("utf-8"))
        return known if isinstance(known["outputs"], dict) and known["made_from"] else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
