"""Forecasts that weights are judged by, against RMSE written out by hand; and which are kept.

Shapes: b windows, t states, c channels, h latitudes, w longitudes.
"""

import functools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from axialcast.data import Batch, Channels, States, WindowLoader, statistics
from axialcast.model.departures import MonthlyDepartures
from axialcast.training import ForecastTask, Judging, Training, adamw, judged_windows

DAY = np.timedelta64(1, "D")
CHANNELS, SHAPE, STEPS = 3, (5, 7), 4


class Damped(nn.Module):
    """The next state is a share of the last one."""

    def __init__(self, share=0.7):
        super().__init__()
        self.share = nn.Parameter(torch.tensor(share))
        self.dropout = nn.Dropout(0.5)

    def forward(self, states, calendar):
        return self.share * self.dropout(states[:, -1])


def batch_of(size, seed, masked):
    random = torch.Generator().manual_seed(seed)
    states = torch.randn(size, 2 + STEPS, CHANNELS, *SHAPE, generator=random)
    valid = None
    if masked:
        valid = torch.rand(states.shape, generator=random) < 0.7
        valid[:, 3, 1] = False  # nothing of one channel at one lead time
        states = states.where(valid, 0.0)
    times = np.datetime64("2001-02-27") + DAY * np.arange(2 + STEPS)
    return Batch(states, np.broadcast_to(times, (size, 2 + STEPS)), valid, 2)


def judging(masked=False, weights=None):
    batches = [batch_of(2, 0, masked), batch_of(3, 1, masked)]
    task = ForecastTask(
        step=DAY,
        area_weights=torch.linspace(0.5, 1.5, SHAPE[0])[:, None].expand(SHAPE),
        scale=torch.tensor([0.7, 1.1, 1.9]).view(-1, 1, 1),
    )
    windows = SimpleNamespace(epoch=lambda number: iter(batches))
    return Judging(task, windows, weights), batches


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("weights", [None, np.array([1.0, 0.5, 3.0])])
def test_it_is_the_geometric_mean_of_rmse_in_the_loop(masked, weights):
    judge, batches = judging(masked, weights)
    area, squares, counted = np.linspace(0.5, 1.5, SHAPE[0])[:, None], {}, {}
    for batch in batches:
        states = batch.states.double().numpy()
        there = np.ones(states.shape, bool) if batch.valid is None else batch.valid.numpy()
        for step in range(STEPS):
            error = 0.7 ** (step + 1) * states[:, 1] - states[:, 2 + step]
            judged = there[:, 1] & there[:, 2 + step]
            for c in range(CHANNELS):
                key = step, c
                squares[key] = squares.get(key, 0) + (error**2 * area * judged)[:, c].sum()
                counted[key] = counted.get(key, 0) + (area * judged)[:, c].sum()
    channel = np.ones(CHANNELS) if weights is None else weights
    pairs = [
        (channel[c], math.log(squares[k, c] / counted[k, c]) / 2)
        for k, c in squares
        if counted[k, c]
    ]
    assert len(pairs) == STEPS * CHANNELS - masked
    want = math.exp(sum(v * log for v, log in pairs) / sum(v for v, _ in pairs))
    model = Damped().train()
    assert judge.rmse(model) == pytest.approx(want, rel=1e-5)
    assert model.training, "as it was"


def test_processes_add_up_what_they_have():
    judge, batches = judging(masked=True)
    one, other = (
        Judging(judge.task, SimpleNamespace(epoch=lambda _, batch=batch: iter([batch])))
        for batch in batches
    )
    sums = []
    one.rmse(Damped(), lambda s: sums.append(s.clone()) or s)
    assert other.rmse(Damped(), lambda s: s + sums[0]) == pytest.approx(judge.rmse(Damped()))


def test_what_is_not_finite_is_worse_than_all():
    judge, _ = judging()
    assert judge.rmse(Damped(math.nan)) == math.inf
    assert judge.rmse(Damped(1e30)) == math.inf


