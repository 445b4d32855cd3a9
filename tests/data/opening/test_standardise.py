"""Foreign names and units are recognised, converted and said so; never guessed."""

import logging

import numpy as np
import pytest
import xarray as xr

from axialcast.data import Analysis, open_analysis
from axialcast.data.arrays.lazy import part_of


def test_coordinates_are_found_by_standard_name_and_by_units(analysis):
    foreign = analysis.rename(time="when", level="p", latitude="rows", longitude="columns")
    for name, attrs in {
        "when": {"standard_name": "time"},
        "p": {"units": "Pa"},
        "rows": {"units": "degrees_north"},
        "columns": {"units": "degree_east"},
    }.items():
        foreign[name].attrs = attrs
    foreign["p"] = foreign.p * 100
    foreign["p"].attrs = {"units": "Pa"}
    xr.testing.assert_equal(open_analysis(foreign), analysis)


def test_coordinates_beside_a_dimension_of_another_name(analysis):
    foreign = analysis.rename(latitude="lat").swap_dims(lat="y").drop_vars("lat")
    with pytest.raises(ValueError, match="no dimension 'latitude' with a coordinate among"):
        open_analysis(foreign)
    foreign = foreign.assign(lat=("y", analysis.latitude.values))
    xr.testing.assert_equal(open_analysis(foreign), analysis)


def test_a_curvilinear_grid_is_refused(analysis):
    rows, columns = xr.broadcast(analysis.latitude.drop_vars("latitude"), analysis.longitude)
    foreign = analysis.drop_vars(["latitude", "longitude"]).rename(latitude="y", longitude="x")
    foreign = foreign.assign_coords(lat=(("y", "x"), rows.values), lon=(("y", "x"), columns.values))
    with pytest.raises(ValueError, match="lat: has two dimensions; say of which projection"):
        open_analysis(foreign)


def test_a_standard_name_that_two_share_renames_neither(analysis, caplog):
    field = analysis[["mean_sea_level_pressure"]].rename(mean_sea_level_pressure="one")
    field["one"].attrs = {"standard_name": "air_temperature", "units": "K"}
    field["other"] = field["one"]
    caplog.set_level(logging.INFO, "axialcast")
    assert list(open_analysis(field)) == ["one", "other"]
    assert "temperature: could be any of one, other; none is renamed" in caplog.text
    # A known name is known whatever its standard_name says.
    opened = open_analysis(field.rename(other="t2m"))
    assert list(opened) == ["temperature", "2m_temperature"]
    near_surface = field[["one"]].assign_coords(height=2.0)
    assert list(open_analysis(near_surface)) == ["one"]


def test_conversions_are_stated_in_the_log_and_nowhere_else(analysis, caplog):
    caplog.set_level(logging.INFO, "axialcast")
    open_analysis(analysis)
    assert caplog.text == ""
    hectopascals = analysis.copy()
    hectopascals["mean_sea_level_pressure"] = analysis.mean_sea_level_pressure / 100
    hectopascals["mean_sea_level_pressure"].attrs["units"] = "hPa"
    del hectopascals["level"].attrs["units"]
    opened = open_analysis(hectopascals)
    assert [record.message for record in caplog.records] == [
        "level: has no units; taken as hPa",
        "mean_sea_level_pressure: converted from hPa to Pa",
    ]
    assert opened.mean_sea_level_pressure.attrs == analysis.mean_sea_level_pressure.attrs


def test_units_can_be_stated_for_the_store(analysis, caplog):
    caplog.set_level(logging.INFO, "axialcast")
    wrong = analysis.copy()
    wrong["mean_sea_level_pressure"].attrs = {"units": "M/S"}
    opened = open_analysis(wrong, units={"slp": "hPa", "t2m": "K"})
    np.testing.assert_allclose(
        opened.mean_sea_level_pressure, 100 * analysis.mean_sea_level_pressure, rtol=1e-6
    )
    assert "mean_sea_level_pressure: units taken as hPa, the store says 'M/S'" in caplog.text
    wrong["mean_sea_level_pressure"].attrs = {"units": "hPa"}
    with pytest.raises(ValueError, match=r"data\.units: unknown variable 'air_presure'"):
        open_analysis(wrong, units={"air_presure": "hPa"})


@pytest.mark.parametrize(
    ("values", "attrs", "message"),
    [
        ([50000.0, 85000.0], {}, "level: has no units, and 85000 is no pressure in hPa"),
        ([1.0, 2.0], {"units": "m"}, "geopotential: is on levels in 'm', no pressure levels"),
        ([500.0, 500.0], {"units": "hPa"}, "expected every level once"),
    ],
)
def test_levels_that_are_no_pressures_are_refused(analysis, values, attrs, message):
    with pytest.raises(ValueError, match=message):
        open_analysis(analysis.assign_coords(level=("level", values, attrs)))


def test_whole_numbers_are_converted_as_real_ones(analysis):
    celsius = analysis[["mean_sea_level_pressure"]].rename(mean_sea_level_pressure="t2m")
    celsius["t2m"] = xr.full_like(celsius.t2m, 20, dtype=np.int16)
    celsius["t2m"].attrs = {"units": "degC"}
    np.testing.assert_allclose(open_analysis(celsius)["2m_temperature"], 293.15, rtol=1e-6)


def test_whole_numbers_in_a_store_are_converted_when_they_are_read(analysis, tmp_path):
    celsius = analysis[["mean_sea_level_pressure"]].rename(mean_sea_level_pressure="t2m")
    numbers = np.arange(celsius.t2m.size, dtype=np.int16).reshape(celsius.t2m.shape)
    celsius["t2m"] = celsius.t2m.dims, numbers, {"units": "degC"}
    celsius.to_zarr(tmp_path / "a.zarr", consolidated=False)
    opened = open_analysis(tmp_path / "a.zarr")["2m_temperature"]
    assert part_of(opened) is not None
    assert opened.dtype == np.float32
    want = numbers.astype(np.float32) + np.float32(273.15)
    np.testing.assert_array_equal(opened, want)
    np.testing.assert_array_equal(Analysis(opened.to_dataset()).read(slice(None))[:, 0], want)
