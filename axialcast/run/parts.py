"""A part of a stage, for jobs that share it without talking: `axialcast run --part 3/8`.

A pipeline that says `IN_PARTS = True` takes `mine` of what there is to do. What the parts made is
complete when the stage is run once more, which does what is missing.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axialcast.files.holding import hold

__all__ = ["PARTS", "Part", "in_turn", "making", "mine"]

PARTS = ".parts"
"""Folder in the output folder with one for each part that is being made, held by who makes it."""

WAIT_SECONDS = 3600.0
"""How long another part may look through what there is."""


@dataclass(frozen=True)
class Part:
    """One of `count` parts, by its number from 1 on."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """The part that a text such as 3/8 means.

        Raises:
            ValueError: none.
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(f"--part: got {text!r}, expected a number of how many, such as 3/8")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"part {self.number} of {self.count}"

    @property
    def name(self) -> str:
        return f"{self.number}-of-{self.count}"


_part = Part(1, 1)


@contextmanager
def making(part: Part) -> Iterator[None]:
    """Within the context, `mine` is what belongs to a part."""
    global _part
    _part = part
    try:
        yield
    finally:
        _part = Part(1, 1)


def mine(items: Any) -> Any:
    """Those of a sequence's items that this process is to do: neighbours, or all."""
    count, number = _part.count, _part.number
    return items[len(items) * (number - 1) // count : len(items) * number // count]


@contextmanager
def in_turn(output: Path) -> Iterator[None]:
    """Within the context, no other part does what only one may do at a time; nothing for a whole.

    Args:
        output: the run's folder.
    """
    if _part.count == 1:
        yield
        return
    with hold(output / PARTS / "turn", wait_seconds=WAIT_SECONDS):
        yield
