"""The loss of a batch: what is judged, in which precision, and its mean over windows.

Shapes: b windows, t states, c channels, h latitudes, w longitudes.
"""

import numpy as np
import pytest
import torch
from torch import nn

from axialcast.data import Batch
from axialcast.device import autocast
from axialcast.training import ForecastTask

DAY = np.timedelta64(1, "D")
SHAPE = (2, 5, 3, 7, 11)  # three input states, two targets


class Twice(nn.Module):
    """Doubles the last state and moves it a column on, through a layer that autocast knows."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(SHAPE[-1], SHAPE[-1], bias=False)
        self.layer.weight.data = 2 * torch.eye(SHAPE[-1]).roll(1, 0)
        self.dropout = nn.Dropout(0.5)
        self.dtypes, self.calendars = [], []

    def forward(self, states, calendar):
        out = self.layer(states[:, -1])
        self.dtypes.append(out.dtype)
        self.calendars.append(calendar)
        return self.dropout(out)


def task(precision="auto"):
    weights = torch.linspace(0.4, 1.6, SHAPE[-2])[:, None].expand(SHAPE[-2:])
    scale = torch.tensor([0.5, 1.0, 2.0]).view(-1, 1, 1)
    return ForecastTask(step=DAY, area_weights=weights, scale=scale, precision=precision)


def loss_of(task, model, batch):
    return task.loss.value(task.upper(model, batch), task.lower(batch))


def batch_of(size=SHAPE[0], *, masked=False, seed=0):
    random = torch.Generator().manual_seed(seed)
    states = torch.randn(size, *SHAPE[1:], generator=random)
    valid = None
    if masked:
        valid = torch.rand(states.shape, generator=random) < 0.7
        states = states.where(valid, 0.0)
    times = np.datetime64("2001-02-27T12") + DAY * np.arange(SHAPE[1])
    return Batch(states, np.broadcast_to(times, (size, SHAPE[1])), valid, 3)


@pytest.mark.parametrize("masked", [False, True])
def test_loss_is_the_mean_over_what_was_known_and_is(masked):
    """Of the states after one and two steps; what was not known stays 0 on the way."""
    batch, model = batch_of(masked=masked), Twice().eval()
    there = np.ones(batch.states.shape, bool) if batch.valid is None else batch.valid.numpy()
    known, state = there[:, 2], batch.states[:, 2].numpy()
    total = weight = 0.0
    for step in (3, 4):
        state = np.where(known, 2 * np.roll(state, 1, -1), 0.0)
        error = (state - batch.states[:, step].numpy()) / np.array([0.5, 1, 2])[:, None, None]
        for place in np.argwhere(known & there[:, step]):
            area = 0.4 + 0.2 * place[-2]
            total += area * error[tuple(place)] ** 2
            weight += area
    assert loss_of(task(), model, batch).item() == pytest.approx(total / weight, rel=1e-5)
    one, other = model.calendars
    assert torch.equal(one[:, 1:], other[:, :2]), "the times move on with the states"


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("auto", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16)],
)
def test_the_network_computes_in_the_precision_that_was_asked_for(precision, dtype):
    """The loss is float32 always."""
    model = Twice()
    loss = loss_of(task(precision), model, batch_of())
    loss.backward()
    assert model.dtypes == [dtype] * 2
    assert (loss.dtype, model.layer.weight.grad.dtype) == (torch.float32, torch.float32)


@pytest.mark.parametrize(
    ("kind", "supported", "precision", "dtype"),
    [
        ("cuda", True, "auto", torch.bfloat16),
        ("cuda", False, "auto", None),
        ("cuda", True, "float32", None),
        ("cuda", False, "bfloat16", torch.bfloat16),
        ("mps", True, "auto", None),
        ("cpu", True, "auto", None),
    ],
)
def test_auto_is_bfloat16_on_gpus_that_compute_in_it(
    monkeypatch, kind, supported, precision, dtype
):
    def is_supported(including_emulation):
        return supported or including_emulation

    asked = []
    monkeypatch.setattr("torch.cuda.is_bf16_supported", is_supported)
    monkeypatch.setattr("torch.autocast", lambda kind, dtype: asked.append((kind, dtype)))
    autocast(torch.device(kind), precision)
    assert asked == ([] if dtype is None else [(kind, dtype)])


@pytest.mark.parametrize("is_training", [True, False])
def test_mean_loss_weighs_windows_alike_without_dropout(is_training):
    class Windows:
        def epoch(self, number):
            assert number == 0
            yield from batches

    batches = [batch_of(size, seed=size) for size in (5, 5, 2)]
    model = Twice().train(is_training)
    got = task().mean_loss(model, Windows())
    assert (model.training, model.dropout.training) == (is_training, is_training)
    model.eval()
    losses = [loss_of(task(), model, batch).item() for batch in batches for _ in batch.states]
    assert got == pytest.approx(np.mean(losses), rel=1e-5)
