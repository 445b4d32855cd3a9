"""The lines of a training's log, however long it is."""

import json
import mmap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["log_lines"]

WHOLE_BYTES = 2**21
"""Up to this size every line of a log is read."""
SAMPLED = 4096
"""Lines of a longer one that are read, besides those with a validation and the last."""
LAST_BYTES = 2**17


def log_lines(path: Path) -> Iterator[dict[str, Any]]:
    """What is in a log.jsonl, in order: all lines, or of a long log those with a validation, some
    between them, and the last. One that is just being written is left out, and one that is no
    object."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
            for start in sorted(set(_starts(log))):
                if (end := log.find(b"\n", start)) > start:
                    with suppress(ValueError, RecursionError):  # another's file may hold anything
                        line = json.loads(log[start:end])
                        if isinstance(line, dict):
                            yield line
    except (FileNotFoundError, ValueError):
        return  # none yet, or an empty one, which cannot be mapped


def _starts(log: mmap.mmap) -> Iterator[int]:
    """Where the lines begin that are read."""
    size = len(log)
    if size <= WHOLE_BYTES:
        yield from _from(log, 0)
        return
    yield 0
    yield from (log.find(b"\n", size * number // SAMPLED) + 1 for number in range(SAMPLED - 1))
    place = -1
    while (place := log.find(b'"validation_loss"', place + 1)) >= 0:
        yield log.rfind(b"\n", 0, place) + 1
    yield from _from(log, log.find(b"\n", size - LAST_BYTES) + 1)


def _from(log: mmap.mmap, start: int) -> Iterator[int]:
    """Where each line begins, from the one that begins at a place."""
    while start < len(log):
        yield start
        start = log.find(b"\n", start) + 1 or len(log)
