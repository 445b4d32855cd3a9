"""Who holds a folder: one run at a time writes to it.

The holder's file `.held.json` is made by an atomic link and says host, process and since when. It
is locked while its process lives and touched every few seconds. A file counts as left behind

- when its process ran on this host and runs no more (the lock is free or, where the file system
  has no locks, no such process is there);
- when it was made on another host, nobody holds its lock and it was not touched for two minutes by
  the file system's own clock. NFS 4 and Lustre mounted with `flock` carry locks between hosts;
  where they are not carried (Lustre by default, NFS with `nolock`), the two minutes decide alone.
"""

import errno
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from axialcast.files.atomic import aside, is_running, remove, start_of, this_host

__all__ = ["FolderHeldError", "Holder", "hold", "holder", "refuse_held"]

NAME = ".held.json"
LONGEST_PAUSE = 0.5
"""Seconds between two looks of one who has waited long, lest a thousand jobs wear out a server."""
TOUCH_SECONDS = 10.0
SILENT_SECONDS = 120.0
"""A holder on another host that was not heard of for so long is taken for dead."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class FolderHeldError(OSError):
    """Another process holds the folder."""


@dataclass(frozen=True)
class Holder:
    """Who holds a folder.

    Args:
        host, pid, start: the process (see `axialcast.files.atomic`).
        since: when it began, UTC in ISO 8601.
        is_alive: whether it still holds it, by the rule above.
        silent_seconds: since it was last heard of.
    """

    host: str
    pid: int
    start: int
    since: str
    is_alive: bool
    silent_seconds: float

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"


def holder(folder: Path) -> Holder | None:
    """Who holds a folder, or did last if it never gave it back; None: nobody."""
    path = folder / NAME
    try:
        with path.open(encoding="utf-8") as file:
            is_locked = _is_locked(file.fileno())
            silent = _now(path) - os.fstat(file.fileno()).st_mtime
            text = file.read()
            known = _parsed(text)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        is_locked, silent, known, text = None, 0.0, None, "unreadable"
    if known is None:
        # Made at once, so it is not torn: somebody else wrote to it. Where there are no links it
        # may be empty for a moment.
        alive = bool(is_locked) or (not text and silent < 2 * TOUCH_SECONDS)
        return Holder("an unknown host", 0, 0, "an unknown time", alive, 0.0)
    host, pid, start, since = known
    if is_locked:
        alive = True
    elif host == this_host():
        alive = is_locked is None and bool(is_running(host, pid, start))
    else:
        alive = silent < SILENT_SECONDS
    return Holder(host, pid, start, since, alive, max(silent, 0.0))


@contextmanager
def hold(folder: Path, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Holds a folder while in the context.

    Args:
        folder: made if it is missing.
        wait_seconds: how long to wait for one that another process holds.

    Raises:
        FolderHeldError: another process holds it: says which.
    """
    path, deadline, pause = folder / NAME, time.monotonic() + wait_seconds, 0.01
    while (descriptor := _take_or_break(path)) is None:
        other = holder(folder)
        if other is None or not other.is_alive:
            continue
        if time.monotonic() >= deadline:
            raise _held(folder, other)
        time.sleep(pause)
        pause = min(1.5 * pause, LONGEST_PAUSE)
    done = threading.Event()
    touching = threading.Thread(
        target=_touch, args=(descriptor, done), daemon=True, name="axialcast-holder"
    )
    touching.start()
    try:
        yield
    finally:
        done.set()
        touching.join()
        with suppress(OSError):
            # Only one's own: two minutes of sleep may have cost the folder.
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                path.unlink()
        os.close(descriptor)
        with suppress(OSError):
            folder.rmdir()  # only if it is empty: nothing was written


def refuse_held(folder: Path) -> None:
    """Raises where another process holds a folder; makes and changes nothing.

    Raises:
        FolderHeldError: says which.
    """
    other = holder(folder) if (folder / NAME).exists() else None
    if other is not None and other.is_alive:
        raise _held(folder, other)


def _held(folder: Path, other: Holder) -> FolderHeldError:
    return FolderHeldError(
        f"{folder}: held by {other}; wait for it, stop it, or set another output"
    )


def _take_or_break(path: Path) -> int | None:
    """Takes the folder, or breaks the hold of one who is dead; None: it is not ours yet."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _take(path)
        if descriptor is None:
            other = holder(path.parent)
            if other is not None and not other.is_alive:
                _break(path, other)
    except (FileNotFoundError, FileExistsError):
        folder = path.parent.absolute()
        if any(map(_is_no_folder, (folder, *folder.parents))):
            raise
        # One who held it and wrote nothing has removed the folder in between.
        return None
    return descriptor


def _is_no_folder(path: Path) -> bool:
    """Whether something else than a folder is there, a link to nothing among it."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _take(path: Path) -> int | None:
    """Makes the holder's file and locks it; its descriptor, None if there is one already."""
    mine = aside(path)
    descriptor = os.open(mine, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        known = {
            "host": this_host(),
            "pid": os.getpid(),
            "start": start_of(os.getpid()),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.write(descriptor, json.dumps(known).encode())
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            os.link(mine, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o644))
            os.replace(mine, path)
    except FileExistsError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    finally:
        remove(mine)
    return descriptor


def _break(path: Path, dead: Holder) -> None:
    """Takes a dead holder's file away, never that of one who came after it.

    Those who would break it take turns, as far as the file system has locks; where it has none,
    the file that was moved is looked at again and put back if it is another's.
    """
    turns = os.open(path.parent, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(turns, fcntl.LOCK_EX)
        now, who = holder(path.parent), (dead.host, dead.pid, dead.start)
        if now is None or now.is_alive or (now.host, now.pid, now.start) != who:
            return
        moved = aside(path)
        path.rename(moved)
        known = _parsed(moved.read_text("utf-8", errors="replace"))
        if known is not None and known[:3] != who:
            with suppress(OSError):
                os.link(moved, path)
        remove(moved)
    finally:
        os.close(turns)


def _parsed(text: str) -> tuple[str, int, int, str] | None:
    """Host, process, its start and since when; None: the file is not one of ours."""
    try:
        known = json.loads(text)
        return str(known["host"]), int(known["pid"]), int(known["start"]), str(known["since"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _is_locked(descriptor: int) -> bool | None:
    """Whether a process has locked the file; None: the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _touch(descriptor: int, done: threading.Event) -> None:
    while not done.wait(TOUCH_SECONDS):
        with suppress(OSError):
            os.utime(descriptor)


def _now(beside: Path) -> float:
    """The file system's time, whose clock may differ from this host's; this host's if need be."""
    probe = aside(beside)
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        remove(probe)
