"""Who sees whom along an axis: windows and causal order, by the step from one token to another.

n tokens along an axis. What depends on the step j - i from query i to key j alone is held as
2 n - 1 numbers, for the steps 1 - n to n - 1, and spread out to (n, n), or to the queries at hand,
where it is used.
"""

import torch
from torch import Tensor

__all__ = ["among", "spread", "steps_along", "visible"]


def steps_along(n: int, *, periodic: bool, device: torch.device) -> Tensor:
    """(2 n - 1) steps 1 - n to n - 1, each the shorter way round if periodic."""
    steps = torch.arange(1 - n, n, device=device)
    return (steps + n // 2) % n - n // 2 if periodic else steps


def visible(
    n: int, *, span: int | None, causal: bool, periodic: bool, device: torch.device
) -> Tensor | None:
    """(2 n - 1) whether a token sees the one at each step from it; None if each sees all.

    Args:
        n: tokens along the axis.
        span: odd number m of tokens in a window around i, |j - i| ≤ (m - 1) / 2; None for all.
        causal: whether i sees j ≤ i alone.
        periodic: whether windows wrap around.
    """
    reach = n if span is None else span // 2
    if not causal and reach >= (n // 2 if periodic else n - 1):
        return None
    steps = steps_along(n, periodic=periodic, device=device)
    seen = steps.abs() <= reach
    return seen & (steps <= 0) if causal else seen


def among(bias: Tensor, seen: Tensor) -> Tensor:
    """`bias`, numbers or booleans by step, where the step is `seen` too."""
    return bias & seen if bias.dtype == torch.bool else bias.masked_fill(~seen, -torch.inf)


def spread(by_step: Tensor, start: int, stop: int) -> Tensor:
    """(..., stop - start, n) numbers of queries `start` to `stop` and all keys.

    Args:
        by_step: (..., 2 n - 1) numbers for the steps 1 - n to n - 1.
    """
    n = (by_step.shape[-1] + 1) // 2
    return by_step[..., n - stop : 2 * n - 1 - start].unfold(-1, n, 1).flip(-2)
