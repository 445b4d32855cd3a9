"""Files and folders that are there as a whole or not at all, and what a killed writer leaves.

One rule for all of axialcast: what is being written lies beside its place, as
`.<name>.<host>-<pid>-<start>-<number>.partial`, and is moved there when it is complete and on the
disk. A process that is killed leaves at most such names, which say whose they are: `sweep` removes
those whose writer is gone. Nothing else is ever removed.
"""

import errno
import itertools
import json
import os
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = [
    "FULL",
    "SUFFIX",
    "aside",
    "is_running",
    "readable_size",
    "remove",
    "room_error",
    "sweep",
    "sync",
    "sync_all",
    "this_writer",
    "write_json",
    "write_text",
    "writing",
]

SUFFIX = ".partial"
_NAME = re.compile(r"\.(?P<name>.+)\.(?P<host>[^.]+)-(?P<pid>\d+)-(?P<start>\d+)-\d+\.partial")
_LEGACY = (".{}.partial", ".{}.old", ".{}.tmp")
"""What axialcast 0.1.0 left of an output: its writer cannot be told. Also, of a checkpoint:"""
_LEGACY_FOLDERS = (".{}-????????", ".{}-old-????????")
_LEGACY_FILES = {"checkpoint", "weights.safetensors", "model.json"}
"""folders of such names, with no more than these in them."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_numbers = itertools.count()


def this_host() -> str:
    """Name of this machine as it stands in file names: letters, digits, - and _."""
    return re.sub(r"[^\w-]", "_", socket.gethostname()) or "localhost"


def this_writer() -> str:
    """`<host>-<pid>-<start>` of this process; no other process ever has it."""
    return f"{this_host()}-{os.getpid()}-{start_of(os.getpid()) or 0}"


def start_of(pid: int) -> int | None:
    """When a process of this host started, in ticks since boot; None: no such process.

    0 where the system does not say (all but Linux): a number that a later process got then counts
    as the earlier one.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    # A zombie has ended, it only waits for its parent to look.
    return None if fields[0] == "Z" else int(fields[19])


def is_running(host: str, pid: int, start: int) -> bool | None:
    """Whether a process runs; None if it is another host's."""
    if host != this_host():
        return None
    now = start_of(pid)
    return now is not None and (start == 0 or now in (0, start))


def aside(path: Path) -> Path:
    """A free name beside `path` for what is to be moved there."""
    number = f"{next(_numbers)}{threading.get_ident() % 1000:03d}"
    return path.with_name(f".{path.name}.{this_writer()}-{number}{SUFFIX}")


@contextmanager
def writing(path: Path, *, needed: int | None = None) -> Iterator[Path]:
    """A name to write a file under; leaving the context puts it into place, an error removes it.

    Args:
        path: the file that it becomes; replaced if it exists. Its folder is made if it is missing.
        needed: its size (bytes) if known, to say how much room is lacking on a full disk.

    Raises:
        OSError: the disk is full: names the path, what was needed and what is free.
    """
    partial = aside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        sync(partial)
        partial.replace(path)
        sync(path.parent)
    except OSError as error:
        found = room_error(path, error, needed or _size(partial))
        raise found from (None if found is error else error)
    finally:
        remove(partial)


def write_text(path: Path, text: str) -> None:
    """Writes a text file, as a whole or not at all."""
    with writing(path, needed=len(text)) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes a value as JSON, as a whole or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot sync a folder, or what they hold at all.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def sync_all(folder: Path) -> None:
    """Waits until a folder and all that is below it are on the disk."""
    for top, _, files in os.walk(folder):
        for name in files:
            sync(Path(top, name))
        sync(Path(top))


def remove(path: Path) -> None:
    """Removes a file or folder as far as that is possible: nothing depends on it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def sweep(folder: Path, *, alone: bool = False, outputs: tuple[str, ...] = ()) -> list[Path]:
    """Removes what writers that are gone left directly in a folder; what was removed.

    Args:
        folder: where to look; need not exist.
        alone: whether no other process writes here (this one holds the folder): then what
            processes of other hosts left is removed, too.
        outputs: names whose leftovers of version 0.1.0, which do not say whose they are, are
            removed as well. Only for one who is alone.
    """
    leftovers = []
    for path in folder.glob(f".*{SUFFIX}"):
        match = _NAME.fullmatch(path.name)
        if match:
            running = is_running(match["host"], int(match["pid"]), int(match["start"]))
            if running is False or (running is None and alone):
                leftovers.append(path)
    if alone:
        leftovers += [
            path
            for name in outputs
            for pattern in _LEGACY
            for path in folder.glob(pattern.format(name))
        ]
        leftovers += [
            path
            for name in outputs
            for pattern in _LEGACY_FOLDERS
            for path in folder.glob(pattern.format(name))
            if path.is_dir() and {inside.name for inside in path.iterdir()} <= _LEGACY_FILES
        ]
    for path in leftovers:
        remove(path)
    return leftovers


def room_error(
    path: Path, error: OSError, needed: int | None = None, remedy: str = "make room and run again"
) -> OSError:
    """The error in one line that names the path; of a full disk, what is needed and is free."""
    if error.errno not in FULL:
        return error
    there = next(p for p in (path.absolute(), *path.absolute().parents) if p.is_dir())
    free = readable_size(shutil.disk_usage(there).free)
    size = f"{readable_size(needed)} needed" if needed else "more needed"
    reason = "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror).lower()
    found = OSError(f"{path}: {reason}: {size}, {free} free; {remedy}")
    found.errno = error.errno
    return found


def readable_size(num_bytes: float) -> str:
    """A number of bytes in words, such as `3.2 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} TB"


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
