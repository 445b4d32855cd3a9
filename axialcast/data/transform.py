"""What values become before they are normalised: logarithms of what is mostly near zero.

log(1 + x / scale) spreads out what is small beside the scale and draws together what is large, as
of precipitation, whose mean squared error is else decided by few downpours.

Shapes: n times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from axialcast.data.channels import Channels
from axialcast.names import canonical

__all__ = ["LEAST", "inverted_", "log_scales", "logarithm", "too_low", "transformed_"]

LEAST = -0.01
"""Of a scale: what is above is rounding of packed files, what is below has no logarithm here."""


def log_scales(channels: Channels, given: Mapping[str, Any]) -> NDArray[np.float64]:
    """(c,) the scale of each channel's logarithm in its units; 0: it stays as it is.

    Args:
        channels: (c,).
        given: by variable: {"log1p": scale}, or "none".

    Raises:
        ValueError: a variable is none of the channels'.
    """
    scales = np.zeros(len(channels))
    for name, transform in given.items():
        places = [i for i, each in enumerate(channels) if each.variable in (name, canonical(name))]
        if not places:
            raise ValueError(
                f"data.transform: {name} is none of {', '.join(channels.variables)}; leave it out"
            )
        scales[places] = 0.0 if transform == "none" else transform["log1p"]
    return scales


def logarithm(values: NDArray[Any], scale: float) -> NDArray[Any]:
    """log(1 + values / scale), of what is too low as of LEAST."""
    scaled = values / np.asarray(scale, values.dtype)
    logarithms: NDArray[Any] = np.log1p(np.maximum(scaled, values.dtype.type(LEAST), out=scaled))
    return logarithms


def too_low(
    channels: Channels, scales: NDArray[np.float64], lowest: NDArray[np.float64]
) -> str | None:
    """The first channel that has values below zero and no logarithm of them; None: there is none.

    Args:
        channels: (c,).
        scales: (c,) as of `log_scales`.
        lowest: (c,) of the values; NaN where there are none.
    """
    for channel, scale, low in zip(channels, scales.tolist(), lowest.tolist(), strict=True):
        if scale and low < LEAST * scale:
            return (
                f"{channel}: holds {low:.6g} {channel.units}, and data.transform takes "
                f"log(1 + x / {scale:g} {channel.units}) of it, for values from 0 on; set what is "
                "below 0 to 0 in the file, for instance with: cdo setrtoc,-inf,0,0 in.nc out.nc, "
                "or leave it out of data.transform"
            )
    return None


def transformed_(values: Tensor, scales: NDArray[np.float64]) -> Tensor:
    """(…, c, h, w) values, those of channels with a scale as logarithms, in place."""
    for channel in np.flatnonzero(scales).tolist():
        values[..., channel, :, :].div_(scales[channel]).clamp_(min=-1).log1p_()
    return values


def inverted_(values: Tensor, scales: NDArray[np.float64]) -> Tensor:
    """The inverse of `transformed_`, in place."""
    for channel in np.flatnonzero(scales).tolist():
        values[..., channel, :, :].expm1_().mul_(scales[channel])
    return values
