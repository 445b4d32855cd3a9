"""A curve in bounded memory, and as a line of text."""

import itertools
import math
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["Curve", "sparkline"]

T = TypeVar("T", int, float)

BARS = "▁▂▃▄▅▆▇█"


class Curve:
    """Means of values over stretches of steps, of equal length each, however long it becomes.

    Args:
        most: stretches that are kept; where one more would begin, two are joined everywhere.
    """

    def __init__(self, most: int = 128) -> None:
        self._most, self._length = most, 1
        self._sums: list[float] = []
        self._counts: list[int] = []

    def add(self, step: int, value: float) -> None:
        """Takes a value of a step, which counts from 1; steps may be left out."""
        while (place := (step - 1) // self._length) >= self._most:
            self._sums = _paired(self._sums)
            self._counts = _paired(self._counts)
            self._length *= 2
        missing = place + 1 - len(self._sums)
        self._sums += [0.0] * missing
        self._counts += [0] * missing
        self._sums[place] += value
        self._counts[place] += 1

    def means(self) -> list[float]:
        """Of each stretch that any value is known of, in order."""
        return [s / n for s, n in zip(self._sums, self._counts, strict=True) if n]


def sparkline(values: Sequence[float], width: int) -> str:
    """The values as at most `width` bars, from the lowest to the highest; by their logarithms where
    all are above 0, as losses fall by factors."""
    values = [value for value in values if math.isfinite(value)]
    if len(values) < 2 or width < 2:
        return ""
    width = min(width, len(values))
    ends = [number * len(values) // width for number in range(width + 1)]
    parts = [values[a:b] for a, b in itertools.pairwise(ends)]
    heights = [sum(part) / len(part) for part in parts]
    if min(heights) > 0:
        heights = [math.log(height) for height in heights]
    low, high = min(heights), max(heights)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((height - low) * scale)] for height in heights)


def _paired(values: list[T]) -> list[T]:
    return [sum(values[i : i + 2]) for i in range(0, len(values), 2)]
