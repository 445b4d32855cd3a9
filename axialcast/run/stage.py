"""A stage: a pipeline's program, and what it says of itself in constants at its top.

READS     keys of the config that decide its outputs
NEEDS     outputs of earlier stages that it is made of; without it, all of theirs
OUTPUTS   what it makes: files or folders in the output folder
RESUMES   what it goes on from when it was stopped; `--force` removes it, and so does the end of
          the stage unless it is among the outputs
KEEPS     what it keeps for another run and finds again by what it was made from: no output, and
          several stages may share it; `--force` removes it
IN_PARTS    True: jobs that know nothing of one another may each make a part of it
EVERY_RANK  True: of several processes that were started together all run it; else the first alone
"""

import ast
import runpy
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axialcast.files import clearing, inventory
from axialcast.files.atomic import remove, sweep
from axialcast.run.config import Config

__all__ = ["Stage"]


@dataclass(frozen=True)
class Stage:
    """A pipeline and what it says of itself.

    Args:
        path: its file; the stem is its name.
        reads: config keys that decide its outputs; None: unknown, so it always runs.
        needs: outputs of earlier stages that decide its own; None: all of them.
        outputs: files or folders under the output folder.
        resumes: files or folders under the output folder that it goes on from.
        keeps: folders with inventories under the output folder that another run may use.
        imports: packages that it needs.
        every_rank: whether all processes of a launcher run it, and not the leader alone.
        in_parts: whether jobs may share it, each making a part.
    """

    path: Path
    reads: tuple[str, ...] | None = None
    needs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] = ()
    resumes: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    every_rank: bool = False
    in_parts: bool = False

    @classmethod
    def load(cls, path: Path) -> "Stage":
        """The stage in a Python file, read without running any of it.

        Raises:
            ValueError: it is no Python, defines no `run(config)`, or computes its constants.
        """
        program = _parsed(path)
        if not any(map(_is_run, program.body)):
            raise ValueError(f"{path}: defines no run(config); add `def run(config): ...`")
        reads, needs, outputs, resumes, keeps = (
            _constant(program, name, path)
            for name in ("READS", "NEEDS", "OUTPUTS", "RESUMES", "KEEPS")
        )
        made = (outputs or (), resumes or (), keeps or ())
        shared = [_is_true(program, name, path) for name in ("EVERY_RANK", "IN_PARTS")]
        return cls(path, reads, needs, *made, _imports(program), *shared)

    @property
    def name(self) -> str:
        return self.path.stem

    def run(self, config: Config) -> None:
        """Executes the file and calls its `run(config)`."""
        runpy.run_path(str(self.path), run_name="axialcast_pipeline")["run"](config)

    def clear(self, output: Path, *, ended: bool) -> None:
        """Removes what the stage would go on from; once it has `ended`, not its outputs.

        What it keeps goes, too, unless it has ended.
        """
        for name in self.keeps if not ended else ():
            clearing.clear(output / name)
        for name in self.resumes:
            path = output / name
            if name in self.outputs:
                if not ended:
                    clearing.clear(path) if path.is_dir() else remove(path)
                continue
            # Beside numbered parts that have inventories, as saved states, a user's file stays.
            parts = [part.parent for part in path.glob(f"[0-9]*/{inventory.FOLDER}")]
            for part in parts:
                clearing.clear(part)
            sweep(path, alone=True)
            if not parts:
                remove(path)
            with suppress(OSError):
                path.rmdir()


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text("utf-8"))
    except SyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        raise ValueError(f"{path}{line}: not valid Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError):
        raise ValueError(f"{path}: not a Python program in UTF-8") from None


def _is_run(node: ast.stmt) -> bool:
    """Whether a statement defines a function `run` that can be given one config."""
    if not isinstance(node, ast.FunctionDef) or node.name != "run":
        return False
    given = [*node.args.posonlyargs, *node.args.args]
    required = len(given) - len(node.args.defaults)
    return required <= 1 and bool(given or node.args.vararg)


def _constant(program: ast.Module, name: str, path: Path) -> tuple[str, ...] | None:
    """The names assigned to a constant at the top of a program, None if it is not assigned."""
    names = None
    for node in program.body:
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign | ast.AugAssign):
            targets = [node.target]
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            value = None if isinstance(node, ast.AugAssign) else _literal(node.value)
            if not _are_names(value):
                raise ValueError(
                    f"{path}:{node.lineno}: {name} is computed; write out its names, "
                    f'as {name} = ("…",)'
                )
            names = tuple(value or ())
    return names


def _is_true(program: ast.Module, name: str, path: Path) -> bool:
    """Whether a constant at the top of a program is True; False if it is not assigned."""
    found = False
    for node in program.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            assert isinstance(node, ast.Assign)
            value = _literal(node.value)
            if not isinstance(value, bool):
                raise ValueError(f"{path}:{node.lineno}: {name}: expected True or False")
            found = value
    return found


def _literal(value: ast.expr | None) -> Any:
    try:
        return None if value is None else ast.literal_eval(value)
    except (ValueError, TypeError):
        return None


def _imports(program: ast.Module) -> tuple[str, ...]:
    """Packages that a program imports at its top."""
    names = []
    for node in program.body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
    return tuple(dict.fromkeys(name.partition(".")[0] for name in names))


def _are_names(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(isinstance(name, str) for name in value)
