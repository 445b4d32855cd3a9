"""Dates as users write them."""

import numpy as np
import pytest
import xarray as xr

from axialcast.forecast import datetimes


def test_dates_that_a_calendar_lacks_are_refused():
    like = xr.date_range("2004-02-28", periods=3, calendar="noleap", use_cftime=True).values
    for value in ("2004-02-29", "soon", 7):
        with pytest.raises(ValueError, match="init_times: expected datetimes, got"):
            datetimes(value, like=like)
    assert (datetimes(np.datetime64("2004-02-28", "ns"), like=like) == like[:1]).all()
    assert (datetimes(like[1:]) == like[1:]).all()
