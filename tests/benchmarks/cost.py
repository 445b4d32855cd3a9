"""Time against the number of cells, axial and full attention: python tests/benchmarks/cost.py

Forward pass of AxialAttention over cubes of 8 to 40 cells a side, and of attention over all cells
at once for as long as it takes less than LIMIT ms, both 64 wide in 2 heads. The processor's
time, variants interleaved, medians. The exponent is the slope of log time over log cells: 2 for
full attention; 4/3 for attention along axes as such, and 1 for its projections, which outweigh it
at these sizes.
"""

import math
import statistics

import torch
from measuring import forward_and_backward, medians, one_thread

from axialcast.nn import AxialAttention, SelfAttention

SIDES = (8, 12, 16, 20, 24, 32, 40)
DIM, HEADS, LIMIT = 64, 2, 4e3


def exponent(times):
    """Least-squares slope of log time over log cells; `times` by side."""
    cells, logs = [3 * math.log(s) for s in times], [math.log(t) for t in times.values()]
    return statistics.linear_regression(cells, logs).slope


def main():
    print(f"{one_thread()}, milliseconds")
    torch.manual_seed(0)
    axial, full = AxialAttention(DIM, 3, HEADS), SelfAttention(DIM, HEADS)
    times = {"axial": {}, "full": {}}
    for side in SIDES:
        x = torch.randn(1, side, side, side, DIM)
        variants = {"axial": forward_and_backward(axial, x)["forward"]}
        previous = list(times["full"].items())[-1:]
        # Quadratic growth tells what the next size will take.
        if all(value * (side / last) ** 6 < LIMIT for last, value in previous):
            variants["full"] = forward_and_backward(full, x.view(1, -1, DIM))["forward"]
        for name, value in medians(variants).items():
            times[name][side] = value
    print(f"{'':10}" + "".join(f"{f'{side}^3':>10}" for side in SIDES) + f"{'exponent':>10}")
    for name, values in times.items():
        cells = (f"{values[s]:10.2f}" if s in values else f"{'':10}" for s in SIDES)
        print(f"{name:10}" + "".join(cells) + f"{exponent(values):10.2f}")


if __name__ == "__main__":
    main()
