"""How a training goes, from its log: while it runs, and for `axialcast status`."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from axialcast.files.atomic import readable_size
from axialcast.run.curve import Curve, sparkline
from axialcast.run.log_lines import log_lines

if TYPE_CHECKING:
    from axialcast.run.train_section import TrainConfig

__all__ = ["Plan", "Watch"]

RECENT = 20
"""Steps that the loss of now is the mean of."""
PACED = 400
"""Steps that the pace is taken from: validations among them, as they take time, too."""
NARROW = 44
"""Columns of a terminal below which no curve is drawn."""


class _Entry(Protocol):
    def values(self) -> dict[str, Any]: ...


E = TypeVar("E", bound=_Entry)


@dataclass(frozen=True)
class Plan:
    """What a training will do.

    Args:
        stages: (steps, model steps that the loss looks ahead) of each stage, in order.
        members: networks that are trained in turn.
        batch_size: windows a step, of all processes together.
    """

    stages: Sequence[Sequence[int]]
    members: int = 1
    batch_size: int = 1

    @classmethod
    def of(cls, train: "TrainConfig") -> "Plan":
        """What the section `train:` of a config asks for."""
        stages = [(stage.steps, stage.rollout_steps) for stage in train.schedule]
        return cls(stages, train.members, train.batch_size)

    @property
    def steps(self) -> int:
        """Of one member."""
        return sum(steps for steps, _ in self.stages)

    def work(self, step: int) -> int:
        """Model steps that a member has done after a step of the optimizer."""
        done = 0
        for steps, rollout in self.stages:
            done += min(step, steps) * rollout
            step -= min(step, steps)
        return done

    def stage(self, step: int) -> int:
        """Number of the stage that a step is in, from 0."""
        for number, (steps, _) in enumerate(self.stages):
            if step <= steps:
                return number
            step -= steps
        return len(self.stages) - 1


class Watch:
    """What to tell of a training, of the member that is trained now above all.

    Args:
        plan: what it will do.
        memory: says how many bytes a process took at most so far.
    """

    def __init__(self, plan: Plan, memory: Callable[[], int | None] = lambda: None) -> None:
        self.plan, self._memory = plan, memory
        self.member, self.step = 0, 0
        self._finished: list[str] = []
        self._begin()

    def _begin(self) -> None:
        self.step = 0
        self._losses, self._validations = Curve(), Curve()
        self._recent: deque[tuple[int, float, float]] = deque(maxlen=PACED)
        self._last: tuple[int, float] | None = None
        self._best: tuple[int, float] | None = None
        self._judged: tuple[str, float] | None = None

    def following(
        self, entries: Iterable[E], *tell: Callable[[Mapping[str, Any]], None]
    ) -> Iterator[E]:
        """The entries of a training, unchanged; takes each when the next one is there, as its
        numbers come from a device while that is made, and tells it to others."""
        last: E | None = None
        for entry in entries:
            if last is not None:
                self._take(last, tell)
            last = entry
            yield entry
        if last is not None:
            self._take(last, tell)

    def _take(self, entry: _Entry, tell: Iterable[Callable[[Mapping[str, Any]], None]]) -> None:
        line = entry.values()
        self.add(line)
        for one in tell:
            one(line)

    def add(self, line: Mapping[str, Any]) -> None:
        """Takes a line of the log; lines may be left out, but come in order."""
        member = int(line.get("member", 0))
        if member != self.member:
            self._finished.append(f"member {self.member}: {self._validation()}")
            self.member = member
            self._begin()
        self.step, loss = int(line["step"]), float(line["loss"])
        self._losses.add(self.step, loss)
        self._recent.append((self.step, float(line["seconds"]), loss))
        if (validation := line.get("validation_loss")) is not None:
            self._last = self.step, float(validation)
            self._validations.add(self.step, self._last[1])
            self._best = min(self._best or self._last, self._last, key=lambda found: found[1])
            self._judged = next(
                ((m, float(line[k])) for m in ("rmse", "crps") if (k := f"validation_{m}") in line),
                None,
            )

    @property
    def loss(self) -> float | None:
        """Mean of the last steps."""
        losses = [loss for _, _, loss in [*self._recent][-RECENT:]]
        return sum(losses) / len(losses) if losses else None

    @property
    def seconds_left(self) -> float | None:
        """Of all members; rollouts of more steps count as much more as they are longer."""
        paced, plan = self._paced(), self.plan
        if paced is None:
            return None
        (first, last), seconds = paced
        left = plan.work(plan.steps) * (plan.members - self.member) - plan.work(last)
        return left * seconds / (plan.work(last) - plan.work(first))

    @property
    def samples_per_second(self) -> float | None:
        """Windows that are learned from, lately."""
        if (paced := self._paced()) is None:
            return None
        (first, last), seconds = paced
        return (last - first) * self.plan.batch_size / seconds

    def _paced(self) -> tuple[tuple[int, int], float] | None:
        """The steps between which the pace is taken, and the seconds that they took."""
        if len(self._recent) < 2:
            return None
        (first, start, _), (last, end, _) = self._recent[0], self._recent[-1]
        return ((first, last), end - start) if last > first and end > start else None

    def words(self) -> str:
        """The losses in one clause."""
        if self.loss is None:
            return ""
        return f"loss {self.loss:.4g}" + (f", validation {self._last[1]:.4g}" if self._last else "")

    def lines(self, width: int, *, curves: bool = True) -> list[str]:
        """Losses, pace and memory, each in a line of at most `width` columns.

        Args:
            curves: whether the terminal has the letters that curves are made of.
        """
        if self.loss is None:
            return []
        found = [*self._finished[-3:], *([place] if (place := self._place()) else [])]
        rows = [(f"loss {self.loss:.4g}", self._losses)]
        if self._last is not None:
            rows.append((self._validation(), self._validations))
        column = max(len(text) for text, _ in rows)
        for text, curve in rows:
            room = width - column - 2 if curves and width >= NARROW else 0
            found.append(f"{text:<{column}}  {sparkline(curve.means(), room)}".rstrip())
        pace, memory = self.samples_per_second, self._memory()
        beside = [
            *([f"{pace:,.{0 if pace >= 100 else 1}f} samples/s"] if pace else []),
            *([f"{readable_size(memory)} of memory at most"] if memory else []),
        ]
        found += [", ".join(beside)] if beside else []
        return [text if len(text) <= width else f"{text[: width - 1]}…" for text in found]

    def _place(self) -> str:
        """Which member and stage it is, where there are several."""
        plan, stage, words = self.plan, self.plan.stage(self.step), []
        if plan.members > 1:
            words.append(f"member {self.member} ({self.member + 1} of {plan.members})")
        if len(plan.stages) > 1:
            ahead = plan.stages[stage][1]
            steps = f"{ahead} {'step' if ahead == 1 else 'steps'} ahead"
            words.append(f"stage {stage + 1} of {len(plan.stages)}, {steps}")
        return ", ".join(words)

    def _validation(self) -> str:
        if self._last is None or self._best is None:
            return "validation: not yet"
        best = ""
        if self._best != self._last:
            best = f", best {self._best[1]:.4g} at step {self._best[0]:,}"
        judged = f", {self._judged[0].upper()} {self._judged[1]:.4g}" if self._judged else ""
        return f"validation {self._last[1]:.4g}{judged}{best}"

    def record(self) -> dict[str, Any]:
        """What `of_record` makes the same of, together with the log."""
        return {"plan": asdict(self.plan), "memory": self._memory()}

    @classmethod
    def of_record(cls, record: Mapping[str, Any], log: Path) -> "Watch":
        """As a training told of itself elsewhere.

        Raises:
            KeyError, TypeError, ValueError: it is no such record.
        """
        memory = record["memory"]
        watch = cls(Plan(**record["plan"]), lambda: memory)
        watch.read(log)
        return watch

    def read(self, log: Path) -> None:
        """Takes what is in a log so far; one that is not there says nothing."""
        for line in log_lines(log):
            self.add(line)
