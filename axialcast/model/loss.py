"""Area-weighted losses.

Shapes: b windows, k lead times, c channels, h latitudes, w longitudes.
"""

import torch
from torch import Tensor

__all__ = ["area_weighted_mse", "counted_weight", "weighted_squares"]


def area_weighted_mse(
    prediction: Tensor,
    target: Tensor,
    *,
    area_weights: Tensor,
    scale: Tensor,
    valid: Tensor | None = None,
) -> Tensor:
    """Mean over windows, lead times and channels of the area-weighted squared error.

    Sum of v · w · ((prediction - target) / scale)² over sum of v · w, with w the cell areas over
    their mean, and v whether a cell is valid. Both sums add up over windows and over parts of the
    grid (see `weighted_squares` and `counted_weight`), so that processes can share them.

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
    total = weighted_squares(
        prediction, target, area_weights=area_weights, scale=scale, valid=valid
    )
    weight = counted_weight(target.shape, area_weights, valid)
    return total / weight.clamp(min=torch.finfo(weight.dtype).tiny)


def weighted_squares(
    prediction: Tensor,
    target: Tensor,
    *,
    area_weights: Tensor,
    scale: Tensor,
    valid: Tensor | None = None,
) -> Tensor:
    """The upper sum of `area_weighted_mse`, a scalar."""
    error = (prediction - target) / scale
    if valid is not None:
        error = torch.where(valid, error, 0.0)
    return (error**2 * area_weights).sum()


def counted_weight(shape: torch.Size, area_weights: Tensor, valid: Tensor | None) -> Tensor:
    """The lower sum of `area_weighted_mse`, a scalar, which no prediction changes.

    Args:
        shape: (b, k, c, h, w) of the targets.
    """
    if valid is None:
        return shape[:-2].numel() * area_weights.sum()
    # Counted first: integers, and one field of them.
    return (valid.sum(tuple(range(valid.ndim - 2))) * area_weights).sum()
