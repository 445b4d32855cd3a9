"""Dates that are off by the rounding of their numbers are put right, others are let be."""

import logging

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.data import open_analysis
from axialcast.times.decoding import decoded

HOUR = np.timedelta64(1, "h")


def times(values, units=None, calendar=None, round_seconds=None):
    attrs = {"units": units, "calendar": calendar}
    attrs = {key: value for key, value in attrs.items() if value is not None}
    dataset = xr.Dataset(coords={"time": ("time", values, attrs)})
    return decoded(dataset, round_seconds).time.values


def every(step, start, count=59):
    return pd.date_range(start, periods=count, freq=step).values.astype("datetime64[ns]")


STEPS = {"1h": 24, "30min": 48, "15min": 96, "3h": 8, "6h": 4, "24h": 1}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("dtype", ["f4", "f8", "six decimals"])
def test_dates_in_parts_of_days(step, dtype, caplog):
    """1/24 is no number of binary digits; days since 1960 in single precision are off by 42 s."""
    days = 15000 + np.arange(59) / STEPS[step]
    numbers = np.round(days, 6) if dtype == "six decimals" else days.astype(dtype)
    caplog.set_level(logging.INFO, "axialcast")
    found = times(numbers, "days since 1960-01-01")
    np.testing.assert_array_equal(found, every(step, "2001-01-25"))
    is_exact = dtype == "f8" or STEPS[step] in (1, 4, 8)
    assert ("are off by up to" in caplog.text) != is_exact


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "julian", "standard"])
@pytest.mark.parametrize("reference", [1, 1960, 2300])
def test_dates_of_any_calendar_and_century(calendar, reference):
    """Single precision holds parts of some 10 000 days, double precision of any number."""
    start = cftime.datetime(reference + 40, 2, 27, calendar=calendar)
    want = xr.date_range(start, periods=59, freq="3h", use_cftime=True).values
    units = f"days since {reference:04d}-01-01"
    numbers = cftime.date2num(want, units, calendar).astype(np.float64)
    for dtype in ("f4", "f8"):
        found = times(numbers.astype(dtype), units, calendar)
        if found.dtype != object:
            found = xr.CFTimeIndex(want).to_datetimeindex(time_unit="ns") == found
        assert (found if found.dtype == bool else found == want).all()


@pytest.mark.parametrize(
    ("dtype", "units", "step"),
    [
        ("f4", "hours since 1900-01-01", "10min"),
        ("f4", "seconds since 1970-01-01", "1h"),
        ("f4", "minutes since 1900-01-01", "1h"),
        ("i4", "minutes since 1900-01-01", "7min"),
        ("f8", "days since 1900-01-01", "7min"),
        ("f8", "seconds since 1970-01-01", "13s"),
        ("f8", "hours since 1970-01-01", "1s"),
    ],
)
def test_dates_in_other_units(dtype, units, step):
    want = every(step, "2001-09-09T00:00")
    index = xr.CFTimeIndex(xr.date_range("2001-09-09", periods=59, freq=step, use_cftime=True))
    numbers = cftime.date2num(index.values, units).astype(dtype)
    np.testing.assert_array_equal(times(numbers, units), want)


@pytest.mark.parametrize(
    ("dtype", "units", "step"),
    [
        ("f4", "days since 0001-01-01", "1h"),
        ("f4", "days since 0001-01-01", "2h"),
        ("f4", "seconds since 1900-01-01", "5min"),
    ],
)
def test_a_type_that_cannot_tell_dates_apart_is_refused(dtype, units, step):
    index = xr.CFTimeIndex(xr.date_range("2001-09-09", periods=59, freq=step, use_cftime=True))
    numbers = cftime.date2num(index.values, units).astype(dtype)
    with pytest.raises(ValueError, match=r"float\d\d, which tells dates apart by .* cdo -b F64"):
        times(numbers, units)


def test_dates_that_xarray_decoded_already_are_put_right(analysis, tmp_path):
    numbers = np.float32(15000 + np.arange(40) / 24)
    units = {"units": "days since 1960-01-01"}
    analysis.assign_coords(time=("time", numbers, units)).to_netcdf(tmp_path / "a.nc")
    want = every("1h", "2001-01-25", 40)
    np.testing.assert_array_equal(open_analysis(tmp_path / "a.nc").time, want)
    with xr.open_dataset(tmp_path / "a.nc") as dataset:
        assert (dataset.time.values != want).any()
        np.testing.assert_array_equal(open_analysis(dataset).time, want)


def test_dates_are_rounded_where_it_is_asked_for(analysis, tmp_path, caplog):
    want = every("1h", "2001-01-01", 40)
    off = np.resize([0, 37, -29, 3, -1, 11, 8], 40) * np.timedelta64(1, "s")
    dataset = analysis.assign_coords(time=want + off)
    dataset.to_netcdf(tmp_path / "a.nc")
    with pytest.raises(ValueError, match=r"off by rounding, set data\.round_times_seconds: 3600"):
        open_analysis(tmp_path / "a.nc", gaps="keep")
    caplog.set_level(logging.INFO, "axialcast")
    found = open_analysis(tmp_path / "a.nc", round_times_seconds=3600)
    np.testing.assert_array_equal(found.time, want)
    assert "time: rounded to multiples of 3600 s, by up to 37 s" in caplog.text
    with pytest.raises(ValueError, match="expected seconds that divide a day, got 7"):
        open_analysis(dataset, round_times_seconds=7)
    with pytest.raises(ValueError, match="2001-01-01T00 occurs twice"):
        open_analysis(tmp_path / "a.nc", round_times_seconds=10800)


