"""What is usual in each calendar month: means and spread of monthly states.

Shapes: k times, c channels, h latitudes, w longitudes.
"""

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channels
from axialcast.data.normalize import Statistics, cell_weights, normalize_
from axialcast.data.reader import Analysis
from axialcast.times.months import month_numbers

__all__ = ["usual_months"]

BLOCK_BYTES = 2**28
"""States that are held at once."""


def usual_months(
    training: xr.Dataset, channels: Channels, statistics: Statistics
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """(12, c, h, w) normalised means of the calendar months, NaN where there are no values, and
    (c,) root mean square departures from these, over times and area. Read once.

    Args:
        training: monthly states of the training years.
        statistics: of these channels.

    Raises:
        ValueError: a calendar month is not there.
    """
    analysis = Analysis.of(training, channels)
    absent = sorted(set(range(12)) - set((month_numbers(analysis.times) % 12).tolist()))
    if absent:
        raise ValueError(
            f"model.departures: data.train has no month {absent[0] + 1} of any year; extend it, or "
            "set model.departures to false"
        )
    counts, sums, squares = np.zeros((3, 12, *analysis.shape))
    for block in analysis.blocks(BLOCK_BYTES):
        values = normalize_(torch.from_numpy(block.new.copy()), statistics).numpy()
        for month, state in zip(month_numbers(block.times) % 12, values, strict=True):
            seen = np.isfinite(state)
            known = np.where(seen, state, 0.0).astype(np.float64)
            counts[month] += seen
            sums[month] += known
            squares[month] += known**2
    with np.errstate(invalid="ignore"):
        means = sums / counts
    weights = cell_weights(analysis.dataset, area_weighted=True)
    apart = np.where(counts > 0, squares - sums * np.nan_to_num(means), 0.0) * weights
    spread = np.sqrt(apart.sum((0, 2, 3)) / (counts * weights).sum((0, 2, 3)))
    return means.astype(np.float32), np.maximum(spread, np.finfo(np.float32).eps)
