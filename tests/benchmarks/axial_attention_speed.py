"""AxialAttention against axial_attention 0.6.1: python tests/benchmarks/axial_attention_speed.py

Processor time of one thread in milliseconds, forward (without a graph) and forward + backward,
both variants and the limit interleaved in one process, medians. The limit is the time of the bare
products of matrices: projections, scores, weighted values and, backward, their two products each,
on contiguous operands, with no softmax and no copy. The ratio to it is ours over the limit.
"""

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import axial_attention as original
import torch
from measuring import forward_and_backward, medians, one_thread

from axialcast.nn import AxialAttention


@dataclass(frozen=True)
class Case:
    shape: tuple[int, ...]
    dim_index: int = -1
    heads: int = 8
    dim_heads: int | None = None

    @property
    def arguments(self) -> dict[str, object]:
        return {
            "dim": self.shape[self.dim_index],
            "num_dimensions": len(self.shape) - 2,
            "heads": self.heads,
            "dim_heads": self.dim_heads,
            "dim_index": self.dim_index,
        }

    @property
    def axes(self) -> list[int]:
        sizes = list(self.shape)
        sizes.pop(self.dim_index)
        return sizes[1:]


CASES = (
    Case((1, 20, 20, 512)),
    Case((1, 3, 256, 256), dim_index=1, heads=1, dim_heads=32),
    Case((1, 8, 32, 64, 128)),
    Case((1, 5, 128, 64, 64), dim_index=2),
    Case((2, 2, 32, 64, 256)),
    Case((180, 8, 192)),
)
LONG, SECONDS = 256, 6.0
"""Axes at least this long have a target of their own; each case is repeated for this long."""


def products(case: Case, backward: bool) -> Callable[[], None]:
    """The bare products of matrices of one case, into buffers that exist."""
    dim = case.shape[case.dim_index]
    inner = case.heads * (case.dim_heads or dim // case.heads)
    tokens = torch.Size(case.shape).numel() // dim
    calls = []

    def plan(batch: int, m: int, k: int, n: int) -> None:
        a, b, grad = torch.randn(batch, m, k), torch.randn(batch, k, n), torch.randn(batch, m, n)
        pairs = [(a, b)]
        if backward:
            pairs += [(grad, b.transpose(1, 2)), (a.transpose(1, 2), grad)]
        for left, right in pairs:
            out = torch.empty(batch, left.shape[1], right.shape[2])
            calls.append((left, right, out))

    for n in case.axes:
        rows, e = tokens // n * case.heads, inner // case.heads
        plan(1, tokens, dim, 3 * inner)
        plan(rows, n, e, n)
        plan(rows, n, n, e)
        plan(1, tokens, inner, dim)

    def run() -> None:
        for left, right, out in calls:
            if len(left) == 1:
                torch.mm(left[0], right[0], out=out[0])
            else:
                torch.bmm(left, right, out=out)

    return run


def measure(case: Case, backward: bool, seconds: float) -> list[float]:
    """Medians of the original, ours and the limit."""
    torch.manual_seed(0)
    x = torch.randn(case.shape, requires_grad=backward)
    old, new = original.AxialAttention(**case.arguments), AxialAttention(**case.arguments)
    new.load_state_dict(old.state_dict())
    torch.testing.assert_close(new(x), old(x), rtol=1e-4, atol=1e-5)
    way = "both" if backward else "forward"
    runs = {name: forward_and_backward(m, x)[way] for name, m in (("old", old), ("new", new))}
    runs["limit"] = products(case, backward)
    return list(medians(runs, seconds=seconds).values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="per case and direction")
    parser.add_argument("--only", type=int, help="number of a case, from 0")
    given = parser.parse_args()
    print(f"{one_thread()}, medians in ms of processor time\n")
    print(f"{'shape':20} {'direction':10} original    ours  speed-up   limit  ours / limit")
    for backward in (False, True):
        ratios = []
        for case in CASES if given.only is None else [CASES[given.only]]:
            old, new, limit = measure(case, backward, given.seconds)
            ratios.append(old / new)
            shape = ",".join(map(str, case.shape))
            mark = "*" if max(case.axes) >= LONG else " "
            print(
                f"{shape:20} {'both' if backward else 'forward':10} {old:8.2f}{new:8.2f}"
                f"{ratios[-1]:9.2f}{mark}{limit:8.2f}{new / limit:14.2f}",
                flush=True,
            )
        print(f"{'geometric mean':31}{'':17}{statistics.geometric_mean(ratios):9.2f}\n")
    print(f"* an axis of {LONG} or more")


if __name__ == "__main__":
    main()
