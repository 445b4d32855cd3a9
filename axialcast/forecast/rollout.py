"""Rolls a network forward in time: a generator over lead times, without any I/O.

Shapes: b windows, t input states, c channels, h latitudes, w longitudes.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["calendar", "rollout"]


def calendar(times: NDArray[np.datetime64]) -> Tensor:
    """Fractions of the year and of the UTC day elapsed.

    Args:
        times: datetime64 of any shape.

    Returns:
        (*times.shape, 2) float32 in [0, 1).
    """
    year = times.astype("datetime64[Y]")
    start = year.astype("datetime64[s]")
    length = (year + 1).astype("datetime64[s]") - start
    in_year = (times.astype("datetime64[s]") - start) / length
    day = np.timedelta64(1, "D")
    in_day = ((times - times.astype("datetime64[D]")) / day) % 1.0
    return torch.from_numpy(np.stack([in_year, in_day], -1).astype(np.float32))


def rollout(
    network: nn.Module,
    states: Tensor,
    times: NDArray[np.datetime64],
    *,
    step: np.timedelta64,
    num_steps: int,
) -> Iterator[Tensor]:
    """Yields the states one, two, … steps after the last input, each from the ones before it.

    Args:
        network: maps (b, t, c, h, w) states and their (b, t, 2) calendar to (b, c, h, w).
        states: (b, t, c, h, w) normalised.
        times: (b, t) datetime64 of the states.
        step: time from one state to the next.
        num_steps: how many states to yield.
    """
    for _ in range(num_steps):
        following = network(states, calendar(times).to(states.device))
        yield following
        states = torch.cat([states[:, 1:], following[:, None]], 1)
        times = np.concatenate([times[:, 1:], times[:, -1:] + step], 1)
