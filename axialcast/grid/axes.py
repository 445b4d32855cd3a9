"""Coordinates along an axis of a map: what they must be, and the edges of their cells."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["checked", "described", "edges", "stretches"]

CELLS_AT_ONCE = 2**18
"""Whose areas are computed together."""


def checked(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Coordinates as float64, read-only; ValueError where they are no axis."""
    given = np.asarray(values)
    if given.dtype.kind not in "iuf":
        raise ValueError(f"{name}: expected real numbers, got type {given.dtype}")
    line = np.array(given, np.float64)
    if line.ndim != 1 or not line.size:
        raise ValueError(f"{name}: expected one dimension, got shape {line.shape}")
    if not np.isfinite(line).all():
        raise ValueError(f"{name}: holds NaN or infinity; expected places on a map")
    steps = np.diff(line)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise ValueError(
            f"{name}: expected strictly monotonic values, got {described(line)} with a repeat or "
            "a turn; sort them"
        )
    line.flags.writeable = False
    return line


def edges(centres: NDArray[np.float64], spacing: float) -> NDArray[np.float64]:
    """(n + 1,) midpoints; the outer ones half a cell out."""
    if len(centres) == 1:
        return np.array([centres[0] - spacing / 2, centres[0] + spacing / 2])
    inner = (centres[1:] + centres[:-1]) / 2
    first, last = centres[0] - inner[0], centres[-1] - inner[-1]
    return np.concatenate([[centres[0] + first], inner, [centres[-1] + last]])


def stretches(num_rows: int, num_columns: int) -> Iterator[slice]:
    """Of edges along y, so many at once, each beginning where the last ended."""
    step = max(1, CELLS_AT_ONCE // num_columns)
    for start in range(0, num_rows - 1, step):
        yield slice(start, min(start + step, num_rows - 1) + 1)


def described(values: NDArray[np.float64]) -> str:
    return f"{len(values)} values {values[0]:g} to {values[-1]:g}"
