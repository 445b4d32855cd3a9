"""Rolls a network forward in time: a generator over lead times, without any I/O.

Shapes: b windows, t input states, p channels given and forecast, c channels forecast (those p are
the first of them), f forcings, n fields of noise, h latitudes, w longitudes.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from axialcast.model.calendar import dates
from axialcast.times.dates import Times, later

__all__ = ["rollout"]


def rollout(
    network: nn.Module,
    states: Tensor,
    times: Times,
    *,
    step: np.timedelta64,
    num_steps: int,
    forcings: Iterable[Tensor] | None = None,
    boundary: Iterable[Tensor] | None = None,
    noise: Iterable[Tensor] | None = None,
    valid: Tensor | None = None,
    bounds: tuple[Tensor, Tensor] | None = None,
) -> Iterator[Tensor]:
    """Yields the states one, two, … steps after the last input, each from the ones before it.

    Args:
        network: maps (b, t, p, h, w) states, their (b, t, 5) dates and, if there are any,
            (b, t, f, h, w) forcings, a (b, p, h, w) boundary and (b, n, h, w) noise to
            (b, c, h, w).
        states: (b, t, p, h, w) normalised.
        times: (b, t) datetime64 or cftime of the states.
        step: time from one state to the next.
        num_steps: how many states to yield.
        forcings: for each step, (b, t, f, h, w) forcings one step after each state that the network
            is given; None: there are none.
        boundary: for each step, (b, p, h, w) normalised states of the frame of a region one step
            after the last state that the network is given; None: it is given none.
        noise: for each step, (b, n, h, w) fields of noise; None: the network is given none.
        valid: (b, c, h, w) bool, where the last input state is known. States that follow are 0
            elsewhere, as the inputs are: what the network says of land is not fed back to it.
            None: everywhere.
        bounds: (c, 1, 1) lowest and highest value of each channel, normalised; states that follow
            are held within. None: as the network says.
    """
    length = times.shape[1]
    coming = later(times[:, -1:], np.arange(1, num_steps) * step)
    times = np.concatenate([times, coming], 1)
    # Of all steps at once: a copy in each of them would wait for the device.
    told = _sent(dates(times), states.device)
    named = {"forcings": forcings, "coming": boundary, "noise": noise}
    more = {name: iter(fields) for name, fields in named.items() if fields is not None}
    for first in range(num_steps):
        given = {name: next(fields) for name, fields in more.items()}
        following = network(states, told[:, first : first + length], **given)
        if bounds is not None:
            following = following.clamp(*bounds)
        if valid is not None:
            following = torch.where(valid, following, 0.0)
        yield following
        states = torch.cat([states[:, 1:], following[:, None, : states.shape[2]]], 1)
        del following, given  # not held while the network computes


def _sent(values: Tensor, device: torch.device) -> Tensor:
    """Values on a device; CUDA reads them when it comes to them, and nobody waits."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
