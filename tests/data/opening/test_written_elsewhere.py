"""Stores as other tools write, pack and name them; or one line that says what to do."""

import shutil
from datetime import date, timedelta

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.data import open_analysis

SURFACE = "mean_sea_level_pressure"


@pytest.fixture
def pressure(analysis):
    """One variable without levels, as pandas and xarray would write it."""
    field = analysis[[SURFACE]].rename({SURFACE: "msl"})
    for name in field.variables:
        field[name].attrs = {"units": "Pa"} if name == "msl" else {}
    return field


def same(opened, analysis):
    xr.testing.assert_allclose(opened.drop_attrs(), analysis[list(opened)].drop_attrs(), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
@pytest.mark.parametrize("calendar", ["standard", "noleap"])
def test_files_of_a_single_time_in_numbers_of_any_type(pressure, tmp_path, dtype, calendar):
    """A scalar time, as `ncks -d time,3` or a loop over hours leaves it."""
    times = xr.date_range(
        "2001-01-03", periods=5, freq="6h", calendar=calendar, use_cftime=calendar != "standard"
    )
    part = pressure.isel(time=slice(0, 5)).assign_coords(time=times)
    for number in range(5):
        one = part.isel(time=number)
        encoding = {"units": "hours since 2001-01-01", "dtype": dtype, "calendar": calendar}
        one.to_netcdf(tmp_path / f"a_{number}.nc", encoding={"time": encoding})
    opened = open_analysis(tmp_path / "a_*.nc")
    np.testing.assert_array_equal(opened.time, part.time)
    np.testing.assert_array_equal(opened[SURFACE], part.msl)


def test_the_initial_time_of_thredds_beside_valid_times(pressure, tmp_path):
    times = pd.date_range("2001-01-03", periods=pressure.sizes["time"], freq="6h")
    file = pressure.assign_coords(time=times, reftime=times[0])
    file["reftime"].attrs["standard_name"] = "forecast_reference_time"
    file["time"].attrs["standard_name"] = "time"
    encoding = {"units": "Hour since 2001-01-03T00:00:00Z", "dtype": "f8"}
    file.to_netcdf(tmp_path / "a.nc", encoding={"time": encoding, "reftime": encoding})
    opened = open_analysis(tmp_path / "a.nc")
    np.testing.assert_array_equal(opened.time, times)
    np.testing.assert_array_equal(opened[SURFACE], pressure.msl)


@pytest.mark.parametrize("kind", ["date", "datetime", "with a zone", "text with a zone"])
def test_dates_of_python_are_dates(pressure, kind):
    days = [date(2001, 1, 3) + timedelta(days=n) for n in range(pressure.sizes["time"])]
    stamps = pd.DatetimeIndex(days)
    values = {
        "date": days,
        "datetime": [stamp.to_pydatetime() for stamp in stamps],
        "with a zone": list(stamps.tz_localize("UTC").tz_convert("Asia/Tokyo")),
        "text with a zone": [f"{day}T09:00+09:00" for day in days],
    }[kind]
    opened = open_analysis(pressure.assign_coords(time=("time", np.array(values, object))))
    np.testing.assert_array_equal(opened.time, stamps)


@pytest.mark.parametrize("suffix", ["grib", "nc", "h5", ""])
@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_64BIT"])
def test_a_file_is_what_it_holds_whatever_it_is_called(analysis, tmp_path, suffix, kind):
    path = tmp_path / f"download.{suffix}"
    analysis.to_netcdf(path, format=kind)
    same(open_analysis(path), analysis)


def test_patterns_in_a_sequence_and_the_home_of_a_user(analysis, tmp_path, monkeypatch):
    for part, times in enumerate((slice(0, 17), slice(17, 30), slice(30, None))):
        analysis.isel(time=times).to_netcdf(tmp_path / f"a[{part}].nc")
    monkeypatch.setenv("HOME", str(tmp_path))
    same(open_analysis("~/a*.nc"), analysis)
    same(open_analysis(["~/a[[][01]].nc", tmp_path / "a[2].nc"]), analysis)
    with pytest.raises(ValueError, match=r"a\[2\]\.nc is given twice"):
        open_analysis([tmp_path / "a*.nc", tmp_path / "a[2].nc"])


def test_a_variable_is_found_by_its_own_name_where_its_standard_name_is_of_another(tmp_path):
    """E-OBS: `tx` is a daily maximum whose standard_name is that of temperature."""
    coords = {"time": pd.date_range("2001-01-01", periods=5), "latitude": [3.0, 2, 1]}
    coords["longitude"] = [0.0, 1, 2, 3, 4, 5, 6]
    attrs = {"standard_name": "air_temperature", "units": "Celsius"}
    for number, name in enumerate(("tg", "tx")):
        values = np.arange(105.0).reshape(5, 3, 7) + 200 * number
        file = xr.Dataset({name: (("time", "latitude", "longitude"), values, attrs)}, coords)
        file.to_netcdf(tmp_path / f"{name}.nc")
    both = open_analysis(tmp_path / "t*.nc", variables=["tx", "tg"])
    assert list(both) == ["tx", "tg"]
    assert both.tx.attrs["units"] == "Celsius"
    np.testing.assert_array_equal(both.tx - both.tg, np.full((5, 3, 7), 200))
    alone = open_analysis(tmp_path / "tg.nc")
    np.testing.assert_allclose(alone.temperature[0, 0, :2], [273.15, 274.15], atol=1e-4)


@pytest.mark.parametrize("names", [("LATITUDE", "LONGITUDE"), ("Latitude", "Longitude")])
def test_names_in_capitals(pressure, analysis, names):
    spelt = dict(zip(("latitude", "longitude"), names, strict=True))
    same(open_analysis(pressure.rename(spelt)), analysis)


@pytest.mark.parametrize(("units", "factor"), [("0.01", 1), ("1e-2", 1), ("0.1", 10)])
def test_relative_humidity_in_parts_of_one(pressure, units, factor):
    """Of UDUNITS, 0.01 is a percent."""
    humid = pressure.rename(msl="r") * 0 + 7
    humid["r"].attrs["units"] = units
    np.testing.assert_allclose(open_analysis(humid).relative_humidity, 7 * factor)


def references(path, text):
    path.mkdir()
    (path / ".zmetadata").write_text(text)


REFUSED = {
    "references of kerchunk": (
        lambda path, ds: path.write_text('{"version": 1, "refs": {}}'),
        "is JSON, as references of kerchunk are; set data.store to the files",
    ),
    "a folder of references": (
        lambda path, ds: references(path, '{"metadata": {}, "record_size": 1000}'),
        "holds references of kerchunk, no Zarr store",
    ),
    "a climatology": (
        lambda path, ds: (
            ds.isel(time=slice(4))
            .rename(time="dayofyear")
            .assign_coords(dayofyear=[1, 2, 3, 4])
            .to_netcdf(path)
        ),
        "no dimension 'time', but dayofyear, as climatologies have: set data.store to",
    ),
    "a constant": (
        lambda path, ds: ds.isel(time=0, drop=True).to_netcdf(path),
        "no dimension 'time' .*; leave out of data.store what has no time",
    ),
    "cells of ICON": (
        lambda path, ds: cells(path),
        "clat and clon: run along one dimension, 'cell', a list of cells; interpolate",
    ),
    "levels in words": (
        lambda path, ds: (
            ds.rename(msl="t")
            .expand_dims(level=["500hPa", "850hPa"])
            .assign(t=lambda d: d.t.assign_attrs(units="K"))
            .to_netcdf(path)
        ),
        r"expected levels as numbers, got \['500hPa', '850hPa'\]; write them so in the file",
    ),
}


def cells(path):
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", 3)
        file.createDimension("cell", 35)
        time = file.createVariable("time", "f8", ("time",))
        time.units, time[:] = "day as %Y%m%d.%f", [20010101, 20010101.25, 20010101.5]
        for name, standard in (("clat", "latitude"), ("clon", "longitude")):
            line = file.createVariable(name, "f8", ("cell",))
            line.standard_name, line.units, line[:] = standard, "radian", np.arange(35) / 99
        field = file.createVariable("tas", "f4", ("time", "cell"))
        field.units, field.coordinates, field[:] = "K", "clat clon", 280


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_analysis_is_told_with_what_to_do(pressure, tmp_path, kind):
    write, message = REFUSED[kind]
    write(tmp_path / "store", pressure)
    with pytest.raises((ValueError, OSError), match=message) as raised:
        open_analysis(tmp_path / "store")
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / "store"))


@pytest.mark.parametrize("held", ["a.zarr", "a.nc"])
def test_an_archive_with_a_store_within(pressure, tmp_path, held):
    if held == "a.zarr":
        pressure.to_zarr(tmp_path / held, consolidated=False)
    else:
        pressure.to_netcdf(tmp_path / held)
    shutil.make_archive(str(tmp_path / "b"), "zip", tmp_path, held)
    with pytest.raises(FileNotFoundError, match=rf"holds {held}.* unpack it") as raised:
        open_analysis(tmp_path / "b.zip")
    shutil.unpack_archive(tmp_path / "b.zip", tmp_path / "c")
    assert SURFACE in open_analysis(tmp_path / "c" / held)
    assert "\n" not in str(raised.value)


def test_what_is_no_store_is_told_in_one_line(pressure):
    with pytest.raises(ValueError, match=r"several paths, .*, got DataArray <xarray") as raised:
        open_analysis(pressure.msl)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200
