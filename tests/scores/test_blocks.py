"""Blocks follow from dates alone."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from axialcast.scores.blocks import blocks_of

HOUR = np.timedelta64(3_600_000_000_000, "ns")
START = np.datetime64("2001-03-05", "ns")


def forecast_of(hours, leads=3, shape=(2, 5, 7)):
    """Forecasts from so many hours after START, each value its own number."""
    inits = START + np.array(hours) * HOUR
    size = (len(hours), leads, *shape)
    values = np.arange(np.prod(size), dtype=np.float32).reshape(size)
    dims = ("init_time", "lead_time", "level", "latitude", "longitude")
    coords = {"init_time": inits, "lead_time": np.arange(1, leads + 1) * HOUR}
    return xr.Dataset({"pressure": (dims, values)}, coords)


@pytest.mark.parametrize(
    ("leads", "shape", "days"),
    [
        (5, (1, 17, 33), 64),
        (20, (1, 61, 120), 16),
        (20, (13, 61, 120), 2),
        (40, (13, 181, 360), 1),
    ],
)
def test_a_block_spans_as_many_days_as_its_values_allow(leads, shape, days):
    hours = np.arange(0, 24 * 200, 24)
    dims = ("init_time", "lead_time", "level", "latitude", "longitude")
    lazy = np.broadcast_to(np.float32(0), (len(hours), leads, *shape))
    forecast = xr.Dataset({"pressure": (dims, lazy)}, {"init_time": START + hours * HOUR})
    found = blocks_of(forecast)
    steps = np.unique(np.diff([block.day for block in found]).astype(int))
    assert steps.tolist() == [days]
    assert (np.datetime64("2000-01-01") - found[0].day).astype(int) % days == 0
    assert max(len(block.positions) for block in found) == days


@settings(deadline=None, max_examples=40)
@given(st.sets(st.integers(0, 3000), min_size=2, max_size=40), st.data())
def test_the_block_of_an_initial_time_does_not_depend_on_the_others(hours, data):
    every = sorted(hours)
    some = sorted(data.draw(st.sets(st.sampled_from(every), min_size=1)))

    def days(chosen):
        return {
            time: block.day
            for block in blocks_of(forecast_of(chosen))
            for time in block.init_times.tolist()
        }

    whole, part = days(every), days(some)
    assert part.items() <= whole.items()
    assert len(whole) == len(every)
