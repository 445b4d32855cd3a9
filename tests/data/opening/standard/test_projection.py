"""Fields on a map are read whatever their coordinates are called, or refused with what lacks."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.data import open_analysis
from axialcast.grid import ProjectedGrid, grid_of
from axialcast.grid.proj import pyproj

LAMBERT = {
    "grid_mapping_name": "lambert_conformal_conic",
    "standard_parallel": [38.5],  # a list of one, as HRRR's stores have it
    "longitude_of_central_meridian": 262.5,
    "latitude_of_projection_origin": 38.5,
    "earth_radius": 6371229.0,
}
AS_TEXT = "+proj=lcc +lat_1=38.5 +lat_0=38.5 +lon_0=-97.5 +R=6371229"
ROTATED = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0,
}
GEOSTATIONARY = {
    "grid_mapping_name": "geostationary",
    "perspective_point_height": 35786023.0,
    "semi_major_axis": 6378137.0,
    "semi_minor_axis": 6356752.31414,
    "latitude_of_projection_origin": 0.0,
    "longitude_of_projection_origin": -75.0,
    "sweep_angle_axis": "x",
}
Y, X = np.arange(7) * -3e3 + 5e4, np.arange(11) * 3e3 - 2e4
GRID = ProjectedGrid(Y, X, {**LAMBERT, "standard_parallel": 38.5})
VALUES = np.random.default_rng(0).random((5, 7, 11)).astype("f4")


def on_map(*, names=("y", "x"), units="m", factor=1.0, mapping="crs", attrs=LAMBERT, axes=(Y, X)):
    """Pressure on a map, as a file may hold it."""
    coords = {"time": pd.date_range("2001", periods=5, freq="6h", unit="ns")}
    for name, axis, letter in zip(names, axes, "yx", strict=True):
        standard = f"projection_{letter}_coordinate"
        coords[name] = (name, axis * factor, {"standard_name": standard, "units": units})
    field = xr.Dataset({"msl": (("time", *names), VALUES, {"units": "Pa"})}, coords)
    if mapping:
        field["msl"].attrs["grid_mapping"] = mapping
        field[mapping.partition(":")[0]] = ((), 0, attrs)
    return field


def plain(names=("y", "x"), **coords):
    """The same without coordinates of a map."""
    return on_map(names=names).drop_vars(names).drop_vars("crs").assign_coords(coords)


@pytest.mark.parametrize(
    "field",
    [
        on_map(),
        on_map(units="km", factor=1e-3),
        on_map(names=("yc", "xc"), units="kilometer", factor=1e-3, mapping="lambert"),
        on_map(mapping="proj: x y"),
        on_map(names=("south_north", "west_east")),
        on_map().isel(y=slice(None, None, -1)).isel(y=slice(None, None, -1)),
        on_map().transpose("time", "x", "y"),
        on_map().assign_coords(latitude=(("y", "x"), GRID.latitudes)).drop_attrs(deep=False),
        on_map(attrs={"spatial_ref": pyproj().CRS(AS_TEXT).to_wkt()}, mapping="spatial_ref"),
    ],
)
def test_a_map_by_any_name(field):
    opened = open_analysis(field)
    assert grid_of(opened) == GRID
    pressure = opened["mean_sea_level_pressure"]
    assert pressure.dims == ("time", "y", "x")
    np.testing.assert_array_equal(pressure.values, VALUES)
    assert opened["x"].attrs["units"] == "m"
    assert opened["x"].attrs["standard_name"] == "projection_x_coordinate"
    there, here = pyproj().Proj(pyproj().CRS.from_cf(opened["crs"].attrs)), pyproj().Proj(AS_TEXT)
    np.testing.assert_allclose(there(-98, 40), here(-98, 40))
    again = open_analysis(opened)
    xr.testing.assert_identical(again, opened)


def test_a_variable_that_is_a_mapping_though_no_field_says_so():
    field = on_map()
    del field["msl"].attrs["grid_mapping"]
    assert grid_of(open_analysis(field)) == GRID


def test_a_user_says_what_the_file_does_not():
    field = on_map(mapping=None)
    with pytest.raises(ValueError, match=r"y: is no latitude of the Earth.*data.grid_mapping"):
        open_analysis(field)
    assert grid_of(open_analysis(field, grid_mapping=AS_TEXT)) == GRID
    for name in ("y", "x"):
        del field[name].attrs["units"]
    with pytest.raises(ValueError, match="y: has no units, and may be in m or km; say which in da"):
        open_analysis(field, grid_mapping=AS_TEXT)
    kilometres = {"y": "km", "x": "km"}
    thousands = field.assign_coords(y=field.y / 1e3, x=field.x / 1e3)
    assert grid_of(open_analysis(thousands, grid_mapping=AS_TEXT, units=kilometres)) == GRID
    with pytest.raises(ValueError, match=r"data.grid_mapping: PROJ does not know 'lambert'"):
        open_analysis(field, grid_mapping="lambert")
    with pytest.raises(ValueError, match=r"y: 'inches of ice' .*; correct its units"):
        open_analysis(field, grid_mapping=AS_TEXT, units={"y": "inches of ice", "x": "km"})


def test_places_of_two_dimensions_become_rows_and_columns():
    places = {
        "lat": (("j", "i"), GRID.latitudes.astype("f4")),
        "lon": (("j", "i"), GRID.longitudes.astype("f4") % 360),
    }
    field = plain(("j", "i"), **places)
    opened = open_analysis(field, grid_mapping=AS_TEXT)
    assert grid_of(opened).difference(GRID) is None
    np.testing.assert_allclose(opened["x"], X, atol=5)
    elsewhere = AS_TEXT.replace("lat_0=38.5", "lat_0=30")
    with pytest.raises(ValueError, match="lat, lon: are no rows and columns of the projection"):
        open_analysis(field, grid_mapping=elsewhere.replace("lon_0=-97.5", "lon_0=-80"))
    with pytest.raises(ValueError, match="has neither coordinates of one"):
        open_analysis(plain(), grid_mapping=AS_TEXT)


def test_places_that_contradict_the_projection_are_refused():
    wrong = on_map(units="m", factor=1e-3)  # kilometres called metres
    far = {"lat": (("y", "x"), GRID.latitudes), "lon": (("y", "x"), GRID.longitudes)}
    wide = on_map(axes=(Y * 100, X * 100))
    other = ProjectedGrid(Y * 100, X * 100, GRID.mapping)
    places = {"lat": (("y", "x"), other.latitudes), "lon": (("y", "x"), other.longitudes)}
    assert grid_of(open_analysis(wide.assign_coords(places))) == other
    with pytest.raises(ValueError, match=r"lat, lon: lie .* km from where the projection lambert"):
        open_analysis(wide.assign_coords(far))
    with pytest.raises(ValueError, match=r"lat, lon: lie .* km from where"):
        open_analysis(wrong.assign_coords(lat=far["lat"], lon=far["lon"]))


def test_a_rotated_pole_is_in_degrees():
    y, x = np.arange(7) * 0.25 - 3, np.arange(11) * 0.25 + 1
    field = on_map(names=("rlat", "rlon"), units="degrees", axes=(y, x), attrs=ROTATED)
    for name, standard in (("rlat", "grid_latitude"), ("rlon", "grid_longitude")):
        field[name].attrs["standard_name"] = standard
    opened = open_analysis(field)
    assert grid_of(opened) == ProjectedGrid(y, x, ROTATED)
    assert opened["x"].attrs["standard_name"] == "grid_longitude"
    np.testing.assert_array_equal(opened["mean_sea_level_pressure"], VALUES)


@pytest.mark.parametrize(("units", "factor"), [("rad", 1), ("m", 35786023.0), ("microradian", 1e6)])
def test_a_satellites_view_is_in_radians(units, factor):
    y, x = np.arange(7) * -2e-3 + 0.01, np.arange(11) * 2e-3 - 0.01
    field = on_map(units=units, factor=factor, axes=(y, x), attrs=GEOSTATIONARY)
    opened = open_analysis(field)
    assert grid_of(opened) == ProjectedGrid(y, x, GEOSTATIONARY)
    assert opened["x"].attrs["standard_name"] == "projection_x_angular_coordinate"


def test_files_on_one_map(tmp_path):
    """Joined in time, where coordinates differ by rounding; refused on another projection."""
    first, second = on_map(), on_map(units="km", factor=1e-3)
    second["time"] = second.time + np.timedelta64(30, "h")
    first.to_netcdf(tmp_path / "a.nc")
    second.assign_coords(x=second.x.astype("f4")).to_netcdf(tmp_path / "b.nc")
    opened = open_analysis(str(tmp_path / "?.nc"))
    np.testing.assert_array_equal(opened["mean_sea_level_pressure"], np.concatenate([VALUES] * 2))
    assert grid_of(opened) == GRID
    second["crs"].attrs["longitude_of_central_meridian"] = 260.0
    (tmp_path / "b.nc").unlink()
    second.to_netcdf(tmp_path / "b.nc")
    with pytest.raises(ValueError, match="are on different grids: projection: expected"):
        open_analysis(str(tmp_path / "?.nc"))


def test_a_region_of_a_map():
    """The smallest rectangle that holds all cells of a box."""
    inside = (GRID.latitudes > 38.87) & (GRID.longitudes < -97.6)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    box = {"latitude": (38.87, 50.0), "longitude": (-110.0, -97.6)}
    part = open_analysis(on_map(), region=box)
    np.testing.assert_array_equal(part["y"], Y[rows[0] : rows[-1] + 1])
    np.testing.assert_array_equal(part["x"], X[columns[0] : columns[-1] + 1])
    assert part.sizes["y"] < 7
    with pytest.raises(ValueError, match=r"region: no cell of the store lies within .* 38\.\d+ to"):
        open_analysis(on_map(), region={"latitude": (10, 20), "longitude": (250, 270)})


def test_winds_along_a_map_are_no_eastward_winds(caplog):
    field = on_map().rename(msl="u")
    field["u"].attrs |= {"units": "m s-1", "standard_name": "x_wind"}
    assert list(open_analysis(field).data_vars) == ["u"]
    field["u"].attrs["standard_name"] = "eastward_wind"
    assert list(open_analysis(field).data_vars) == ["u_component_of_wind"]
    assert not caplog.records
    del field["u"].attrs["standard_name"]
    open_analysis(field)
    assert "u: is taken for the eastward wind; if it is along the map" in caplog.text


def test_stores_joined_on_a_map():
    """Another variable, of more rows in another order, by kilometres."""
    more = on_map(units="km", factor=1e-3).rename(msl="t2m")
    more["t2m"].attrs["units"] = "K"
    part = on_map().isel(y=slice(1, 6))
    joined = open_analysis([part, more.isel(y=slice(None, None, -1))])
    assert set(joined.data_vars) == {"mean_sea_level_pressure", "2m_temperature"}
    assert grid_of(joined) == GRID.part(slice(1, 6), slice(None))
    np.testing.assert_array_equal(joined["2m_temperature"], VALUES[:, 1:6])
    more["crs"].attrs = {**LAMBERT, "longitude_of_central_meridian": 260.0}
    with pytest.raises(ValueError, match=r"lies on another grid than .*: projection: expected"):
        open_analysis([on_map(), more])


def test_a_file_of_wrf():
    """Its projection is in global attributes, its places are repeated, its times renamed."""
    sphere = {**GRID.mapping, "earth_radius": 6370000.0}
    grid = ProjectedGrid(Y[::-1], X, sphere)
    repeated = [np.tile(of, (5, 1, 1)).astype("f4") for of in (grid.latitudes, grid.longitudes)]
    dims = ("Time", "south_north", "west_east")
    minutes = {"units": "minutes since 2001-01-01 00:00:00"}
    raw = xr.Dataset(
        {
            "T2": (dims, VALUES, {"units": "K"}),
            "XLAT": (dims, repeated[0]),
            "XLONG": (dims, repeated[1]),
            "XTIME": ("Time", np.arange(5) * 360.0, minutes),
        },
        attrs={
            **{"MAP_PROJ": 1, "TRUELAT1": 38.5, "TRUELAT2": 38.5, "STAND_LON": -97.5},
            "MOAD_CEN_LAT": 38.5,
        },
    )
    opened = open_analysis(raw, variables=["T2"], rename={"XTIME": "time"})
    assert grid_of(opened).difference(grid) is None
    np.testing.assert_array_equal(opened["T2"], VALUES)
    moving = raw.assign(XLAT=raw.XLAT + np.arange(5)[:, None, None])
    with pytest.raises(ValueError, match="XLAT: moves in time"):
        open_analysis(moving, variables=["T2"], rename={"XTIME": "time"})
