"""Progress of anything long: a bar where a terminal is attached, plain lines where not.

Everything goes to stderr, so that output can be piped. Nothing shows in the first two seconds.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from axialcast.files.atomic import aside, remove

__all__ = ["clock", "recorded", "track"]

T = TypeVar("T")

QUIET_SECONDS = 2.0
LINE_SECONDS = 30.0
LINE_FRACTION = 0.1
RECORD_SECONDS = 2.0

_record: Path | None = None


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
) -> Iterator[T]:
    """The items, unchanged; shows on stderr how many are done, their rate and the time left.

    Args:
        items: what to go through; an item counts as done when the next one is asked for.
        description: what is being done, e.g. `"train"`.
        total: number of items, with those done before; by default `len(items)` where they have a
            length.
        done: items that were done before and are not among these.
        unit: what one item is, in the plural, e.g. `"steps"`.
    """
    if total is None and isinstance(items, Sized):
        total = len(items) + done
    if _record is not None:
        items = _recording(items, _record, description, total, done, unit)
    if sys.stderr.isatty():
        return _bar(items, description, total, done, unit)
    return _lines(items, description, total, done, unit)


def _recording(
    items: Iterable[T], path: Path, description: str, total: int | None, done: int, unit: str
) -> Iterator[T]:
    start, last, count = time.monotonic(), -RECORD_SECONDS, done
    for item in items:
        now = time.monotonic()
        if now - last >= RECORD_SECONDS:
            rate = (count - done) / (now - start) if count > done else None
            known = {"what": description, "done": count, "total": total, "unit": unit}
            partial = aside(path)
            # Nothing depends on it, so it neither waits for the disk nor stops the run.
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                partial.write_text(json.dumps(known | {"per_second": rate}), encoding="utf-8")
                partial.replace(path)
            last = now
        yield item
        count += 1


def _lines(
    items: Iterable[T], description: str, total: int | None, done: int, unit: str
) -> Iterator[T]:
    start = last_time = time.monotonic()
    last_count, count, shown = done, done, False
    for item in items:
        yield item
        count += 1
        now = time.monotonic()
        share = (count - last_count) / total if total else 0.0
        is_due = share >= LINE_FRACTION or now - last_time >= LINE_SECONDS
        if is_due and now - start >= QUIET_SECONDS and count != total:
            pace = _pace(count, total, done, now - start, unit)
            _say(f"{description}: {_counted(count, total, unit)}, {pace}")
            last_time, last_count, shown = now, count, True
    if shown:
        seconds = time.monotonic() - start
        _say(f"{description}: {count} {unit} in {clock(seconds)}")


def _bar(
    items: Iterable[T], description: str, total: int | None, done: int, unit: str
) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[counted]}, {task.fields[pace]}", markup=False),
    )
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task(description, total=total, counted="", pace="")
    start, count = time.monotonic(), done
    try:
        for item in items:
            yield item
            count += 1
            seconds = time.monotonic() - start
            counted, pace = _counted(count, total, unit), _pace(count, total, done, seconds, unit)
            progress.update(task, completed=count, counted=counted, pace=pace)
            if seconds >= QUIET_SECONDS:
                progress.start()
    finally:
        progress.stop()


def _counted(count: int, total: int | None, unit: str) -> str:
    return f"{count} of {total} {unit} ({count / total:.0%})" if total else f"{count} {unit}"


def _pace(count: int, total: int | None, done: int, seconds: float, unit: str) -> str:
    rate = (count - done) / max(seconds, 1e-9)
    pace = f"{rate:.3g} {unit}/s"
    return f"{pace}, {clock((total - count) / rate)} left" if total else pace


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
