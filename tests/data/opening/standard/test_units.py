"""Values come in canonical units, in a type that holds them, and are written as what they are."""

import logging

import numpy as np
import pytest
import xarray as xr

from axialcast.data import Analysis, open_analysis
from axialcast.data.arrays.stored import computed_in
from axialcast.data.preparing.conversion import convert
from axialcast.grid import LatLonGrid


@pytest.fixture
def field():
    """A function that makes a Dataset of one variable whose values are known."""

    def make(name, units, *, base=0.0, scale=1.0, dtype="f4", levels=None, order=None):
        grid = LatLonGrid.regular(5, 7, poles=False)
        time = np.datetime64("2001-01-01", "ns") + np.arange(11) * np.timedelta64(6, "h")
        coords = {"time": time, "latitude": grid.latitude, "longitude": grid.longitude}
        if levels is not None:
            coords = {"time": time, "level": levels, **dict(list(coords.items())[1:])}
        shape = [len(c) for c in coords.values()]
        steps = np.arange(np.prod(shape)).reshape(shape) % 113
        attrs = {} if units is None else {"units": units}
        ds = xr.Dataset(
            {name: (tuple(coords), (base + scale * steps).astype(dtype), attrs)}, coords
        )
        if levels is not None:
            ds["level"].attrs["units"] = "hPa"
        return ds.transpose(*order) if order else ds

    return make


@pytest.mark.parametrize(
    ("name", "units", "base", "factor", "offset"),
    [
        ("t2m", "degrees C", 20.0, 1.0, 273.15),
        ("t2m", "deg K", 288.0, 1.0, 0.0),
        ("t2m", "degF", 50.0, 5 / 9, 459.67 * 5 / 9),
        ("q", "gr/kg", 3.0, 1e-3, 0.0),
        ("r", "1", 0.0, 100.0, 0.0),
        ("tp", "kg m-2", 5.0, 1e-3, 0.0),
        ("tcwv", "mm", 5.0, 1.0, 0.0),
        ("z", "gpm", 5000.0, 9.80665, 0.0),
        ("zg", "m2 s-2", 50000.0, 1 / 9.80665, 0.0),
        ("u10", "M/S", 5.0, 1.0, 0.0),
    ],
)
@pytest.mark.parametrize("kind", ["memory", "dask", "zarr", "netcdf"])
def test_values_are_in_canonical_units(field, tmp_path, kind, name, units, base, factor, offset):
    ds = field(name, units, base=base, scale=0.125)
    want = ds[name].values.astype(np.float64) * factor + offset
    if kind == "dask":
        ds = ds.chunk(time=3)
    elif kind == "zarr":
        ds.to_zarr(tmp_path / "a.zarr", consolidated=False)
        ds = tmp_path / "a.zarr"
    elif kind == "netcdf":
        ds.to_netcdf(tmp_path / "a.nc")
        ds = tmp_path / "a.nc"
    opened = open_analysis(ds)
    np.testing.assert_allclose(next(iter(opened.values())), want, rtol=1e-6)
    np.testing.assert_allclose(Analysis(opened).read(slice(None))[:, 0], want, rtol=1e-6)


def test_what_a_conversion_rests_on_is_said(field, caplog):
    caplog.set_level(logging.INFO, "axialcast")
    open_analysis(field("z", "gpm"))
    open_analysis(field("tp", "kg m-2"))
    assert [record.message for record in caplog.records] == [
        "geopotential: converted from gpm to m2 s-2 (geopotential height times 9.80665 m s-2)",
        "total_precipitation: converted from kg m-2 to m (1 kg m-2 of liquid water is 1 mm)",
    ]


