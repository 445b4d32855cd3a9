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
from collections.abc import Iterable
from contextlib import suppress
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
        holds_store: whether the store ends with this process, which then ends last.
    """

    def __init__(
        self, store: Any, rank: int, world_size: int, *, holds_store: bool = False
    ) -> None:
        self._store, self._rank, self._holds_store = store, rank, holds_store
        self._others = [other for other in range(world_size) if other != rank]
        self._count = 0
        self._ending = threading.Event()
        self._beats: dict[int, tuple[bytes, float]] = {}
        self._failure: Failure | None = None
        self._leader = ""
        self._thread = threading.Thread(target=self._watch, daemon=True, name="axialcast-hearts")

    def __enter__(self) -> "Heartbeats":
        self._store.set(f"host/{self._rank}", socket.gethostname())
        self._leader = self._host(0)  # it holds the store, so that later nobody could tell
        self._beat()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ending.set()
        self._thread.join(2 * BEAT)
        if kind is not None:
            # Whatever interrupts it, this process ends as it was about to.
            with suppress(BaseException):
                self._store.set(f"left/{self._rank}", "")
                self._wait_for_others()

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
        if isinstance(error, Ended):
            return error
        if isinstance(error, RuntimeError):
            # However its loss is worded: what another one said comes first.
            failure = self._failure or self._heard()
            if failure is None and _is_lost_connection(error):
                lost = Failure(self._rank, socket.gethostname(), f"lost another rank ({error})")
                failure = self._tell(self._who_is_lost() or lost)
            if failure is not None and failure.rank != self._rank:
                return self._ended(failure)
        mine = Failure(self._rank, socket.gethostname(), *_described(error))
        first = self._tell(mine)
        # A launcher ends the others by a signal as soon as one has failed.
        if hasattr(error, "status") and first.status != mine.status:
            return self._ended(first)
        return error

    def _ended(self, failure: Failure) -> Ended:
        self._failure = failure
        # The leader, or the next one where it is gone; its own error it says itself.
        speaker = 0 if failure.rank != 0 else 1 if failure.line is None else None
        speaks = self._rank == speaker
        return Ended(str(failure) if speaks else None, failure.status)

    def _watch(self) -> None:
        known = None
        while known is None and not self._ending.wait(BEAT):
            try:
                self._beat()
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

    def _beat(self) -> None:
        self._count += 1
        self._store.set(f"beat/{self._rank}", str(self._count))

    def _host(self, rank: int) -> str:
        name: bytes = self._store.get(f"host/{rank}")
        return name.decode()

    def _tell(self, failure: Failure) -> Failure:
        """Tells the others of a failure, unless there was one before; the first one."""
        with suppress(Exception):  # nobody is there to be told
            told = self._store.compare_set("failure", "", json.dumps(asdict(failure)))
            return Failure(**json.loads(told))
        return failure

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
        keys = _keys("beat", self._others)
        # Those that have not begun yet are waited for by whoever wants something of them.
        beats = self._store.multi_get(keys) if self._store.check(keys) else []
        for rank, beat in zip(self._others, beats, strict=False):
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
                self._beat()  # or the others, who look as well, would take this one for lost
                if found := self._told() or self._silent(LOST):
                    return found
                time.sleep(BEAT / 2)
        except Exception:
            return Failure(0, self._leader)
        return None

    def _wait_for_others(self) -> None:
        """Until those that live know of the failure: afterwards they could not any more."""
        lost = self._failure.rank if self._failure else None
        end = time.monotonic() + GRACE + 2 * BEAT
        keys = _keys("left", [rank for rank in self._others if rank != lost])
        while self._holds_store and time.monotonic() < end and not self._store.check(keys):
            time.sleep(BEAT / 10)


def _keys(name: str, ranks: Iterable[int]) -> list[str]:
    return [f"{name}/{rank}" for rank in ranks]


def _described(error: BaseException) -> tuple[str, int]:
    """What is said of an error, and the status to exit with."""
    line = str(error).partition("\n")[0]
    if isinstance(error, ValueError | OSError):
        return line or type(error).__name__, 2
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; the unfinished stage will run again", 130
    if hasattr(error, "status"):
        return line, error.status
    return f"{type(error).__name__}: {line}", 1


def _is_lost_connection(error: RuntimeError) -> bool:
    """Whether an error says that another process could not be reached."""
    from torch.distributed import DistError

    words = ("closed by peer", "reset by peer", "gloo", "nccl", "broken pipe", "timed out", "store")
    return isinstance(error, DistError) or any(word in str(error).lower() for word in words)
