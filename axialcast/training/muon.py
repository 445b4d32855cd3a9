"""Muon: matrices move by the orthogonal factor of their momentum, all else by AdamW.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks", in the form of Liu
et al. 2025, "Muon is scalable for LLM training" (section 2.2), whose steps are as large as AdamW's
and take its rates and decay. torch's own takes matrices alone; here a convolution's weights are
one, of output channels by all that each of them sees.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW

__all__ = ["SMALLEST", "Muon", "orthogonal"]

MOMENTUM = 0.95
ITERATIONS = 5
COEFFICIENTS = 3.4445, -4.7750, 2.0315
"""Of a step x ← a x + b x³ + c x⁵ on singular values, towards 1 from wherever they are below it."""
RMS = 0.2
"""Root mean square of an update, in units of the learning rate, as AdamW's are."""
SMALLEST = 16
"""Rows and columns from which a matrix has directions worth telling apart."""


class Muon(AdamW):
    """AdamW whose groups with `orthogonal: True` are of matrices that move so."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One update from the gradients that are there."""
        assert closure is None
        groups = self.param_groups
        for group in groups:
            for parameter in group["params"] if group["orthogonal"] else ():
                if parameter.grad is not None:
                    self._move(parameter, group["lr"], group["weight_decay"])
        self.param_groups = [group for group in groups if not group["orthogonal"]]
        try:
            super().step()
        finally:
            self.param_groups = groups

    def _move(self, parameter: Tensor, rate: float, decay: float) -> None:
        """Along the momentum a step ahead (Nesterov's), made orthogonal."""
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            # AdamW wants to know the step of all that it is given back.
            state |= {"step": torch.tensor(0.0), "momentum": torch.zeros_like(parameter)}
        state["step"] += 1
        momentum = state["momentum"].lerp_(parameter.grad, 1 - MOMENTUM)
        ahead = parameter.grad.lerp(momentum, MOMENTUM).flatten(1)
        step = RMS * max(ahead.shape) ** 0.5 * orthogonal(ahead)
        parameter.mul_(1 - rate * decay).sub_(step.view_as(parameter), alpha=rate)


def orthogonal(matrix: Tensor) -> Tensor:
    """(n, m) → the same with all singular values about 1, by a Newton–Schulz iteration."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
    x: Tensor = wide / (torch.linalg.matrix_norm(wide) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x if wide is matrix else x.mT
