"""A loss by a user's file: see docs/your_own_network.md.

Shapes: m members, b windows, k lead times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from axialcast.model.loss import Cells
from axialcast.own import OwnFile

__all__ = ["OwnCells"]


@dataclass(frozen=True)
class OwnCells:
    """Each cell by its area, at the cost that a file says: Σ v · w · cost / Σ v · w.

    Args:
        file: that defines `loss(forecast, target, **options)`, which maps (m, b, k, c, h, w) and
            (b, k, c, h, w), in standard deviations of the change over one step, to the cost of each
            cell, (b, k, c, h, w).
        options: further keywords of it.
    """

    file: OwnFile
    options: Mapping[str, Any] = field(default_factory=dict)

    def upper(
        self, errors: Tensor, target: Tensor, area_weights: Tensor, valid: Tensor | None
    ) -> Tensor:
        cost = self.cost(target + errors, target)
        if valid is not None:
            cost = torch.where(valid, cost, 0.0)
        return (cost * area_weights).sum()

    def lower(self, shape: torch.Size, area_weights: Tensor, valid: Tensor | None) -> Tensor:
        return Cells(torch.sum).lower(shape, area_weights, valid)

    def cost(self, forecast: Tensor, target: Tensor) -> Tensor:
        """(b, k, c, h, w) what the file says.

        Raises:
            ValueError: it does not.
        """
        cost = self.file.call("loss", forecast, target, **self.options)
        if not isinstance(cost, Tensor) or cost.shape != target.shape:
            got = tuple(cost.shape) if isinstance(cost, Tensor) else type(cost).__name__
            raise ValueError(
                f"{self.file.path}: loss returned {got}, expected the cost of each cell, "
                f"{tuple(target.shape)} as the target has"
            )
        return cost

    def try_out(self, members: int, seed: int = 0) -> None:
        """Computes with random fields, forwards and backwards.

        Args:
            members: m.

        Raises:
            ValueError: the loss does not do what a loss must: what, and where in the file.
        """
        random, path = torch.Generator().manual_seed(seed), self.file.path
        shape = (2, 3, 2, 5, 7)
        target = torch.randn(shape, generator=random)
        forecast = torch.randn((members, *shape), generator=random, requires_grad=True)
        cost = self.cost(forecast, target)
        if not cost.requires_grad:
            raise ValueError(f"{path}: loss follows from no forecast, so that nothing is learned")
        [gradient] = torch.autograd.grad(cost.sum(), forecast)
        if not bool(torch.isfinite(cost).all() and torch.isfinite(gradient).all()):
            raise ValueError(f"{path}: of normal numbers, loss or its gradient is NaN or infinite")
        alone = self.cost(forecast[:, :1], target[:1])
        if not torch.allclose(alone, cost[:1], rtol=1e-4, atol=1e-5):
            raise ValueError(
                f"{path}: what loss says of one window depends on the others of its batch; "
                "processes share batches: let each window cost what it costs alone"
            )
