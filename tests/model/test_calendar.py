"""What a network is told of times, in any calendar."""

import numpy as np
import pytest
import xarray as xr

from axialcast.forecast import datetimes
from axialcast.model import calendar
from axialcast.times.calendars import time_text
from axialcast.times.dates import later

DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")


def test_calendar_by_hand():
    times = np.array(["2001-01-01T00", "2001-07-02T12", "2004-12-31T18"], "datetime64[ns]")
    want = [[0, 0], [182.5 / 365, 0.5], [365.75 / 366, 0.75]]
    np.testing.assert_allclose(calendar(times), want, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "date", "want"),
    [
        ("noleap", "2004-12-31T18", (364.75 / 365, 0.75)),
        ("360_day", "2001-02-30", (59 / 360, 0)),
        ("all_leap", "2001-03-01T12", (60.5 / 366, 0.5)),
        ("julian", "2001-07-02T12", (182.5 / 365, 0.5)),
    ],
)
def test_calendars_by_hand(name, date, want):
    like = xr.date_range("2001-01-01", periods=1, calendar=name, use_cftime=True).values
    times = datetimes(date, like=like)
    assert time_text(times[0]) == (date if "T" in date else f"{date}T00")
    np.testing.assert_allclose(calendar(times[None]), [[want]], rtol=1e-6)


def test_a_step_later_in_another_calendar():
    times = xr.date_range("2004-02-28", periods=3, calendar="noleap", use_cftime=True).values
    assert (later(times[:2], DAY) == times[1:]).all()
    assert later(times[:2, None], np.array([1, 2]) * DAY).tolist() == [
        times[1:].tolist(),
        [times[2], times[2].replace(day=3)],
    ]
