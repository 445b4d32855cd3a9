"""A part of a stage, for jobs that share it without talking: `axialcast run --part 3/8`.

A pipeline that says `IN_PARTS = True` takes `mine` of what there is to do. What the parts made is
complete when the stage is run once more, which does what is missing.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Part", "making", "mine"]


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


def mine(items: Sequence[Any]) -> Sequence[Any]:
    """Those of the items that this process is to do: every n-th of n parts, or all."""
    return items[_part.number - 1 :: _part.count]
