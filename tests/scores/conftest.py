"""Data that several tests of scores share."""

import numpy as np
import pytest
import scipy.signal
import xarray as xr

DAY = np.timedelta64(86_400_000_000_000, "ns")


@pytest.fixture(scope="session")
def remembering_rain():
    """Rain on cells of one area, that remembers yesterday's."""
    times = np.datetime64("2001-01-01", "ns") + DAY * np.arange(400)
    labels = {"time": times, "y": 2e3 * np.arange(5), "x": 2e3 * np.arange(7)}
    mapping = {"grid_mapping_name": "lambert_azimuthal_equal_area", "earth_radius": 6.371e6}
    mapping |= {"latitude_of_projection_origin": 52.0, "longitude_of_projection_origin": 10.0}
    noise = np.random.default_rng(3).gamma(0.5, 4.0, (400, 5, 7))
    rates = scipy.signal.lfilter([0.5], [1, -0.5], noise, axis=0).astype(np.float32)
    return xr.Dataset(
        {"rainfall_rate": (tuple(labels), rates, {"units": "mm h-1"})},
        {**labels, "crs": ((), 0, mapping)},
    )
