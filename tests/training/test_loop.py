"""The loop against one written out by hand: losses, rates, norms, weights and their averages.

Shapes: b windows, t states, c channels, h latitudes, w longitudes.
"""

import functools
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from axialcast.data import Batch, Channels, States, WindowLoader, statistics
from axialcast.model.loss import Loss
from axialcast.training import ForecastTask, Training, adamw, seed_rank
from axialcast.training.random_states import random_states, set_random_states

DAY = np.timedelta64(1, "D")
CHANNELS, SHAPE = 3, (5, 7)
RATES = [0.1, 0.02, 0.3, 0.05, 0.2, 0.07, 0.01, 0.15]
CLIP, DECAY, EMA, BETAS = 0.4, 0.3, 0.7, (0.9, 0.95)


class Affine(nn.Module):
    """The next state is an affine function of the last one at each point; its uses are counted."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(CHANNELS, CHANNELS)
        self.register_buffer("uses", torch.zeros(()))

    def forward(self, states, calendar):
        self.uses += self.training
        return self.mix(states[:, -1].movedim(1, -1)).movedim(-1, 1)


class Windows:
    """Two batches of unequal size an epoch, which tells what was asked of it."""

    def __init__(self, number, target_steps, sizes=(2, 3)):
        random = np.random.default_rng(number)
        self.sizes, self.place, self.batches = sizes, 0, []
        self.target_steps = target_steps
        for size in sizes:
            states = random.standard_normal((size, 2 + target_steps, CHANNELS, *SHAPE))
            times = np.datetime64("2001-02-27") + DAY * np.arange(2 + target_steps)
            times = np.broadcast_to(times, (size, len(times)))
            self.batches.append(Batch(torch.tensor(states), times, None, 2))

    def __iter__(self):
        for batch in self.batches[self.place :]:
            self.place = (self.place + 1) % len(self.batches)
            yield batch

    def state_dict(self):
        return {"place": self.place}

    def load_state_dict(self, state):
        self.place = state["place"]

    def epoch(self, number):
        assert number == 0, "validation is over the same windows always"
        yield from self.batches


def make(stage_steps=(3, 3, 2)):
    """A training of one affine map with every number its own."""
    torch.manual_seed(0)
    task = ForecastTask(
        step=DAY,
        area_weights=torch.linspace(0.5, 1.5, SHAPE[0], dtype=torch.float64)[:, None].expand(SHAPE),
        scale=torch.tensor([0.7, 1.1, 1.9], dtype=torch.float64).view(-1, 1, 1),
    )
    network = Affine().double()
    training = Training(
        network,
        task,
        optimizer=functools.partial(adamw, weight_decay=DECAY),
        learning_rate=lambda step: RATES[step - 1],
        stage_steps=stage_steps,
        windows=lambda number: Windows(number, 1 + number),
        validation=Windows(99, 2),
        ema_decay=EMA,
        gradient_clip=CLIP,
        validate_every=3,
    )
    return SimpleNamespace(training=training, task=task, network=network)


@pytest.fixture
def setting():
    return make()


def by_hand(weight, bias, task):
    """Entries of the log, and the averaged parameters after each step."""

    def loss_of(batch, weight, bias):
        state, losses = batch.states[:, 1], []
        for number in range(2, batch.states.shape[1]):
            state = torch.einsum("oi,bihw->bohw", weight, state) + bias[:, None, None]
            squares = ((state - batch.states[:, number]) / task.scale) ** 2
            losses.append((squares * task.area_weights).mean())
        return sum(losses) / len(losses)

    def validation(parameters):
        windows = Windows(99, 2)
        losses = [loss_of(batch, *parameters).item() for batch in windows.batches]
        return np.average(losses, weights=windows.sizes)

    stages = [(0, 3), (1, 3), (2, 2)]
    batches = [Windows(k, 1 + k).batches[n % 2] for k, count in stages for n in range(count)]
    parameters = [weight.clone(), bias.clone()]
    moments = [[torch.zeros_like(p), torch.zeros_like(p)] for p in parameters]
    average = [p.clone() for p in parameters]
    for step, batch in enumerate(batches, start=1):
        parameters = [p.requires_grad_() for p in parameters]
        loss = loss_of(batch, *parameters)
        gradients = torch.autograd.grad(loss, parameters)
        norm = sum(g.square().sum() for g in gradients).sqrt()
        parameters = [p.detach() for p in parameters]
        rate = RATES[step - 1]
        for index, gradient in enumerate(gradients):
            clipped = gradient * min(1.0, CLIP / (norm.item() + 1e-6))
            first, second = moments[index]
            first.mul_(BETAS[0]).add_(clipped, alpha=1 - BETAS[0])
            second.mul_(BETAS[1]).add_(clipped**2, alpha=1 - BETAS[1])
            decay = rate * DECAY if index == 0 else 0.0
            direction = (first / (1 - BETAS[0] ** step)) / (
                (second / (1 - BETAS[1] ** step)).sqrt() + 1e-8
            )
            parameters[index] = parameters[index] * (1 - decay) - rate * direction
            keep = EMA if step > 1 else 0.0
            average[index] = keep * average[index] + (1 - keep) * parameters[index]
        entry = {
            "step": step,
            "loss": loss.item(),
            "gradient_norm": norm.item(),
            "learning_rate": rate,
            "rollout_steps": batch.states.shape[1] - 2,
        }
        if step in (3, 6, 8):
            entry["validation_loss"] = validation(average)
        yield entry, parameters, list(average)


def test_every_step_is_that_of_the_formulas(setting):
    training, network = setting.training, setting.network
    start = network.mix.weight.detach(), network.mix.bias.detach()
    assert training.num_steps == 8
    norms = []
    expected = list(by_hand(*(p.clone() for p in start), setting.task))
    for entry, (want, parameters, average) in zip(training.updates(), expected, strict=True):
        entry = entry.values()
        assert entry.pop("seconds") == training.seconds > 0
        assert entry == pytest.approx(want, rel=1e-5)
        for one, two in zip(network.parameters(), parameters, strict=True):
            torch.testing.assert_close(one.detach(), two, rtol=1e-5, atol=1e-8)
        for one, two in zip(training.averaged.module.parameters(), average, strict=True):
            torch.testing.assert_close(one.detach(), two, rtol=1e-5, atol=1e-8)
        norms.append(entry["gradient_norm"])
    assert max(norms) > CLIP, "or clipping is not seen"
    uses = np.cumsum([1, 1, 1, 2, 2, 2, 3, 3])
    averaged = functools.reduce(lambda mean, now: EMA * mean + (1 - EMA) * now, uses)
    assert network.uses == uses[-1]
    assert training.averaged.module.uses.item() == pytest.approx(averaged)


def test_gradients_are_clipped_only_above_the_limit(setting):
    """A limit that no gradient reaches changes nothing."""
    training = setting.training
    training._gradient_clip = 1e9
    entry = next(training.updates()).values()
    gradients = [p.grad for p in setting.network.parameters()]
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    assert norm.item() == pytest.approx(entry["gradient_norm"], rel=1e-6)


@pytest.mark.parametrize("after", [0, 2, 3, 4, 8])
def test_another_goes_on_as_this_one_would_have(setting, monkeypatch, after):
    """To the bit, in an epoch, a stage and at their ends; time between the two does not count."""
    clock = itertools.count(0, 1.0004)
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    whole, first, other = setting.training, make().training, make().training
    entries = [entry.values() for entry in whole.updates()]
    assert [entry["seconds"] for entry in entries[:3]] == [1.0, 2.001, 3.001]
    for _ in zip(range(after), first.updates(), strict=False):
        pass
    tensors = {name: value.clone() for name, value in first.tensors().items()}
    parts = {name.partition(".")[0] for name in tensors}
    assert parts == {"network", "averaged", "random"} | ({"optimizer"} if after else set())
    next(clock)
    other.go_on_from(first.position(), tensors)
    assert other.position() == first.position()
    assert [entry.values() for entry in other.updates()] == [
        {**entry, "seconds": pytest.approx(entry["seconds"], abs=2e-3)} for entry in entries[after:]
    ]
    for name, value in whole.tensors().items():
        assert torch.equal(value, other.tensors()[name]), name


@pytest.mark.parametrize("step", [2, 3])
def test_a_loss_that_is_not_finite_is_neither_written_down_nor_judged(setting, step):
    """Step 3 has a validation."""
    training = setting.training
    updates = training.updates()
    for _ in range(1, step):
        next(updates)
    for batch in training._loader.batches:
        batch.states[:] = torch.inf
    with pytest.raises(
        ValueError, match=rf"loss became nan at step {step}; lower train\.learning_rate"
    ):
        next(updates).values()


def test_each_epoch_has_all_windows_in_an_order_of_its_own(make_analysis):
    analysis = make_analysis(num_times=24)
    channels = Channels.of(analysis)
    states = States(analysis, channels, statistics(analysis, channels, step=1))
    seen = []

    def upper(network, batch, update):
        assert update == len(seen) + 1
        seen.append(batch.times[:, 0])
        return network.weight.sum()[None]

    task = SimpleNamespace(
        loss=Loss.of("mse"),
        upper=upper,
        lower=lambda batch: torch.ones(1),
        mean_loss=lambda network, windows, total: 0.0,
    )

    network = nn.Linear(1, 1)
    loader = WindowLoader(states, input_steps=1, target_steps=1, batch_size=1, seed=3)
    assert len(loader) == 23
    training = Training(
        network,
        task,
        optimizer=functools.partial(adamw, weight_decay=0.0),
        learning_rate=lambda step: 0.0,
        stage_steps=[3 * 23],
        windows=lambda number: loader,
        validation=loader,
        ema_decay=0.5,
        gradient_clip=1.0,
        validate_every=1000,
    )
    assert len(list(training.updates())) == 69
    epochs = np.concatenate(seen).reshape(3, 23)
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), analysis.time.values[:23])
        assert (epoch != np.sort(epoch)).sum() > 12
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (epochs[one] != epochs[other]).sum() > 12


@pytest.mark.parametrize("device", ["cpu", "cuda:2", "mps"])
def test_random_numbers_of_the_device_come_back(monkeypatch, device):
    device, given = torch.device(device), {}
    monkeypatch.setattr("torch.cuda.get_rng_state", lambda device: torch.tensor(10 + device.index))
    monkeypatch.setattr("torch.mps.get_rng_state", lambda: torch.tensor(13))
    monkeypatch.setattr(
        "torch.cuda.set_rng_state", lambda state, device: given.update({str(device): state})
    )
    monkeypatch.setattr("torch.mps.set_rng_state", lambda state: given.update(mps=state))
    states = random_states(device)
    assert set(states) == {"random.cpu", f"random.{device.type}"}
    torch.rand(7)
    set_random_states(states, device)
    assert torch.equal(torch.get_rng_state(), states["random.cpu"])
    assert given == {"cpu": {}, "cuda": {"cuda:2": 12}, "mps": {"mps": 13}}[device.type]


def test_random_numbers_of_each_rank_are_its_own(monkeypatch):
    torch.manual_seed(5)
    leader = torch.get_rng_state()
    draws = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "3")
        torch.manual_seed(5)
        seed_rank(5)
        assert torch.equal(torch.get_rng_state(), leader) == (rank == 0)
        draws.append(torch.rand(()).item())
    assert len(set(draws)) == 3
