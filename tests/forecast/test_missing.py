"""Missing values and other calendars: what is unknown stays unknown, and nothing else changes."""

import re

import numpy as np
import pytest
import torch
import xarray as xr

from axialcast.forecast import calendar

DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
INITS = ["2001-01-05", "2001-01-20"]
LAND = (slice(2, 4), slice(5, 8))


def with_land(analysis):
    """The analysis with a sea-level pressure (of all things) that is not known over land."""
    holed = analysis.copy(deep=True)
    holed.mean_sea_level_pressure[:, *LAND] = np.nan
    return holed


def test_land_is_filled_with_the_mean_and_stays_land(analysis, make_forecaster):
    holed = with_land(analysis)
    forecaster = make_forecaster(holed)
    forecast = forecaster.predict(holed, init_times=INITS, lead_times=["24h", "48h"])
    land = np.isnan(holed.mean_sea_level_pressure.values[0])
    assert land.sum() == 6
    pressure = forecast.mean_sea_level_pressure.values
    assert (np.isnan(pressure) == land).all()
    assert np.isfinite(forecast.geopotential.values).all()

    checkpoint = forecaster.checkpoint
    mean, std = (x[:, None, None] for x in (checkpoint.statistics.mean, checkpoint.statistics.std))
    times = np.array(INITS, "datetime64[ns]")[:, None] - np.array([1, 0]) * DAY
    rows = np.searchsorted(analysis.time.values, times)
    values = np.nan_to_num((checkpoint.channels.stack(holed) - mean) / std)[rows]
    states = torch.tensor(values, dtype=torch.float32)
    network = checkpoint.build()
    for lead in range(2):
        with torch.no_grad():
            following = network(states, calendar(times + lead * DAY))
        following[:, 2, torch.tensor(land)] = 0
        want = following.numpy() * std + mean
        np.testing.assert_allclose(pressure[:, lead][:, ~land], want[:, 2][:, ~land], rtol=1e-6)
        np.testing.assert_allclose(forecast.geopotential[:, lead], want[:, :2], rtol=1e-5)
        states = torch.stack([states[:, 1], following], 1)


def test_the_state_at_the_initial_time_decides_what_is_known(analysis, make_forecaster):
    holed = with_land(analysis)
    forecaster = make_forecaster(holed)
    later = holed.copy(deep=True)
    later.mean_sea_level_pressure[3, 0, 0] = np.nan  # before the first initial time
    later.mean_sea_level_pressure[4, 1, 1] = np.nan  # at it
    options = {"init_times": INITS, "lead_times": "24h"}
    got, usual = forecaster.predict(later, **options), forecaster.predict(holed, **options)
    unknown = np.isnan(got.mean_sea_level_pressure) & ~np.isnan(usual.mean_sea_level_pressure)
    assert np.argwhere(unknown.values).tolist() == [[0, 0, 1, 1]]
    xr.testing.assert_allclose(got.isel(init_time=1), usual.isel(init_time=1), rtol=1e-6)


def test_nan_that_training_never_saw_is_refused(analysis, make_forecaster):
    forecaster = make_forecaster(with_land(analysis))
    holed = with_land(analysis)
    holed.geopotential[3, 1, :2, :3] = np.nan
    with pytest.raises(ValueError, match="geopotential 850 hPa: 6 of 84 points are NaN") as raised:
        forecaster.predict(holed, init_times=INITS, lead_times="24h")
    assert "in the analysis of 2001-01-04T00, the model was trained on none; fill it" in str(
        raised.value
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_infinities_are_refused_even_where_values_may_be_missing(analysis, make_forecaster, sign):
    holed = with_land(analysis)
    forecaster = make_forecaster(holed)
    holed.mean_sea_level_pressure[18, 1, 2:4] = sign * np.inf
    message = (
        "mean_sea_level_pressure: 2 of 84 points are infinite in the analysis of 2001-01-19T00; "
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        forecaster.predict(holed, init_times=INITS, lead_times="24h")


def test_a_field_that_is_not_known_at_all_is_refused(analysis, make_forecaster):
    forecaster = make_forecaster(with_land(analysis))
    holed = analysis.copy(deep=True)
    holed.mean_sea_level_pressure[18] = np.nan
    message = "mean_sea_level_pressure: 84 of 84 points are NaN in the analysis of 2001-01-19T00"
    with pytest.raises(ValueError, match=re.escape(message)):
        forecaster.predict(holed, init_times=INITS, lead_times="24h")


def test_forecasts_in_a_calendar_without_leap_days(analysis, make_forecaster):
    """The clock runs differently, the weather does not: as of the same fractions of the year."""
    forecaster = make_forecaster(analysis)
    dates = {
        name: xr.date_range(start, periods=40, calendar=name, use_cftime=True)
        for name, start in (("noleap", "2004-02-01"), ("360_day", "2004-02-01"))
    }
    plain = analysis.assign_coords(time=analysis.time + np.timedelta64(365 + 31, "D"))
    want = forecaster.predict(plain, init_times="2002-02-27", lead_times=["24h", "72h"])
    for name, times in dates.items():
        got = forecaster.predict(
            analysis.assign_coords(time=times), init_times=times[26:27], lead_times=["24h", "72h"]
        )
        assert got.init_time.dt.calendar == name
        assert (got.valid_time.values == times.values[[[27, 29]]]).all()
        if name == "noleap":
            np.testing.assert_allclose(got.geopotential, want.geopotential, rtol=1e-6)
    text = forecaster.predict(
        analysis.assign_coords(time=dates["360_day"]), init_times="2004-02-30", lead_times="24h"
    )
    assert str(text.valid_time.values[0, 0]) == "2004-03-01 00:00:00"
