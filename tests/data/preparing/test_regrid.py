"""Conservative regridding against exact integrals."""

import numpy as np
import pytest
import xarray as xr

from axialcast.data.preparing.regrid import Weights, covered, regridded
from axialcast.grid import LatLonGrid

REGULAR = LatLonGrid.regular(11, 18, poles=False)
GRIDS = {
    "regular": REGULAR,
    "poles": LatLonGrid.regular(13, 16, poles=True),
    "gauss": LatLonGrid.gauss_legendre(10, 14),
    "south first, from the date line": LatLonGrid(REGULAR.latitude[::-1], REGULAR.longitude - 183),
}


def regrid(values, source, target):
    return Weights.between(source, target).means(values)


def global_mean(values, grid):
    return (values * grid.areas).sum((-2, -1)) / grid.areas.sum()


@pytest.mark.parametrize("source", GRIDS)
@pytest.mark.parametrize("target", [*GRIDS, "fine"])
def test_global_means_and_constants_are_kept(source, target):
    given = GRIDS[source]
    grid = (GRIDS | {"fine": LatLonGrid.regular(29, 37, poles=True)})[target]
    rng = np.random.default_rng(0)
    values = np.stack([rng.standard_normal(given.shape) + 300, np.full(given.shape, 7.0)])
    result = regrid(values, given, grid)
    np.testing.assert_allclose(global_mean(result, grid), global_mean(values, given), rtol=1e-13)
    np.testing.assert_allclose(result[1], 7.0, rtol=1e-14)
    if given == grid:
        np.testing.assert_allclose(result, values, rtol=1e-13)


def test_every_cell_is_its_mean():
    """sin(latitude) cells of a fine grid, averaged over a coarse cell by hand."""
    fine, coarse = LatLonGrid.regular(180, 8, poles=False), LatLonGrid.regular(6, 4, poles=False)
    edges = np.sin(np.radians(fine.latitude_bounds))
    means = (edges[1:] + edges[:-1]) / 2  # of sin(latitude) over a band
    result = regrid(np.tile(means[None, :, None], (1, 1, 8)), fine, coarse)
    edges = np.sin(np.radians(coarse.latitude_bounds))
    expected = (edges[1:] + edges[:-1]) / 2
    np.testing.assert_allclose(result[0], np.tile(expected[:, None], 4), atol=1e-13)
    # Longitude 0 of the coarse grid reaches from -45 to 45: half of the cells at -45 and 45.
    wave = np.arange(8.0)
    result = regrid(np.tile(wave, (1, 180, 1)), fine, coarse)
    np.testing.assert_allclose(result[0, 3], [(3.5 + 0 + 0.5) / 2, 2, 4, 6], atol=1e-12)


def test_nan_has_no_weight_and_little_left_is_nan():
    grid, coarse = LatLonGrid.regular(4, 8, poles=False), LatLonGrid.regular(2, 4, poles=False)
    # Start half a fine cell later, so that each coarse cell is exactly two by two fine ones.
    grid = LatLonGrid(grid.latitude, grid.longitude - 22.5)
    values = np.random.default_rng(1).random((1, 4, 8))
    values[0, 0, 0] = np.nan  # the polar half of a corner of coarse cell 0, 0
    values[0, 1, 0] = np.nan  # and the other half: half of the cell is left
    values[0, 0:2, 2] = np.nan
    values[0, 1, 3] = np.nan  # coarse cell 0, 1 keeps the smaller polar cell only
    result = regrid(values, grid, coarse)[0]
    areas = grid.areas[:2, 1]
    np.testing.assert_allclose(result[0, 0], values[0, :2, 1] @ areas / areas.sum())
    assert np.isnan(result[0, 1])
    assert np.isnan(result).sum() == 1


def test_regions():
    box = LatLonGrid(np.arange(70, 29, -2.5), np.arange(-70, 11, 2.5))
    target = covered(LatLonGrid.regular(36, 72, poles=False), box)
    np.testing.assert_array_equal(target.latitude, np.arange(67.5, 31, -5))
    np.testing.assert_array_equal(target.longitude, np.arange(-65, 10, 5))
    assert covered(REGULAR, GRIDS["gauss"]) == REGULAR
    values = np.random.default_rng(2).random((1, *box.shape)).astype(np.float32)
    result = regrid(values, box, target)
    # The cell at 67.5 N, 65 W covers the row at 67.5 and the adjoining halves of 70 and 65.
    edges = np.sin(np.radians([65, 66.25, 68.75, 70]))
    rows = np.diff(edges) @ values[0, [2, 1, 0], 1:4].astype(float) / (edges[-1] - edges[0])
    np.testing.assert_allclose(result[0, 0, 0], rows @ [0.25, 0.5, 0.25], rtol=1e-6)
    with pytest.raises(ValueError, match=r"regrid: 28 of 36 target cells reach beyond"):
        regrid(values, box, LatLonGrid.regular(36, 72, poles=False))
    with pytest.raises(ValueError, match=r"no cell of .* lies within"):
        covered(LatLonGrid.regular(2, 4, poles=False), box)


def test_fields_without_times_are_regridded_as_states_are():
    source, target = LatLonGrid.regular(13, 24, poles=True), LatLonGrid.regular(5, 8, poles=False)
    field = np.random.default_rng(1).random(source.shape)
    turned = np.roll(field[::-1], 5, 1)  # south to north, from another meridian
    fields = xr.Dataset(
        {"land_sea_mask": (("longitude", "latitude"), turned.T, {"units": "1"})},
        {"latitude": source.latitude[::-1], "longitude": source.longitude - 75.0},
    )
    found = regridded(fields, target)
    expected = Weights.between(source, target).means(field)
    np.testing.assert_allclose(found.land_sea_mask, expected, rtol=1e-12)
    assert found.land_sea_mask.attrs == {"units": "1"}
    np.testing.assert_array_equal(found.latitude, target.latitude)
    with pytest.raises(ValueError, match=r"less than the grid that prepare\.regrid makes"):
        regridded(fields.isel(latitude=slice(4)), target)
