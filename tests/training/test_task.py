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
SHAPE = (2, 5, 3, 7, 11)  # two input states, three targets


class Twice(nn.Module):
    """Doubles the last state, through a layer that autocast knows."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(SHAPE[-1], SHAPE[-1], bias=False)
        self.layer.weight.data = 2 * torch.eye(SHAPE[-1])
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


def batch_of(size=SHAPE[0], *, masked=False, seed=0):
    random = torch.Generator().manual_seed(seed)
    states = torch.randn(size, *SHAPE[1:], generator=random)
    valid = None
    if masked:
        valid = torch.rand(states.shape, generator=random) < 0.7
        states = states.where(valid, 0.0)
    times = np.datetime64("2001-02-27T12") + DAY * np.arange(SHAPE[1])
    return Batch(states, np.broadcast_to(times, (size, SHAPE[1])), valid, 2)


@pytest.mark.parametrize("masked", [False, True])
def test_loss_is_the_mean_over_what_was_known_and_is(masked):
    """Of the states after 1, 2 and 3 steps, each twice the one before it."""
    batch, model = batch_of(masked=masked), Twice().eval()
    total = weight = 0.0
    for window, step, channel, row, column in np.ndindex(SHAPE[0], 3, *SHAPE[2:]):
        if masked and not (
            batch.valid[window, 1, channel, row, column]
            and batch.valid[window, 2 + step, channel, row, column]
        ):
            continue
        start = batch.states[window, 1, channel, row, column].item()
        truth = batch.states[window, 2 + step, channel, row, column].item()
        area = 0.4 + 0.2 * row
        total += area * ((start * 2 ** (step + 1) - truth) / (0.5, 1, 2)[channel]) ** 2
        weight += area
    assert task().loss(model, batch).item() == pytest.approx(total / weight, rel=1e-5)
    assert len(model.calendars) == 3
    for one, other in zip(model.calendars, model.calendars[1:], strict=False):
        assert torch.equal(one[:, 1], other[:, 0]), "the times move on with the states"


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("auto", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16)],
)
def test_the_network_computes_in_the_precision_that_was_asked_for(precision, dtype):
    """The loss is float32 always."""
    model = Twice()
    loss = task(precision).loss(model, batch_of())
    loss.backward()
    assert model.dtypes == [dtype] * 3
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
    losses = [task().loss(model, batch).item() for batch in batches for _ in batch.states]
    assert got == pytest.approx(np.mean(losses), rel=1e-5)