def test_calendars_are_rounded_too():
    want = xr.date_range("2001-02-27", periods=13, freq="6h", calendar="noleap", use_cftime=True)
    off = xr.date_range("2001-02-27", periods=13, freq="6h", calendar="noleap", use_cftime=True)
    off = off.shift(40, "s").values
    dataset = xr.Dataset(coords={"time": ("time", off)})
    assert (decoded(dataset, 3600).time.values == want.values).all()


@pytest.mark.parametrize(
    ("values", "units", "want"),
    [
        ([20010131.0, 20010131.25], "day as %Y%m%d.%f", ["2001-01-31T00", "2001-01-31T06"]),
        ([20010131, 20010201], "day as %Y%m%d.%f", ["2001-01-31", "2001-02-01"]),
        ([20010131.0, 20010131 + 1 / 24], "day as %Y%m%d.%f", ["2001-01-31", "2001-01-31T01"]),
        ([0, 1], "hours since 1900-01-01 00:00:00 +01:00", ["1899-12-31T23", "1900-01-01T00"]),
        ([0, 1], " Hours Since 1900-1-1", ["1900-01-01T00", "1900-01-01T01"]),
        (["2001-01-31T00", "2001-01-31T06Z"], None, ["2001-01-31T00", "2001-01-31T06"]),
        ([b"2001-01-31", b"2001-02-01"], None, ["2001-01-31", "2001-02-01"]),
    ],
)
def test_dates_that_are_written_otherwise(values, units, want):
    found = times(np.array(values), units)
    np.testing.assert_array_equal(found, np.array(want, "datetime64[ns]"))


@pytest.mark.parametrize(
    ("values", "units", "calendar", "message"),
    [
        ([0, 1, 2], "months since 1979-01-01", None, "'months since 1979-01-01', which are of"),
        ([0, 1, 2], "years since 1979-01-01", None, "are of different lengths; write them in da"),
        ([0, 1, 2], "hours since yesterday", None, r"cannot be read \(0 to 2\)"),
        ([0, 1, 2], "hours since 1979-01-01", "mayan", "of the calendar 'mayan', which cannot be"),
        ([20010101, 20010102, 20010103], None, None, "int64 such as 20010101 without uni"),
        (
            [20010101, 20010142, 20010103],
            "day as %Y%m%d.%f",
            None,
            "numbers in 'day as %Y%m%d.%f', which",
        ),
        ([0.0, 1.0, 2.0], None, None, "got float64; decode them by units in the file"),
        ([0, 1, 2], "hours", None, "numbers in 'hours', which cannot be"),
        (["spring", "summer", "autumn"], None, None, "expected dates, got 'spring' and the like"),
        ([0.0, np.nan, 2.0], "hours since 1979-01-01", None, "holds 1 missing dates .of steps 2."),
        ([0.0, 1.0, np.inf], "hours since 1979-01-01", None, r"1 missing dates \(of steps 3\)"),
        ([0.0, 1.0, 9.96921e36], "hours since 1979-01-01", None, r"\(0 to 9.96921e\+36\)"),
        ([2, 1, 0], "hours since 1979-01-01", None, "not sorted at 1979-01-01T01; sort the file"),
        ([0, 1, 1], "hours since 1979-01-01", None, "T01 occurs twice; .* cdo delete,timestep=3"),
        ([], "hours since 1979-01-01", None, "time: holds no time; give files with at least one"),
    ],
)
@pytest.mark.parametrize("kind", ["nc", "zarr"])
def test_times_that_cannot_be_read_are_refused_with_the_file(
    analysis, tmp_path, values, units, calendar, message, kind
):
    attrs = {"units": units, "calendar": calendar}
    attrs = {key: value for key, value in attrs.items() if value is not None}
    part = analysis.isel(time=slice(len(values))).drop_vars("time")
    values = np.array(values, None if values else float)
    part = part.assign_coords(time=("time", values, attrs))
    path = tmp_path / f"a.{kind}"
    if kind == "nc":
        part.to_netcdf(path)
    else:
        part.to_zarr(path, zarr_format=2, consolidated=False)
    with pytest.raises(ValueError, match=message) as raised:
        open_analysis(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)
    assert not any(word in str(raised.value) for word in (".sortby", ".isel", "decode_cf"))


@pytest.mark.parametrize("year", [1500, 1700, 2262, 2300, 9999])
def test_dates_beyond_the_reach_of_nanoseconds(analysis, tmp_path, year):
    seconds = np.datetime64(f"{year}-04-11T00", "s") + np.arange(40) * np.timedelta64(86400, "s")
    dataset = analysis.drop_vars("time").assign_coords(time=("time", seconds))
    days = (seconds - seconds[0]) // np.timedelta64(1, "D")
    in_file = {"units": f"days since {year:04d}-04-11", "calendar": "proleptic_gregorian"}
    analysis.assign_coords(time=("time", days.astype(int), in_file)).to_netcdf(tmp_path / "a.nc")
    for store in (dataset, tmp_path / "a.nc"):
        found = open_analysis(store).time.values
        assert str(found[0])[:10] == f"{year}-04-11"
        text = found[-1].isoformat() if found.dtype == object else str(found[-1])
        assert text[:19] == str(seconds[-1])[:19]
