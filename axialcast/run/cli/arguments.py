"""The arguments that commands share, and what is made of them."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from axialcast.run import shipped
from axialcast.run.cli import completion

if TYPE_CHECKING:
    from axialcast.run.config import Config

__all__ = ["ConfigArgument", "Options", "Overrides", "Traceback", "load", "require_writable"]

ConfigArgument = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG",
        help="YAML file, or the name of a shipped one.",
        autocompletion=completion.config_names,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Keys to change, e.g. train.batch_size=8.",
        autocompletion=completion.keys,
    ),
]
Options = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[output_storage_options.KEY=VALUE]...",
        help="Of a URL, what the run was given; the rest is from the environment.",
        show_default=False,
    ),
]
Traceback = Annotated[
    bool, typer.Option("--traceback", help="Show where in the program an error arose.")
]


def load(config: str, overrides: list[str] | None) -> "tuple[Path, Config]":
    """Where a config is, and what it says; raises ConfigError for what it should not say."""
    path = shipped.find_config(config)
    from axialcast.run.config import load_config

    return path, load_config(path, overrides or [])


def require_writable(folder: Path) -> None:
    """Raises where the folder cannot be made or written; leaves nothing there."""
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(p))
    if not there.is_dir():
        what = "a file" if there.exists() else "a link to nothing"
        raise NotADirectoryError(f"output {folder}: {there} is {what}; set output= to a folder")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise PermissionError(
            f"output {folder}: cannot write in {there} ({error.strerror}); set output= elsewhere"
        ) from None
