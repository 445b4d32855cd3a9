"""Whether all processes of a run are alive, and what is said when one is not.

Each says once a second that it lives, in the store that the processes met at, and looks whether
another one failed. A process that raises says so there before it ends; of one that is killed the
heart stands still. The others then end as well: by themselves, as soon as they want something of
the lost one, or after a few seconds by force, for a GPU may wait for ever. One of them speaks.
"""

import json
import os
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Ended", "Failure", "Heartbeats"]

BEAT = 1.0
SILENT = 120.0
"""Seconds after which a process that nobody misses yet counts as lost."""
GRACE = 10.0
"""Seconds that a process has to end by itself when another one failed."""
LOST = 5.0
"""Seconds without a beat that make one lost when a connection broke."""


class Ended(BaseException):
    """Another process failed, so this one ends.

    Args:
        line: what this process shall say of it; None: another one speaks.
        status: to exit with.
    """

    def __init__(self, line: str | None, status: int) -> None:
        super().__init__(line)
        self.line, self.status = line, status


@dataclass(frozen=True)
class Failure:
    """What ended a process.

    Args:
        rank, host: which one.
        line: what it said, or None: nothing.
        status: its exit status.
    """

    rank: int
    host: str
    line: str | None = None
    status: int = 1

    def __str__(self) -> str:
        where = f"rank {self.rank} on {self.host}"
        if self.line is not None:
            return f"{where}: {self.line}"
        return f"{where} is gone without a word, killed or with its node; run again to go on"


class Heartbeats:
    """Within the context, this process is heard by the others, and hears them.

    Args:
        store: of torch.distributed, one connection for this alone.
        rank, world_size: of this process.
    """

    def __init__(self, store: Any, rank: int, world_size: int) -> None:
        self._store, self._rank, self._world_size = store, rank, world_size
        self._ending = threading.Event()
        self._beats: dict[int, tuple[bytes, float]] = {}
        self._failure: Failure | None = None
        self._leader = ""
        self._thread = threading.Thread(target=self._watch, daemon=True, name="axialcast-hearts")

    def __enter__(self) -> "Heartbeats":
        self._store.set(f"host/{self._rank}", socket.gethostname())
        self._leader = self._host(0)  # it holds the store, so that later nobody could tell
        self._beat(0)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(2 * BEAT)

    def raise_failure(self) -> None:
        """Raises where another process failed.

        Raises:
            Ended: it says what to say.
        """
        if self._failure is not None:
            raise self._ended(self._failure)

    def cause(self, error: BaseException) -> BaseException:
        """Why this process really ends: what it met itself, or what another one did.

        What it met itself is told to the others.
        """
        if isinstance(error, RuntimeError):
            # However its loss is worded: what another one said comes first.
            failure = self._failure or self._heard()
            if failure is None and _is_lost_connection(error):
                lost = Failure(self._rank, socket.gethostname(), f"lost another rank ({error})")
                failure = self._who_is_lost() or lost
            if failure is not None and failure.rank != self._rank:
                return self._ended(failure)
        line, status = str(error).partition("\n")[0] or type(error).__name__, 2
        if not isinstance(error, ValueError | OSError):
            status = getattr(error, "status", 1)
            line = line if hasattr(error, "status") else f"{type(error).__name__}: {line}"
        self._tell(Failure(self._rank, socket.gethostname(), line, status))
        return error

    def _ended(self, failure: Failure) -> Ended:
        # The leader, or the next one where it is gone; its own error it says itself.
        speaker = 0 if failure.rank != 0 else 1 if failure.line is None else None
        speaks = self._rank == speaker
        return Ended(str(failure) if speaks else None, failure.status)

    def _watch(self) -> None:
        count, known = 0, None
        while known is None and not self._ending.wait(BEAT):
            count += 1
            try:
                self._beat(count)
                known = self._told() or self._silent(SILENT)
            except Exception:  # the store went, and its process with it
                known = Failure(0, self._leader)
        if known is None or self._ending.is_set():
            return
        self._failure = known
        if not self._ending.wait(GRACE):
            ended = self._ended(known)
            if ended.line is not None:
                os.write(2, f"axialcast: error: {ended.line}\n".encode())
            sys.stdout.flush()
            os._exit(ended.status)

    def _beat(self, count: int) -> None:
        self._store.set(f"beat/{self._rank}", str(count))

    def _host(self, rank: int) -> str:
        name: bytes = self._store.get(f"host/{rank}")
        return name.decode()

    def _tell(self, failure: Failure) -> None:
        try:
            self._store.set("failure", json.dumps(asdict(failure)))
        except Exception:
            return  # nobody is there to be told

    def _heard(self) -> Failure | None:
        """What another process said, if the store is still there."""
        try:
            return self._told()
        except Exception:
            return None

    def _told(self) -> Failure | None:
        if not self._store.check(["failure"]):
            return None
        return Failure(**json.loads(self._store.get("failure")))

    def _silent(self, seconds: float) -> Failure | None:
        """A process that was not heard of for so long."""
        now = time.monotonic()
        others = [rank for rank in range(self._world_size) if rank != self._rank]
        keys = [f"beat/{rank}" for rank in others]
        # Those that have not begun yet are waited for by whoever wants something of them.
        beats = self._store.multi_get(keys) if self._store.check(keys) else []
        for rank, beat in zip(others, beats, strict=False):
            if self._beats.get(rank, (b"", now))[0] != beat:
                self._beats[rank] = (beat, now)
            elif now - self._beats[rank][1] > seconds:
                return Failure(rank, self._host(rank))
        return None

    def _who_is_lost(self) -> Failure | None:
        """Who failed, when a connection to somebody broke; None: all seem to live."""
        self._ending.set()  # the thread is not to end this process meanwhile
        self._thread.join(2 * BEAT)
        self._beats.clear()
        end = time.monotonic() + 3 * LOST
        try:
            while time.monotonic() < end:
                if found := self._told() or self._silent(LOST):
                    return found
                time.sleep(BEAT / 2)
        except Exception:
            return Failure(0, self._leader)
        return None


def _is_lost_connection(error: BaseException) -> bool:
    """Whether an error says that another process could not be reached."""
    words = ("closed by peer", "reset by peer", "gloo", "nccl", "broken pipe", "timed out", "store")
    return any(word in str(error).lower() for word in words)
