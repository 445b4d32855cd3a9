"""Time against the number of cells, axial and full attention: python tests/benchmarks/cost.py

Forward pass of AxialAttention over cubes of 8 to 40 cells a side, and of attention over all cells
at once for as long as it takes less than LIMIT seconds, both 64 wide in 2 heads. The processor's
time, variants interleaved, medians. The exponent is the slope of log time over log cells: 2 for
full attention; 4/3 for attention along axes as such, and 1 for its projections, which outweigh it
at these sizes.
"""

import math
import platform
import statistics
import time

import torch

from axialcast.nn import AxialAttention, SelfAttention

SIDES = (8, 12, 16, 20, 24, 32, 40)
DIM, HEADS, ROUNDS, LIMIT = 64, 2, 5, 4.0


def seconds(module, x):
    start = time.process_time()
    with torch.no_grad():
        module(x)
    return time.process_time() - start


def exponent(times):
    """Least-squares slope of log time over log cells; `times` by side."""
    cells = [3 * math.log(side) for side in times]
    logs = [math.log(value) for value in times.values()]
    mean, log_mean = statistics.mean(cells), statistics.mean(logs)
    products = sum((c - mean) * (v - log_mean) for c, v in zip(cells, logs, strict=True))
    return products / sum((c - mean) ** 2 for c in cells)


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{processor()}, torch {torch.__version__}, 1 thread, milliseconds")
    axial, full = AxialAttention(DIM, 3, HEADS), SelfAttention(DIM, HEADS)
    times = {"axial": {}, "full": {}}
    for side in SIDES:
        x = torch.randn(1, side, side, side, DIM)
        variants = {"axial": (axial, x)}
        previous = list(times["full"].items())[-1:]
        # Quadratic growth tells what the next size will take.
        if all(value * (side / last) ** 6 < LIMIT for last, value in previous):
            variants["full"] = (full, x.view(1, -1, DIM))
        rounds = [
            {name: seconds(*variant) for name, variant in variants.items()}
            for _ in range(ROUNDS + 1)
        ][1:]
        for name in variants:
            times[name][side] = statistics.median(values[name] for values in rounds)
    print(f"{'':10}" + "".join(f"{f'{side}^3':>10}" for side in SIDES) + f"{'exponent':>10}")
    for name, values in times.items():
        cells = (f"{1e3 * values[s]:10.2f}" if s in values else f"{'':10}" for s in SIDES)
        print(f"{name:10}" + "".join(cells) + f"{exponent(values):10.2f}")


def processor():
    with open("/proc/cpuinfo") as file:
        return next(
            (line.split(":")[1].strip() for line in file if line.startswith("model name")),
            platform.machine(),
        )


if __name__ == "__main__":
    main()
