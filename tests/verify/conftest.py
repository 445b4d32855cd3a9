"""Small analyses whose scores are known."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.names import INIT_TIME, LEAD_TIME
from axialcast.verify import Climatology


def analysis_of(values, *, start="2001-01-01", freq="24h", levels=None, units="Pa"):
    """(time, [level], latitude, longitude) values as an analysis of one variable, `pressure`."""
    num_latitudes, num_longitudes = values.shape[-2:]
    coords = {
        "time": pd.date_range(start, periods=len(values), freq=freq, unit="ns"),
        "latitude": np.linspace(50.0, -40.0, num_latitudes),
        "longitude": np.arange(num_longitudes) * 360.0 / num_longitudes,
    }
    dims = ["time", "latitude", "longitude"]
    if levels is not None:
        dims.insert(1, "level")
        coords["level"] = np.array(levels, dtype=float)
    attrs = {"units": units, "long_name": "pressure"}
    return xr.Dataset({"pressure": (dims, values.astype(np.float32), attrs)}, coords)


def forecast_of(analysis, inits, leads, *, error=0.0):
    """The truth plus an error, (init_time, lead_time, ...), past the end the last truth."""
    time = analysis["time"].values
    valid = np.minimum(np.add.outer(inits, leads), time[-1])
    rows = np.searchsorted(time, valid)
    arrays = {
        name: ((INIT_TIME, LEAD_TIME, *a.dims[1:]), a.values[rows] + np.float32(error), a.attrs)
        for name, a in analysis.data_vars.items()
    }
    coords = {name: c for name, c in analysis.coords.items() if name != "time"}
    return xr.Dataset(arrays, {INIT_TIME: inits, LEAD_TIME: leads, **coords})


@pytest.fixture(name="analysis_of", scope="session")
def _analysis_of():
    return analysis_of


@pytest.fixture(name="forecast_of", scope="session")
def _forecast_of():
    return forecast_of


@pytest.fixture
def noise():
    """Three years of daily noise on 5 x 7 points around 1000."""
    rng = np.random.default_rng(7)
    return analysis_of(1000 + 10 * rng.standard_normal((1096, 5, 7)))


@pytest.fixture
def climatology(noise):
    return Climatology.fit(noise.sel(time=slice("2001", "2002")), harmonics=1)
