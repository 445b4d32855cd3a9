"""Takes away what axialcast made, by its inventories, and nothing else."""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path, PurePosixPath

from axialcast.files.atomic import aside, remove, sweep, sync, writing
from axialcast.files.inventory import FOLDER, entry, inventories, read

__all__ = ["clear", "replace", "require_ours"]

TITLES = ("axialcast", "training store of axialcast")
"""How the titles of Zarr stores begin that axialcast makes."""


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
    for path in inventories(folder):
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
    names = [*(path.relative_to(new).as_posix() for path in inventories(new)), *files]
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