class Again:
    """A loader of one batch."""

    def __init__(self, batch):
        self.batch, self.target_steps = batch, batch.targets.shape[1]

    def __iter__(self):
        yield self.batch

    def epoch(self, number):
        return iter(self)

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def training(rates, judge, network=None):
    """A share that moves down from 2 by these rates."""
    network, loader = network or Damped(2.0), Again(batch_of(2, 0, False))
    network.dropout.p = 0.0
    return Training(
        network,
        judge.task,
        optimizer=functools.partial(adamw, weight_decay=0.0),
        learning_rate=lambda step: rates[step - 1],
        stage_steps=[len(rates)],
        windows=lambda number: loader,
        validation=loader,
        ema_decay=0.0,
        gradient_clip=1e9,
        validate_every=1,
        judging=judge,
    )


def test_the_best_weights_are_kept_and_come_back():
    """Down to about 0, up again, and a little down."""
    judge, _ = judging()
    rates = [0.5, 0.5, 0.5, 0.4, -0.4, -0.4, 0.1]
    whole, first, other = (training(rates, judge) for _ in range(3))
    entries = [entry.values() for entry in whole.updates()]
    found = [entry["validation_rmse"] for entry in entries]
    best = int(np.argmin(found))
    assert 1 < best < 6, found
    assert (whole.best.step, whole.best.rmse) == (best + 1, min(found))
    kept = Damped()
    kept.load_state_dict(whole.weights())
    assert judge.rmse(kept) == pytest.approx(min(found))
    for _ in zip(range(best + 2), first.updates(), strict=False):
        pass
    other.go_on_from(first.position(), {k: v.clone() for k, v in first.tensors().items()})
    assert list(other.updates())
    assert other.best.position() == whole.best.position()
    assert torch.equal(other.weights()["share"], whole.weights()["share"])


@pytest.fixture(scope="module")
def states(make_analysis):
    analysis = make_analysis(num_times=61)
    channels = Channels.of(analysis)
    return States(analysis, channels, statistics(analysis, channels, step=1))


def chosen(states, **given):
    made = functools.partial(WindowLoader, states, input_steps=2)
    how = {"steps": 5, "input_steps": 2, "rollout_steps": 2, "batch_size": 8, "every": 100}
    return judged_windows(made, **(how | given))


def test_windows_are_spread_over_the_period_and_its_hours(states):
    loader = chosen(states, every=1)
    batches = list(loader.epoch(0))
    starts = np.concatenate([batch.times[:, 0] for batch in batches])
    spacing = np.unique(np.diff(starts))
    cadence = states.times[1] - states.times[0]
    assert spacing == 5 * cadence, "a factor of 55 / 16, but of no day's hours"
    assert batches[0].targets.shape[1] == 5
    assert max(len(batch.times) for batch in batches) <= 8 * 4 // 7


def test_there_are_more_of_them_where_training_takes_longer(states):
    assert len(chosen(states, every=100, steps=4).rows) == 56
    assert len(chosen(states, every=1, steps=4).rows) == 12


def test_a_short_period_is_judged_at_shorter_lead_times(states):
    assert chosen(states, steps=80).length == 2 + 40
    assert chosen(states, steps=500, rollout_steps=3).length == 2 + 31
    with pytest.raises(ValueError, match="too few"):
        chosen(states, steps=500, rollout_steps=60)


def test_constants_are_there_once_and_not_among_what_is_saved():
    judge, _ = judging()
    network = Damped(2.0)
    network.departures = MonthlyDepartures(CHANNELS, SHAPE)
    network.departures.usual[:] = 3.0
    made = training([0.1, 0.1], judge, network)
    assert list(made.updates())
    assert made.averaged.module.departures is network.departures
    assert not [name for name in made.tensors() if "departures" in name]
    assert (made.weights()["departures.usual"] == 3.0).all()
    other = training([0.1, 0.1], judge, network)
    other.go_on_from(made.position(), made.tensors())
    assert (other.weights()["departures.usual"] == 3.0).all()
