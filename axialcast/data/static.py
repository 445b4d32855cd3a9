"""Static fields: what a network is told of every place, whatever the time.

Shapes: s fields, h latitudes, w longitudes.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channels
from axialcast.data.normalize import SMALLEST_SPREAD
from axialcast.grid import Grid, grid_of

__all__ = ["Static"]


@dataclass(frozen=True)
class Static:
    """Fields on a grid.

    Args:
        channels: (s,) their names and units.
        values: (s, h, w) float32, of mean 0 and variance 1 over the area of the grid.
    """

    channels: Channels
    values: NDArray[np.float32]

    @classmethod
    def none(cls, grid: Grid) -> "Static":
        """No field, on a grid."""
        return cls(Channels([]), np.empty((0, *grid.shape), np.float32))

    @classmethod
    def of(cls, fields: xr.Dataset) -> "Static":
        """Normalised fields (latitude, longitude).

        Raises:
            ValueError: one is constant, or somewhere not finite.
        """
        weights = grid_of(fields).area_weights
        values = []
        for name, array in fields.data_vars.items():
            field = array.values.astype(np.float64)
            if bad := int((~np.isfinite(field)).sum()):
                raise ValueError(
                    f"{name}: {bad} of {field.size} points are NaN or infinite, and a static field "
                    "is wanted everywhere; fill it, or leave it out of data.static"
                )
            mean = (field * weights).mean()
            field = field - mean
            std = np.sqrt((field**2 * weights).mean())
            if std <= SMALLEST_SPREAD * abs(mean):
                raise ValueError(
                    f"{name}: is the same everywhere, so it says nothing; leave it out of "
                    "data.static"
                )
            values.append(field / std)
        return cls(Channels.of(fields), np.stack(values).astype(np.float32))
