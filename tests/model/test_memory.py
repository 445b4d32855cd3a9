"""Memory of training against what an optimizer holds."""

import torch
from torch import nn

from axialcast.model.memory import trained_bytes


def test_what_training_has_of_each_parameter():
    network = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3))
    averaged = torch.optim.swa_utils.AveragedModel(network)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(2, 5)).sum().backward()
    optimizer.step()
    held = [*network.parameters(), *(p.grad for p in network.parameters())]
    held += [
        state[name] for state in optimizer.state.values() for name in ("exp_avg", "exp_avg_sq")
    ]
    held += list(averaged.module.parameters())
    assert trained_bytes(network) == sum(tensor.nbytes for tensor in held)
