"""Opening analyses: names, units, order and cadence are settled at the door."""

import re

import numpy as np
import pytest
import xarray as xr

from axialcast.data import cadence, grid_of, open_analysis
from axialcast.data.arrays.lazy import part_of


def test_names_units_and_order_become_the_projects(analysis):
    foreign = analysis.rename(
        geopotential="z", mean_sea_level_pressure="slp", latitude="lat", longitude="lon"
    )
    foreign["slp"] = (foreign["slp"] / 100).assign_attrs(units="hPa")
    foreign = foreign.assign_coords(level=("level", foreign.level.values * 100, {"units": "Pa"}))
    opened = open_analysis(foreign.transpose("lon", "lat", "level", "time"))
    assert opened.geopotential.dims == ("time", "level", "latitude", "longitude")
    xr.testing.assert_allclose(opened, analysis, rtol=1e-6)
    assert opened.mean_sea_level_pressure.attrs == analysis.mean_sea_level_pressure.attrs


@pytest.mark.parametrize("units", ["m s**-1", "m/s", "m s-1", "meter second-1"])
def test_spellings_of_a_unit_are_one(analysis, units):
    wind = analysis[["mean_sea_level_pressure"]].rename(mean_sea_level_pressure="u10")
    wind["u10"].attrs = {"units": units}
    opened = open_analysis(wind)
    np.testing.assert_array_equal(opened["10m_u_component_of_wind"], wind["u10"])
    assert opened["10m_u_component_of_wind"].attrs["units"] == "m s-1"


def test_standard_name_identifies_a_variable_and_degrees_celsius_become_kelvin(analysis):
    field = analysis[["mean_sea_level_pressure"]].rename(mean_sea_level_pressure="anything")
    field["anything"] = field["anything"] * 0 + np.float32(20)
    field["anything"].attrs = {"standard_name": "air_temperature", "units": "degC"}
    np.testing.assert_allclose(open_analysis(field).temperature, 293.15)


def test_levels_and_variables_are_selected_in_the_order_asked(analysis):
    opened = open_analysis(analysis, variables=["slp", "geopotential"], levels=[850, 500])
    assert list(opened) == ["mean_sea_level_pressure", "geopotential"]
    np.testing.assert_array_equal(opened.geopotential[:, 1], analysis.geopotential[:, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.isel(time=[0, 0, 1, 2]), "2001-01-01T00 occurs twice"),
        (lambda ds: ds.isel(time=[0, 2, 1]), "not sorted at 2001-01-02"),
        (lambda ds: ds.isel(time=[0, 1, 3]), "cadence changes from 24 h to 48 h after 2001-01-02"),
        (lambda ds: ds.drop_vars("latitude").rename(latitude="rows"), "no dimension 'latitude'"),
        (
            lambda ds: ds.expand_dims(depth=[1, 2, 3]),
            "is on depths (by the name 'depth'), no pressure levels; int",
        ),
        (lambda ds: ds.expand_dims(lead_time=[1, 2]), "got also 'lead_time' of size 2"),
        (lambda ds: ds.isel(latitude=[0, 2, 1]), "strictly monotonic"),
        (lambda ds: ds.assign_coords(latitude=ds.latitude * 2), "within -90 to 90"),
        (lambda ds: ds.isel(longitude=slice(None, None, -1)), "strictly increasing"),
        (lambda ds: _radians(ds), "look like radians; convert with np.degrees, or mul"),
        (
            lambda ds: ds.assign_coords(latitude=ds.latitude.assign_attrs(units="radian")),
            "latitude: is in radians",
        ),
        (lambda ds: ds.isel(longitude=[0, 1, 3]), "even spacing"),
        (lambda ds: _units(ds, "furlong"), "cannot convert its units to Pa: 'furlong' is none of"),
        (lambda ds: _units(ds, None), "mean_sea_level_pressure: has no units"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(analysis, change, message):
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        open_analysis(change(analysis))
    assert "\n" not in str(raised.value)


def _radians(dataset):
    coordinates = {name: np.radians(dataset[name].values) for name in ("latitude", "longitude")}
    return dataset.assign_coords(coordinates)


def _units(dataset, units):
    dataset["mean_sea_level_pressure"].attrs["units"] = units
    if units is None:
        del dataset["mean_sea_level_pressure"].attrs["units"]
    return dataset


def test_missing_variable_level_and_file_say_what_there_is(analysis, tmp_path):
    with pytest.raises(ValueError, match="no variable temperature; the store has geopotential"):
        open_analysis(analysis, variables=["temperature"])
    with pytest.raises(ValueError, match=r"no level \[300.0\] hPa; the store has \[500.0, 850.0\]"):
        open_analysis(analysis, levels=[300])
    with pytest.raises(FileNotFoundError, match=r"set data\.store"):
        open_analysis(tmp_path / "nothing.nc")
    (tmp_path / "text.nc").write_text("not netCDF")
    with pytest.raises(ValueError, match="not a readable NetCDF file"):
        open_analysis(tmp_path / "text.nc")


@pytest.mark.parametrize("kind", ["nc", "zarr2", "zarr3"])
def test_files_read_back_what_was_written(analysis, tmp_path, kind):
    if kind == "nc":
        store = tmp_path / "a.nc"
        analysis.to_netcdf(store)
    else:
        store = tmp_path / "a.zarr"
        analysis.to_zarr(store, zarr_format=int(kind[-1]), consolidated=kind == "zarr2")
    opened = open_analysis(store)
    assert part_of(opened.geopotential) is not None
    xr.testing.assert_equal(opened.load(), analysis)


def test_real_stores(real_data):
    slp = open_analysis(real_data("ncep_slp_natlantic_daily_2001_2010.nc"))
    assert dict(slp.sizes) == {"time": 3652, "latitude": 17, "longitude": 33}
    assert cadence(slp) == np.timedelta64(24, "h")
    assert not grid_of(slp).is_periodic
    irregular = real_data("era5_global_1deg_24steps_7h.nc")
    for gaps in ("refuse", "keep"):
        with pytest.raises(ValueError, match="cadence changes from 7 h to 8 h after 2026-03-25T21"):
            open_analysis(irregular, gaps=gaps)
    part = open_analysis(irregular, period=("2026-03-25", "2026-03-25"))
    assert (part.sizes["time"], cadence(part)) == (4, np.timedelta64(7, "h"))
    winds = real_data("fnoc_winds_global_monthly_1982_1992.nc")
    across = open_analysis(winds, region={"longitude": (-10, 30)})
    with xr.open_dataset(winds) as raw:
        expected = raw.UWND.sel(lon=[*np.arange(350, 361, 2.5), *np.arange(362.5, 378, 2.5)])
        np.testing.assert_array_equal(across.u_component_of_wind[..., :12], expected)
        np.testing.assert_array_equal(across.u_component_of_wind[..., 12:], raw.UWND[..., :5])
