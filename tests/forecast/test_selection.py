"""Which initial and lead times are asked for."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.data.reader import Analysis
from axialcast.forecast.selection import choose_init_times, choose_lead_times, parse_lead_times
from axialcast.times.steps import MONTH

HOUR = np.timedelta64(1, "h").astype("timedelta64[ns]")
PERIOD = ["2001-01-03T12", "2001-01-06"]


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
@pytest.mark.parametrize("is_opened", [False, True])
def test_initial_times_of_the_test_period(make_analysis, calendar, is_opened):
    """Both ends are in it; hours count from its first time."""
    analysis = make_analysis(num_times=31, hours=6)
    if calendar != "standard":
        range_ = xr.date_range("2001-01-01", periods=31, freq="6h", calendar=calendar)
        analysis = analysis.assign_coords(time=range_)
    times = analysis.time.values
    given = Analysis.of(analysis) if is_opened else analysis
    for every, want in ((None, times[10:24]), (6, times[10:24]), (12, times[10:24:2])):
        every = None if every is None else every * HOUR
        found = choose_init_times(given, init_times="test", test=PERIOD, init_every=every)
        assert found.tolist() == want.tolist()
    dates = ["2001-02-03T06", "2001-01-01T00"]
    found = choose_init_times(given, init_times=dates, test=PERIOD, init_every=12 * HOUR)
    assert [str(time)[:13].replace(" ", "T") for time in found] == dates
    assert found.dtype == times.dtype
    with pytest.raises(ValueError, match="init_times: expected datetimes, got"):
        choose_init_times(given, init_times=["soon"], test=PERIOD)


def test_lead_times_up_to_the_longest():
    assert (choose_lead_times(24 * HOUR, 6 * HOUR) == np.arange(6, 25, 6) * HOUR).all()
    half = np.timedelta64(30, "m")
    assert (choose_lead_times(3 * half, half) / HOUR).tolist() == [0.5, 1.0, 1.5]
    assert choose_lead_times(6 * MONTH, 3 * MONTH).tolist() == [3, 6]
    with pytest.raises(ValueError) as error:
        choose_lead_times(20 * HOUR, 6 * HOUR)
    assert str(error.value) == (
        "forecast.lead_time: 20 h is not a multiple of the model step of 6 h"
    )


@pytest.mark.parametrize(
    ("values", "hours"),
    [
        ("24h", [24]),
        (["48h", "6h", "1D"], [6, 24, 48]),
        (np.timedelta64(12, "h"), [12]),
        (pd.to_timedelta([18, 6], "h"), [6, 18]),
    ],
)
def test_lead_times_as_users_write_them(values, hours):
    leads = parse_lead_times(values, 6 * HOUR)
    assert leads.dtype == "timedelta64[ns]"
    assert (leads / HOUR).tolist() == hours


@pytest.mark.parametrize("values", [24, [6.0, 12.0], "soon", ["6h", "later"], np.array([6], "u1")])
def test_what_are_no_lead_times(values):
    with pytest.raises(
        ValueError, match="lead_times: expected timedeltas such as '24h' or '3 months', got "
    ):
        parse_lead_times(values, 6 * HOUR)


@pytest.mark.parametrize(
    ("values", "got"),
    [
        (["12h", "7h"], "12 h, 7 h"),
        (["6h", "6h"], "6 h, 6 h"),
        ("0h", "0 h"),
        ("-6h", "-6 h"),
        ([], "none"),
    ],
)
def test_lead_times_that_are_no_multiples(values, got):
    with pytest.raises(ValueError) as error:
        parse_lead_times(pd.to_timedelta(values), 6 * HOUR)
    assert str(error.value) == (
        "lead_times: expected different positive multiples of the model step of 6 h, got " + got
    )
