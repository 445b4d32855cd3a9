"""Criss-cross attention against a non-local block: python tests/benchmarks/criss_cross.py

In the setting of Huang et al. 2019 (table 4): 97 x 97 positions of 512 features, queries and keys
64 wide, values 512 wide. Operations by PyTorch's counter, a multiply-add being two. Memory is the
peak of what is allocated beyond the input and the parameters: in a forward pass without gradients,
in one that keeps what the backward pass needs, and in forward + backward, where the gradients of
input and parameters count. Time is the processor's, variants interleaved, medians.
"""

import torch
from measuring import allocated, forward_and_backward, medians, one_thread
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from axialcast.nn.papers.criss_cross import CrissCrossAttention

SIZE, FEATURES, KEYS, ROUNDS = 97, 512, 64, 3


class NonLocal(nn.Module):
    """Embedded-Gaussian non-local block (Wang et al. 2018), values as wide as the input."""

    def __init__(self):
        super().__init__()
        self.to_qkv = nn.Linear(FEATURES, 2 * KEYS + FEATURES)

    def forward(self, x):
        tokens = x.flatten(2).mT
        q, k, v = self.to_qkv(tokens).split([KEYS, KEYS, FEATURES], dim=-1)
        out = torch.bmm(torch.bmm(q, k.mT).softmax(-1), v)
        return x + out.mT.view(x.shape)


def megabytes(module, x):
    """Peaks of a pass without a graph, of one that keeps one, and of forward + backward."""
    x = x.clone().requires_grad_()
    runs = forward_and_backward(module, x)
    passes = (runs["forward"], lambda: module(x), runs["both"])
    peaks = []
    for run in passes:
        module.zero_grad()
        x.grad = None
        peaks.append(allocated(run)[1] / 1e6)
    return peaks


def giga_operations(module):
    with FlopCounterMode(display=False) as counter:
        module.to("meta")(torch.empty(1, FEATURES, SIZE, SIZE, device="meta"))
    return counter.get_total_flops() / 1e9


def main():
    print(one_thread())
    modules = {
        "non-local block": NonLocal(),
        "criss-cross, 1 pass": CrissCrossAttention(FEATURES, dim_key=KEYS, recurrence=1),
        "criss-cross, 2 passes": CrissCrossAttention(FEATURES, dim_key=KEYS, recurrence=2),
    }
    x = torch.randn(1, FEATURES, SIZE, SIZE)
    memory = {name: megabytes(module, x) for name, module in modules.items()}
    runs = {
        (name, way): run
        for name, module in modules.items()
        for way, run in forward_and_backward(module, x.clone().requires_grad_()).items()
    }
    times = medians(runs, rounds=ROUNDS)
    operations = {name: giga_operations(module) for name, module in modules.items()}
    table = {
        name: [
            operations[name],
            *memory[name],
            *(times[name, w] / 1e3 for w in ("forward", "both")),
        ]
        for name in modules
    }
    heads = ("GFLOPs", "MB fwd", "MB kept", "MB fwd+bwd", "s fwd", "s fwd+bwd")
    print(f"{'':28}" + "".join(f"{head:>12}" for head in heads))
    for name, row in table.items():
        print(f"{name:28}" + "".join(f"{value:12.1f}" for value in row))
    ratios = [a / b for a, b in zip(*list(table.values())[::2], strict=True)]
    print(f"{'non-local over 2 passes':28}" + "".join(f"{value:11.1f}x" for value in ratios))


if __name__ == "__main__":
    main()
