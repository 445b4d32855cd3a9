"""States as amplitudes of a few patterns, and back.

Shapes: t times, x cells of all channels, k patterns (EOFs), i initial times, l lead times,
c channels, h latitudes, w longitudes.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from axialcast.baselines.baseline import ALL, Which
from axialcast.baselines.climatology import Climatology
from axialcast.baselines.coarsening import Coarsening
from axialcast.baselines.products import product
from axialcast.times.dates import Times

__all__ = ["Encoding", "amplitudes"]


@dataclass(frozen=True)
class Encoding:
    """Anomalies from a climatology by the amplitudes of patterns.

    Args:
        patterns: (x, k) orthonormal EOFs of the scaled anomalies.
        scale: (x,) factor from anomalies to scaled anomalies.
        factor: cells that are averaged along each axis before; 1: none.
    """

    climatology: Climatology
    patterns: NDArray[np.float32]
    scale: NDArray[np.float32]
    factor: int = 1

    @cached_property
    def coarsening(self) -> Coarsening:
        return Coarsening(self.climatology.grid, self.factor)

    @property
    def note(self) -> str:
        """What the patterns are of, where cells are averaged."""
        (height, width), (rows, columns) = self.coarsening.shape, self.climatology.grid.shape
        return (
            f"its patterns are of anomalies averaged over {self.factor} × {self.factor} cells "
            f"({height} × {width} of {rows} × {columns}), so that they fit into memory"
        )

    def encode(self, states: NDArray[np.float32], times: Times) -> NDArray[np.float64]:
        """(t, k) amplitudes of the patterns; NaN for a state that is missing altogether."""
        anomalies = states - self.climatology.values_at(times)
        missing = ~np.isfinite(anomalies).any((1, 2, 3))
        series = amplitudes(anomalies, self.coarsening, self.scale, self.patterns)
        return np.where(missing[:, None], np.nan, series.astype(np.float64))

    def decode(self, series: NDArray[np.float32], channels: Which = ALL) -> NDArray[np.float32]:
        """(i, l, c, h, w) anomalies of (i, l, k) amplitudes, of these channels."""
        num, size = len(self.climatology.channels), int(np.prod(self.coarsening.shape))
        patterns = self.patterns.reshape(num, size, -1)[channels].reshape(-1, series.shape[2])
        anomalies = product(series.reshape(-1, series.shape[2]), patterns.T)
        scale = self.scale.reshape(num, size)[channels].ravel()
        np.divide(anomalies, scale, out=anomalies, where=scale > 0)  # cells off the Earth have none
        return self.coarsening.spread(
            anomalies.reshape(*series.shape[:2], -1, *self.coarsening.shape)
        )


def amplitudes(
    anomalies: NDArray[np.float32],
    coarsening: Coarsening,
    scale: NDArray[np.float32],
    vectors: NDArray[np.float32],
) -> NDArray[np.float32]:
    """(t, k) amplitudes in (t, c, h, w) anomalies; a missing value counts as none."""
    means = coarsening.means(anomalies)
    scaled = np.multiply(means.reshape(len(means), -1), scale)
    scaled[~np.isfinite(scaled)] = 0.0
    return np.asarray(scaled @ vectors)
