"""Forecasts of a network, blended with those of its linear floor: the one place where it is done.

Shapes: b windows, p prognostic channels, c channels forecast (the prognostic, then the diagnostic),
h latitudes, w longitudes.
"""

from collections.abc import Iterable, Iterator
from itertools import tee
from typing import Any

import numpy as np
import torch
from torch import Tensor

from axialcast.model.network import ForecastNetwork
from axialcast.model.rollout import rollout
from axialcast.times.dates import Times

__all__ = ["blended", "both"]


def blended(
    network: ForecastNetwork,
    states: Tensor,
    times: Times,
    *,
    boundary: Iterable[Tensor] | None = None,
    **settings: Any,
) -> Iterator[Tensor]:
    """Yields the states one, two, … steps after the last input, as `rollout`.

    Of a network with a floor they are w · network + (1 - w) · floor, with its weights w for each
    lead time and channel; beyond the last lead time that has some, with those. Each of the two goes
    its own way: what is blended is not fed back.

    Args:
        network, states, times, boundary, settings: as of `rollout`.
    """
    if network.blend is None:
        yield from rollout(network, states, times, boundary=boundary, **settings)
        return
    bounds = settings.get("bounds")
    for number, (own, linear) in enumerate(
        both(network, states, times, boundary=boundary, **settings)
    ):
        weight = network.blend[min(number, len(network.blend) - 1)][:, None, None]
        if bounds is not None:
            linear = linear.clamp(*(end[: linear.shape[1]] for end in bounds))
        num = linear.shape[1]
        # In float32: the difference of two that are alike would be rounded away.
        mixed = linear + weight * (own[:, :num].float() - linear)
        valid = settings.get("valid")
        if valid is not None:
            mixed = torch.where(valid[:, :num], mixed, 0.0)
        yield torch.cat([mixed.to(own.dtype), own[:, num:]], 1)


def both(
    network: ForecastNetwork,
    states: Tensor,
    times: Times,
    *,
    step: np.timedelta64,
    num_steps: int,
    boundary: Iterable[Tensor] | None = None,
    **settings: Any,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields, step by step, the network's states (b, c, h, w) and the floor's (b, p, h, w)."""
    assert network.floor is not None
    edges = (None, None) if boundary is None else tee(boundary)
    steps = rollout(
        network, states, times, step=step, num_steps=num_steps, boundary=edges[0], **settings
    )
    linear = network.floor.steps(states, times, step, num_steps, network.departures)
    # The network's first: a generator of a boundary may need its states asked for in turn.
    for own, following in zip(steps, linear, strict=True):
        if edges[1] is not None and network.frame is not None:
            following = network.frame.relaxed(following, next(edges[1]))
        yield own, following
