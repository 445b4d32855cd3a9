"""The log of a training: one JSON object a line, one line a step, none missing and none twice."""

import errno
import hashlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from axialcast.files.atomic import FULL, room_error
from axialcast.training.entry import Entry

__all__ = ["Log", "Mark"]

READ_BYTES = 2**20

Mark = tuple[int, str]
"""A place in a log: bytes up to there, and their SHA-256."""


class Log:
    """Writes entries as they come, each reaching the system at once where its numbers are there.

    From a device they come while the next update is made, and are waited for then. A disk that is
    full costs no entry: they are kept, and written when there is room.

    Args:
        path: of the log.
        after: a mark that the file holds (see `holds`), behind which everything is cut off; None:
            a new log.

    Raises:
        OSError: the file cannot be made; on leaving, entries could still not be written.
    """

    def __init__(self, path: Path, after: Mark | None = None) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._written = after[0] if after else 0
        self._checksum = _read(path, self._written) if after else hashlib.sha256()
        self._waiting = b""
        self._is_warned = False
        self._entry: Entry | None = None
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
        # Cut off in place: one event, which a full disk cannot hinder.
        os.ftruncate(self._file, self._written)

    @classmethod
    def holds(cls, path: Path, mark: Mark) -> bool:
        """Whether a file begins with what was in the log at a mark."""
        try:
            is_long_enough = path.stat().st_size >= mark[0]
        except FileNotFoundError:
            return False
        return is_long_enough and _read(path, mark[0]).hexdigest() == mark[1]

    def write(self, entry: Entry) -> None:
        """Adds a line.

        Raises:
            OSError: it cannot be written, for another reason than a full disk.
            ValueError: what led to it is not to be learned from (see `Entry.values`).
        """
        self._settle()
        self._entry = entry
        if entry.is_there:
            self._settle()

    def mark(self) -> Mark:
        """The place behind the last entry.

        Raises:
            OSError, ValueError: as `write`.
        """
        self._settle()
        return self._written + len(self._waiting), self._checksum.hexdigest()

    def _settle(self) -> None:
        if self._entry is None:
            return
        line = json.dumps(self._entry.values()).encode() + b"\n"
        self._entry = None
        self._checksum.update(line)
        self._waiting += line
        try:
            self._flush()
        except OSError as error:
            if error.errno not in FULL:
                raise
            if not self._is_warned:
                remedy = "make room; training goes on and its lines wait"
                print(f"train: {room_error(self.path, error, remedy=remedy)}", file=sys.stderr)
                self._is_warned = True

    def sync(self, mark: Mark) -> None:
        """Waits until the disk has everything up to a mark; may be called from any thread.

        Raises:
            OSError: entries before the mark wait for room on a full disk.
        """
        if self._written < mark[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        os.fsync(self._file)

    def _flush(self) -> None:
        while self._waiting:
            # What a full disk took of a line is not written again.
            count = os.pwrite(self._file, self._waiting, self._written)
            self._waiting = self._waiting[count:]
            self._written += count

    def __enter__(self) -> "Log":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._settle()
            self._flush()
            os.fsync(self._file)
        except OSError as cause:
            if error is None:
                found = room_error(self.path, cause, len(self._waiting))
                raise found from (None if found is cause else cause)
        finally:
            with suppress(OSError):
                os.close(self._file)


def _read(path: Path, num_bytes: int) -> Any:
    """SHA-256, still open, of the first bytes of a file."""
    checksum = hashlib.sha256()
    with path.open("rb") as file:
        while num_bytes and (part := file.read(min(num_bytes, READ_BYTES))):
            checksum.update(part)
            num_bytes -= len(part)
    return checksum
