"""Finds the pipelines, configs, examples and batch scripts that travel with the package.

In a wheel they lie in `axialcast/_pipelines`, `_configs`, `_examples` and `_scripts`; in a checkout
they are the repository's own `pipelines/`, `configs/`, `examples/` and `scripts/`, so an edit there
is what runs.
"""

import difflib
from pathlib import Path

__all__ = [
    "configs",
    "examples",
    "find_config",
    "find_pipeline",
    "first_line",
    "nearest",
    "pipelines",
    "scripts",
]

_PACKAGE = Path(__file__).resolve().parents[1]


def _folder(kind: str) -> Path:
    wheel = _PACKAGE / f"_{kind}"
    return wheel if wheel.is_dir() else _PACKAGE.parent / kind


def pipelines() -> dict[str, Path]:
    """Shipped pipelines by name, as `pipeline:` takes them."""
    return {path.stem: path for path in sorted(_folder("pipelines").glob("[!_]*.py"))}


def configs() -> dict[str, Path]:
    """Shipped configs by name, as `axialcast run` takes them."""
    return {path.stem: path for path in sorted(_folder("configs").glob("*.yaml"))}


def examples() -> dict[str, Path]:
    """Programs to begin one's own with, by what they are: a network, for example."""
    return {path.stem: path for path in sorted(_folder("examples").glob("*.py"))}


def scripts() -> dict[str, Path]:
    """Templates of batch scripts by the kind of batch system."""
    return {path.stem: path for path in sorted(_folder("scripts").glob("*.sh"))}


def find_config(name: str) -> Path:
    """The config file that `name` means: a path if there is one, else the shipped config.

    `quickstart`, `quickstart.yaml` and `configs/quickstart.yaml` all mean the shipped one where no
    such file exists, so the README's commands work from any folder.

    Raises:
        FileNotFoundError: if there is neither; names the nearest shipped config.
        IsADirectoryError: it is a folder.
    """
    path = Path(name)
    if path.is_file():
        return path
    is_shipped_name = path.parent in (Path(), Path("configs")) and path.suffix in ("", ".yaml")
    if is_shipped_name and path.stem in configs():
        return configs()[path.stem]
    if path.is_dir():
        raise IsADirectoryError(f"config {name}: a folder; expected a YAML file")
    beside = Path(f"{name}.yaml")
    remedy = f"; did you mean {beside}?" if beside.is_file() else nearest(path.stem, configs())
    raise FileNotFoundError(f"config {name}: no such file{remedy}; shipped: {', '.join(configs())}")


def find_pipeline(name: str, folder: Path = Path()) -> Path:
    """The program that a name in `pipeline:` means: a shipped name, or a path to your own `.py`.

    A relative path is taken from the working directory, and if not found there from `folder`.

    Raises:
        ValueError: if there is neither; names the nearest shipped pipeline.
    """
    if name in pipelines():
        return pipelines()[name]
    if name.endswith(".py"):
        for path in (Path(name), folder / name):
            if path.is_file():
                return path
        raise ValueError(f"no such file {name}; give a path from here or from the config's folder")
    raise ValueError(
        f"unknown pipeline {name!r}{nearest(name, pipelines())}; "
        f"expected one of {', '.join(pipelines())}, or a path to a .py file"
    )


def first_line(path: Path) -> str:
    """What a shipped file says of itself first, apart from the command that runs it."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.strip().strip("#\"'{}").strip()
        if text and not text.startswith(("axialcast ", "!")):
            return text
    return ""


def nearest(name: str, known: dict[str, Path]) -> str:
    """`; did you mean x?` for the known name nearest to `name`, or nothing if none is near."""
    found = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""
