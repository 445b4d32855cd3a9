"""Fields at the points of other grids, and between times, against numpy and xarray."""

import pickle

import numpy as np
import pytest
import xarray as xr

from axialcast.data import Analysis
from axialcast.data.placing import Points, placed
from axialcast.grid import LatLonGrid, ProjectedGrid, grid_of

GLOBE = LatLonGrid.regular(13, 24, poles=True)
REGION = LatLonGrid(np.linspace(61.3, 22.7, 5), np.linspace(-33.0, 41.0, 7))


def linear(grid, latitude, longitude):
    """A field that bilinear interpolation gives without error, in each cell of a grid."""
    return 3 + 0.1 * latitude + 0.02 * longitude + 1e-3 * latitude * longitude


def test_a_bilinear_field_comes_out_exactly():
    """Away from the seam of its longitudes, which a region may be across."""
    east = (GLOBE.longitude + 180) % 360 - 180
    field = linear(GLOBE, GLOBE.latitude[:, None], east)
    found = Points.between(GLOBE, REGION).values(field)
    expected = linear(REGION, REGION.latitude[:, None], REGION.longitude)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    turned = LatLonGrid(GLOBE.latitude[::-1], GLOBE.longitude - 180)
    again = Points.between(turned, REGION).values(np.roll(field[::-1], 12, 1))
    np.testing.assert_allclose(again, found, rtol=1e-5)


def test_against_xarray_around_the_globe():
    random = np.random.default_rng(0)
    field = random.random((3, *GLOBE.shape))
    fine = LatLonGrid(np.linspace(80, -80, 9), 7.0 + np.arange(20) * 18.0)
    closed = xr.DataArray(
        np.concatenate([field, field[..., :1]], 2),
        {"latitude": GLOBE.latitude, "longitude": [*GLOBE.longitude, 360.0]},
        ("n", "latitude", "longitude"),
    )
    expected = closed.interp(latitude=fine.latitude, longitude=fine.longitude)
    np.testing.assert_allclose(Points.between(GLOBE, fine).values(field), expected, rtol=1e-4)


def test_its_own_points_are_taken_as_they_are():
    field = np.random.default_rng(1).random(GLOBE.shape).astype(np.float32)
    field[3, 5] = np.nan
    part = LatLonGrid(GLOBE.latitude[2:9] + 2e-4, GLOBE.longitude[4:11] - 360)
    np.testing.assert_array_equal(Points.between(GLOBE, part).values(field), field[2:9, 4:11])
    whole = Points.between(GLOBE, GLOBE).values(field)
    np.testing.assert_array_equal(whole, field)


def test_what_is_not_covered_is_refused():
    inner = LatLonGrid(REGION.latitude[1:-1], REGION.longitude)
    with pytest.raises(ValueError, match=r"covers .*, less than the region, "):
        Points.between(inner, REGION)
    narrow = LatLonGrid(REGION.latitude, REGION.longitude[:-1])
    with pytest.raises(ValueError, match="less than the region"):
        Points.between(narrow, REGION)
    Points.between(REGION, inner)


def test_between_times(analysis):
    """Linear in time, whatever the stretch that is read, and in another process."""
    day = np.timedelta64(1, "D").astype("timedelta64[ns]")
    grid = grid_of(analysis.isel(latitude=slice(1, 5), longitude=slice(2, 9)))
    times = analysis.time.values[3] + np.arange(20) * day / 4
    found = placed(Analysis(analysis), grid, times)
    expected = analysis.isel(latitude=slice(1, 5), longitude=slice(2, 9)).interp(time=times)
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-3)
        np.testing.assert_array_equal(array[4], analysis[name][4, ..., 1:5, 2:9])
        np.testing.assert_array_equal(array[7:9], found[name].values[7:9])
    again = pickle.loads(pickle.dumps(Analysis(found)))
    np.testing.assert_array_equal(again.read([5, 2]), Analysis(found).read([5, 2]))


def test_times_beyond_and_gaps_are_refused(analysis):
    source, grid = Analysis(analysis), grid_of(analysis)
    late = analysis.time.values[-1:] + np.timedelta64(6, "h")
    with pytest.raises(ValueError, match=r"holds .* and .* is wanted"):
        placed(source, grid, late)
    gap = Analysis(analysis.isel(time=[0, 1, 2, 3, 6, 7]))
    with pytest.raises(ValueError, match="has a gap about"):
        placed(gap, grid, analysis.time.values[4:5])
    placed(gap, grid, analysis.time.values[[3, 6]])


def test_months_are_no_gaps(make_analysis):
    """Though they are of unequal length; between them a field is linear in time."""
    months = np.arange("2001-01", "2003-01", dtype="M8[M]").astype("M8[ns]")
    monthly = make_analysis(num_times=24).assign_coords(time=months)
    grid = grid_of(monthly)
    found = placed(Analysis(monthly), grid, months[3:9])
    for name, array in found.items():
        np.testing.assert_array_equal(array, monthly[name][3:9])
    middle = np.array(["2001-02-15", "2001-08-16T12"], "M8[ns]")
    between = placed(Analysis(monthly), grid, middle)
    for name, array in between.items():
        np.testing.assert_allclose(array, monthly[name].interp(time=middle), rtol=1e-5)
    seldom = Analysis(monthly.isel(time=[*range(9), *range(11, 24)]))
    with pytest.raises(ValueError, match="has a gap about 2001-10"):
        placed(seldom, grid, months[9:10])


LAMBERT = {
    "grid_mapping_name": "lambert_conformal_conic",
    "standard_parallel": [30.0, 60.0],
    "longitude_of_central_meridian": 10.0,
    "latitude_of_projection_origin": 45.0,
    "earth_radius": 6_371_000.0,
}


def test_a_map_is_led_by_the_globe(make_analysis):
    """Its points lie anywhere between those of the globe; of its own it takes a part."""
    region = ProjectedGrid(np.linspace(1.5e6, -1.5e6, 7), np.linspace(-2e6, 2e6, 9), LAMBERT)
    field = linear(GLOBE, GLOBE.latitude[:, None], (GLOBE.longitude + 180) % 360 - 180)
    found = Points.between(GLOBE, region).values(field)
    expected = linear(region, region.latitudes, region.longitudes)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    globe = make_analysis(grid=GLOBE, num_times=5)
    states = placed(Analysis(globe), region, globe.time.values)
    assert grid_of(states) == region
    assert states["geopotential"].dims == ("time", "level", "y", "x")
    whole = np.random.default_rng(2).random(region.shape).astype(np.float32)
    part = ProjectedGrid(region.y[2:6], region.x[1:8], LAMBERT)
    np.testing.assert_array_equal(Points.between(region, part).values(whole), whole[2:6, 1:8])
    with pytest.raises(ValueError, match=r"are not all among its own; take a store on latitudes"):
        Points.between(region, REGION)
