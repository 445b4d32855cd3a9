"""A coordinate is what its name says only where nothing in the file contradicts it."""

import logging

import numpy as np
import pytest
import xarray as xr

from axialcast.data import open_analysis

NAMES = ("latitude", "longitude")
PROJECTION = [{"standard_name": f"projection_{axis}_coordinate"} for axis in "yx"]
LAMBERT = {
    "grid_mapping_name": "lambert_conformal_conic",
    "longitude_of_central_meridian": 262.5,
    "latitude_of_projection_origin": 38.5,
    "standard_parallel": 38.5,
}
ROTATED_POLE = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_longitude": -162.0,
    "grid_north_pole_latitude": 39.25,
}
ROTATED = [{"standard_name": f"grid_{name}", "units": "degrees"} for name in NAMES]


def named(analysis, names, attrs=({}, {})):
    """The surface field of the analysis with other names and attributes of its coordinates."""
    field = analysis[["mean_sea_level_pressure"]].rename(dict(zip(NAMES, names, strict=True)))
    for name, given in zip(names, attrs, strict=True):
        field[name].attrs = dict(given)
    return field


@pytest.mark.parametrize(
    ("names", "attrs"),
    [
        (("lat", "lon"), ({}, {})),
        (("lat", "lon"), ({"units": "degrees"}, {"units": "Degrees"})),
        (("lat", "lon"), ({"units": "degrees north"}, {"units": "deg_E"})),
        (("lat", "lon"), ({"units": "°N", "axis": "Y"}, {"units": "°", "axis": "X"})),
        (("y", "x"), ({"units": "degrees_north"}, {"standard_name": "longitude"})),
        (("y", "x"), ({"units": "degree"}, {"units": "degree"})),
    ],
)
def test_degrees_in_any_spelling(analysis, names, attrs):
    opened = open_analysis(named(analysis, names, attrs))
    xr.testing.assert_identical(opened.latitude, analysis.latitude)
    xr.testing.assert_identical(opened.longitude, analysis.longitude)


@pytest.mark.parametrize(
    ("names", "attrs", "message"),
    [
        (("y", "x"), [{"units": "km"}] * 2, "y: is in 'km', no degrees_north; say which"),
        (("lat", "lon"), [{"units": "metres"}] * 2, "lat: is in 'metres', no degrees_north; say"),
        (("y", "x"), PROJECTION, "y: is no latitude of the Earth: .*cdo remapbil"),
        (("lat", "lon"), PROJECTION, "lat: is no latitude of the Earth"),
        (("rlat", "rlon"), ROTATED, "no dimension 'latitude'; rlat has the standard_name"),
        (
            ("rlat", "rlon"),
            [{**ROTATED[0], "units": "degrees_north"}, ROTATED[1]],
            "rlat: is no latitude of the Earth",
        ),
        (("y", "x"), [{}, {}], "y: may be a latitude or a place on a map.*ncrename -d y,latitude"),
        (("lat", "lon"), [{"units": "degrees_east"}, {}], "lat: is named a latitude, but its unit"),
        (("lat", "lon"), [{}, {"units": "degN"}], "lon: is named a longitude, but its units"),
        (("lat", "lon"), [{}, {"standard_name": "latitude"}], ".* its standard_name is 'latitu"),
        (("lat", "lon"), [{}, {"axis": "Y"}], "lon: is named a longitude, but its axis is 'Y'"),
        (("lat", "lon"), [{"units": "degrees_south"}, {}], "lat: .* counted the other way"),
        (("lat", "lon"), [{}, {"units": "degrees_west"}], "lon: .* counted the other way"),
        (("lat", "lon"), [{"units": "radians"}, {}], "lat: is in radians.*180 / pi"),
        (("lat", "lon"), [{}, {"units": "hPa"}], "lon: is in 'hPa'; expected degrees_east"),
    ],
)
def test_what_contradicts_a_name_is_refused(analysis, names, attrs, message):
    with pytest.raises(ValueError, match=f"^analysis: {message}") as raised:
        open_analysis(named(analysis, names, attrs))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line.astype(complex), "expected degrees as real numbers, got .*complex128"),
        (lambda line: line.astype(str), "expected degrees as real numbers, got .*<U"),
        (lambda line: np.radians(line), "look like radians"),
        (lambda line: line.where(line < 0), "holds NaN"),
    ],
)
def test_values_that_are_no_degrees_are_refused(analysis, change, message):
    changed = {name: (name, change(analysis[name]).values) for name in NAMES}
    with pytest.raises(ValueError, match=message):
        open_analysis(analysis.assign_coords(changed))


