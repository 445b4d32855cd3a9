"""A search for better settings: trainings, judged by data.validate alone, within so many minutes.

<output>/.tune/
  trials.jsonl     the trials, as Optuna's journal has them
  <search>/<n>/    the run of trial n while it is under way: a training, which goes on

A search is what all of its trials have in common: the data, the seed, and the settings that it
starts from. With others another one begins. What a trial found is its best `validation_rmse` (see
`axialcast.training.judging`); data.test is never read.
"""

import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from axialcast.files.atomic import remove
from axialcast.files.holding import hold
from axialcast.run.config import Config, load_config, save_config
from axialcast.run.shipped import find_pipeline
from axialcast.run.stamps import made_from
from axialcast.run.store_states import checksum_of
from axialcast.run.trials import Space
from axialcast.run.urls import refuse_url

__all__ = ["TUNED", "Tuning"]

FOLDER, JOURNAL, TUNED = ".tune", "trials.jsonl", "tuned.yaml"
STARTUP = 5
"""Trials that are drawn at random before others follow what they found."""
LOOKS_SECONDS = 0.5
"""From one look at a trial's log to the next."""
SHARED = ("analysis.zarr", "training.zarr", ".fitted")
"""What trials take from the output folder of the run."""


@dataclass(frozen=True)
class Tuning:
    """A search in the output folder of a run.

    Args:
        path: of the config.
        overrides: of the user.
        config: both together.
        space: what is tried.
        say: told a line for each trial.
    """

    path: Path
    overrides: Sequence[str]
    config: Config
    space: Space
    say: Callable[[str], None] = print

    @classmethod
    def of(cls, path: Path, overrides: Sequence[str], say: Callable[[str], None]) -> "Tuning":
        """Of a config whose data are there, or are made by the stages before train.

        Raises:
            ValueError: nothing is trained, or what a search needs is not installed.
        """
        config = load_config(path, overrides)
        if find_spec("optuna") is None:
            raise ValueError("axialcast tune needs optuna; pip install 'axialcast[tune]'")
        refuse_url(config, "a search is made in a folder of this machine")
        names = [Path(name).stem for name in config.pipeline]
        if "train" not in names:
            raise ValueError(f"pipeline: {', '.join(names)} trains nothing; put train into it")
        before = config.pipeline[: names.index("train")]
        if before:
            _run(path, [*overrides, f"pipeline=[{','.join(before)}]"], None)
        return cls(path, overrides, config, Space.of(path, overrides), say)

    def run(self, minutes: float) -> Path:
        """Makes trials until the time is over; the best settings so far, as a config.

        A trial that the end of the time, or of the process, came upon goes on in the next search.

        Raises:
            FolderHeldError: another search, or a run, is at work in the output folder.
            ValueError: no trial has ended yet.
        """
        import optuna

        end = time.monotonic() + 60 * minutes
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with hold(self.config.output):
            study = self._study()
            while time.monotonic() < end and (coming := self._next(study)) is not None:
                number, point = coming
                found = self._trained(number, point, end)
                if found is None:
                    break
                if isinstance(found, str):
                    study.tell(number, state=optuna.trial.TrialState.FAIL)
                    self.say(f"tune: trial {number} failed: {found}")
                else:
                    study.tell(number, found)
                    self.say(f"tune: trial {number}: RMSE {found:.4g}, {self.space.words(point)}")
                remove(self._folder(number))
            return self._best(study)

    def _study(self) -> Any:
        from optuna import create_study
        from optuna.samplers import TPESampler
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        path = self.config.output / FOLDER / JOURNAL
        path.parent.mkdir(exist_ok=True)
        for lock in path.parent.glob(f"{JOURNAL}.*"):
            remove(lock)  # of one who was killed: nobody else is at work here
        if path.exists() and not (text := path.read_bytes()).endswith(b"\n"):
            path.write_bytes(text[: text.rfind(b"\n") + 1])  # a line that was cut off
        study = create_study(
            storage=JournalStorage(JournalFileBackend(str(path))),
            study_name=self._name,
            sampler=TPESampler(n_startup_trials=STARTUP, multivariate=False),
            load_if_exists=True,
        )
        if not study.trials:
            study.enqueue_trial(self.space.given)
        # What is drawn follows from what there is already.
        study.sampler = TPESampler(
            n_startup_trials=STARTUP, seed=self.config.seed + len(study.trials)
        )
        return study

    def _next(self, study: Any) -> tuple[int, dict[str, Any]] | None:
        """A trial that was left, or another one that nobody has made; None: there is none."""
        from optuna.trial import TrialState

        for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if left.params.keys() == self.space.choices.keys():
                return left.number, left.params
            study.tell(left.number, state=TrialState.FAIL)  # killed while it was drawn
        made = [dict(t.params) for t in study.get_trials(deepcopy=False)]
        for _ in range(4 * self.space.num_points):
            trial = study.ask()
            point = {
                name: trial.suggest_categorical(name, list(choices))
                for name, choices in self.space.choices.items()
            }
            if point not in made:
                return trial.number, point
            study.tell(trial, state=TrialState.PRUNED)  # training it again would tell the same
        return None

    def _trained(self, number: int, point: dict[str, Any], end: float) -> float | str | None:
        """The best RMSE of a trial; what went wrong; None: the time is over."""
        folder = self._folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        (self.config.output / ".fitted").mkdir(exist_ok=True)
        for name in SHARED:
            theirs = (self.config.output / name).resolve()
            if theirs.exists() and not (folder / name).exists():
                (folder / name).symlink_to(theirs)
        train = next(name for name in self.config.pipeline if Path(name).stem == "train")
        own = [f"pipeline=[{train}]", f"output={folder}", "train.members=1", "train.keep=best"]
        wrong = _run(self.path, [*self.overrides, *self.space.overrides(point), *own], end)
        if wrong is None and time.monotonic() >= end and not (folder / "checkpoint").exists():
            return None
        found = _best_in(folder / "log.jsonl")
        return wrong or (found if math.isfinite(found) else "no forecast was finite")

    def _best(self, study: Any) -> Path:
        from optuna.trial import TrialState

        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if not ended:
            raise ValueError(
                "tune: no trial has ended yet; run it again to go on, with more --minutes"
            )
        best = min(ended, key=lambda trial: trial.value)
        path = self.config.output / TUNED
        tuned = load_config(self.path, [*self.overrides, *self.space.overrides(best.params)])
        save_config(tuned, path)
        first = f", {ended[0].value:.4g} as given" if ended[0].params == self.space.given else ""
        self.say(
            f"tune: best of {len(ended)} trials: RMSE {best.value:.4g}{first}; "
            f"{self.space.words(best.params)}"
        )
        self.say(f"tune: axialcast run {path}")
        return path

    @property
    def _name(self) -> str:
        train = next(name for name in self.config.pipeline if Path(name).stem == "train")
        program = find_pipeline(train, self.path.parent)
        made = made_from(self.config, program)
        return checksum_of([made, self.space.choices])[:12]

    def _folder(self, number: int) -> Path:
        return self.config.output.resolve() / FOLDER / self._name / str(number)


def _run(path: Path, overrides: Sequence[str], end: float | None) -> str | None:
    """Runs the command with a config until a time; what went wrong, if something did.

    One that is stopped saves what it goes on from.

    Raises:
        ValueError: it went wrong, where there is no end.
    """
    command = [sys.executable, "-m", "axialcast", "run", str(path), *overrides]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        while end is None or time.monotonic() < end:
            try:
                _, said = child.communicate(timeout=LOOKS_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            if child.returncode == 0:
                return None
            last = said.strip().splitlines()[-1:] or [f"it ended with {child.returncode}"]
            if end is None:
                raise ValueError(last[0].removeprefix("axialcast: error: "))
            return last[0].removeprefix("axialcast: error: ")
        return None
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            child.communicate()


def _best_in(log: Path) -> float:
    """The least `validation_rmse` of a log; infinity: it has none."""
    entries = map(json.loads, log.read_text("utf-8").splitlines())
    return min((e["validation_rmse"] for e in entries if "validation_rmse" in e), default=math.inf)
