"""Saves states while training goes on, and stops where it is asked to."""

import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from axialcast import parallel
from axialcast.files.atomic import room_error
from axialcast.files.tensors import Snapshot
from axialcast.stopping import Noted, Stopped, noted
from axialcast.training.log import Log
from axialcast.training.loop import Training
from axialcast.training.state import discard, steps_in, write_state

__all__ = ["Saving"]


class Saving:
    """Within the context, states are saved after steps, and signals are obeyed after steps.

    Of several processes the leader writes and decides when; a signal that any of them got stops all
    of them after the same step. A state is copied to memory between two steps and written by one
    thread while training goes on; while that is under way no other is begun. One that cannot be
    written costs a line on stderr: older ones stay, and the next is tried when its time has come.

    Args:
        folder: of the states.
        training: what is saved.
        log: of the training, the leader's; a state counts only while it holds what led to it.
        made_from: what decides the outcome of the training, by name.
        beside: what may, by name.
        keep: newest states that are kept.
        every_steps, every_seconds: how often one is saved.
    """

    def __init__(
        self,
        folder: Path,
        training: Training,
        log: Log | None,
        *,
        made_from: Mapping[str, Any],
        beside: Mapping[str, Any],
        keep: int = 2,
        every_steps: float | None = None,
        every_seconds: float | None = None,
    ) -> None:
        self.folder, self.training, self.log = folder, training, log
        self._known = {"made_from": dict(made_from), "beside": dict(beside)}
        self._keep, self._every = keep, (every_steps, every_seconds)
        self._snapshot: Snapshot | None = None
        self._writing: threading.Thread | None = None
        self._error: Exception | None = None
        self._saved: int | None = None
        self._begun = (training.step, time.monotonic())
        self._signals = noted()
        self._noted = Noted()

    def __enter__(self) -> "Saving":
        steps = steps_in(self.folder) if self.log else []
        for step in steps:
            # Those that were damaged, or belong to a log that was cut off.
            if step > self.training.step:
                discard(self.folder, step)
        self._saved = self.training.step if self.training.step in steps else None
        self._noted = self._signals.__enter__()
        return self

    def after_step(self) -> None:
        """Saves a state if it is due, in the background; stops if a signal came.

        Raises:
            Stopped: a signal came; the state was saved, or the line says why not.
        """
        is_writing = self._writing is not None and self._writing.is_alive()
        is_due = self.log is not None and not is_writing and self._is_due()
        number, due = parallel.largest([int(self._noted.signal or 0), int(is_due)])
        if number:
            self._stop(signal.Signals(number))
        elif due:
            self._save()

    def drop_older(self) -> None:
        """Removes all states but the newest, to make room."""
        for step in steps_in(self.folder)[:-1]:
            discard(self.folder, step)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if not isinstance(error, KeyboardInterrupt):  # which is to interrupt at once
                self._wait()
        finally:
            self._signals.__exit__(kind, error, traceback)

    def _is_due(self) -> bool:
        steps, seconds = self._every
        step, begun = self._begun
        if steps is not None and self.training.step - step >= steps:
            return True
        return seconds is not None and time.monotonic() - begun >= seconds

    def _stop(self, number: signal.Signals) -> None:
        self._wait()
        if parallel.told(self._saved != self.training.step):
            self._save()
            self._wait()
        if self._saved == self.training.step:
            what = f"saved at step {self._saved:,}"
        elif self._saved:
            what = f"its last state is that of step {self._saved:,}"
        else:
            what = "no state could be saved"
        self._noted.signal = None
        parallel.barrier()  # the end of one may end all by force
        raise Stopped(number, f"train: stopped by {number.name}, {what}; run again to go on")

    def _save(self) -> None:
        """Copies what there is to save, and begins to write it."""
        self._wait()
        mark = self.log.mark() if self.log else None  # which says whether it is worth saving
        tensors, position = self.training.tensors(), self.training.position()
        if mark is None:
            return
        if self._snapshot is not None and self._snapshot.fits(tensors):
            self._snapshot.take(tensors)
        else:
            self._snapshot = Snapshot(tensors)
        description = {**position, "log": mark, **self._known}
        self._begun = (self.training.step, time.monotonic())
        # A daemon, so that a second Ctrl-C waits for nobody.
        self._writing = threading.Thread(
            target=self._write,
            args=(self._snapshot, description),
            daemon=True,
            name="axialcast-saving",
        )
        self._writing.start()

    def _write(self, snapshot: Snapshot, description: Mapping[str, Any]) -> None:
        step = description["step"]
        path = self.folder / f"{step:08d}"
        assert self.log is not None
        try:
            self.log.sync(description["log"])
            write_state(path, snapshot, description)
            self._saved = step
            for old in steps_in(self.folder)[: -self._keep]:
                discard(self.folder, old)
        except OSError as error:
            found = room_error(path, error, snapshot.num_bytes, remedy="make room")
            print(f"train: step {step:,} not saved, training goes on: {found}", file=sys.stderr)
        except Exception as error:
            self._error = error

    def _wait(self) -> None:
        """Until no state is being written."""
        if self._writing is not None:
            self._writing.join()
            self._writing = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error
