"""A step of training on a GPU: nothing in it waits, and it is the step of the CPU."""

import functools
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from axialcast.data import Batch
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork
from axialcast.training import ForecastTask, Training, adamw

DAY = np.timedelta64(1, "D")
GRID = LatLonGrid.regular(6, 10, poles=False)
CHANNELS, STEPS = 3, 5


class Batches:
    """The same batch again and again."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield self.batch


def training_on(device: torch.device, *, reversible: bool, dropout: float) -> Training:
    torch.manual_seed(0)
    network = ForecastNetwork(
        num_channels=CHANNELS,
        grid=GRID,
        increment_scale=[0.5, 1.0, 2.0],
        dim=16,
        heads=2,
        depth=3,
        dropout=dropout,
        reversible=reversible,
    )
    random = torch.Generator().manual_seed(1)
    states = torch.randn(4, 5, CHANNELS, *GRID.shape, generator=random)
    times = np.datetime64("2001-02-27", "ns") + DAY * np.arange(5)
    valid = torch.rand(states.shape, generator=random) < 0.9
    batch = Batch(states.to(device), np.broadcast_to(times, (4, 5)), valid.to(device), 2)
    return Training(
        network.to(device),
        ForecastTask(
            step=DAY,
            area_weights=torch.tensor(GRID.area_weights).float().to(device),
            scale=torch.ones(CHANNELS, 1, 1, device=device),
            precision="float32",
        ),
        optimizer=functools.partial(adamw, weight_decay=0.1),
        learning_rate=lambda step: 1e-3,
        stage_steps=[STEPS + 1],
        windows=lambda number: Batches(batch),
        validation=None,
        ema_decay=0.9,
        gradient_clip=1.0,
        validate_every=STEPS + 2,
        accumulate=2,
    )


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("reversible", [False, True])
def test_a_step_waits_for_nothing(reversible, gpu):
    """Whatever synchronises raises, but for reading the log's numbers, which is done later."""
    training = training_on(gpu, reversible=reversible, dropout=0.1)
    updates = training.updates()
    next(updates)
    torch.cuda.set_sync_debug_mode("error")
    try:
        entries = [next(updates) for _ in range(STEPS - 1)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(np.isfinite(entry.values()["loss"]) for entry in entries)


@pytest.mark.parametrize("reversible", [False, True])
def test_steps_are_those_of_the_cpu(reversible, gpu):
    losses, weights = [], []
    for device in (gpu, torch.device("cpu")):
        training = training_on(device, reversible=reversible, dropout=0.0)
        updates = training.updates()
        losses.append([next(updates).values()["loss"] for _ in range(STEPS)])
        weights.append({name: w.cpu() for name, w in training.weights().items()})
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
    for name, want in weights[1].items():
        torch.testing.assert_close(weights[0][name], want, rtol=1e-2, atol=1e-3)
