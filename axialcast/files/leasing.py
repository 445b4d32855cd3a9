"""Who holds a prefix of an object store: one run at a time writes there.

The object `.held.json` is made by a PUT that fails where there is one, and put again every few
seconds by one that fails where it is another's. What was not put for two minutes, by the store's
own clock, or was by a process of this host that is gone, is taken over by such a PUT. So whoever
put it less than that ago may write, and who did not, for it stood still, has to put it first.
"""

import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from axialcast.files.atomic import is_running, start_of, this_host, this_writer
from axialcast.files.holding import SILENT_SECONDS, FolderHeldError, Holder

__all__ = ["LEASE", "PROBE", "Lease", "held", "lease"]

LEASE = ".held.json"
PROBE = ".clock."
"""How objects begin that are put to learn the time, and left by who is killed in between."""
BEAT_SECONDS = 20.0
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""One that goes on while the machine sleeps."""


class Lease:
    """A prefix that is held by this process.

    Args:
        store: an obstore store whose prefix it is.
        address: of it, as it may be told.
    """

    def __init__(self, store: Any, address: str) -> None:
        self.store, self.address = store, address
        known = {
            "host": this_host(),
            "pid": os.getpid(),
            "start": start_of(os.getpid()) or 0,
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "lease": uuid.uuid4().hex,
        }
        self._text = json.dumps(known).encode()
        self._version: Any = None
        self._is_lost = False
        self._lock, self._put_at = threading.Lock(), time.clock_gettime(CLOCK)

    def take(self) -> None:
        """Takes the prefix.

        Raises:
            FolderHeldError: another process holds it: says which.
        """
        try:
            self._version = obstore.put(self.store, LEASE, self._text, mode="create")
            return
        except AlreadyExistsError:
            pass
        if self._is_mine():  # the answer to the first try was lost
            return
        found = held(self.store)
        if found is None:
            return self.take()
        other, version = found
        if not other.is_alive:
            with suppress(PreconditionError, FileNotFoundError):
                self._version = obstore.put(self.store, LEASE, self._text, mode=version)
                return
            return self.take()
        raise FolderHeldError(
            f"{self.address}: held by {other}; wait for it, stop it, or set another output"
        )

    def beat(self) -> None:
        """Says that this process lives; errors of the network pass until the next time."""
        with self._lock, suppress(BaseError, OSError):
            begun = time.clock_gettime(CLOCK)
            try:
                mode = _mode(self._version)
                self._version = obstore.put(self.store, LEASE, self._text, mode=mode)
            except (PreconditionError, FileNotFoundError):
                self._is_lost = not self._is_mine()
            self._put_at = begun

    def require(self) -> None:
        """Makes sure that the prefix is still this process's; to be called before each change.

        Raises:
            FolderHeldError: it stood still for so long that another took it.
            ConnectionError: nobody can tell.
        """
        if self._silent() > SILENT_SECONDS / 2:
            self.beat()
        if self._is_lost:
            raise FolderHeldError(
                f"{self.address}: taken by another run while this one stood still; wait for it, "
                "and run again"
            )
        if self._silent() > SILENT_SECONDS:
            raise ConnectionError(f"{self.address}: does not answer")

    def _silent(self) -> float:
        """Seconds since it was put."""
        return time.clock_gettime(CLOCK) - self._put_at

    def give_back(self) -> None:
        """Ends it, if it is still this process's."""
        with suppress(BaseError, OSError):
            if self._is_mine():
                obstore.delete(self.store, LEASE)

    def _is_mine(self) -> bool:
        try:
            found = obstore.get(self.store, LEASE)
            if bytes(found.bytes()) != self._text:
                return False
        except FileNotFoundError:
            return False
        self._version = found.meta
        return True


@contextmanager
def lease(store: Any, address: str) -> Iterator[Lease]:
    """Holds a prefix while in the context.

    Raises:
        FolderHeldError: another process holds it: says which.
    """
    mine, done = Lease(store, address), threading.Event()
    mine.take()

    def beat() -> None:
        while not done.wait(BEAT_SECONDS):
            mine.beat()

    beating = threading.Thread(target=beat, daemon=True, name="axialcast-lease")
    beating.start()
    try:
        yield mine
    finally:
        done.set()
        beating.join()
        mine.give_back()


def held(store: Any) -> tuple[Holder, Any] | None:
    """Who holds a prefix, or did last, and how a PUT names that version; None: nobody."""
    try:
        found = obstore.get(store, LEASE)
        text = bytes(found.bytes())
    except FileNotFoundError:
        return None
    silent = max(0.0, (_now(store) - found.meta["last_modified"]).total_seconds())
    is_silent = silent >= SILENT_SECONDS
    try:
        known = json.loads(text)
        host, pid, start = str(known["host"]), int(known["pid"]), int(known["start"])
        since = str(known["since"])
        runs = is_running(host, pid, start)
    except (ValueError, KeyError, TypeError):
        host, pid, start, since, runs = "an unknown host", 0, 0, "an unknown time", None
    is_alive = not is_silent if runs is None else runs
    return Holder(host, pid, start, since, is_alive, silent), _mode(found.meta)


def _mode(version: Any) -> Any:
    names = ("e_tag", "version")
    return {name: version[name] for name in names if version[name] is not None}


def _now(store: Any) -> datetime:
    """The store's own time."""
    probe = f"{PROBE}{this_writer()}"
    obstore.put(store, probe, b"")
    with suppress(FileNotFoundError):
        now: datetime = obstore.head(store, probe)["last_modified"]
        with suppress(FileNotFoundError):
            obstore.delete(store, probe)
        return now
    return _now(store)  # whoever took the prefix meanwhile has tidied up
