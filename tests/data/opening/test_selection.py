"""Regions, levels and members of an analysis."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from axialcast.data import grid_of, open_analysis
from axialcast.data.opening.selection import select_region


def globe(origin=0.0, width=360):
    longitude = origin + np.arange(0, width, 10.0)
    latitude = np.arange(85.0, -90, -10)
    values = np.arange(latitude.size * longitude.size).reshape(latitude.size, -1)
    coords = {"latitude": latitude, "longitude": longitude}
    return xr.Dataset({"place": (("latitude", "longitude"), values)}, coords)


@given(
    origin=st.sampled_from([-180, 0, 20, 180]),
    west=st.integers(-36, 36).map(lambda n: 10 * n),
    width=st.integers(1, 35).map(lambda n: 10 * n),
    wrap=st.booleans(),
)
def test_a_region_is_the_same_places_whatever_the_origin(origin, west, width, wrap):
    east = west + width
    bounds = (west, east - 360 if wrap and east - 360 >= -360 else east)
    whole = globe(origin)
    region = select_region(whole, {"longitude": bounds})
    longitude = region.longitude.values
    np.testing.assert_allclose(longitude, np.arange(west, east + 1, 10))
    assert grid_of(region).shape == (18, width // 10 + 1)
    places = whole.place.values[:, ((longitude - origin) % 360 / 10).round().astype(int)]
    np.testing.assert_array_equal(region.place, places)


@pytest.mark.parametrize(
    ("bounds", "first", "last", "count"),
    [
        ((350, 10), 350, 370, 3),
        ((-10, 10), -10, 10, 3),
        ((170, -170), 170, 190, 3),
        ((5, 355), 10, 350, 35),
        ((0, 360), 0, 350, 36),
        ((-180, 180), -180, 170, 36),
    ],
)
def test_longitudes_are_counted_from_the_west(bounds, first, last, count):
    longitude = select_region(globe(), {"longitude": bounds}).longitude.values
    assert (longitude[0], longitude[-1], len(longitude)) == (first, last, count)


def test_latitudes_keep_their_order_and_bounds_are_included():
    region = select_region(globe(), {"latitude": (-15, 35)})
    np.testing.assert_array_equal(region.latitude, [35, 25, 15, 5, -5, -15])
    north_up = select_region(globe().isel(latitude=slice(None, None, -1)), {"latitude": (-90, 0)})
    np.testing.assert_array_equal(north_up.latitude, np.arange(-85.0, 0, 10))


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ({"lat": (0, 10)}, r"expected the keys latitude and longitude, got \['lat'\]"),
        ({"latitude": (10, 0)}, r"expected latitudes \(south, north\)"),
        ({"latitude": (0, 91)}, "within -90 to 90"),
        ({"latitude": (6, 9)}, "latitudes 6 to 9 lie between two of the store, 10 degrees apart"),
        ({"latitude": (0,)}, r"expected two numbers for latitude, got \(0,\)"),
        ({"longitude": (0, 361)}, "at most one turn"),
        ({"longitude": (0, np.nan)}, "expected two numbers"),
        ({"longitude": (0, 90)}, "longitudes 0 to 90 are not within the store's, -60 to 50"),
        ({"longitude": (40, -40)}, "are not within"),
        ({"longitude": (100, 140)}, "are not within"),
    ],
)
def test_what_is_no_region_or_not_covered_is_refused(region, message):
    with pytest.raises(ValueError, match=message):
        select_region(globe(-60, 120), region)


def test_a_region_of_an_analysis(analysis):
    opened = open_analysis(analysis, region={"latitude": (0, 90), "longitude": (300, 30)})
    expected = analysis.sel(latitude=slice(90, 0)).sel(longitude=[300, 330, 0, 30])
    np.testing.assert_array_equal(opened.geopotential, expected.geopotential)
    assert opened.longitude.values.tolist() == [300, 330, 360, 390]
    assert opened.longitude.attrs == analysis.longitude.attrs


def test_a_member_by_its_number(analysis):
    ensemble = xr.concat([analysis, analysis + 1], "realization").assign_coords(realization=[3, 5])
    ensemble = ensemble.map(lambda a: a.assign_attrs(analysis[a.name].attrs), keep_attrs=True)
    np.testing.assert_array_equal(
        open_analysis(ensemble, member=5).geopotential, analysis.geopotential + 1
    )
    with pytest.raises(ValueError, match=r"'number' of size 2; choose one with data\.member"):
        open_analysis(ensemble)
    with pytest.raises(ValueError, match="member: 1 was asked for, but the store has no ensemble"):
        open_analysis(analysis, member=1)
    alone = open_analysis(ensemble.isel(realization=[0]))
    np.testing.assert_array_equal(alone.geopotential, analysis.geopotential)


@pytest.mark.parametrize("levels", [[], [500, 850, 500]])
def test_levels_are_asked_for_once(analysis, levels):
    with pytest.raises(ValueError, match=r"levels: expected one or more, each once, got \["):
        open_analysis(analysis, levels=levels)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("geopotenial", "no variable geopotenial (did you mean geopotential?); the store has"),
        ("Z", "no variable Z (did you mean geopotential?)"),
        ("z500", "no variable z500 (for geopotential, name its level in data.levels: [500])"),
        ("geopotential_850", "(for geopotential, name its level in data.levels: [850])"),
        ("wind", "no variable wind; the store has geopotential, mean_sea_level_pressure"),
    ],
)
def test_of_a_variable_that_is_absent_it_is_told_what_may_be_meant(analysis, name, told):
    with pytest.raises(ValueError, match=r"^analysis: no variable ") as error:
        open_analysis(analysis, variables=["msl", name])
    assert told in str(error.value)
