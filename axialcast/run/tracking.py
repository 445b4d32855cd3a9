"""A training's log in a tracker's own files: TensorBoard, MLflow or Weights & Biases.

All of them write below the run's folder, offline. The log is what counts: a tracker that fails is
said to, and the training goes on without it. One that goes on takes from the log what it lacks.
"""

import importlib.util
import json
import sqlite3  # noqa: F401 - before ecCodes, whose own older one MLflow would be given otherwise
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from axialcast.files.atomic import writing

__all__ = ["FOLDER", "require_tracker", "tracked"]

FOLDER = "tracked"
"""Of all trackers, in the run's output."""
POSITION = "position.json"
FLUSHED = 200
"""Lines after which all is on the disk."""
PACKAGES = {"tensorboard": "tensorboard", "mlflow": "mlflow", "wandb": "wandb"}

Point = tuple[int, int]
"""Member and step, which order the lines of a log."""


def require_tracker(kind: str | None) -> None:
    """Raises ValueError where the package of a tracker is not installed."""
    if kind is not None and importlib.util.find_spec(PACKAGES[kind]) is None:
        raise ValueError(
            f"train.track: {kind} is not installed; pip install 'axialcast[{kind}]', or leave the "
            "key out"
        )


@contextmanager
def tracked(
    kind: str | None, output: Path, log: Path
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Within the context, takes the lines of a training's log, after those that the log has.

    Args:
        kind: of tracker; None: nothing is done.
        output: the run's folder.
        log: what the training has written so far.
    """
    if kind is None:
        yield lambda line: None
        return
    mirror = _Mirror(kind, output)
    mirror.begin(log)
    try:
        yield mirror.take
    finally:
        mirror.end()


class _Mirror:
    """Gives each line once, and nothing any more when the tracker has failed."""

    def __init__(self, kind: str, output: Path) -> None:
        self._kind, self._folder = kind, output / FOLDER / kind
        self._name = output.name
        self._tracker: Any = None
        self._last: Point = (0, 0)
        self._waiting = 0

    @contextmanager
    def _unharmed(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._tracker = None
            words = " ".join(str(error).split()) or type(error).__name__
            print(
                f"train: train.track: {self._kind} fails and is left out from here on ({words}); "
                "log.jsonl has all lines, and the next start takes what is missing from there",
                file=sys.stderr,
            )

    def begin(self, log: Path) -> None:
        """Starts the tracker, and gives it what the log has and it has not."""
        with self._unharmed():
            self._folder.mkdir(parents=True, exist_ok=True)
            lines = _all_lines(log)
            end = _point(lines[-1]) if lines else (0, 0)
            # A log that was cut back goes on before what the tracker knows.
            self._last = min(self._position(), end)
            from axialcast.run import trackers

            self._tracker = trackers.KINDS[self._kind](self._folder, self._name, self._last)
            for line in lines:
                self.take(line)

    def take(self, line: Mapping[str, Any]) -> None:
        """Gives the tracker a line that it has not."""
        if self._tracker is None or _point(line) <= self._last:
            return
        with self._unharmed():
            member = line.get("member")
            values = {
                name if member is None else f"{name}/member_{member}": float(value)
                for name, value in line.items()
                if name not in ("step", "member")
            }
            self._tracker.add(int(line["step"]), values)
            self._last, self._waiting = _point(line), self._waiting + 1
            if self._waiting >= FLUSHED:
                self._flush()

    def end(self) -> None:
        """Ends it, with all on the disk."""
        if self._tracker is not None:
            with self._unharmed():
                self._flush()
                self._tracker.close()

    def _flush(self) -> None:
        self._tracker.flush()
        with writing(self._folder / POSITION) as file:
            file.write_text(json.dumps(self._last))
        self._waiting = 0

    def _position(self) -> Point:
        with suppress(OSError, ValueError, TypeError):
            member, step = json.loads((self._folder / POSITION).read_text("utf-8"))
            return int(member), int(step)
        return 0, 0


def _point(line: Mapping[str, Any]) -> Point:
    return int(line.get("member", 0)), int(line["step"])


def _all_lines(log: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in log.read_text("utf-8").splitlines() if line]
    except FileNotFoundError:
        return []
