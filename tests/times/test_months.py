"""Times that stand for months: recognised wherever in these they lie, and dated the first."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.data import cadence, open_analysis
from axialcast.times.calendars import gapless_axis
from axialcast.times.months import are_months, month_starts

CALENDARS = ["standard", "noleap", "360_day", "all_leap", "julian"]
MONTH = np.timedelta64(1, "M")


def monthly(calendar="standard", place="first", num=30):
    """Months as files date them, and the first of each."""
    chosen = {"periods": num, "freq": "MS", "calendar": calendar}
    firsts = xr.date_range("1999-11-01", **chosen, use_cftime=calendar != "standard")
    ends = firsts.shift(1, "MS")
    match place:
        case "first":
            times = firsts.values
        case "last":
            times = ends.values - (ends.values - firsts.values) * 0 - _days(1, firsts)
        case "15th":
            times = firsts.values + _days(14, firsts)
        case "middle":
            times = firsts.values + (ends.values - firsts.values) / 2
    return times, firsts.values


def _days(number, like):
    step = pd.Timedelta(days=number)
    return step.to_pytimedelta() if like.dtype == object else step.to_timedelta64()


@pytest.mark.parametrize("calendar", CALENDARS)
@pytest.mark.parametrize("place", ["first", "last", "15th", "middle"])
def test_months_are_recognised_and_dated_the_first(make_analysis, calendar, place):
    times, firsts = monthly(calendar, place)
    analysis = make_analysis(num_times=30).assign_coords(time=times)
    opened = open_analysis(analysis)
    assert cadence(opened) == cadence(xr.Dataset(coords={"time": times})) == MONTH
    np.testing.assert_array_equal(opened.time, firsts)
    np.testing.assert_array_equal(opened.geopotential, analysis.geopotential)
    assert ("stored_time" in opened.coords) == (place != "first")
    if place != "first":
        np.testing.assert_array_equal(opened.stored_time, times)
    for num in (2, 3):  # of few times, too
        assert cadence(open_analysis(analysis.isel(time=slice(5, 5 + num)))) == MONTH
    period = open_analysis(analysis, period=("2000-02", "2000-03"))
    np.testing.assert_array_equal(period.time, firsts[3:5])


@pytest.mark.parametrize(("freq", "months"), [("QS", 3), ("QS-DEC", 3), ("YS", 12), ("2MS", 2)])
def test_seasons_and_years(freq, months):
    times = pd.date_range("1990-01-01", periods=9, freq=freq)
    step = cadence(xr.Dataset(coords={"time": times}))
    assert step == months * MONTH
    assert step.dtype == "timedelta64[M]"


def test_seasons_by_their_middles(make_analysis):
    starts = pd.date_range("1990-03-01", periods=9, freq="QS-DEC")
    middles = starts + (starts.shift(1) - starts) / 2
    opened = open_analysis(make_analysis(num_times=9).assign_coords(time=middles))
    assert cadence(opened) == 3 * MONTH
    np.testing.assert_array_equal(opened.time, middles.values.astype("M8[M]"))


def test_twelfths_of_a_year(real_data):
    """Months of 730.5 hours, as some programs write them, lie within three days of the middles."""
    opened = open_analysis(
        real_data("fnoc_winds_global_monthly_1982_1992.nc"),
        rename={"UWND": "10m_u_component_of_wind"},
    )
    assert cadence(opened) == MONTH
    np.testing.assert_array_equal(opened.time, pd.date_range("1982-01", periods=132, freq="MS"))
    assert str(opened.stored_time.values[1]) == "1982-02-16T06:30:00.000000000"


@pytest.mark.parametrize("freq", ["30D", "31D", "28D", "7D", "6h", "SMS", "730h"])
def test_what_are_no_months(freq):
    assert not are_months(pd.date_range("2001-01-10", periods=40, freq=freq).values)


@pytest.mark.parametrize("calendar", ["standard", "360_day"])
def test_a_missing_month_is_a_gap(make_analysis, calendar):
    times, _ = monthly(calendar, "middle")
    rows = [0, 1, 2, 5, 6]
    analysis = make_analysis(num_times=5).assign_coords(time=times[rows])
    with pytest.raises(ValueError, match=r"from 1 month to 3 months after 2000-01-01T00; .*keep"):
        open_analysis(analysis)
    kept = open_analysis(analysis, gaps="keep")
    found, step = gapless_axis(kept.time.values)
    assert step == MONTH
    assert found.tolist() == [0, 1, 2, -1, -1, 3, 4]


def test_a_month_that_stands_there_twice_is_named(make_analysis):
    times, _ = monthly("standard", "middle")
    twice = np.sort(np.append(times[:6], times[3] + np.timedelta64(1, "D")))
    with pytest.raises(ValueError, match=r"month of 2000-02-15 stands there twice.*timestep=5"):
        open_analysis(make_analysis(num_times=7).assign_coords(time=twice))


def test_months_dated_now_here_now_there_are_refused(make_analysis):
    times, _ = monthly("standard", "first")
    times = times + np.where(np.arange(30) < 4, 0, 9) * np.timedelta64(1, "D")
    with pytest.raises(ValueError, match=r"stand for no months.*settaxis"):
        open_analysis(make_analysis(num_times=30).assign_coords(time=times))


def test_the_first_of_a_month_of_any_calendar():
    for calendar in CALENDARS:
        times, firsts = monthly(calendar, "middle")
        np.testing.assert_array_equal(month_starts(times.reshape(5, 6)), firsts.reshape(5, 6))
