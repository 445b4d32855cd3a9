"""Progress of anything long: a bar where a terminal is attached, plain lines where not.

Everything goes to stderr, so that output can be piped. Nothing shows in the first two seconds.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from axialcast.files.atomic import aside, remove

__all__ = ["Watched", "clock", "recorded", "track"]

T = TypeVar("T")

QUIET_SECONDS = 2.0
LINE_SECONDS = 30.0
LINE_FRACTION = 0.1
RECORD_SECONDS = 2.0

_record: Path | None = None


class Watched(Protocol):
    """What is told of the items beside their number, each time that they are spoken of."""

    @property
    def seconds_left(self) -> float | None: ...

    def words(self) -> str:
        """One clause for a line."""

    def lines(self, width: int, *, curves: bool = True) -> list[str]:
        """Lines of at most so many columns, for a terminal."""

    def record(self) -> dict[str, Any]:
        """JSON for `axialcast status`."""


@contextmanager
def recorded(path: Path) -> Iterator[None]:
    """Within the context, whatever is tracked is written down for `axialcast status`.

    Args:
        path: a JSON file, written anew every few seconds; gone when the context ends well.
    """
    global _record
    _record = path
    try:
        yield
        remove(path)
    finally:
        _record = None


def track(
    items: Iterable[T],
    *,
    description: str,
    total: int | None = None,
    done: int = 0,
    unit: str = "it",
    watched: Watched | None = None,
) -> Iterator[T]:
    """The items, unchanged; shows on stderr how many are done, their rate and the time left.

    Args:
        items: what to go through; an item counts as done when the next one is asked for.
        description: what is being done, e.g. `"train"`.
        total: number of items, with those done before; by default `len(items)` where they have a
            length.
        done: items that were done before and are not among these.
        unit: what one item is, in the plural, e.g. `"steps"`.
        watched: tells more of them.
    """
    if total is None and isinstance(items, Sized):
        total = len(items) + done
    counter = _Counter(description, total, done, unit, watched)
    if _record is not None:
        items = _recording(items, _record, counter)
    return _bar(items, counter) if sys.stderr.isatty() else _lines(items, counter)


class _Counter:
    """How many of the items are done, and in how long, in words."""

    def __init__(
        self, description: str, total: int | None, done: int, unit: str, watched: Watched | None
    ) -> None:
        self.description, self.total, self.unit = description, total, unit
        self.watched, self.count = watched, done
        self._before, self._start = done, time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    @property
    def rate(self) -> float | None:
        """Items a second, of those that were done here."""
        here = self.count - self._before
        return here / max(self.seconds, 1e-9) if here else None

    @property
    def seconds_left(self) -> float | None:
        if self.watched is not None and (left := self.watched.seconds_left) is not None:
            return left
        return (self.total - self.count) / self.rate if self.total and self.rate else None

    def counted(self) -> str:
        if not self.total:
            return f"{self.count} {self.unit}"
        return f"{self.count} of {self.total} {self.unit} ({self.count / self.total:.0%})"

    def pace(self) -> str:
        pace, left = f"{self.rate or 0.0:.3g} {self.unit}/s", self.seconds_left
        return pace if left is None else f"{pace}, {clock(left)} left"

    def record(self) -> dict[str, Any]:
        known = {"what": self.description, "done": self.count, "total": self.total}
        more = self.watched.record() if self.watched else {}
        return known | {"unit": self.unit, "per_second": self.rate} | more


def _recording(items: Iterable[T], path: Path, counter: _Counter) -> Iterator[T]:
    last = -RECORD_SECONDS
    for item in items:
        now = time.monotonic()
        if now - last >= RECORD_SECONDS:
            partial = aside(path)
            # Nothing depends on it, so it neither waits for the disk nor stops the run.
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                partial.write_text(json.dumps(counter.record()), encoding="utf-8")
                partial.replace(path)
            last = now
        yield item


def _lines(items: Iterable[T], counter: _Counter) -> Iterator[T]:
    last_time = time.monotonic()
    last_count, shown, description = counter.count, False, counter.description
    for item in items:
        yield item
        counter.count += 1
        now, count, total = time.monotonic(), counter.count, counter.total
        share = (count - last_count) / total if total else 0.0
        is_due = share >= LINE_FRACTION or now - last_time >= LINE_SECONDS
        if is_due and counter.seconds >= QUIET_SECONDS and count != total:
            words = [counter.counted(), counter.pace(), counter.watched and counter.watched.words()]
            _say(f"{description}: {', '.join(word for word in words if word)}")
            last_time, last_count, shown = now, count, True
    if shown:
        _say(f"{description}: {counter.count} {counter.unit} in {clock(counter.seconds)}")


def _bar(items: Iterable[T], counter: _Counter) -> Iterator[T]:
    from axialcast.run.live import Live

    with Live(counter.description, counter.total, counter.watched) as live:
        for item in items:
            yield item
            counter.count += 1
            live.update(counter.count, counter.counted(), counter.pace())
            if counter.seconds >= QUIET_SECONDS:
                live.show()


def clock(seconds: float) -> str:
    """Seconds as a person would say them: `42 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
