"""What comes in along the edges of a region: how a network is told, and its forecasts led to it.

Shapes: b windows, t input states, p prognostic channels, c channels forecast, h rows, w columns.
"""

import torch
from torch import Tensor, nn

from axialcast.frame import Relaxation
from axialcast.frame import relaxation as weights_of
from axialcast.grid import Grid

__all__ = ["Frame"]


class Frame(nn.Module):
    """The frame of a region, where the state one step later is known beforehand.

    Args:
        grid: (h, w) of the region.
        width: points on each side.
        relaxation: what the boundary counts for in it, see `axialcast.frame`.

    Attributes:
        rows: of the grid, that this process has; all, unless states are shared.
    """

    weights: Tensor

    def __init__(self, grid: Grid, *, width: int, relaxation: Relaxation) -> None:
        super().__init__()
        weights = torch.tensor(weights_of(grid, width, relaxation), dtype=torch.float32)
        self.register_buffer("weights", weights, persistent=False)
        self.rows = slice(None)

    def changes(self, states: Tensor, coming: Tensor, scale: Tensor) -> Tensor:
        """(b, t, p, h, w) change over the step after each state, in units of `scale`; 0 where it is
        not known: without the frame, and where the boundary is NaN.

        Args:
            states: (b, t, p, h, w) normalised.
            coming: (b, p, h, w) the boundary one step after the last.
            scale: (p, 1, 1).
        """
        known = self._known(coming)
        coming = torch.where(known, coming, states[:, -1])
        changes = (torch.cat([states[:, 1:], coming[:, None]], 1) - states) / scale
        return torch.where(known[:, None], changes, 0.0)

    def relaxed(self, following: Tensor, coming: Tensor) -> Tensor:
        """(b, c, h, w) the forecast, in the frame (1 - weight) · forecast + weight · boundary."""
        forecast, diagnosed = following.tensor_split([coming.shape[1]], 1)
        led = forecast + self.weights[self.rows] * (coming - forecast)
        led = torch.where(self._known(coming), led, forecast)
        return torch.cat([led, diagnosed], 1)

    def _known(self, coming: Tensor) -> Tensor:
        return (self.weights[self.rows] > 0) & ~torch.isnan(coming)
