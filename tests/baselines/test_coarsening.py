"""Means over blocks of cells: what they conserve, and what comes back."""

import numpy as np
import pytest
import xarray as xr

from axialcast.baselines.coarsening import Coarsening
from axialcast.grid import LatLonGrid, ProjectedGrid

GRID = LatLonGrid.regular(11, 17, poles=True)


def integral(values, areas):
    return (values.astype(np.float64) * areas).sum((-2, -1))


ROTATED = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 40.0,
    "grid_north_pole_longitude": -160.0,
}
MAP = ProjectedGrid(np.linspace(-60, 70, 11), np.linspace(-50, 50, 17), ROTATED)


@pytest.mark.parametrize("grid", [GRID, MAP])
@pytest.mark.parametrize("factor", [1, 2, 3, 5, 17])
def test_the_integral_over_area_is_kept(factor, grid):
    coarsening = Coarsening(grid, factor)
    values = np.random.default_rng(0).standard_normal((3, 2, 11, 17)).astype(np.float32) + 7
    means = coarsening.means(values)
    assert means.shape == (3, 2, *coarsening.shape)
    np.testing.assert_allclose(coarsening.areas.sum(), grid.areas.sum())
    expected = integral(values, grid.areas)
    np.testing.assert_allclose(integral(means, coarsening.areas), expected, rtol=1e-6)


def test_blocks_that_divide_are_weighted_means_by_hand():
    grid = LatLonGrid.regular(6, 14, poles=False)
    values = np.random.default_rng(1).standard_normal((6, 14)).astype(np.float32)
    values[2, 3] = np.nan
    values[4:6, 12:14] = np.nan
    got = Coarsening(grid, 2).means(values)
    for row in range(3):
        for column in range(7):
            block = np.s_[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            seen = np.isfinite(values[block])
            if not seen.any():
                assert np.isnan(got[row, column])
                continue
            expected = np.average(values[block][seen], weights=grid.areas[block][seen])
            np.testing.assert_allclose(got[row, column], expected, rtol=1e-5)


def test_cells_that_lie_in_two_count_in_shares():
    grid = LatLonGrid([10.0, 0.0, -10.0], [0.0, 120.0, 240.0])
    means = Coarsening(grid, 2).means(np.arange(9, dtype=np.float32).reshape(3, 3))
    outer, inner = grid.areas[0, 0], grid.areas[1, 0] / 2
    columns = np.arange(9).reshape(3, 3) @ np.array([[1, 0], [0.5, 0.5], [0, 1]]) / 1.5
    expected = (outer * columns[0] + inner * columns[1]) / (outer + inner)
    np.testing.assert_allclose(means[0], expected, rtol=1e-6)


def test_what_is_linear_comes_back_between_the_centres():
    grid = LatLonGrid.regular(12, 20, poles=False)
    coarsening = Coarsening(grid, 4)
    rows, columns = np.arange(3, dtype=np.float32), np.ones(5, np.float32)
    back = coarsening.spread(np.outer(rows, columns))
    np.testing.assert_allclose(back[2:10, 7], (np.arange(2, 10) - 1.5) / 4, atol=1e-6)
    np.testing.assert_array_equal(back[:2, 7], 0.0)  # as the outermost means
    wave = np.cos(2 * np.pi * np.arange(5) / 5).astype(np.float32)
    around = coarsening.spread(np.tile(wave, (3, 1)))[0]
    # Across the seam as elsewhere: between the last mean and the first.
    np.testing.assert_allclose(around[-1], wave[4] + (wave[0] - wave[4]) * 3 / 8, rtol=1e-6)
    np.testing.assert_allclose(around[0], wave[0] + (wave[4] - wave[0]) * 3 / 8, rtol=1e-6)


def test_labels_are_of_the_centres():
    dims = ("time", "latitude", "longitude")
    coords = {"latitude": GRID.latitude, "longitude": GRID.longitude}
    fields = {"a": (dims, np.ones((2, *GRID.shape), np.float32), {"units": "K"})}
    coarse = Coarsening(GRID, 4).dataset(xr.Dataset(fields, coords))
    assert coarse.a.shape == (2, 3, 4)
    assert coarse.a.attrs == {"units": "K"}
    np.testing.assert_allclose(coarse.latitude, [66.0, 0.0, -66.0], atol=1e-9)
