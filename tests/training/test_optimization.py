"""The learning rate of each step, which weights decay, and an optimizer given back."""

import numpy as np
import pytest
import torch

from axialcast.training.optimization import (
    adamw,
    learning_rate,
    load_optimizer,
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


def test_an_optimizer_given_back_by_name():
    """By the names of parameters, whatever their order among the groups; nothing is shared."""

    def trained(steps):
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
        return network, adamw(network, weight_decay=0.1), update(network, steps)

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
    assert known["0.weight.exp_avg"].shape == (5, 3)
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
