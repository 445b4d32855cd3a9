"""A loss of your own, for `train: {loss: {kind: file, path: my_loss.py}}`.

Shapes: m members, b windows, k lead times, c channels, h rows (latitudes), w columns (longitudes).
"""

import torch
from torch import Tensor


def loss(forecast: Tensor, target: Tensor, *, width: float = 1.0) -> Tensor:
    """(b, k, c, h, w) what each cell costs: here Huber's loss, which large errors move less.

    Cells are then averaged by their area, by `data.weights`, and over all windows, lead times and
    processes; what is missing (NaN in the data) does not count, whatever this says of it.

    Args:
        forecast: (m, b, k, c, h, w) normalised, in standard deviations of the change over one step;
            m is 1 unless the network is conditioned on noise (model.noise).
        target: (b, k, c, h, w) likewise.
        width: an option of this file, as `train.loss.options: {width: 2}`; yours may have others.
    """
    error = (forecast[0] - target).abs()
    return torch.where(error < width, 0.5 * error**2, width * (error - 0.5 * width))
