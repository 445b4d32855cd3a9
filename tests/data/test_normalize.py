"""Statistics against numpy in double precision, and normalisation."""

import numpy as np
import pytest
import torch

from axialcast.data import Channels, Statistics, grid_of, normalize_, statistics, unnormalize
from axialcast.data import normalize as module


@pytest.mark.parametrize("block", [7, 11, 256])
@pytest.mark.parametrize("step", [1, 3])
def test_statistics_are_those_of_the_whole(analysis, monkeypatch, block, step):
    monkeypatch.setattr(module, "BLOCK", block)
    channels = Channels.of(analysis)
    stats = statistics(analysis, channels, step=step)
    values = channels.stack(analysis).astype(np.float64)
    weights = np.broadcast_to(grid_of(analysis).area_weights, values[:, 0].shape)
    for c in range(len(channels)):
        mean = np.average(values[:, c], weights=weights)
        std = np.sqrt(np.average((values[:, c] - mean) ** 2, weights=weights))
        change = values[step:, c] - values[:-step, c]
        change_std = np.sqrt(np.average(change**2, weights=weights[step:]))
        np.testing.assert_allclose(stats.mean[c], mean, rtol=1e-12)
        np.testing.assert_allclose(stats.std[c], std, rtol=1e-10)
        np.testing.assert_allclose(stats.increment_std[c], change_std, rtol=1e-12)
    assert Statistics.from_dict(stats.to_dict()).to_dict() == stats.to_dict()


def test_nan_and_constant_channels_are_refused(analysis):
    channels = Channels.of(analysis)
    holes = analysis.copy(deep=True)
    holes.geopotential[3, 1, 2, 5] = np.nan
    with pytest.raises(ValueError, match="geopotential 850 hPa: 1 NaN from 2001-01-04T00:00 on"):
        statistics(holes, channels, step=1)
    flat = analysis.copy(deep=True)
    flat.mean_sea_level_pressure[:] = 1e5
    with pytest.raises(ValueError, match="mean_sea_level_pressure: is constant"):
        statistics(flat, channels, step=1)


def test_normalize_and_back():
    stats = Statistics(np.array([5.0, -3.0]), np.array([2.0, 0.5]), np.array([1.0, 1.0]))
    values = torch.arange(2 * 2 * 3 * 5, dtype=torch.float64).reshape(2, 2, 3, 5)
    normal = normalize_(values.clone(), stats)
    torch.testing.assert_close(normal[:, 1], (values[:, 1] + 3.0) / 0.5)
    torch.testing.assert_close(unnormalize(normal, stats), values)
