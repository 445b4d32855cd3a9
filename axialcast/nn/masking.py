"""Who sees whom along an axis: windows, causal order, and the steps between two positions.

n tokens along an axis.
"""

import torch
from torch import Tensor

__all__ = ["check_span", "steps_between", "visible"]


def steps_between(n: int, *, periodic: bool, device: torch.device) -> Tensor:
    """(n, n) signed steps j - i from token i to token j, the shorter way round if periodic."""
    index = torch.arange(n, device=device)
    steps = index[None, :] - index[:, None]
    return (steps + n // 2) % n - n // 2 if periodic else steps


def visible(
    n: int, *, span: int | None, causal: bool, periodic: bool, device: torch.device
) -> Tensor | None:
    """(n, n) whether token i sees token j; None if each sees all.

    Args:
        n: tokens along the axis.
        span: odd number m of tokens in a window around i, |j - i| ≤ (m - 1) / 2; None for all.
        causal: whether i sees j ≤ i alone.
        periodic: whether windows wrap around.
    """
    reach = n if span is None else span // 2
    if not causal and reach >= (n // 2 if periodic else n - 1):
        return None
    steps = steps_between(n, periodic=periodic, device=device)
    seen = steps.abs() <= reach
    return seen & (steps <= 0) if causal else seen


def check_span(span: int | None) -> None:
    if span is not None and (span < 1 or span % 2 == 0):
        raise ValueError(
            f"span: expected an odd number of tokens, as many on either side of the middle, "
            f"got {span}; use {max(span, 0) + 1}, or None for the whole axis"
        )
