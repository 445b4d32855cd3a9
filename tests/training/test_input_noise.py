"""Noise on input states: how large, of what it follows, and that validation has none."""

import numpy as np
import pytest
import torch

from axialcast.data import Batch
from axialcast.training import ForecastTask, InputNoise
from axialcast.training.judging import Judging

HOUR = np.timedelta64(1, "h")
SHAPE = (13, 17)
SCALE = torch.tensor([0.5, 2.0]).view(-1, 1, 1)
INITS = np.datetime64("2001-02-27", "ns") + HOUR * np.arange(5)


def noise(**settings):
    return InputNoise(SCALE, SHAPE, seed=3, **settings)


def test_it_has_the_deviation_that_was_asked_for_and_spares_what_is_missing():
    states = torch.randn(5, 3, 2, *SHAPE)
    states[:, :, 1, 2] = 0.0
    added = noise().added(states, INITS, 7) - states
    assert (added[:, :, 1, 2] == 0).all()
    assert added[:, :, 0].std().item() == pytest.approx(0.5, rel=0.05)
    there = torch.arange(13) != 2
    assert added[:, :, 1, there].std().item() == pytest.approx(2.0, rel=0.05)
    assert abs(added[:, :, 0].mean().item()) < 0.05


def test_it_follows_from_update_and_initial_time_alone():
    states = torch.randn(5, 3, 2, *SHAPE)
    whole = noise().added(states, INITS, 7)
    assert torch.equal(noise().added(states[2:3], INITS[2:3], 7), whole[2:3])
    rows = slice(4, 9)
    assert torch.equal(noise(rows=rows).added(states[..., rows, :], INITS, 7), whole[..., rows, :])
    assert not torch.equal(noise().added(states, INITS, 8), whole)


def test_only_updates_have_it():
    times = INITS[:, None] + HOUR * np.arange(4)
    batch = Batch(torch.randn(5, 4, 2, *SHAPE), times, None, 2)
    plain, noisy = (
        ForecastTask(step=HOUR, area_weights=torch.ones(SHAPE), scale=SCALE, input_noise=given)
        for given in (None, noise())
    )

    class Last(torch.nn.Module):
        def forward(self, states, dates):
            return states[:, -1]

    assert torch.equal(noisy.upper(Last(), batch), plain.upper(Last(), batch))
    assert noisy.upper(Last(), batch, 1) > plain.upper(Last(), batch, 1)

    class Once:
        def epoch(self, number):
            return iter([batch])

    assert Judging(noisy, Once()).rmse(Last()) == Judging(plain, Once()).rmse(Last())