def test_radians_with_both_ends_of_the_turn(analysis):
    ends = analysis.assign_coords(
        latitude=np.radians(analysis.latitude), longitude=np.linspace(-np.pi, np.pi, 12)
    )
    with pytest.raises(ValueError, match="look like radians"):
        open_analysis(ends)


@pytest.mark.parametrize(
    "kind", [LAMBERT, ROTATED_POLE], ids=lambda kind: kind["grid_mapping_name"]
)
def test_a_grid_mapping_that_coordinates_contradict(analysis, kind):
    mapped = analysis.assign(crs=((), 0, kind))
    mapped["geopotential"].attrs["grid_mapping"] = "crs: latitude longitude"
    with pytest.raises(
        ValueError, match=r"geopotential: is on the grid mapping '\w+' .crs., but runs"
    ):
        open_analysis(mapped)
    del mapped["crs"].attrs[next(reversed(kind))]
    with pytest.raises(ValueError, match=r"crs: grid mapping '.*': PROJ cannot read it"):
        open_analysis(mapped)
    mapped["crs"].attrs = {"grid_mapping_name": "latitude_longitude"}
    xr.testing.assert_equal(open_analysis(mapped), analysis)
    mapped["geopotential"].attrs["GRIB_gridType"] = "rotated_ll"
    with pytest.raises(ValueError, match="geopotential: its GRIB_gridType is 'rotated_ll'"):
        open_analysis(mapped)


def test_bare_letters_beside_places_of_two_dimensions(analysis):
    rows, columns = xr.broadcast(analysis.latitude, analysis.longitude)
    field = named(analysis, ("y", "x")).assign_coords(
        XLAT=(("y", "x"), rows.values), XLONG=(("y", "x"), columns.values)
    )
    with pytest.raises(ValueError, match="XLAT: has two dimensions; say of which"):
        open_analysis(field)


def test_places_that_are_no_rows_and_columns(analysis):
    field = named(analysis, ("lat", "lon")).stack(cell=["lat", "lon"])
    cells = field.drop_vars(["cell", "lat", "lon"]).assign_coords(
        lat=("cell", field.lat.values), lon=("cell", field.lon.values)
    )
    with pytest.raises(ValueError, match="lat and lon: run along one dimension, 'cell', a list"):
        open_analysis(cells)
    with pytest.raises(ValueError, match=r"no dimension 'latitude'.* a single value as a dim"):
        open_analysis(analysis.isel(latitude=3))
    row = open_analysis(analysis.isel(latitude=[3]))
    np.testing.assert_array_equal(row.geopotential, analysis.geopotential[:, :, 3:4])


def test_a_latitude_along_another_dimension_than_latitude(analysis):
    field = analysis.drop_vars("latitude").assign(lat=("longitude", np.arange(12.0)))
    with pytest.raises(ValueError, match=r"lat.*'longitude'"):
        open_analysis(field.drop_vars("longitude"))
    with pytest.raises(ValueError, match="lat and longitude: run along one dimension"):
        open_analysis(field)
    odd = analysis.rename(latitude="rows").assign(lat=("longitude", np.arange(12.0)))
    odd["rows"].attrs = {"units": np.array([1, 2])}  # attributes may be anything
    with pytest.raises(ValueError, match="lat and longitude: run along one dimension"):
        open_analysis(odd)


