"""The learning rate of each step, which weights decay, and an optimizer given back."""

import copy

import numpy as np
import pytest
import torch

from axialcast.training.muon import orthogonal
from axialcast.training.optimization import (
    adamw,
    learning_rate,
    load_optimizer,
    muon,
    optimizer_tensors,
    parameter_groups,
)


def test_rate_warms_up_and_follows_a_cosine_over_model_steps():
    stages = [(60, 1), (10, 4)]
    rates = np.array(
        [learning_rate(step, stages=stages, peak=0.003, warmup_steps=4) for step in range(1, 71)]
    )
    assert np.argmax(rates) == 3
    assert rates[0] == pytest.approx(0.003 / 4)
    done = np.r_[np.arange(60), 60 + 4 * np.arange(10)]
    np.testing.assert_allclose(rates[4:], 0.0015 * (1 + np.cos(np.pi * done[4:] / 100)))


@pytest.mark.parametrize("warmup_steps", [0, 1])
def test_without_warm_up_the_first_rate_is_the_peak(warmup_steps):
    assert learning_rate(1, stages=[(7, 2)], peak=0.3, warmup_steps=warmup_steps) == 0.3


def test_only_matrices_decay():
    network = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.LayerNorm(5))
    decaying, others = parameter_groups(network, 0.1)
    assert [tuple(p.shape) for p in decaying["params"]] == [(5, 3)]
    assert [tuple(p.shape) for p in others["params"]] == [(5,), (5,), (5,)]
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)


@pytest.mark.parametrize("made", [adamw, muon])
def test_an_optimizer_given_back_by_name(made):
    """By the names of parameters, whatever their order among the groups; nothing is shared."""

    def trained(steps):
        torch.manual_seed(0)
        layers = torch.nn.Linear(3, 16), torch.nn.Linear(16, 16), torch.nn.Linear(16, 2)
        network = torch.nn.Sequential(*layers)
        return network, made(network, weight_decay=0.1), update(network, steps)

    def update(network, steps):
        def run(optimizer):
            for _ in range(steps):
                optimizer.zero_grad()
                network(torch.ones(2, 3)).square().sum().backward()
                optimizer.step()

        return run

    network, optimizer, run = trained(3)
    run(optimizer)
    known = optimizer_tensors(optimizer, network)
    assert known["2.bias.step"] == 3
    assert known["0.bias.exp_avg"].shape == (16,)
    other, fresh, go_on = trained(3)
    other.load_state_dict(network.state_dict())
    load_optimizer(fresh, other, known)
    run(optimizer)
    go_on(fresh)
    assert fresh.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]
    for one, two in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
    assert known["2.bias.step"] == 6, "they are the first one's own"
    assert (
        optimizer_tensors(fresh, other)["2.bias.step"].data_ptr() != known["2.bias.step"].data_ptr()
    )


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (16, 16)])
def test_matrices_are_made_orthogonal(shape):
    """Singular values come near one, whatever they were; directions stay (Jordan et al. 2024)."""
    torch.manual_seed(0)
    matrix = torch.randn(shape) @ torch.diag(torch.logspace(-0.5, 0.5, shape[1]))
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert values.quantile(0.1) > 0.5
    assert values.max() < 1.3
    expected = torch.linalg.svd(matrix, full_matrices=False)
    aligned = (expected.U @ expected.Vh * orthogonal(matrix)).sum() / min(shape)
    assert aligned > 0.7


def test_muon_moves_large_matrices_by_its_rule_and_the_rest_by_adamw():
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 16, 3), torch.nn.Tanh(), torch.nn.Conv2d(16, 16, 3)]
    layers += [torch.nn.Tanh(), torch.nn.Conv2d(16, 1, 1)]
    network, other = torch.nn.Sequential(*layers), copy.deepcopy(torch.nn.Sequential(*layers))
    optimizers = muon(network, weight_decay=0.1), adamw(other, weight_decay=0.1)
    inputs, directions = torch.randn(64, 3, 7, 7), torch.randn(64, 1, 3, 3)
    for model, optimizer in zip((network, other), optimizers, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = 0.01
        for _ in range(2):
            optimizer.zero_grad()
            (model(inputs) * directions).sum().backward()
            before = {name: p.detach().clone() for name, p in model.named_parameters()}
            optimizer.step()
            if optimizer is optimizers[0]:
                for name in ("0.weight", "2.weight"):
                    change = (model.get_parameter(name).detach() - before[name]).flatten(1) / 0.01
                    assert change.square().mean().sqrt() == pytest.approx(0.2, rel=0.5)
    for name in ("0.bias", "2.bias"):  # their gradients are of weights that have moved otherwise
        assert set(optimizers[0].state[network.get_parameter(name)]) == {
            "step",
            "exp_avg",
            "exp_avg_sq",
        }
    assert set(optimizers[0].state[network[0].weight]) == {"step", "momentum"}
    assert set(optimizers[0].state[network[4].weight]) > {"exp_avg"}  # one row only
