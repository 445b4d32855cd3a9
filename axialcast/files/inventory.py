"""What a folder consists of: every file with its size and checksum, kept within the folder.

A folder that axialcast makes holds `.inventory/<name>.json`, one or more, and moves and is copied
with it. `problems` compares: sizes at once, bytes on request. Inventories hold nothing but what
follows from the files, so equal folders have equal ones. Each carries a checksum of itself.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from axialcast.files.atomic import write_text

__all__ = [
    "FOLDER",
    "Damage",
    "Files",
    "about",
    "check",
    "entry",
    "fingerprint",
    "inventories",
    "problems",
    "read",
    "take",
    "write",
]

FOLDER = ".inventory"

Files = dict[str, tuple[int, str]]
"""Size in bytes and SHA-256 by path relative to the folder, with forward slashes."""


class Damage(NamedTuple):
    """A part that is not as it was written."""

    path: Path
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def entry(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
        return os.fstat(file.fileno()).st_size, checksum


def take(folder: Path, names: Iterable[str] = ("*",)) -> Files:
    """The files below a folder as they are now; hidden ones, inventories among them, are left out.

    Args:
        folder: where.
        names: patterns of those at its top to look at.
    """
    found: Files = {}
    tops = sorted({path for name in names for path in folder.glob(name)})
    for top in tops:
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            relative = path.relative_to(folder)
            if path.is_file() and not any(part.startswith(".") for part in relative.parts):
                found[relative.as_posix()] = entry(path)
    return found


def write(
    folder: Path,
    files: Mapping[str, tuple[int, str]],
    name: str = "files",
    about: Mapping[str, Any] | None = None,
) -> None:
    """Writes one inventory of a folder, as a whole or not at all.

    Args:
        folder: that the files lie in.
        files: relative to it.
        name: of the inventory; one that is there is replaced.
        about: what else is to be known of these files, JSON.
    """
    body = _body({"about": dict(about or {}), "files": dict(sorted(files.items()))})
    path = folder / FOLDER / f"{name}.json"
    write_text(path, f'{{"sha256":"{_checksum(body)}",\n"inventory":{body}}}\n')


def read(folder: Path, name: str | None = None) -> Files:
    """The files that a folder's inventories name, or one of them.

    Raises:
        FileNotFoundError: there is none.
        ValueError: one is damaged; names it.
    """
    paths = [folder / FOLDER / f"{name}.json"] if name else inventories(folder)
    if not paths:
        raise FileNotFoundError(f"{folder}: has no {FOLDER}, so what it consists of is not known")
    files: Files = {}
    for path in paths:
        files |= {key: (size, sum_) for key, (size, sum_) in _load(path)["files"].items()}
    return files


def about(folder: Path, name: str) -> dict[str, Any]:
    """What else was written with one inventory.

    Raises:
        FileNotFoundError, ValueError: as `read`.
    """
    known: dict[str, Any] = _load(folder / FOLDER / f"{name}.json")["about"]
    return known


def problems(folder: Path, *, read_all: bool = False) -> list[Damage]:
    """Each part of a folder that is not as its inventories say; none: it is whole.

    Args:
        folder: a folder with inventories.
        read_all: compare every byte; otherwise only whether files are there, and their sizes.
    """
    paths = inventories(folder)
    if not paths:
        return [Damage(folder / FOLDER, "missing, so what the folder consists of is not known")]
    found: list[Damage] = []
    for path in paths:
        try:
            files = read(folder, path.stem)
        except (FileNotFoundError, ValueError) as error:
            found.append(Damage(path, str(error).removeprefix(f"{path}: ")))
        else:
            found += check(folder, files, read_all=read_all)
    return found


def check(
    folder: Path, files: Mapping[str, tuple[int, str]], *, read_all: bool = False
) -> list[Damage]:
    """As `problems`, of a folder whose inventory is kept elsewhere."""
    found = []
    base = f"{folder}{os.sep}"
    for name, (size, checksum) in files.items():
        path = base + name
        try:
            there = os.stat(path).st_size
        except OSError:
            found.append(Damage(Path(path), "missing"))
            continue
        if there != size:
            found.append(Damage(Path(path), f"has {there} bytes instead of {size}"))
        elif read_all and entry(Path(path))[1] != checksum:
            found.append(Damage(Path(path), "its bytes changed (SHA-256 differs)"))
    return found


def fingerprint(files: Mapping[str, tuple[int, str]]) -> str:
    """A short checksum of sizes, names and contents together."""
    body = json.dumps(sorted((name, size, sum_) for name, (size, sum_) in files.items()))
    return _checksum(body)[:16]


def inventories(folder: Path) -> list[Path]:
    """The files of a folder's inventories, sorted."""
    return sorted((folder / FOLDER).glob("[!.]*.json"))


def _load(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
        known: dict[str, Any] = value["inventory"]
        intact = value["sha256"] == _checksum(_body(known))
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"{path}: missing") from None
    except (ValueError, KeyError, TypeError):
        intact = False
    if not intact:
        raise ValueError(f"{path}: damaged, its checksum differs")
    return known


def _body(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
