"""Dates as users write them, in any calendar."""

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.times.dates import date_text, datetimes, later

DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
NOLEAP = cftime.DatetimeNoLeap


@pytest.fixture
def like():
    return xr.date_range("2004-02-28", periods=3, calendar="noleap", use_cftime=True).values


def test_dates_that_a_calendar_lacks_are_refused(like):
    for value in ("2004-02-29", "soon", 7):
        with pytest.raises(ValueError, match="init_times: expected datetimes, got"):
            datetimes(value, like=like)
    with pytest.raises(ValueError, match=r"got 'soon' \(expected a date such as .* DatetimeNoLeap"):
        datetimes("soon", like=like)
    assert (datetimes(np.datetime64("2004-02-28", "ns"), like=like) == like[:1]).all()
    assert (datetimes(like[1:]) == like[1:]).all()
    assert (datetimes(like[1]) == like[1:2]).all()
    assert (datetimes(like[1], like=like) == like[1:2]).all()


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("2003", (2003, 1, 1)),
        ("2003-05", (2003, 5, 1)),
        ("2003-05-07", (2003, 5, 7)),
        ("2003-05-07T11", (2003, 5, 7, 11)),
        ("2003-05-07 11:13", (2003, 5, 7, 11, 13)),
        ("2003-05-07T11:13:17", (2003, 5, 7, 11, 13, 17)),
        ("2003-05-07T11:13:17.000", (2003, 5, 7, 11, 13, 17)),
    ],
)
def test_text_in_another_calendar(like, text, fields):
    assert datetimes(text, like=like).tolist() == [NOLEAP(*fields)]
    later_text = text.replace("2003", "2005")
    assert datetimes([text, later_text], like=like).tolist() == [
        NOLEAP(*fields),
        NOLEAP(2005, *fields[1:]),
    ]


@pytest.mark.parametrize(
    ("values", "want"),
    [
        ("2001-02-03", ["2001-02-03"]),
        (["2001-02-03T04:05", "2001-01-01T00:00"], ["2001-02-03T04:05", "2001-01-01"]),
        (np.datetime64("2001-02-03", "s"), ["2001-02-03"]),
        (pd.Timestamp("2001-02-03T06"), ["2001-02-03T06"]),
        (pd.date_range("2001-02-03", periods=2), ["2001-02-03", "2001-02-04"]),
        (np.array(["2001-02-03"], "datetime64[us]"), ["2001-02-03"]),
        (["2001-02-03", "2001-02-03T12", "2001-03"], ["2001-02-03", "2001-02-03T12", "2001-03-01"]),
        ("2001-02-03T06:00+05:00", ["2001-02-03T01"]),
    ],
)
@pytest.mark.parametrize("like", [None, np.array(["2001-01-01"], "datetime64[ns]")])
def test_dates_of_the_standard_calendar(values, want, like):
    times = datetimes(values, like=like)
    assert times.dtype == "datetime64[ns]"
    np.testing.assert_array_equal(times, np.array(want, "datetime64[ns]"))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([], "expected one or more times, got none"),
        (
            ["2001-01-01", "2002-01-01", "2001-01-01"],
            "2001-01-01T00:00:00 occurs 2 times; name it once",
        ),
    ],
)
def test_none_and_twice_the_same_are_refused(like, values, problem):
    for calendar in (None, like):
        with pytest.raises(ValueError) as error:
            datetimes(values, like=calendar)
        assert str(error.value) == f"init_times: {problem}"


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (np.datetime64("2001-02-03"), "2001-02-03T00:00:00"),
        (np.datetime64("2001-02-03T04:05:06", "ns"), "2001-02-03T04:05:06"),
        (np.datetime64("0999-02-03T04", "s"), "0999-02-03T04:00:00"),
        (NOLEAP(2001, 2, 3, 4, 5, 6), "2001-02-03T04:05:06"),
        (cftime.Datetime360Day(2001, 2, 30), "2001-02-30T00:00:00"),
    ],
)
def test_dates_to_the_second(time, text):
    assert date_text(time) == text


@pytest.mark.parametrize(
    "time", [np.datetime64("2001-02-03T04:05:06.5", "ns"), NOLEAP(2001, 2, 3, 4, 5, 6, 500000)]
)
def test_fractions_of_seconds_are_refused(time):
    with pytest.raises(ValueError, match=r"init_times: expected whole seconds, got .*04:05:06"):
        date_text(time)
    with pytest.raises(ValueError, match=r"got 2001-02-03T04:05:06\.50*; round it"):
        date_text(time)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ("01/02/2001", r"\(.*01/02/2001.*; write dates as 2001-03-30T06\)"),
        (["2001-01-01", "2001-13-01"], r"\(.*2001-13-01.*; write dates as 2001-03-30T06\)"),
        (["2001-01-01", "now"], r"\(a word; write dates as 2001-03-30T06\)"),
        (7, r"7 \(a number; write dates as 2001-03-30T06\)"),
        (np.array([7.5]), r"\(a number; "),
        (["2001-01-01", None], r"\(a date is missing; "),
        ("9999-01-01", r"9999-01-01.*; write dates as"),
        (["soon"] * 1000, r"\['soon'.{93} … \("),
    ],
)
def test_what_is_no_date_or_one_of_two_is_refused_in_one_line(values, reason):
    with pytest.raises(ValueError, match=f"init_times: expected .*, got .*{reason}") as error:
        datetimes(values)
    assert "\n" not in str(error.value)


def test_a_step_later(like):
    assert later(like[:2], DAY).tolist() == like[1:].tolist()
    leads = np.array([1, 2]) * DAY
    want = [like[1:].tolist(), [like[2], NOLEAP(2004, 3, 3)]]
    assert later(like[:2, None], leads).tolist() == want
    times = np.array(["2004-02-28", "2004-02-29"], "datetime64[ns]")
    moved = later(times[:, None], leads)
    assert moved.dtype == "datetime64[ns]"
    want = [["2004-02-29", "2004-03-01"], ["2004-03-01", "2004-03-02"]]
    np.testing.assert_array_equal(moved, np.array(want, "datetime64[ns]"))
