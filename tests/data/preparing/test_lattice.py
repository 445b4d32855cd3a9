"""Regridding from maps and curved grids against fields that are known everywhere."""

import numpy as np
import pytest
import xarray as xr

from axialcast.data import open_analysis
from axialcast.data.preparing.conversion import convert
from axialcast.data.preparing.recipe import Recipe
from axialcast.data.preparing.regrid import Weights, covered, weights_between
from axialcast.grid import CurvilinearGrid, LatLonGrid, ProjectedGrid, grid_of

LAMBERT = {
    "grid_mapping_name": "lambert_conformal_conic",
    "standard_parallel": 38.5,
    "longitude_of_central_meridian": 262.5,
    "latitude_of_projection_origin": 38.5,
    "earth_radius": 6371229.0,
}
MAP = ProjectedGrid(np.arange(-9e5, 9e5, 2e4)[::-1], np.arange(-12e5, 12e5, 2e4), LAMBERT)
WORLD = LatLonGrid.regular(180, 360, poles=False)


def known(latitude, longitude):
    return np.sin(np.radians(3 * latitude)) + np.cos(np.radians(4 * longitude))


@pytest.mark.parametrize("source", [MAP, CurvilinearGrid(MAP.latitudes, MAP.longitudes)])
def test_means_of_a_smooth_field(source):
    target = covered(WORLD, source)
    weights = weights_between(source, target)
    values = np.stack([known(source.latitudes, source.longitudes), np.full(source.shape, 7.0)])
    found = weights.means(values.astype("f4"))
    inside = np.asarray(weights.shares.sum(1)).reshape(target.shape) > 0.999
    assert inside.sum() > 200
    expected = known(target.latitudes, target.longitudes)
    np.testing.assert_allclose(found[0][inside], expected[inside], atol=4e-3)
    np.testing.assert_allclose(found[1][~np.isnan(found[1])], 7.0)
    assert np.isnan(found[0]).any()  # a map is no box of latitudes and longitudes
    assert not np.isnan(found[0]).all(0).any()
    assert not np.isnan(found[0]).all(1).any()


def test_as_the_exact_overlaps_of_a_box():
    """A curved grid that is none: of latitudes and longitudes, as `Weights` have them."""
    fine, coarse = LatLonGrid.regular(90, 180, poles=False), LatLonGrid.regular(18, 36, poles=False)
    curved = CurvilinearGrid(*np.broadcast_arrays(fine.latitudes, fine.longitudes))
    values = np.random.default_rng(0).standard_normal((3, *fine.shape)) + 5
    exact = Weights.between(fine, coarse).means(values)
    found = weights_between(curved, coarse).means(values)
    # Of white noise, whose means have a spread of 0.2.
    assert np.std((found - exact)[:, 1:-1]) < 0.03
    interior = curved.areas[5:-5, 5:-5]
    np.testing.assert_allclose(interior, fine.areas[5:-5, 5:-5], rtol=1e-3)


def test_missing_values_have_no_weight():
    target = covered(WORLD, MAP)
    weights = weights_between(MAP, target)
    values = np.full(MAP.shape, 3.0)
    values[:40] = np.nan
    found = weights.means(values)
    whole = weights.means(np.full(MAP.shape, 3.0))
    np.testing.assert_allclose(found[~np.isnan(found)], 3.0)
    assert 0 < np.isnan(found).sum() - np.isnan(whole).sum() < found.size


def test_an_analysis_of_curved_rows(tmp_path):
    """Refused, unless it is to be regridded; then as from the map that its rows are of."""
    rng = np.random.default_rng(1)
    values = known(MAP.latitudes, MAP.longitudes) + rng.random((4, 1, 1))
    times = np.datetime64("2001-01-01", "ns") + np.arange(4) * np.timedelta64(
        6 * 3600 * 10**9, "ns"
    )
    places = {
        "nav_lat": (("j", "i"), MAP.latitudes, {"units": "degrees_north"}),
        "nav_lon": (("j", "i"), MAP.longitudes % 360, {"units": "degrees_east"}),
    }
    curved = xr.Dataset(
        {"msl": (("time", "j", "i"), values.astype("f4"), {"units": "Pa"})},
        {"time": times, **places},
    )
    with pytest.raises(ValueError, match=r"nav_lat: has two dimensions; say .* prepare\.reg"):
        open_analysis(curved)
    curved.to_netcdf(tmp_path / "curved.nc")
    regrid = {"num_latitudes": 180, "num_longitudes": 360, "poles": False}
    recipe = Recipe(str(tmp_path / "curved.nc"), ("2001-01-01", "2001-01-02"), regrid=regrid)
    prepared = recipe.convert(recipe.open())
    grid = grid_of(prepared)
    assert isinstance(grid, LatLonGrid)
    weights = weights_between(MAP, grid)
    mapped = xr.Dataset(
        {"msl": (("time", "y", "x"), values.astype("f4"), {"units": "Pa", "grid_mapping": "m"})},
        {"time": times, **{dim: label for dim, label in MAP.labels.items() if dim != "crs"}},
    ).assign(m=((), 0, LAMBERT))
    whole = convert(open_analysis(mapped), grid=WORLD)
    expected = weights.means(values.astype("f4")).astype("f4")
    there = {"latitude": grid.latitude, "longitude": grid.longitude}
    same = whole["mean_sea_level_pressure"].reindex(there)
    np.testing.assert_allclose(same, np.where(np.isnan(same), np.nan, expected), rtol=1e-6)
    assert np.isnan(same).sum() < np.isnan(expected).sum() + 4 * 10
    found = prepared["mean_sea_level_pressure"].values
    inside = np.asarray(weights.shares.sum(1)).reshape(grid.shape) > 0.999
    np.testing.assert_allclose(found[:, inside], expected[:, inside], atol=2e-3)
