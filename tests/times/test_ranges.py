"""Ranges of dates, both ends included, as pandas and xarray make them."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.times.ranges import date_range, period_ends


@pytest.mark.parametrize(
    ("first", "last", "every", "start", "end", "freq"),
    [
        ("2009-01-01", "2010-12-31", "7 days", "2009-01-01", "2010-12-31", "7D"),
        ("2009", "2010", "1 day", "2009-01-01", "2010-12-31", "D"),
        ("2009-01-01", "2009-01-02", "6 h", "2009-01-01", "2009-01-02T18", "6h"),
        ("2009-01-01T03", "2009-01-01T04", "10 min", "2009-01-01T03", "2009-01-01T04:50", "10min"),
        ("2000-02", "2004-02", "1 month", "2000-02-01", "2004-02-01", "MS"),
        ("2000-02", "2004-02-15", "3 months", "2000-02-01", "2004-02-01", "3MS"),
        ("2000-02-29", "2000-02-29", "1 year", "2000-02-29", "2000-02-29", "D"),
    ],
)
@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
def test_ranges(first, last, every, start, end, freq, calendar):
    if calendar == "noleap" and "02-29" in first:
        return
    if calendar == "360_day":
        start, end = (date.replace("12-31", "12-30") for date in (start, end))
        last = last.replace("12-31", "12-30")
    chosen = {"freq": freq, "calendar": calendar, "use_cftime": calendar != "standard"}
    want = xr.date_range(start, end, **chosen).values
    found = date_range(first, last, every, like=want)
    np.testing.assert_array_equal(found, want)
    if calendar == "standard":
        np.testing.assert_array_equal(date_range(first, last, every), want)


def test_days_that_a_month_lacks_are_its_last():
    found = date_range("2001-01-31", "2001-04", "1 month")
    assert [str(date)[:10] for date in found] == [
        *("2001-01-31", "2001-02-28", "2001-03-31", "2001-04-30"),
    ]


@pytest.mark.parametrize(
    "last", ["2004", "2004-02", "2004-02-29", "2004-02-29T05", "2004-02-29T05:06"]
)
def test_a_period_holds_its_last_date_wholly(last):
    _, after = period_ends("2001", last)
    assert after == np.datetime64((pd.Period(last) + 1).start_time)


@pytest.mark.parametrize(
    ("last", "every", "problem"),
    [
        ("2000", "1 day", "comes before the first"),
        ("2101", "1 s", "is too far from it"),
        ("2101", "soon", "expected a number of"),
    ],
)
def test_ranges_that_make_no_sense(last, every, problem):
    with pytest.raises(ValueError, match=problem):
        date_range("2001", last, every)
