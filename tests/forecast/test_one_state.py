"""A network of one input state forecasts from one analysis time, whose cadence nothing tells."""

import numpy as np
import pytest
import xarray as xr

from axialcast.data import Analysis, open_analysis


@pytest.fixture
def forecaster(analysis, make_forecaster):
    return make_forecaster(analysis, input_steps=1)


@pytest.mark.parametrize("kind", ["one time", "no dimension of time"])
@pytest.mark.parametrize("store", ["memory", "nc", "zarr"])
def test_one_state_is_enough(forecaster, analysis, tmp_path, kind, store):
    call = {"init_times": analysis.time.values[3], "lead_times": ["24h", "72h"]}
    want = forecaster.predict(analysis, **call)
    state = analysis.isel(time=[3] if kind == "one time" else 3)
    path = tmp_path / f"a.{store}"
    if store == "nc":
        state.to_netcdf(path)
    elif store == "zarr":
        state.to_zarr(path, consolidated=False)
    found = forecaster.predict(state if store == "memory" else path, **call)
    xr.testing.assert_identical(found, want)
    assert np.isfinite(found.geopotential).all()


def test_what_needs_a_cadence_says_so(analysis):
    single = open_analysis(analysis.isel(time=[3]))
    with pytest.raises(ValueError, match="at least two times to tell the cadence, got 1"):
        Analysis(single).cadence  # noqa: B018


def test_more_input_states_are_named(analysis, make_forecaster):
    with pytest.raises(ValueError, match="2001-01-04T00 needs the analysis of 2001-01-03T00"):
        make_forecaster(analysis).predict(
            analysis.isel(time=[3]), init_times="2001-01-04", lead_times="24h"
        )
