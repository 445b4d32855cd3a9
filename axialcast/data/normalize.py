"""Statistics of an analysis, and the normalisation made of them.

Shapes: n times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from axialcast.data.channels import Channels
from axialcast.data.moments import Moments, moments_of
from axialcast.data.reader import Analysis
from axialcast.grid import grid_of

__all__ = [
    "Statistics",
    "cell_weights",
    "normalize_",
    "statistics",
    "statistics_of",
    "unnormalize",
]

MEMORY_GIB = 0.5
"""What may be held while statistics are gathered (GiB)."""


@dataclass(frozen=True)
class Statistics:
    """Moments of every channel over time and grid, of the cells that are not NaN.

    Args:
        mean: (c,) in the channel's units.
        std: (c,) in the channel's units.
        increment_std: (c,) root mean square change over one model step, in the channel's units.
        missing: (c,) share of the cells that are NaN; by default none.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    increment_std: NDArray[np.float64]
    missing: NDArray[np.float64] = field(default_factory=lambda: np.zeros(()))

    def __post_init__(self) -> None:
        # Checkpoints of version 0.1 do not say what was missing: nothing could be.
        object.__setattr__(self, "missing", np.broadcast_to(self.missing, self.mean.shape))

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
            "missing": self.missing.tolist(),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Sequence[float]]) -> "Statistics":
        return cls(**{name: np.array(numbers, np.float64) for name, numbers in value.items()})


def statistics(
    analysis: Analysis | xr.Dataset,
    channels: Channels,
    *,
    step: int,
    area_weighted: bool = True,
    memory_gib: float = MEMORY_GIB,
) -> Statistics:
    """Statistics of the analysis, read once in blocks of time that need not fit in memory together.

    Args:
        analysis: training years only.
        channels: which channels, in which order.
        step: how many times of the analysis one model step spans; across a gap in the times there
            is no increment.
        area_weighted: whether cells count by their area; otherwise each counts the same.
        memory_gib: for the states that are held.

    Raises:
        ValueError: a channel is NaN throughout, infinite somewhere, or constant.
    """
    source = Analysis.of(analysis, channels)
    moments = moments_of(
        source,
        span=source.cadence * step,
        overlap=step,
        weights=cell_weights(source.dataset, area_weighted=area_weighted),
        num_bytes=int(memory_gib * 2**30),
    )
    return statistics_of(moments, channels)


def statistics_of(moments: Moments, channels: Channels) -> Statistics:
    """Statistics from moments over the whole training period.

    Raises:
        ValueError: a channel is NaN throughout, infinite somewhere, or constant, or no two of its
            times are a model step apart.
    """
    for index, channel in enumerate(channels):
        if moments.weight[index] == 0:
            raise ValueError(
                f"{channel}: is NaN throughout the training period; leave it out of data.variables"
            )
        if moments.change_weight[index] == 0:
            raise ValueError(
                f"{channel}: no two times of the training period one model step apart hold values; "
                "extend data.train"
            )
        if not np.isfinite(moments.squares[index]):
            raise ValueError(
                f"{channel}: is infinite somewhere in the training period; mend the store, or "
                "leave it out of data.variables"
            )
    std = np.sqrt(moments.squares / moments.weight)
    increment_std = np.sqrt(moments.change_squares / moments.change_weight)
    for index, channel in enumerate(channels):
        mean = moments.mean[index]
        if std[index] <= 1e-6 * abs(mean) or increment_std[index] == 0:
            raise ValueError(
                f"{channel}: is constant ({mean:g} {channel.units}) over the training "
                "period; leave it out of data.variables"
            )
    return Statistics(moments.mean, std, increment_std, moments.missing / moments.cells)


def cell_weights(analysis: xr.Dataset, *, area_weighted: bool) -> NDArray[np.float64]:
    """(h, w) weights that sum to one: the cells' areas, or all alike."""
    grid = grid_of(analysis)
    weights = grid.areas if area_weighted else np.ones(grid.shape)
    normalised: NDArray[np.float64] = weights / weights.sum()
    return normalised


def normalize_(values: Tensor, statistics: Statistics) -> Tensor:
    """(…, c, h, w) physical values → zero mean and unit variance, in place."""
    mean, std = _columns(values, statistics)
    return values.sub_(mean).div_(std)


def unnormalize(values: Tensor, statistics: Statistics) -> Tensor:
    """(…, c, h, w) normalised values → physical units."""
    mean, std = _columns(values, statistics)
    return (values * std).add_(mean)


def _columns(values: Tensor, statistics: Statistics) -> tuple[Tensor, Tensor]:
    def column(numbers: NDArray[np.float64]) -> Tensor:
        return torch.as_tensor(numbers, dtype=values.dtype, device=values.device)[:, None, None]

    return column(statistics.mean), column(statistics.std)
