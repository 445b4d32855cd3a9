"""What a folder consists of: every file with its size and checksum, kept within the folder.

A folder that axialcast makes holds `.inventory/<name>.json`, one or more, and moves and is copied
with it. `problems` compares: sizes at once, bytes on request. Inventories hold nothing but what
follows from the files, so equal folders have equal ones. Each carries a checksum of itself.

`clear` and `replace` take away what axialcast made, by these inventories, and nothing else.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from axialcast.atomic import aside, remove, sweep, sync, write_text, writing

__all__ = [
    "FOLDER",
    "Damage",
    "Files",
    "about",
    "check",
    "clear",
    "entry",
    "fingerprint",
    "problems",
    "read",
    "replace",
    "require_ours",
    "take",
    "write",
]

FOLDER = ".inventory"
TITLES = ("axialcast", "training store of axialcast")
"""How the titles of Zarr stores begin that axialcast makes."""

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
    paths = [folder / FOLDER / f"{name}.json"] if name else _inventories(folder)
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
    paths = _inventories(folder)
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


def require_ours(folder: Path) -> None:
    """Makes sure that a folder may be cleared: it is absent, empty, or axialcast made it.

    Raises:
        ValueError: it is something else, which is then left alone.
    """
    if folder.is_symlink():
        raise ValueError(
            f"{folder}: is a link to {os.readlink(folder)}, and this run would put a folder in "
            "its place; remove the link, or set another output"
        )
    if not folder.exists():
        return
    if (folder / FOLDER).is_dir() or _has_title(folder):
        return
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if folder.is_dir() and not there:
        return
    what = f"a folder with {', '.join(there[:3])}" if there else "a file"
    raise ValueError(
        f"{folder}: is {what}{' ...' if len(there) > 3 else ''} that axialcast did not make; "
        "remove it, or set another output"
    )


def clear(folder: Path) -> None:
    """Removes what a folder's inventories name, then these, then what folders are empty by that.

    Files that they do not name stay, in their folders. A store that has no intact inventory, for
    version 0.1.0 made it or one was damaged, loses its arrays and its metadata. Stopped anywhere,
    a second call ends it; what is there in between does not count as whole.

    Raises:
        ValueError: axialcast did not make the folder; nothing was removed.
    """
    require_ours(folder)
    if not folder.exists():
        return
    # The mark that the folder is ours, which goes last.
    (folder / FOLDER).mkdir(exist_ok=True)
    sweep(folder / FOLDER, alone=True)
    intact, damaged, files = [], [], list[str]()
    for path in _inventories(folder):
        try:
            files += read(folder, path.stem)
            intact.append(path)
        except (FileNotFoundError, ValueError):
            damaged.append(path)
    paths = [folder / _inside(folder, name) for name in files]
    if damaged or not intact:
        _clear_store(folder)
    for path in (*damaged, *paths):
        path.unlink(missing_ok=True)
    within = len(folder.parts)
    above = {parent for path in paths for parent in path.parents if len(parent.parts) > within}
    for parent in sorted({folder, *above}, key=lambda path: -len(path.parts)):
        try:
            parent.rmdir()
        except OSError:
            # What a killed `replace` left may be all that is there.
            sweep(parent, alone=True)
            with suppress(OSError):
                parent.rmdir()
    for path in intact:
        path.unlink(missing_ok=True)
    if os.listdir(folder) == [FOLDER]:
        with suppress(OSError):
            (folder / FOLDER).rmdir()
            folder.rmdir()


def replace(target: Path, new: Path) -> None:
    """Puts a whole folder with inventories in the place of an older one that axialcast made.

    Where files of a user stay in the older one, those of the new come beside them. Stopped
    anywhere, `new` is whole or `target` is, and a second call ends it.

    Args:
        target: what `new` becomes; may be missing.
        new: in the same file system.

    Raises:
        ValueError: axialcast did not make `target`, or a user's file has the name of a new one.
    """
    clear(target)
    if not target.exists():
        new.rename(target)
        sync(target.parent)
        return
    files = read(new)
    for name in files:
        there = target / name
        if there.exists() and (not there.is_file() or entry(there) != files[name]):
            raise ValueError(
                f"{there}: axialcast did not make it, and would write a file of that name; "
                "remove it, or set another output"
            )
    # Inventories first: stopped after them, the folder is ours and lacks the rest.
    names = [*(path.relative_to(new).as_posix() for path in _inventories(new)), *files]
    for name in names:
        _place(new / name, target / name)
    for parent in {(target / name).parent for name in names}:
        sync(parent)
    gone = aside(new)
    new.rename(gone)
    remove(gone)


def _place(source: Path, path: Path) -> None:
    """Gives a file a second name, or copies it where the file system knows no such names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, path)
    except FileExistsError:
        return
    except OSError:
        with writing(path, needed=source.stat().st_size) as partial:
            shutil.copyfile(source, partial)


def _has_title(folder: Path) -> bool:
    """Whether a folder is a Zarr group with a title that axialcast gives."""
    for name in ("zarr.json", ".zattrs"):
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            value = json.loads((folder / name).read_text("utf-8"))
            if value.get("attributes", value)["title"].startswith(TITLES):
                return True
    return False


def _clear_store(folder: Path) -> None:
    """Removes the arrays and the metadata of a Zarr group with a title that axialcast gives."""
    if not _has_title(folder):
        return
    for name in ("zarr.json", ".zarray"):
        for path in sorted(folder.glob(f"*/{name}")):
            remove(path.parent)
    for name in (".zmetadata", ".zgroup", "zarr.json", ".zattrs"):
        (folder / name).unlink(missing_ok=True)


def _inside(folder: Path, name: str) -> str:
    """A name in an inventory, if it cannot lead out of the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{folder / FOLDER}: names {name}, which is not in {folder}")
    return name


def _inventories(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("[!.]*.json"))


def _load(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
        known: dict[str, Any] = value["inventory"]
        intact = value["sha256"] == _checksum(_body(known))
    except FileNotFoundError:
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
