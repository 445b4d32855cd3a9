"""Area-weighted losses.

Shapes: b windows, k lead times, c channels, h latitudes, w longitudes.
"""

import torch
from torch import Tensor

__all__ = ["area_weighted_mse"]


def area_weighted_mse(
    prediction: Tensor,
    target: Tensor,
    *,
    area_weights: Tensor,
    scale: Tensor,
    valid: Tensor | None = None,
) -> Tensor:
    """Mean over windows, lead times and channels of the area-weighted squared error.

    mean of w · ((prediction - target) / scale)², with w the cell areas over their mean. With
    `valid`, the mean over valid cells: sum of v · w · (…)² over sum of v · w.

    Args:
        prediction, target: (b, k, c, h, w) normalised; anything, even NaN, where not valid.
        area_weights: (h, w) with mean 1.
        scale: (c, 1, 1), the error that counts as one: the standard deviation of an increment,
            so that slow and fast channels weigh alike (Lam et al. 2023, GraphCast, SM 4.2).
        valid: (b, k, c, h, w) bool, true where prediction and target are compared; None:
            everywhere. The gradient is zero elsewhere.

    Returns:
        A scalar; 1 for persistence at the first step, about; 0 where nothing is valid.
    """
    error = (prediction - target) / scale
    if valid is None:
        return (error**2 * area_weights).mean()
    error = torch.where(valid, error, 0.0)
    # Cells that are always valid keep their weight to the bit, so that full masks change nothing.
    frequency = valid.float().mean(tuple(range(valid.ndim - 2)))
    share = (frequency * area_weights).sum() / area_weights.sum()
    return (error**2 * area_weights).mean() / share.clamp(min=torch.finfo(share.dtype).tiny)
