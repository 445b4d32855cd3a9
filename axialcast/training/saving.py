"""Saves states while training goes on, and stops where it is asked to."""

import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import Tensor

from axialcast import parallel
from axialcast.files.tensors import Snapshot
from axialcast.stopping import Noted, Stopped, noted
from axialcast.training.log import Log
from axialcast.training.loop import Training
from axialcast.training.state import discard, finished_name, steps_in
from axialcast.training.writing import Writing

__all__ = ["Saving"]


class Saving:
    """Within the context, states are saved after steps, and signals are obeyed after steps.

    Of several processes the leader decides when; a signal that any of them got stops all of them
    after the same step. A state is copied to memory between two steps, each process's part of it,
    and written by threads while training goes on (see `Writing`); while that is under way no other
    is begun. One that cannot be written costs a line on stderr: older ones stay, and the next is
    tried when its time has come.

    Args:
        folder: of the states.
        training: what is saved.
        log: of the training, the leader's; a state counts only while it holds what led to it.
        made_from: what decides the outcome of the training, by name.
        beside: what may, by name.
        keep: newest states that are kept.
        every_steps, every_seconds: how often one is saved.
        before: steps of members that are finished, which count as steps here.
        finished: weights of those members, the leader's.
        kept: of which step these are, in words.
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
        before: int = 0,
        finished: Sequence[Mapping[str, Tensor]] = (),
        kept: Sequence[str] = (),
    ) -> None:
        self.folder, self.training, self.log = folder, training, log
        self._before, self._finished, self._kept = before, finished, kept
        self._known = {"made_from": dict(made_from), "beside": dict(beside)}
        self._keep, self._every = keep, (every_steps, every_seconds)
        self._snapshot: Snapshot | None = None
        self._writing: Writing | None = None
        self._saved: int | None = None
        self._last = (self.step, time.monotonic())
        self._signals = noted()
        self._noted = Noted()

    @property
    def step(self) -> int:
        """Updates so far, of finished members, too."""
        return self._before + self.training.step

    def __enter__(self) -> "Saving":
        steps = steps_in(self.folder) if self.log else []
        for step in steps:
            # Those that were damaged, or belong to a log that was cut off.
            if step > self.step:
                discard(self.folder, step)
        self._saved = self.step if self.step in steps else None
        self._noted = self._signals.__enter__()
        return self

    def after_step(self) -> None:
        """Saves a state if it is due, in the background; stops if a signal came.

        Raises:
            Stopped: a signal came; the state was saved, or the line says why not.
        """
        is_at_work = self._writing is not None and self._writing.is_at_work
        is_due = self.log is not None and not is_at_work and self._is_due()
        asked = [int(self._noted.signal or 0), int(is_due), int(is_at_work)]
        number, due, at_work = parallel.largest(asked)
        if self._writing is not None and not at_work:
            self._writing.close()
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
            if error is None:
                self._wait()
            elif self._writing and not isinstance(error, KeyboardInterrupt):  # to stop at once
                self._writing.join()  # this process's part: the others may be anywhere
        finally:
            self._signals.__exit__(kind, error, traceback)

    def _is_due(self) -> bool:
        steps, seconds = self._every
        step, begun = self._last
        if steps is not None and self.step - step >= steps:
            return True
        return seconds is not None and time.monotonic() - begun >= seconds

    def _stop(self, number: signal.Signals) -> None:
        self._wait()
        if parallel.told(self._saved != self.step):
            self._save()
            self._wait()
        if self._saved == self.step:
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
        tensors = self.training.tensors()
        for member, weights in enumerate(self._finished if self.log else ()):
            tensors |= {finished_name(member, name): value for name, value in weights.items()}
        if self._snapshot is not None and self._snapshot.fits(tensors):
            self._snapshot.take(tensors)
        else:
            self._snapshot = Snapshot(tensors)
        self._writing = Writing(
            self.folder / f"{self.step:08d}",
            {
                **self.training.position(),
                "member": len(self._finished),
                "kept": list(self._kept),
                "log": mark,
                **self._known,
            },
            self._snapshot if tensors else None,
            self.log,
            keep=self._keep,
        )
        self._last = (self.step, time.monotonic())

    def _wait(self) -> None:
        """Until no state is being written; every process comes here after the same step."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.close()
            writing.join()
            if writing.is_saved:
                self._saved = writing.step