@pytest.mark.parametrize(
    ("name", "units", "message"),
    [
        ("tp", "mm/day", "'mm/day' is none of .*, but a rate.* multiply it by the interval"),
        ("w", "m s-1", "the speed of rising air, where the change of its pressure is expected"),
        ("msl", "furlong", "'furlong' is none of Pa, hPa, kPa, mmHg or inHg; if the file states"),
        ("q", "%", "'%' is none of kg kg-1, g kg-1 or mg kg-1"),
        ("t2m", "degrees", "'degrees' is none of K, degC or degF"),
        ("msl", None, "mean_sea_level_pressure: has no units attribute; say what the numbers"),
        ("msl", " ", "mean_sea_level_pressure: has no units attribute; say what the numbers"),
        ("msl", "unknown", "mean_sea_level_pressure: has no units attribute"),
    ],
)
def test_a_refusal_never_says_which_units_the_numbers_are_in(field, name, units, message):
    with pytest.raises(ValueError, match=message) as raised:
        open_analysis(field(name, units))
    assert f"data.units: {{{raised.match('[a-z0-9_]+: …') and ''}" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_units_that_are_given_are_held_to_the_same(field):
    ds = field("msl", None, base=1000.0)
    with pytest.raises(ValueError, match=r"data\.units: mean_sea.*: 'K' is none of Pa"):
        open_analysis(ds, units={"msl": "K"})
    with pytest.raises(ValueError, match=r"data\.units: unknown variable 'mls'"):
        open_analysis(ds, units={"mls": "hPa"})
    opened = open_analysis(ds, units={"slp": "millibar"}).mean_sea_level_pressure
    np.testing.assert_array_equal(opened, 100 * ds.msl)


def test_units_are_given_for_every_file(field, tmp_path):
    ds = field("msl", "K", base=1000.0)
    ds.isel(time=slice(4)).to_netcdf(tmp_path / "a.nc")
    silent = ds.isel(time=slice(4, None)).copy()
    silent["msl"].attrs = {}
    silent.to_netcdf(tmp_path / "b.nc")
    opened = open_analysis(f"{tmp_path}/*.nc", units={"msl": "hPa"}).mean_sea_level_pressure
    np.testing.assert_array_equal(opened, 100 * ds.msl)


def test_units_label_variables_that_are_not_known(field, tmp_path):
    ds = field("ozone", None)
    assert open_analysis(ds, units={"ozone": "Dobson"}).ozone.attrs["units"] == "Dobson"
    ds.to_netcdf(tmp_path / "a.nc")
    field("msl", "hPa", base=1000.0).to_netcdf(tmp_path / "b.nc")
    opened = open_analysis(f"{tmp_path}/*.nc", units={"ozone": "Dobson"})
    assert opened.ozone.attrs["units"] == "Dobson"


def test_limits_in_a_file_s_own_units_do_not_stay(field):
    ds = field("msl", "hPa", base=1000.0)
    ds.msl.attrs |= {
        "valid_range": [800.0, 1200.0],
        "GRIB_units": "hPa",
        "cell_methods": "time: mean",
    }
    attrs = open_analysis(ds).mean_sea_level_pressure.attrs
    assert attrs.keys() & {"valid_range", "GRIB_units", "cell_methods"} == {"cell_methods"}


@pytest.mark.parametrize("dtype", ["f2", ">f2", "f4", ">f4", "f8", ">f8", "u1", "i2", ">i4", "i8"])
@pytest.mark.parametrize("kind", ["memory", "dask", "zarr", "joined"])
def test_arithmetic_is_in_single_precision_at_least(field, tmp_path, kind, dtype):
    """1,000 hPa are 100,000 Pa: half precision ends at 65,504. Nor is single precision enough for
    numbers that were kept in more."""
    large = np.dtype(dtype).itemsize == 8
    base = {"u1": 100, "i8": 2**24 + 1, "f8": 2**24 + 1, ">f8": 2**24 + 1}.get(dtype, 1000)
    ds = field("msl", "hPa", base=base, dtype=dtype)
    want = 100 * ds.msl.values.astype(np.float64)
    if kind == "dask":
        ds = ds.chunk(time=3)
    elif kind == "zarr":
        ds.to_zarr(tmp_path / "a.zarr", consolidated=False)
        ds = tmp_path / "a.zarr"
    elif kind == "joined":
        for number, part in enumerate([slice(4), slice(4, None)]):
            ds.isel(time=part).to_zarr(tmp_path / f"{number}.zarr", consolidated=False)
        ds = [tmp_path / "0.zarr", tmp_path / "1.zarr"]
    opened = open_analysis(ds).mean_sea_level_pressure
    assert opened.dtype == computed_in(np.dtype(dtype)) == opened.values.dtype
    np.testing.assert_allclose(opened, want, rtol=1e-15 if large else 1e-7)
    read = Analysis(opened.to_dataset()).read(slice(None))
    np.testing.assert_array_equal(read[:, 0], want.astype(np.float32))


