"""Intervals that files state, by bounds of their times and GRIB's steps."""

import datetime

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.data import open_analysis

LATITUDE, LONGITUDE = np.arange(50.0, 30.0, -5.0), np.arange(0.0, 35.0, 5.0)


def analysis(times, ends, **attrs):
    values = np.full((len(times), 4, 7), 280, "f4")
    array = (("time", "lat", "lon"), values, {"units": "K", **attrs})
    coords = {"time": ("time", times, {"bounds": "time_bnds"}), "lat": LATITUDE, "lon": LONGITUDE}
    found = xr.Dataset({"tas": array, "time_bnds": (("time", "bnds"), ends)}, coords)
    found["time"].encoding = {"units": "hours since 1990-01-01"}
    return found


def spread(times, *hours):
    return np.stack([times + pd.Timedelta(hours=hour) for hour in hours], 1)


DAYS = pd.date_range("2001-01-01", periods=5)
MONTHS = pd.date_range("2001-01-01", periods=5, freq="MS")
OF_MONTHS = np.stack([MONTHS, MONTHS + pd.DateOffset(months=1)], 1)
CASES = {
    "days": (DAYS, spread(DAYS, 0, 24), {"cell_hours": [0.0, 24.0]}),
    "noon": (DAYS + pd.Timedelta("12h"), spread(DAYS, 0, 24), {"cell_hours": [-12.0, 12.0]}),
    "before": (DAYS, spread(DAYS, -6, 0), {"cell_hours": [-6.0, 0.0]}),
    "months": (MONTHS + pd.Timedelta("14D"), OF_MONTHS, {"cell_months": [0, 1]}),
    "not alike": (DAYS, np.stack([DAYS, DAYS + pd.to_timedelta(range(1, 6), "h")], 1), {}),
    "backwards": (DAYS, spread(DAYS, 0, -24), {}),
}


@pytest.mark.parametrize("kind", ["dataset", "netcdf", "zarr"])
@pytest.mark.parametrize("case", CASES)
def test_bounds_of_times_say_it(case, kind, tmp_path):
    times, ends, want = CASES[case]
    store = analysis(times, ends, cell_methods="area: mean time: mean (interval: 1 hour)")
    if kind == "netcdf":
        store.to_netcdf(tmp_path / "a.nc")
        store = tmp_path / "a.nc"
    elif kind == "zarr":
        store.to_zarr(tmp_path / "a.zarr", zarr_format=2, consolidated=True)
        store = tmp_path / "a.zarr"
    attrs = open_analysis(store)["2m_temperature"].attrs
    assert {key: attrs[key] for key in ("cell_hours", "cell_months") if key in attrs} == want
    assert attrs["cell_methods"].endswith("time: mean (interval: 1 hour)")


def test_other_calendars():
    times = xr.date_range("2001-02-27", periods=4, calendar="noleap", use_cftime=True).values
    day = datetime.timedelta(days=1)
    attrs = open_analysis(
        analysis(times, np.stack([times, times + day], 1), cell_methods="time: mean")
    )
    assert attrs["2m_temperature"].attrs["cell_hours"] == [0.0, 24.0]


def test_what_is_of_an_instant_or_unsaid_has_no_interval():
    for attrs in ({"cell_methods": "time: point"}, {}):
        found = open_analysis(analysis(DAYS, spread(DAYS, 0, 24), **attrs))
        assert "cell_hours" not in found["2m_temperature"].attrs


@pytest.mark.parametrize(
    ("step", "length", "method", "hours"),
    [("accum", "6", "sum", -6.0), ("avg", "30m", "mean", -0.5), ("max", "0", "maximum", None)],
)
def test_steps_of_grib_say_it(step, length, method, hours):
    of = {"GRIB_stepType": step, "GRIB_lengthOfTimeRange": length}
    plain = analysis(DAYS, spread(DAYS, 0, 24), **of).drop_vars("time_bnds")
    attrs = open_analysis(plain)["2m_temperature"].attrs
    assert attrs["cell_methods"] == f"time: {method}"
    assert attrs.get("cell_hours") == (None if hours is None else [hours, 0.0])
