"""What goes between host and device in a step of training: the device never waits for the host.

`meta` stands for a device: its tensors have no values, so whatever asked for one would fail.
"""

import functools

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from axialcast.data import Batch
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork
from axialcast.training import ForecastTask, Training, adamw

DAY = np.timedelta64(1, "D")
GRID = LatLonGrid.regular(6, 10, poles=False)
CHANNELS, TARGETS = 3, 5


class Traffic(TorchDispatchMode):
    """Counts copies from the host to `meta`; those the other way are impossible."""

    def __init__(self):
        super().__init__()
        self.to_device = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **kwargs or {})
        name = func.overloadpacket.__name__
        if name in ("_to_copy", "copy_"):
            source = args[1] if name == "copy_" else args[0]
            self.to_device += source.device.type == "cpu" and out.device.type == "meta"
        return out


class OneBatch:
    """Epochs of one batch."""

    def __init__(self, batch):
        self.batch, self.target_steps = batch, batch.targets.shape[1]

    def __iter__(self):
        yield self.batch


def batch_of(windows, *, masked, device="meta"):
    shape = (windows, 2 + TARGETS, CHANNELS, *GRID.shape)
    times = np.datetime64("2001-02-27", "ns") + DAY * np.arange(shape[1])
    valid = torch.ones(shape, dtype=torch.bool, device=device) if masked else None
    times = np.broadcast_to(times, shape[:2])
    return Batch(torch.zeros(shape, device=device), times, valid, 2)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("reversible", [False, True])
def test_a_step_copies_dates_to_the_device_and_nothing_back(reversible, masked, accumulate):
    """One copy for a whole rollout of each part of a batch, whatever its number of steps."""
    network = ForecastNetwork(
        num_channels=CHANNELS,
        grid=GRID,
        increment_scale=[1.0] * CHANNELS,
        dim=8,
        heads=2,
        depth=3,
        dropout=0.1,
        reversible=reversible,
    ).to("meta")
    task = ForecastTask(
        step=DAY,
        area_weights=torch.ones(GRID.shape, device="meta"),
        scale=torch.ones(CHANNELS, 1, 1, device="meta"),
    )
    training = Training(
        network,
        task,
        optimizer=functools.partial(adamw, weight_decay=0.1),
        learning_rate=lambda step: 0.1,
        stage_steps=[4],
        windows=lambda number: OneBatch(batch_of(4, masked=masked)),
        validation=None,
        ema_decay=0.9,
        gradient_clip=1.0,
        validate_every=5,
        accumulate=accumulate,
    )
    updates = training.updates()
    next(updates)  # the first makes the optimizer's state
    with Traffic() as traffic:
        next(updates)
    assert traffic.to_device == accumulate


def test_what_is_counted_and_what_is_impossible():
    x = torch.ones(2, 3)
    with Traffic() as traffic:
        device = x.to("meta")
        device.copy_(x)
        x.sum().item()  # the host's own
        for waits in (
            lambda: x.copy_(device),
            device.cpu,
            device.sum().item,
            device.nonzero,
            lambda: bool((device == 0).any()),
            lambda: device.equal(device + 1),
        ):
            with pytest.raises((RuntimeError, NotImplementedError)):
                waits()
    assert traffic.to_device == 2