@pytest.mark.parametrize("stored", ["i2", "f2", "f2 scaled"])
def test_packed_numbers_are_unpacked_in_single_precision_at_least(field, tmp_path, stored):
    ds = field("msl", "hPa", base=1000.0)
    packing = {"dtype": stored[:2]}
    if stored != "f2":
        packing |= {"scale_factor": 0.5, "add_offset": 1000.0, "_FillValue": -32767}
    ds.to_zarr(tmp_path / "a.zarr", encoding={"msl": packing}, consolidated=False)
    np.testing.assert_array_equal(open_analysis(tmp_path / "a.zarr").to_array()[0], 100 * ds.msl)


@pytest.mark.parametrize("dtype", ["f2", "i2"])
def test_means_and_other_grids_are_in_single_precision_at_least(field, dtype):
    ds = open_analysis(field("t2m", "K", base=251, dtype=dtype))
    assert ds["2m_temperature"].dtype == dtype
    values = ds["2m_temperature"].values.astype(np.float64)
    days = convert(ds, aggregate_hours=24)["2m_temperature"]
    np.testing.assert_allclose(days, values[:8].reshape(2, 4, 5, 7).mean(1), rtol=1e-6)
    target = LatLonGrid.regular(2, 3, poles=False)
    coarse = convert(ds, grid=target)["2m_temperature"].values
    weights = LatLonGrid.regular(5, 7, poles=False).area_weights
    means = [
        np.average(v, (1, 2), np.broadcast_to(w, v.shape))
        for v, w in ((coarse.astype(np.float64), target.area_weights), (values, weights))
    ]
    np.testing.assert_allclose(*means, rtol=1e-6)


@pytest.mark.parametrize("units", ["hPa", "Pa"])
@pytest.mark.parametrize("levels", [None, [850.0, 500.0]])
@pytest.mark.parametrize("source", ["zarr", "nc", "memory", "joined"])
@pytest.mark.parametrize("target", ["zarr", "nc"])
def test_what_was_packed_is_written_as_it_is_now(field, tmp_path, source, target, levels, units):
    """Foreign names, another order of dimensions, a region, packed numbers."""
    order = ("longitude", "time", "latitude") if levels is None else None
    name = "msl" if levels is None else "z"
    units = units if levels is None else {"hPa": "gpm", "Pa": "m2 s-2"}[units]
    ds = field(name, units, base=1000.0, scale=0.5, levels=levels, order=order)
    ds = ds.rename(longitude="lon", latitude="lat", time="valid_time")
    packing = {"dtype": "i2", "scale_factor": 0.5, "add_offset": 1000.0, "_FillValue": -32767}
    encoding = {name: packing, "valid_time": {"units": "days since 1900-01-01", "dtype": "f8"}}
    if source == "zarr":
        encoding[name] |= {"chunks": (2,) * ds[name].ndim}
        ds.to_zarr(tmp_path / "a.zarr", encoding=encoding, consolidated=False)
        store = tmp_path / "a.zarr"
    elif source == "memory":
        ds.to_netcdf(tmp_path / "a.nc", encoding=encoding, unlimited_dims=["valid_time"])
        with xr.open_dataset(tmp_path / "a.nc") as file:
            store = file.load()
    else:
        parts = [slice(None)] if source == "nc" else [slice(4), slice(4, None)]
        for number, part in enumerate(parts):
            # What each file packs by its own range, as those of ERA5 did.
            encoding[name] = packing | {"add_offset": 1000.0 - 100 * number}
            ds.isel(valid_time=part).to_netcdf(
                tmp_path / f"{number}.nc", encoding=encoding, unlimited_dims=["valid_time"]
            )
        store = f"{tmp_path}/*.nc"
    opened = open_analysis(store, region={"latitude": (-40, 90), "longitude": (100, 20)})
    want = opened.load().copy(deep=True)
    out = tmp_path / f"out.{target}"
    reading = {"engine": "zarr", "consolidated": False} if target == "zarr" else {}
    _ = opened.to_zarr(out, consolidated=False) if target == "zarr" else opened.to_netcdf(out)
    with xr.open_dataset(out, **reading) as back:
        xr.testing.assert_equal(back.load(), want)
    xr.testing.assert_equal(open_analysis(out).load(), want)
