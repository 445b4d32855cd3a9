"""Whether a network listens: how much of a forecast follows from what else it is told."""

import numpy as np
import torch

from axialcast.model.calendar import dates
from axialcast.model.network import ForecastNetwork
from axialcast.times.dates import later

__all__ = ["hearing"]

WINDOWS = np.datetime64("2001-01-15", "ns") + np.array([0, 2193, 4389, 6576]) * np.timedelta64(
    1, "h"
)
"""Dates of all seasons, and of all quarters of the day."""


def hearing(network: ForecastNetwork, *, step: np.timedelta64, seed: int = 0) -> list[float]:
    """How far each field that a network is told moves what it forecasts.

    One standard deviation is added to the field, everywhere, and the forecast of one step changes:
    by how much, as a root mean square over states, channels and cells, in standard deviations of
    the change over a step (of diagnostic channels, of the values). The states are random, so that
    what speaks only beside a state counts.

    Args:
        network: in evaluation mode.
        step: time from one state to the next.
        seed: of the states.

    Returns:
        A number for each of `ForecastNetwork.told`; 0: the network does not listen.
    """
    scale = network.increment_scale
    random = torch.Generator().manual_seed(seed)
    size, num = (len(WINDOWS), network.body_steps), network.num_channels
    drawn = torch.randn((*size, num + network.num_forcings, *network.shape), generator=random).to(
        scale.device
    )
    states, forcings = drawn[:, :, :num], drawn[:, :, num:] if network.num_forcings else None
    coming = None
    if network.frame is not None:
        changes = torch.randn(states[:, -1].shape, generator=random).to(scale.device)
        coming = states[:, -1] + scale[:num] * changes
    times = later(WINDOWS[:, None], np.arange(network.body_steps) * step)
    found = []
    with torch.inference_mode():
        when = dates(times).to(scale.device)
        noise = None
        if network.num_noise:
            shape = len(WINDOWS), network.num_noise, *network.shape
            noise = torch.randn(shape, generator=random).to(scale.device)
        told = network.told(states, when, forcings, coming, noise)
        before = network.following(states, told, when)
        first_of_frame = len(told) - network.num_noise - (0 if coming is None else num)
        for index, field in enumerate(told):
            # What is computed is as it is; static fields and forcings have one of 1, and so have
            # changes in the frame of a region, which there are nowhere else.
            is_given = index < network.num_static + network.num_forcings
            more = field + (1.0 if is_given else field.std())
            is_in_frame = first_of_frame <= index < len(told) - network.num_noise
            if network.frame is not None and is_in_frame:
                more = field + (network.frame.weights > 0)
            after = network.following(states, [*told[:index], more, *told[index + 1 :]], when)
            found.append(float(((after - before) / scale).square().mean().sqrt()))
    return found
