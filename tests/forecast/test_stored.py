"""What earlier versions wrote is read, or refused with the remedy."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import axialcast
from axialcast.data import open_analysis
from axialcast.forecast import ForecastStore, ForecastWriter
from axialcast.verify import Climatology, evaluate

STORED = Path(__file__).parent / "stored" / "0.1.0"


@pytest.fixture(scope="module")
def stored():
    """The forecast that version 0.1.0 made with its checkpoint."""
    return xr.open_zarr(STORED / "forecast.zarr", decode_timedelta=True).load()


def test_a_checkpoint_of_0_1_0_gives_the_forecast_that_it_gave(stored):
    forecaster = axialcast.load(STORED / "checkpoint", device="cpu")
    forecast = forecaster.predict(
        STORED / "analysis.nc",
        init_times=stored.init_time.values,
        lead_times=stored.lead_time.values,
    )
    assert set(forecast.data_vars) == {"geopotential", "u_component_of_wind"}
    for name in forecast.data_vars:
        assert forecast[name].dims == stored[name].dims
        assert forecast[name].attrs == stored[name].attrs
        np.testing.assert_allclose(forecast[name], stored[name], rtol=1e-6, atol=1e-5)
        begin = xr.open_dataset(STORED / "analysis.nc")[name].sel(time=stored.init_time.values)
        change = np.abs(stored[name].isel(lead_time=-1).values - begin.values).max()
        assert change > 0.01 * begin.std(("latitude", "longitude")).min()  # not the state it is of
    for name in ("init_time", "lead_time", "valid_time", "level", "latitude", "longitude"):
        np.testing.assert_array_equal(forecast[name], stored[name])


def test_a_forecast_of_0_1_0_is_scored(stored):
    analysis = open_analysis(STORED / "analysis.nc")
    climatology = Climatology.fit(analysis, harmonics=0)
    scores = evaluate(stored, analysis, climatology=climatology, metrics=["mae"])
    mae = scores.geopotential.sel(model="forecast", metric="mae", region="all")
    weights = np.cos(np.radians(stored.latitude))
    truth = analysis.geopotential.sel(time=stored.valid_time.isel(lead_time=1).values)
    error = np.abs(stored.geopotential.isel(lead_time=1).values - truth)
    by_hand = error.weighted(weights).mean(("time", "latitude", "longitude"))
    np.testing.assert_allclose(mae.isel(lead_time=1), by_hand, rtol=0.05)  # areas are not cosines


def test_a_store_of_0_1_0_is_refused_with_the_remedy(stored):
    """It has no inventory: which of its initial times are whole is not known."""
    with pytest.raises(ValueError, match=r"not made by this version.*; remove .* and run the pip"):
        ForecastStore(STORED / "forecast.zarr")
    before = sorted(STORED.rglob("*"))
    with pytest.raises(ValueError, match=r"forecast\.zarr: "):
        ForecastWriter(STORED / "forecast.zarr", stored)
    assert sorted(STORED.rglob("*")) == before
