"""Statistics of an analysis, and the normalisation made of them.

Shapes: n times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from axialcast.data.channels import Channels
from axialcast.data.store import grid_of
from axialcast.names import TIME

__all__ = ["Statistics", "normalize_", "statistics", "unnormalize"]

BLOCK = 256
"""Times read at once while statistics are gathered."""


@dataclass(frozen=True)
class Statistics:
    """Area-weighted moments of every channel over time and grid.

    Args:
        mean: (c,) in the channel's units.
        std: (c,) in the channel's units.
        increment_std: (c,) root mean square change over one model step, in the channel's units.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    increment_std: NDArray[np.float64]

    @property
    def increment_scale(self) -> NDArray[np.float64]:
        """(c,) change over one model step in units of the channel's standard deviation."""
        return self.increment_std / self.std

    def to_dict(self) -> dict[str, list[float]]:
        """JSON-ready, the inverse of `from_dict`."""
        return {
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "increment_std": self.increment_std.tolist(),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Sequence[float]]) -> "Statistics":
        return cls(**{name: np.array(numbers, np.float64) for name, numbers in value.items()})


def statistics(analysis: xr.Dataset, channels: Channels, *, step: int) -> Statistics:
    """Statistics of the analysis, read once in blocks of time.

    Moments of blocks are merged as in Chan, Golub & LeVeque (1983, The American Statistician
    37, 242-247, eq. 2.1), so the result does not lose digits where mean >> standard deviation.

    Args:
        analysis: training years only.
        channels: which channels, in which order.
        step: how many times of the analysis one model step spans.

    Raises:
        ValueError: a channel holds NaN or is constant.
    """
    weights = grid_of(analysis).area_weights
    weights = weights / weights.sum()
    count, mean, second = 0, np.zeros(len(channels)), np.zeros(len(channels))
    changes, num_changes = np.zeros(len(channels)), 0
    for start in range(0, analysis.sizes[TIME], BLOCK):
        block = analysis.isel({TIME: slice(start, start + BLOCK + step)})
        values = channels.stack(block).astype(np.float64)
        _refuse_nan(values, channels, block)
        change = values[step:] - values[:-step]
        changes += np.einsum("nchw,hw->c", change**2, weights)
        num_changes += len(change)
        fresh = values[:BLOCK]
        block_mean = np.einsum("nchw,hw->c", fresh, weights) / len(fresh)
        deviation = fresh - block_mean[:, None, None]
        block_second = np.einsum("nchw,hw->c", deviation**2, weights)
        total = count + len(fresh)
        delta = block_mean - mean
        mean += delta * len(fresh) / total
        second += block_second + delta**2 * count * len(fresh) / total
        count = total
    std = np.sqrt(second / count)
    increment_std = np.sqrt(changes / max(num_changes, 1))
    for index, channel in enumerate(channels):
        if std[index] <= 1e-6 * abs(mean[index]) or increment_std[index] == 0:
            raise ValueError(
                f"{channel}: is constant ({mean[index]:g} {channel.units}) over the training "
                "period; leave it out of data.variables"
            )
    return Statistics(mean, std, increment_std)


def normalize_(values: Tensor, statistics: Statistics) -> Tensor:
    """(…, c, h, w) physical values → zero mean and unit variance, in place."""
    mean, std = _columns(values, statistics)
    return values.sub_(mean).div_(std)


def unnormalize(values: Tensor, statistics: Statistics) -> Tensor:
    """(…, c, h, w) normalised values → physical units."""
    mean, std = _columns(values, statistics)
    return values * std + mean


def _columns(values: Tensor, statistics: Statistics) -> tuple[Tensor, Tensor]:
    def column(numbers: NDArray[np.float64]) -> Tensor:
        return torch.as_tensor(numbers, dtype=values.dtype, device=values.device)[:, None, None]

    return column(statistics.mean), column(statistics.std)


def _refuse_nan(values: NDArray[Any], channels: Channels, block: xr.Dataset) -> None:
    bad = np.isnan(values)
    if not bad.any():
        return
    time, channel = np.argwhere(bad.any((2, 3)))[0]
    raise ValueError(
        f"{channels[channel]}: {bad[:, channel].sum()} NaN from "
        f"{np.datetime_as_string(block[TIME].values[time], 'm')} on; fill them, or leave "
        "the variable or the period out"
    )
