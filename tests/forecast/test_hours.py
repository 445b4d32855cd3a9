"""Forecasts of departures start at hours whose climatology is known."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from axialcast.forecast.hours import check_hours

KNOWN = SimpleNamespace(network={"departures": {"hours": [0.0, 12.0], "harmonics": 3}})


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
def test_other_hours_are_refused(calendar):
    chosen = {"calendar": calendar, "use_cftime": calendar != "standard"}
    every = xr.date_range("2001-01-31T12", periods=4, freq="12h", **chosen).values
    check_hours(KNOWN, every.reshape(2, 2))
    check_hours(KNOWN, every[:1] + (every[1:2] - every[:1]) * 2)
    later = xr.date_range("2001-01-31T12", periods=2, freq="6h", **chosen).values
    with pytest.raises(ValueError, match=r"2001-01-31T18.*climatology of 0, 12 h UTC; start"):
        check_hours(KNOWN, later)


@pytest.mark.parametrize("settings", [False, True, None])
def test_others_start_at_any(settings):
    network = {} if settings is None else {"departures": settings}
    check_hours(SimpleNamespace(network=network), np.array(["2001-01-01T05"], "M8[ns]"))
