"""Members of a network that is given noise: the same whatever shares the work, and gone on with."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from torch import nn

from axialcast.data import Batch
from axialcast.model.crps import almost_fair_crps
from axialcast.model.loss import Loss
from axialcast.model.noise import TRAINING, Noise, drawn_for
from axialcast.training import ForecastTask

DAY = np.timedelta64(1, "D")
GRID, INPUTS, TARGETS, CHANNELS = (5, 6), 2, 3, 2
NOISY = ["model.noise=3", "train.loss={samples: 2, spectral: 0.5, blocks: [2]}"]


class Stirred(nn.Module):
    """Adds noise to the last state."""

    def __init__(self):
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.5))

    def forward(self, states, calendar, noise):
        assert noise.shape[1:] == (CHANNELS, *GRID)
        return states[:, -1] + self.share * noise


def task(samples=3, rows=slice(None)):
    area = torch.linspace(0.4, 1.6, GRID[0])[:, None].expand(GRID)
    return ForecastTask(
        step=DAY,
        area_weights=area,
        scale=torch.tensor([0.5, 2.0]).view(-1, 1, 1),
        loss=Loss.of("crps", samples=samples, alpha=0.9),
        noise=Noise(CHANNELS, GRID, is_periodic=True, rows=rows),
        seed=7,
    )


def batch_of(size=4):
    states = torch.randn(size, INPUTS + TARGETS, CHANNELS, *GRID)
    first = np.datetime64("2001-02-27T12") + 5 * DAY * np.arange(size)[:, None]
    return Batch(states, first + DAY * np.arange(INPUTS + TARGETS), None, INPUTS)


def test_the_loss_is_the_crps_of_members_of_noise_by_hand():
    """Members of window, step and member drawn one by one; the truth is the targets."""
    batch, judged = batch_of(), task()
    upper = judged.upper(Stirred(), batch, update=11)
    total = 0.0
    for window in range(4):
        members = []
        for member in range(3):
            drawn = drawn_for(7, batch.times[window, INPUTS - 1], TRAINING, 11, member)
            fields = judged.noise.steps([drawn])
            state, found = batch.states[window, INPUTS - 1], []
            for _ in range(TARGETS):
                state = state + 0.5 * next(fields)[0]
                found.append(state)
            members.append(torch.stack(found))
        errors = (torch.stack(members) - batch.states[window, INPUTS:]) / judged.scale
        total += (almost_fair_crps(errors, 0.9) * judged.area_weights).sum()
    assert upper.item() == pytest.approx(total.item(), rel=1e-5)
    lower = judged.lower(batch).item()
    assert lower == pytest.approx(4 * TARGETS * CHANNELS * GRID[0] * GRID[1], rel=1e-6)


def test_noise_follows_from_update_and_window_not_from_the_batch():
    batch, judged = batch_of(), task()
    upper = functools.partial(judged.upper, Stirred())
    whole = upper(batch, 3)
    parts = sum(upper(part, 3) for part in batch.split(3))
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=0)
    assert torch.equal(upper(batch, 3), whole)
    others = [upper(batch, 4), dataclasses.replace(judged, seed=8).upper(Stirred(), batch, 3)]
    assert all(abs(other - whole) > 1e-3 * whole for other in others)


def test_more_members_go_on_where_fewer_end():
    batch = batch_of()
    few, many = (task(samples).forecast(Stirred(), batch) for samples in (2, 5))
    torch.testing.assert_close(many[:2], few)


def test_members_are_not_judged_where_nothing_is_known():
    """Whatever stands there; nor where the last input state lacks a value."""
    batch, judged = batch_of(), task()
    valid = torch.rand(batch.states.shape) < 0.7
    found = []
    for filling in (0.0, 1e6):
        states = batch.states.where(valid, 0.0)
        states[:, INPUTS:] = batch.states[:, INPUTS:].where(valid[:, INPUTS:], filling)
        masked = dataclasses.replace(batch, states=states, valid=valid)
        found.append(judged.upper(Stirred(), masked, 2))
        there = valid[:, INPUTS:] & valid[:, INPUTS - 1 : INPUTS]
        assert judged.lower(masked).item() == pytest.approx(
            (there * judged.area_weights).sum().item(), rel=1e-5
        )
    assert torch.equal(found[0], found[1])


def test_bands_of_latitudes_have_the_noise_of_the_whole():
    batch, whole = batch_of(), task()
    want = whole.forecast(Stirred(), batch, 1)
    band = slice(2, 5)
    part = dataclasses.replace(batch, states=batch.states[..., band, :])
    stirred = Stirred()
    stirred.forward = lambda states, calendar, noise: states[:, -1] + stirred.share * noise
    got = task(rows=band).forecast(stirred, part, 1)
    torch.testing.assert_close(got, want[..., band, :])


@pytest.mark.parametrize("reversible", ["true", "false"])
def test_a_training_goes_on_with_the_noise_it_would_have_drawn(runner, same, tmp_path, reversible):
    noisy = [*NOISY, f"model.reversible={reversible}"]
    runner(tmp_path / "whole", *noisy)
    runner.stopped_at(9, tmp_path / "stopped", *noisy)
    runner(tmp_path / "stopped", *noisy)
    same(tmp_path / "stopped", tmp_path / "whole")


def test_parts_of_a_batch_change_nothing_but_rounding(runner, entries, tmp_path):
    still = [*NOISY, "model.dropout=0"]
    runner(tmp_path / "one", *still)
    runner(tmp_path / "parts", *still, "train.accumulate=3")
    runner(tmp_path / "other", *still, "train.loss.alpha=0.5")
    losses = [[e["loss"] for e in entries(tmp_path / n)] for n in ("one", "parts", "other")]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
    assert losses[2] != losses[0]


def test_bfloat16_draws_the_same_noise(runner, entries, tmp_path):
    still = [*NOISY, "model.dropout=0", "train.schedule=[{steps: 2}]"]
    runner(tmp_path / "32", *still)
    runner(tmp_path / "16", *still, "train.precision=bfloat16")
    losses = [[e["loss"] for e in entries(tmp_path / name)] for name in ("32", "16")]
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-2)
