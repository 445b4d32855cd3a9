"""Memory and time of reversible against plain blocks: python tests/benchmarks/reversible.py

An AxialTransformer of 4 to 32 layers (a layer is attention and a perceptron), batch 1.
Memory is the peak of what is allocated in forward + backward less the gradients of the parameters,
which both networks must hold in the end; its slope is that of a line through the depths. Time is
the processor's, variants interleaved, medians. Targets: the slope at most 2 % of the plain
network's, the time at most 1.35 times; by its products alone, a forward pass more on top of a
forward and a backward of two, it would be 4/3.
"""

import statistics

import torch
from measuring import allocated, forward_and_backward, medians, one_thread

from axialcast.nn import AxialTransformer

DEPTHS = (4, 8, 16, 32)
CASES = ((64, (32, 64)), (256, (16, 32)), (128, (8, 16, 32)))
"""(features, shape); the last is a cube of weather."""
ROUNDS = 5


def network(depth, dim, shape, reversible):
    torch.manual_seed(0)
    return AxialTransformer(
        dim, depth, num_dimensions=len(shape), heads=dim // 32, shape=shape, reversible=reversible
    )


def megabytes(module, x):
    """(after the forward pass, peak of forward + backward less parameters' gradients)."""
    module.zero_grad()
    x.grad = None
    kept, peak = allocated(lambda: module(x))
    _, peak_of_both = allocated(lambda: module(x).sum().backward())
    gradients = sum(p.numel() * p.element_size() for p in module.parameters())
    return kept / 1e6, (max(peak, peak_of_both) - gradients) / 1e6


def slope(values):
    return statistics.linear_regression(DEPTHS, values).slope


def main():
    print(one_thread())
    heads = [f"{depth} layers" for depth in DEPTHS]
    print(f"{'':46}" + "".join(f"{head:>11}" for head in [*heads, "per layer"]))
    for dim, shape in CASES:
        x = torch.randn(1, *shape, dim, requires_grad=True)
        rows = {}
        for depth in DEPTHS:
            modules = [network(depth, dim, shape, reversible) for reversible in (False, True)]
            memory = [megabytes(module, x) for module in modules]
            runs = {i: forward_and_backward(m, x)["both"] for i, m in enumerate(modules)}
            times = medians(runs, rounds=ROUNDS)
            for i, kind in enumerate(("plain", "reversible")):
                rows.setdefault(f"MB kept by the forward pass, {kind}", []).append(memory[i][0])
                rows.setdefault(f"MB at the peak, {kind}", []).append(memory[i][1])
            rows.setdefault("time over plain", []).append(times[1] / times[0])
        print(f"{' x '.join(map(str, shape))}, {dim} features")
        for name, values in rows.items():
            last = "" if name.startswith("time") else f"{slope(values):11.3f}"
            print(f"  {name:44}" + "".join(f"{value:11.2f}" for value in values) + last)
        for what in ("MB kept by the forward pass", "MB at the peak"):
            share = slope(rows[f"{what}, reversible"]) / slope(rows[f"{what}, plain"])
            print(f"  {what + ', slope over plain':44}{'':44}{share:10.2%}")


if __name__ == "__main__":
    main()
