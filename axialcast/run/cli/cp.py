"""`axialcast cp`: a shipped file, to change it."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from axialcast.run import shipped
from axialcast.run.cli.arguments import Traceback
from axialcast.run.cli.completion import shipped_names
from axialcast.run.cli.speaking import plain_errors, say

__all__ = ["cp"]


def cp(
    name: Annotated[
        str,
        typer.Argument(help="A shipped file, as `ls` names it.", autocompletion=shipped_names),
    ],
    dest: Annotated[Path, typer.Argument(help="File or folder to copy it to.")] = Path(),
    traceback: Traceback = False,
) -> None:
    """Copy a shipped pipeline, config, example or batch script, to change it."""
    with plain_errors(traceback):
        known = shipped.pipelines() | shipped.configs() | shipped.scripts() | shipped.examples()
        known |= {path.name: path for path in known.values()}
        if name not in known:
            raise ValueError(
                f"{name}: no such pipeline, config, example or script"
                f"{shipped.nearest(name, known)}; `axialcast ls` lists them"
            )
        target = dest / known[name].name if dest.is_dir() else dest
        if target.exists():
            raise FileExistsError(f"{target}: exists already; give another name")
        shutil.copyfile(known[name], target)
        say(f"copied to {target}")
