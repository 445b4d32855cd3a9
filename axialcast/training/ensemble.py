"""Several networks trained one after another: one log, one row of states, gone on with anywhere."""

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from axialcast.training.entry import Entry
from axialcast.training.log import Log
from axialcast.training.loop import Training
from axialcast.training.saving import Saving
from axialcast.training.state import SavedState

__all__ = ["Ensemble"]


class Ensemble:
    """Members in turn, each as if it were alone; of one, a training and no more.

    A state holds the weights of the members before the one that is trained, so that it alone says
    where all stand.

    Args:
        folder: of the states.
        make: the training of a member before its first step.
        num_members: how many there are.
        log: of all, the leader's.
        finished: weights of members that are done.
        saved: the state of the next, gone on from; None: it begins.
        made_from, beside: see `axialcast.training.Saving`.
        settings: its other keywords.

    Attributes:
        finished: weights of each member, when all updates are made.
        kept: of which step these are, in words.
    """

    def __init__(
        self,
        folder: Path,
        make: Callable[[int], Training],
        num_members: int,
        log: Log | None,
        *,
        finished: Sequence[Mapping[str, Tensor]] = (),
        saved: SavedState | None = None,
        made_from: Mapping[str, Any],
        beside: Mapping[str, Any],
        **settings: Any,
    ) -> None:
        self.finished, self.kept = [*finished], [*(saved.kept if saved else ())]
        self._folder, self._make, self._num_members = folder, make, num_members
        self._log, self._saved, self._beside = log, saved, beside
        self._settings = {"made_from": made_from, "beside": beside, **settings}
        self._saving: Saving | None = None

    def updates(self) -> Generator[Entry]:
        """Makes the updates that are left; yields the entry of each when it is in the log.

        Raises:
            OSError, ValueError, Stopped: as Training, Log and Saving.
        """
        for member in range(len(self.finished), self._num_members):
            training, saved = self._make(member), self._saved
            if saved is not None:
                saved.put_into(training, self._beside)
                self._saved = None
            self._saving = Saving(
                self._folder,
                training,
                self._log,
                before=member * training.num_steps,
                finished=self.finished,
                kept=self.kept,
                **self._settings,
            )
            with self._saving as saving:
                for entry in training.updates():
                    entry.member = member if self._num_members > 1 else None
                    if self._log is not None:
                        self._log.write(entry)
                    saving.after_step()
                    yield entry
            weights = training.weights()
            self.kept.append(training.kept)
            is_leader = training.processes.rank == 0
            self.finished.append({n: w.cpu() for n, w in weights.items()} if is_leader else {})

    def drop_older(self) -> None:
        """Removes all states but the newest, to make room."""
        if self._saving is not None:
            self._saving.drop_older()
