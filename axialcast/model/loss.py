"""Area-weighted losses.

Shapes: b windows, k lead times, c channels, h latitudes, w longitudes.
"""

from torch import Tensor

__all__ = ["area_weighted_mse"]


def area_weighted_mse(
    prediction: Tensor, target: Tensor, *, area_weights: Tensor, scale: Tensor
) -> Tensor:
    """Mean over windows, lead times and channels of the area-weighted squared error.

    mean of w · ((prediction - target) / scale)², with w the cell areas over their mean.

    Args:
        prediction, target: (b, k, c, h, w) normalised.
        area_weights: (h, w) with mean 1.
        scale: (c, 1, 1), the error that counts as one: the standard deviation of an increment,
            so that slow and fast channels weigh alike (Lam et al. 2023, GraphCast, SM 4.2).

    Returns:
        A scalar; 1 for persistence at the first step, about.
    """
    return (((prediction - target) / scale) ** 2 * area_weights).mean()
