"""Criss-cross attention against a non-local block: python tests/benchmarks/criss_cross.py

In the setting of Huang et al. 2019 (table 4): 97 x 97 positions of 512 features, queries and keys
64 wide, values 512 wide. Operations by PyTorch's counter, a multiply-add being two. Memory is the
peak of what is allocated beyond the input and the parameters: in a forward pass without gradients,
in one that keeps what the backward pass needs, and in forward + backward, where the gradients of
input and parameters count. Time is the processor's, variants interleaved, medians.
"""

import platform
import statistics
import time

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from axialcast.nn.criss_cross import CrissCrossAttention

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


def forward(module, x):
    with torch.no_grad():
        module(x)


def forward_for_training(module, x):
    module(x)


def forward_and_backward(module, x):
    module(x).backward(x.detach())


PASSES = (forward, forward_for_training, forward_and_backward)


def megabytes(run, module, x):
    """Peak of the memory allocated in `run`."""
    module.zero_grad()
    x = x.clone().requires_grad_()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run(module, x)
    allocated = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            allocated += event.nbytes()
            peak = max(peak, allocated)
    return peak / 1e6


def seconds(run, module, x):
    x = x.clone().requires_grad_()
    start = time.process_time()
    run(module, x)
    return time.process_time() - start


def giga_operations(module):
    with FlopCounterMode(display=False) as counter:
        module.to("meta")(torch.empty(1, FEATURES, SIZE, SIZE, device="meta"))
    return counter.get_total_flops() / 1e9


def main():
    torch.set_num_threads(1)
    print(f"{processor()}, torch {torch.__version__}, 1 thread")
    modules = {
        "non-local block": NonLocal(),
        "criss-cross, 1 pass": CrissCrossAttention(FEATURES, dim_key=KEYS, recurrence=1),
        "criss-cross, 2 passes": CrissCrossAttention(FEATURES, dim_key=KEYS, recurrence=2),
    }
    x = torch.randn(1, FEATURES, SIZE, SIZE)
    memory = {name: [megabytes(run, m, x) for run in PASSES] for name, m in modules.items()}
    rounds = [
        {
            name: [seconds(run, m, x) for run in (PASSES[0], PASSES[2])]
            for name, m in modules.items()
        }
        for _ in range(ROUNDS)
    ]
    times = {
        name: [statistics.median(r[name][i] for r in rounds) for i in range(2)] for name in modules
    }
    operations = {name: giga_operations(module) for name, module in modules.items()}
    table = {name: [operations[name], *memory[name], *times[name]] for name in modules}
    heads = ("GFLOPs", "MB fwd", "MB kept", "MB fwd+bwd", "s fwd", "s fwd+bwd")
    print(f"{'':28}" + "".join(f"{head:>12}" for head in heads))
    for name, row in table.items():
        print(f"{name:28}" + "".join(f"{value:12.1f}" for value in row))
    ratios = [a / b for a, b in zip(*list(table.values())[::2], strict=True)]
    print(f"{'non-local over 2 passes':28}" + "".join(f"{value:11.1f}x" for value in ratios))


def processor():
    with open("/proc/cpuinfo") as file:
        return next(
            (line.split(":")[1].strip() for line in file if line.startswith("model name")),
            platform.machine(),
        )


if __name__ == "__main__":
    main()
