"""A state on its way to the disk, while training goes on."""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axialcast import parallel
from axialcast.files.atomic import aside, remove, room_error
from axialcast.files.tensors import Snapshot
from axialcast.training.log import Log
from axialcast.training.state import discard, publish, steps_in, write_part

__all__ = ["Writing"]


class Writing:
    """Each process writes its part by a thread; when all have, the leader's makes them count.

    One that cannot be written costs a line on stderr.

    Args:
        path: of the state.
        description: of the state, with the log's mark.
        snapshot: this process's part; None: it has none.
        log: of the training, the leader's.
        keep: newest states that are kept.
    """

    def __init__(
        self,
        path: Path,
        description: Mapping[str, Any],
        snapshot: Snapshot | None,
        log: Log | None,
        *,
        keep: int,
    ) -> None:
        self.step = int(path.name)
        self.is_saved = False
        self._path, self._description, self._log, self._keep = path, description, log, keep
        self._partial = path.with_name(parallel.told(aside(path).name))
        self._num_bytes = snapshot.num_bytes if snapshot else 0
        self._parts: list[tuple[str, int, str]] = []
        self._problem: str | None = None
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False
        if snapshot is not None:
            self._start(lambda: self._write(snapshot))

    @property
    def is_at_work(self) -> bool:
        """Whether this process's thread is."""
        return self._thread is not None and self._thread.is_alive()

    def close(self) -> None:
        """Makes a state of the parts, by the leader's thread; nothing the second time.

        Every process calls it, when none is at work.

        Raises:
            Exception: a defect.
        """
        self.join()
        if self._is_closed or not parallel.is_joined():
            return
        self._is_closed = True
        said = parallel.gathered([self._parts, self._problem])
        if self._log is not None:
            self._parts = [tuple(part) for parts, _ in said for part in parts]
            self._problem = next((problem for _, problem in said if problem), None)
            self._start(self._finish)

    def join(self) -> None:
        """Waits for this process's thread.

        Raises:
            Exception: a defect.
        """
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _start(self, work: Callable[[], None]) -> None:
        # A daemon, so that a second Ctrl-C waits for nobody.
        self._thread = threading.Thread(target=work, daemon=True, name="axialcast-saving")
        self._thread.start()

    def _write(self, snapshot: Snapshot) -> None:
        with self._noted():
            if self._log is not None:
                self._log.sync(self._description["log"])
            self._parts = [write_part(self._partial, parallel.launch().rank, snapshot)]
        if not parallel.is_joined():
            self._finish()

    def _finish(self) -> None:
        with self._noted():
            if self._problem is None and self._error is None:
                files = {name: (size, checksum) for name, size, checksum in self._parts}
                publish(self._path, self._partial, self._description, files)
                self.is_saved = True
                for old in steps_in(self._path.parent)[: -self._keep]:
                    discard(self._path.parent, old)
        if self._problem is not None:
            print(
                f"train: step {self.step:,} not saved, training goes on: {self._problem}",
                file=sys.stderr,
            )
        remove(self._partial)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            found = room_error(self._path, error, self._num_bytes, remedy="make room")
            self._problem = str(found)
        except Exception as error:
            self._error = error
