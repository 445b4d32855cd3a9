"""Runs the pipelines of a config in order and skips those whose outputs are up to date.

A pipeline is a Python program with `run(config)`. It is a stage that can be skipped if it says
what decides its outputs (`READS`, keys of the config) and what they are (`OUTPUTS`, names in the
output folder). After a stage has run, a stamp `<output>/.stages/<name>.json` keeps what its
outputs were made from; a stage removes its own stamp before it starts, so that a killed one
counts as unfinished.
"""

import ast
import glob
import hashlib
import json
import os
import runpy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from axialcast.config import Config
from axialcast.shipped import find_pipeline

__all__ = ["Stage", "run_stages"]

ORDER = ("simulate", "prepare", "train", "forecast", "verify")
"""Each shipped stage depends on those before it."""

ZARR_METADATA = ("zarr.json", ".zmetadata", ".zgroup", ".zattrs", ".zarray")


@dataclass(frozen=True)
class Stage:
    """A pipeline and what it says of itself.

    Args:
        path: its file; the stem is its name.
        reads: config keys that decide its outputs; None: unknown, so it always runs.
        outputs: files or folders under the output folder.
    """

    path: Path
    reads: tuple[str, ...] | None = None
    outputs: tuple[str, ...] = ()

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
        reads, outputs = (_constant(program, name, path) for name in ("READS", "OUTPUTS"))
        return cls(path, reads, outputs or ())

    @property
    def name(self) -> str:
        return self.path.stem

    def run(self, config: Config) -> None:
        """Executes the file and calls its `run(config)`."""
        runpy.run_path(str(self.path), run_name="axialcast_pipeline")["run"](config)


def run_stages(
    config: Config,
    *,
    folder: Path = Path(),
    force: bool = False,
    before: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = print,
) -> None:
    """Runs the config's pipelines in order.

    Args:
        config: the run.
        before: called once before the first stage that is not up to date.
        folder: where the pipelines' relative paths are looked for besides the working directory.
        force: run stages that are up to date, too.
        say: told one line for each stage.
    """
    stages = [Stage.load(find_pipeline(name, folder)) for name in config.pipeline]
    started = False
    for index, stage in enumerate(stages):
        stamp = _stamp(config, stage.name)
        earlier = [other.name for other in stages[:index]]
        inputs = _inputs(config, stage, earlier)
        made_from = _read_stamp(stamp)
        missing = [name for name in stage.outputs if not (config.output / name).exists()]
        if not force and stage.reads is not None and not missing and inputs == made_from:
            say(f"{stage.name}: up to date, skipped (--force runs it again)")
            continue
        if not started:
            before()
            started = True
        reason = "" if force or made_from is None else _reason(inputs, made_from, missing)
        say(f"{stage.name}: runs{reason}")
        stamp.unlink(missing_ok=True)
        stage.run(config)
        _write_stamp(stamp, _inputs(config, stage, earlier))


def _inputs(config: Config, stage: Stage, earlier: list[str]) -> dict[str, str]:
    """Everything that decides a stage's outputs, each as a short fingerprint."""
    values = config.model_dump(mode="json")
    inputs = {"axialcast": version("axialcast"), "program": _hash(stage.path.read_text("utf-8"))}
    if stage.reads is None:
        inputs["run at"] = str(time.time_ns())
        return inputs
    for key in stage.reads:
        inputs[key] = _hash(_value(values, key))
    if "data" in stage.reads:
        is_source = stage.name == "prepare"
        store = config.source_store if is_source else config.analysis_store
        inputs["store"] = _hash(_store_state(store))
    upstream = ORDER[: ORDER.index(stage.name)] if stage.name in ORDER else ()
    for name in dict.fromkeys([*upstream, *earlier]):
        stamp = _stamp(config, name)
        if stamp.exists():
            inputs[f"stage {name}"] = _hash(stamp.read_text("utf-8"))
    return inputs


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
        value = value[part]
    return value


def _store_state(store: str) -> Any:
    """Path, size and time of change of every file of a store that changes when its data do."""
    if "://" in store:
        return store
    files = []
    for match in sorted(glob.glob(store)) or [store]:
        path = Path(match)
        if path.is_dir():
            # Groups and arrays, not chunks: there may be millions.
            for name in ZARR_METADATA:
                files += sorted([*path.glob(name), *path.glob(f"*/{name}")])
        elif path.exists():
            files.append(path)
    return [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in files]


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _reason(inputs: dict[str, str], made_from: dict[str, str], missing: list[str]) -> str:
    if missing:
        return f" again, for {', '.join(missing)} is missing"
    keys = sorted({k for k in inputs | made_from if inputs.get(k) != made_from.get(k)})
    return f" again, for {', '.join(keys)} changed" if keys else " again"


def _stamp(config: Config, name: str) -> Path:
    return config.output / ".stages" / f"{name}.json"


def _read_stamp(stamp: Path) -> dict[str, str] | None:
    try:
        made_from = json.loads(stamp.read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return made_from if isinstance(made_from, dict) else None


def _write_stamp(stamp: Path, inputs: dict[str, str]) -> None:
    stamp.parent.mkdir(parents=True, exist_ok=True)
    temporary = stamp.with_name(f".{stamp.name}.tmp")
    temporary.write_text(json.dumps(inputs, indent=1), encoding="utf-8")
    os.replace(temporary, stamp)