def test_two_latitudes_that_differ_are_refused(analysis):
    field = named(analysis, ("lat", "lon"))
    same = field.assign(latitude=("lat", field.lat.values + 1e-5))
    np.testing.assert_allclose(open_analysis(same).latitude, analysis.latitude, atol=1e-4)
    other = field.assign(latitude=("lat", field.lat.values + 1))
    with pytest.raises(ValueError, match="latitude and lat: both are named as the latitude along"):
        open_analysis(other)


def test_lines_that_no_field_runs_along_are_no_coordinates(analysis):
    field = named(analysis, ("lat", "lon"))
    field["latitude"] = "station", [1.0, 2.0, 3.0], {"units": "degrees_north"}
    field["T"] = "T", [280.0, 281.0], {"units": "K"}
    xr.testing.assert_equal(open_analysis(field), analysis[["mean_sea_level_pressure"]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.isel(longitude=slice(None, None, -1)), "sellonlatbox,-15,345,-90,90"),
        (lambda ds: ds.assign_coords(longitude=(ds.longitude + 180) % 360), None),
        (lambda ds: ds.isel(longitude=[*range(12), 0]), "ncks -d longitude,0,11 in.nc out.nc"),
    ],
)
def test_longitudes_out_of_order_come_with_a_remedy(analysis, change, message):
    changed = change(analysis)
    if message is None:
        changed = changed.isel(longitude=slice(3, 9))
        message = "sellonlatbox,255,435,-90,90"
    elif changed.sizes["longitude"] == 13:
        changed = changed.assign_coords(longitude=30.0 * np.arange(13))
    with pytest.raises(ValueError, match=message):
        open_analysis(changed)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (lambda a: a.astype(complex), "complex numbers"),
        (lambda a: a > 1e5, "true or false"),
        (lambda a: a.astype(str), "text"),
        (lambda a: a.astype("M8[s]"), "dates"),
        (lambda a: a.astype("m8[s]"), "time spans"),
        (lambda a: a.astype(object), "text"),
    ],
)
def test_variables_that_hold_no_numbers(analysis, values, words, caplog):
    mixed = analysis.copy()
    mixed["mask"] = values(analysis.mean_sea_level_pressure)
    caplog.set_level(logging.INFO, "axialcast")
    xr.testing.assert_equal(open_analysis(mixed), analysis)
    assert f"mask: holds {words}, no real numbers; left out" in caplog.text
    with pytest.raises(ValueError, match=f"mask: holds {words}, no real numbers; leave it out"):
        open_analysis(mixed, variables=["mask"])


def test_of_two_names_of_one_variable_the_one_asked_for_is_it(analysis):
    field = analysis[["mean_sea_level_pressure"]].assign(
        slp=(analysis.mean_sea_level_pressure / 100 + 1).assign_attrs(units="hPa")
    )
    exact = open_analysis(field, variables=["mean_sea_level_pressure"])
    xr.testing.assert_equal(exact, analysis[["mean_sea_level_pressure"]])
    other = open_analysis(field, variables=["slp"])
    assert list(other) == ["mean_sea_level_pressure"]
    np.testing.assert_allclose(other.to_array()[0], exact.to_array()[0] + 100, rtol=1e-6)


def test_what_nobody_asks_for_may_have_other_dimensions(analysis, caplog):
    caplog.set_level(logging.INFO, "axialcast")
    wide = analysis.assign(u=analysis.mean_sea_level_pressure.expand_dims(band=[1, 2, 3]))
    with pytest.raises(ValueError, match=r"u_component_of_wind.* 'band' of size 3; keep one"):
        open_analysis(wide, units={"u": "m s-1"})
    opened = open_analysis(wide, variables=["geopotential"])
    xr.testing.assert_equal(opened, analysis[["geopotential"]])
    assert "u_component_of_wind: left out: it has also the dimensions 'band'" in caplog.text
