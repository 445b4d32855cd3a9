"""Steps, exact and of months: in words, counted, and added to dates as pandas adds them."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from axialcast.times.dates import later
from axialcast.times.leads import lead_coordinate, lead_labels, leads_of
from axialcast.times.steps import (
    MONTH,
    exact,
    in_months,
    multiple,
    nominal,
    parsed_step,
    step_numbers,
    step_of_numbers,
    step_text,
)

HOUR = exact(3600)


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("6 h", 6 * HOUR),
        ("6h", 6 * HOUR),
        ("0.5 hours", HOUR // 2),
        ("10 min", exact(600)),
        ("1 Day", 24 * HOUR),
        ("7 days", 168 * HOUR),
        ("1 week", 168 * HOUR),
        ("90 s", exact(90)),
        ("1 month", MONTH),
        ("3 months", 3 * MONTH),
        ("1 season", 3 * MONTH),
        ("2 years", 24 * MONTH),
        ("1 days 06:00:00", 30 * HOUR),
        (np.timedelta64(1, "Y"), 12 * MONTH),
        (np.timedelta64(90, "m"), exact(5400)),
        (pd.Timedelta("1D"), 24 * HOUR),
    ],
)
def test_steps_as_users_write_them(value, want):
    found = parsed_step(value)
    assert found == want
    assert found.dtype == want.dtype


@pytest.mark.parametrize(
    "value",
    [6, 6.0, "6", "", "soon", "1.5 months", "1 M", None, "6 h h"],
)
def test_what_is_no_step(value):
    with pytest.raises(ValueError, match=r"^got .*, expected a number of s, min, h, days, months"):
        parsed_step(value)


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (HOUR, "1 h"),
        (24 * HOUR, "24 h"),
        (exact(5400), "90 min"),
        (exact(600), "10 min"),
        (exact(90), "90 s"),
        (np.array([6, 12]) * HOUR, "6, 12 h"),
        (np.array([30, 60]) * exact(60), "30, 60 min"),
        (MONTH, "1 month"),
        (np.array([1, 6]) * MONTH, "1, 6 months"),
    ],
)
def test_words(steps, text):
    assert step_text(steps) == text


@given(step=st.integers(1, 10**6), of=st.integers(1, 10**4), months=st.booleans())
def test_multiples(step, of, months):
    unit = MONTH if months else exact(1)
    want = step // of if step % of == 0 else None
    assert multiple(step * unit, of * unit) == want
    assert multiple(step * unit, of * (exact(1) if months else MONTH)) is None
    assert step_of_numbers(step_numbers(step * unit)) == step * unit
    assert in_months(step * unit) is months
    assert parsed_step(step_text(step * unit)) == step * unit


def test_no_step_is_a_multiple_of_none():
    assert multiple(6 * HOUR, 0 * HOUR) is None
    assert multiple(-6 * HOUR, 6 * HOUR) == -1


def test_a_month_is_a_twelfth_of_a_mean_year():
    span = np.datetime64("2200-01-01") - np.datetime64("2000-01-01")
    # Four centuries have three leap days less than as many years of four; two of them half of one.
    assert abs(nominal(2400 * MONTH) - span) <= exact(43_200)
    assert nominal(HOUR) == HOUR


@given(
    days=st.lists(st.integers(0, 60_000), min_size=1, max_size=5),
    minutes=st.integers(0, 1439),
    months=st.integers(-500, 500),
)
def test_months_later_as_pandas_counts_them(days, minutes, months):
    times = np.datetime64("1950-01-01", "ns") + np.array(days) * 24 * HOUR + minutes * exact(60)
    want = pd.DatetimeIndex(times) + pd.DateOffset(months=months)
    np.testing.assert_array_equal(later(times, months * MONTH), want)


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "all_leap", "julian"])
@pytest.mark.parametrize("months", [-13, -1, 0, 1, 11, 24])
def test_months_later_as_xarray_counts_them(calendar, months):
    starts = xr.date_range("1999-12-01", periods=30, freq="MS", calendar=calendar, use_cftime=True)
    np.testing.assert_array_equal(later(starts.values, months * MONTH), starts.shift(months, "MS"))
    ends = xr.date_range("2000-01-01", periods=12, freq="ME", calendar=calendar, use_cftime=True)
    for end, found in zip(ends, later(ends.values, MONTH), strict=True):
        first = found.replace(day=1)
        assert (first.month, found.day) == (end.month % 12 + 1, min(end.day, first.daysinmonth))


def test_steps_and_times_broadcast():
    times = np.array(["2000-01-31", "2001-01-01"], "M8[ns]")
    found = later(times[:, None], np.arange(3) * MONTH)
    want = [["2000-01-31", "2000-02-29", "2000-03-31"], ["2001-01-01", "2001-02-01", "2001-03-01"]]
    np.testing.assert_array_equal(found, np.array(want, "M8[ns]"))


@pytest.mark.parametrize("leads", [np.array([6, 12]) * HOUR, np.array([1, 3, 6]) * MONTH])
def test_lead_times_come_back_from_a_file(leads, tmp_path):
    field = xr.Dataset(
        {"a": ("lead_time", np.arange(len(leads)))}, {"lead_time": lead_coordinate(leads)}
    )
    field.to_netcdf(tmp_path / "a.nc")
    for decode in (True, None):
        with xr.open_dataset(tmp_path / "a.nc", decode_timedelta=decode) as opened:
            if decode or in_months(leads):
                found = leads_of(opened)
                assert found.tolist() == leads.tolist()
                assert in_months(found) == in_months(leads)
                last = opened.a.sel(lead_time=lead_labels(leads[-1]))
                assert last.item() == len(leads) - 1
                assert leads_of(last) == leads[-1]


def test_numbers_without_units_are_no_lead_times():
    with pytest.raises(
        ValueError, match="lead_time is int64, expected timedelta64, or whole number"
    ):
        leads_of(xr.Dataset(coords={"lead_time": [1, 2]}))
