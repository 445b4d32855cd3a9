"""Cost of a draw against the number of elements: python tests/benchmarks/autoregressive_sampling.py

One S x S field from an `AutoregressiveAxialTransformer`, semi-parallel and with all computed anew
for each element, N = S x S. Processor time in milliseconds on one thread (medians, both ways
interleaved) and multiplications in millions, those of queries and keys and of weights and values
apart from those by parameters. All anew does the same work for each element, so one pass is
measured and taken N times. Exponents of N are fitted by least squares in logarithms, and between
the two largest sizes alone; processor time of small fields is that of calling torch.
"""

import math
import statistics
from functools import partial
from unittest import mock

import torch
from measuring import medians, one_thread
from torch.utils.flop_counter import FlopCounterMode

from axialcast.nn import decoder
from axialcast.nn.papers.autoregressive import AutoregressiveAxialTransformer

SIDES = (4, 8, 16, 32, 64)
FEATURES, HEADS, VALUES, ROUNDS = 32, 2, 4, 3


def draw(model):
    model.sample(1)


@torch.no_grad()
def one_pass(model):
    model(torch.zeros(1, 1, *model.shape, dtype=torch.long))


def multiplications(way, model):
    """Millions of them: queries by keys and weights by values, and those by parameters."""
    inside = []

    def counted(function):
        def call(q, k, v, *, axis, **options):
            inside.append(2 * q.numel() * k.shape[axis])
            return function(q, k, v, axis=axis, **options)

        return call

    counter = FlopCounterMode(display=False)
    with (
        mock.patch.object(decoder, "attend", counted(decoder.attend)),
        counter,
    ):
        way(model)
    counts = counter.get_flop_counts()["Global"]
    flops = sum(counts.get(op, 0) for op in (torch.ops.aten.mm, torch.ops.aten.addmm))
    return sum(inside) / 1e6, flops / 2e6


def exponent(numbers, costs):
    x, y = [math.log(n) for n in numbers], [math.log(c) for c in costs]
    return statistics.linear_regression(x, y).slope


def main():
    print(one_thread())
    models = {}
    for side in SIDES:
        torch.manual_seed(0)
        model = AutoregressiveAxialTransformer(
            FEATURES, (side, side), VALUES, depth_outer=1, depth_inner=1, heads=HEADS
        )
        models[side] = model.eval()
    ways = {"semi-parallel": draw, "all anew": one_pass}
    cells = {}
    for side, model in models.items():
        times = medians({k: partial(f, model) for k, f in ways.items()}, rounds=ROUNDS)
        for name, f in ways.items():
            passes = side**2 if f is one_pass else 1
            cost = (times[name], *multiplications(f, model))
            for what, value in zip(("ms", "attention", "parameters"), cost, strict=True):
                cells.setdefault((name, what), []).append(passes * value)
    numbers = [side**2 for side in SIDES]
    print(f"{'N':27}" + "".join(f"{n:>12,}" for n in numbers) + "  exponent  of the last two")
    for (name, what), costs in cells.items():
        row = "".join(f"{cost:12,.3f}" for cost in costs)
        fitted = f"{exponent(numbers, costs):10.2f}{exponent(numbers[-2:], costs[-2:]):17.2f}"
        print(f"{name + ', ' + what:27}" + row + fitted)


if __name__ == "__main__":
    main()
