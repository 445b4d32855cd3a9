"""Forecasts keep to bounds, and what follows is made of what is kept."""

import dataclasses

import numpy as np
import pytest

from axialcast.forecast import Forecaster, load_checkpoint, save_checkpoint

LEADS = ["24h", "48h", "72h"]


@pytest.fixture
def bounded(forecaster, analysis):
    """The same forecaster, whose pressure stays within the middle of what was seen."""
    checkpoint = forecaster.checkpoint
    pressure = analysis.mean_sea_level_pressure
    low, high = float(pressure.quantile(0.3)), float(pressure.quantile(0.7))
    bounds = checkpoint.channels.bounds({"msl": (low, high)})
    return Forecaster(dataclasses.replace(checkpoint, bounds=bounds), device="cpu")


def test_values_are_within(forecaster, bounded, analysis):
    low, high = bounded.checkpoint.bounds[-1].astype(np.float32)
    where = {"init_times": analysis.time.values[5:9], "lead_times": LEADS}
    free, kept = forecaster.predict(analysis, **where), bounded.predict(analysis, **where)
    pressure = kept.mean_sea_level_pressure
    assert pressure.min() == low
    assert pressure.max() == high
    first = {"lead_time": 0}
    expected = free.mean_sea_level_pressure.isel(first).clip(low, high)
    np.testing.assert_array_equal(pressure.isel(first), expected)
    np.testing.assert_array_equal(kept.geopotential.isel(first), free.geopotential.isel(first))
    # What is fed back is what was kept.
    assert not np.allclose(kept.geopotential.isel(lead_time=1), free.geopotential.isel(lead_time=1))


def test_a_checkpoint_keeps_its_bounds(bounded, forecaster, tmp_path):
    save_checkpoint(tmp_path, bounded.checkpoint)
    np.testing.assert_array_equal(load_checkpoint(tmp_path).bounds, bounded.checkpoint.bounds)
    save_checkpoint(tmp_path, forecaster.checkpoint)
    assert load_checkpoint(tmp_path).bounds is None


def test_bounds_of_what_is_not_there_are_refused(forecaster):
    with pytest.raises(
        ValueError, match=r"data\.bounds: q is none of geopotential, mean_sea_level"
    ):
        forecaster.checkpoint.channels.bounds({"q": (0.0, None)})
