"""A forecast meets the analysis that it was made from, and no other."""

import numpy as np
import pytest
import xarray as xr

from axialcast.scores.matching import matched, valid_times

LEADS = np.array([24, 72], "timedelta64[h]").astype("timedelta64[ns]")


@pytest.fixture
def pair(make_analysis, forecast_of):
    """Three initial times of a forecast, and the analysis, with levels and without."""
    analysis = make_analysis(num_times=11)
    return forecast_of(analysis, analysis.time.values[[2, 3, 5]], LEADS), analysis


def test_dimensions_come_in_order_and_levels_are_those_of_the_forecast(pair):
    forecast, analysis = pair
    lower = forecast.isel(level=[1]).transpose("longitude", "lead_time", ...)
    lower = lower.assign_coords(latitude=lower.latitude.astype("float32"))
    found, truth = matched(lower, analysis.transpose("longitude", "latitude", ...))
    assert found.geopotential.dims == ("init_time", "lead_time", "level", "latitude", "longitude")
    assert truth.geopotential.dims == ("time", "level", "latitude", "longitude")
    assert truth.level.values.tolist() == found.level.values.tolist() == [850.0]
    assert found.latitude.dtype == np.float64
    np.testing.assert_array_equal(truth.geopotential, analysis.geopotential.sel(level=[850]))
    np.testing.assert_array_equal(found.geopotential, forecast.geopotential.sel(level=[850]))
    for name in ("latitude", "longitude"):
        xr.testing.assert_identical(found[name].variable, analysis[name].variable)


def test_members_come_before_the_grid_and_one_is_none(pair):
    forecast, analysis = pair
    found, _ = matched(forecast.expand_dims(number=5), analysis)
    assert found.geopotential.dims[2:4] == ("level", "number")
    assert found.mean_sea_level_pressure.dims[:3] == ("init_time", "lead_time", "number")
    one, _ = matched(forecast.expand_dims(number=1), analysis)
    assert "number" not in one.dims


def test_fields_of_the_analysis_that_were_not_forecast_are_left_out(pair):
    forecast, analysis = pair
    found, truth = matched(forecast[["mean_sea_level_pressure"]], analysis)
    assert list(found) == list(truth) == ["mean_sea_level_pressure"]


def test_valid_times(pair):
    forecast, analysis = pair
    days = analysis.time.values
    assert valid_times(forecast).tolist() == days[[[3, 5], [4, 6], [6, 8]]].tolist()
    assert valid_times(forecast.isel(lead_time=1)).tolist() == days[[5, 6, 8]].tolist()


def of_forecast(change):
    return lambda forecast, analysis: (change(forecast), analysis)


def of_analysis(change):
    return lambda forecast, analysis: (forecast, change(analysis))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            of_forecast(lambda ds: ds.assign(geopotential=ds.geopotential.expand_dims(number=5))),
            "forecast: mean_sea_level_pressure has no number, which others have; select variables",
        ),
        (
            of_forecast(lambda ds: ds.rename(latitude="lat")),
            (
                "forecast: no dimension 'latitude' among "
                "['init_time', 'lat', 'lead_time', 'level', 'longitude']; rename the one"
            ),
        ),
        (
            of_analysis(lambda ds: ds.rename(time="t")),
            "analysis: no dimension 'time' among ['latitude', 'level', 'longitude', 't']; rename",
        ),
        (
            of_analysis(
                lambda ds: ds.assign_coords(
                    time=xr.date_range("2001", periods=11, calendar="noleap")
                )
            ),
            "forecast: its calendar is proleptic_gregorian, the analysis's noleap; open the",
        ),
        (of_forecast(lambda ds: ds.isel(init_time=[])), "forecast: holds no init_time; select at"),
        (
            of_forecast(lambda ds: ds.isel(init_time=[0, 2, 2])),
            "forecast: holds init_time 2001-01-06T00:00 twice; keep one, as .drop_duplicates('init",
        ),
        (
            of_analysis(lambda ds: xr.concat([ds, ds.isel(time=[3])], "time")),
            "analysis: holds time 2001-01-04T00:00 twice; keep one, as .drop_duplicates('time')",
        ),
        (
            of_forecast(lambda ds: ds.assign_coords(lead_time=[24, 72])),
            "forecast: lead_time is int64, expected timedelta64, or whole numbers in units of",
        ),
        (
            of_analysis(lambda ds: ds[["geopotential"]]),
            (
                "forecast: variable 'mean_sea_level_pressure' is not in the analysis, which has "
                "['geopotential']; open the analysis that the forecast was made from"
            ),
        ),
        (
            of_analysis(lambda ds: ds.assign(geopotential=ds.geopotential.drop_attrs())),
            "forecast: geopotential is in 'm2 s-2', the analysis in None; convert one of them",
        ),
        (
            of_analysis(lambda ds: ds.isel(level=0)),
            "forecast: geopotential has levels in the forecast only; select one with .sel(level=)",
        ),
        (
            of_forecast(lambda ds: ds.isel(level=0)),
            "forecast: geopotential has levels in the analysis only; select one with .sel(level=)",
        ),
        (
            of_analysis(lambda ds: ds.isel(level=[0])),
            "forecast: geopotential has level 850, the analysis [500.0]; open the analysis",
        ),
        (
            of_analysis(lambda ds: ds.isel(latitude=slice(None, None, -1))),
            "forecast: its grid is not the analysis's, ",
        ),
        (
            of_analysis(lambda ds: ds.isel(time=slice(6, 9))),
            (
                "forecast: no init_time from 2001-01-03T00:00 to 2001-01-06T00:00 is in the "
                "analysis, 2001-01-07T00:00 to 2001-01-09T00:00; open the analysis"
            ),
        ),
    ],
)
def test_what_does_not_match_is_refused_by_name(pair, change, told):
    with pytest.raises(ValueError) as error:
        matched(*change(*pair))
    assert str(error.value).startswith(told)
    assert "\n" not in str(error.value)
