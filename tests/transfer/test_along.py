"""Patches and cells of two grids: kernels and positions that mean the same places."""

import numpy as np
import pytest

from axialcast.grid import LatLonGrid, ProjectedGrid
from axialcast.grid.proj import pyproj
from axialcast.model.embedding import patch_centres
from axialcast.transfer.along import along


def grid(num, first=80.0, last=-80.0, west=0.0, east=120.0):
    """Longitudes from west to east, of a region."""
    return LatLonGrid(np.linspace(first, last, num), np.linspace(west, east, num))


def offsets(one, patch, axis):
    return (np.arange(patch) - (patch - 1) / 2) * (one.axes[axis][1] - one.axes[axis][0])


@pytest.mark.parametrize("axis", [0, 1])
def test_the_same_grid_and_patch_change_nothing(axis):
    one = grid(14)
    found = along(one, one, axis, (3, 3))
    np.testing.assert_array_equal(found.cells, np.eye(3))
    np.testing.assert_array_equal(found.kernel, np.eye(3))
    np.testing.assert_array_equal(found.places, np.eye(5))


@pytest.mark.parametrize("sizes", [(14, 27, 2, 4), (14, 27, 2, 2), (14, 27, 3, 5), (11, 51, 2, 7)])
def test_straight_lines_are_heard_and_given_as_before(sizes):
    """On the finer grid, where patches reach no further than the old ones."""
    num, more, p, q = sizes
    old, new = grid(num), grid(more, first=-80.0, last=80.0)
    for axis in (0, 1):
        found = along(old, new, axis, (p, q))
        here, there = offsets(new, q, axis), offsets(old, p, axis)
        weights = np.random.default_rng(3).normal(size=p)
        for slope in (0.0, 0.7):
            np.testing.assert_allclose(found.cells @ (2 + slope * there), 2 + slope * here)
            heard = (found.kernel @ weights) @ (2 + slope * here)
            np.testing.assert_allclose(heard, weights @ (2 + slope * there), rtol=1e-9)


def test_coarser_cells_have_means():
    old, new = grid(21), grid(11)
    found = along(old, new, 1, (4, 2))
    np.testing.assert_allclose(found.cells, [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    np.testing.assert_allclose(found.kernel, 2 * found.cells)  # weights of sums, not of means
    np.testing.assert_allclose(along(old, new, 1, (3, 1)).cells.sum(), 1)


def test_patches_that_reach_further_are_drawn_together():
    one = grid(24)
    found = along(one, one, 0, (2, 4))
    np.testing.assert_allclose(found.cells[[0, -1]], [[1.25, -0.25], [-0.25, 1.25]])


def test_of_one_cell_there_is_no_slope():
    found = along(grid(8), grid(15), 0, (1, 2))
    np.testing.assert_array_equal(found.cells, [[1], [1]])
    np.testing.assert_allclose(found.kernel, [[0.5], [0.5]])


def test_places_are_degrees():
    old, new = grid(24), grid(9, 60.0, 10.0, west=-330.0, east=-300.0)  # 30 to 60 degrees east
    for axis, more in ((0, 0.0), (1, 360.0)):
        found = along(old, new, axis, (2, 2))
        assert not found.is_relative
        centres = [patch_centres(of.axes[axis], 2) for of in (old, new)]
        np.testing.assert_allclose(found.places @ centres[0], centres[1] + more)


def test_around_the_globe():
    old = LatLonGrid.regular(8, 12, poles=False)
    new = LatLonGrid(old.latitude, np.arange(24) * 15.0 - 187.0)
    found = along(old, new, 1, (2, 2))
    turns = np.deg2rad(patch_centres(old.longitude, 2)), np.deg2rad(patch_centres(new.longitude, 2))
    np.testing.assert_allclose(found.places.sum(1), 1)
    for wave in (np.sin, np.cos):
        np.testing.assert_allclose(found.places @ wave(turns[0]), wave(turns[1]), atol=0.14)


def test_another_region_is_taken_by_its_shares():
    old = grid(16, 60.0, 20.0, west=0.0, east=60.0)
    new = grid(16, -20.0, -60.0, west=200.0, east=260.0)
    for axis in (0, 1):
        found = along(old, new, axis, (2, 2))
        assert found.is_relative
        np.testing.assert_array_equal(found.places, np.eye(8))
        np.testing.assert_array_equal(found.cells, np.eye(2))


def test_rows_of_a_part_of_a_gaussian_grid_are_as_far_apart():
    whole = LatLonGrid.gauss_legendre(32, 64)
    part = whole.part(slice(3, 11), slice(0, 20))
    found = along(whole, part, 0, (2, 2))
    np.testing.assert_array_equal(found.kernel, np.eye(2))
    np.testing.assert_allclose(found.places.max(1), 0.5, atol=0.03)  # between two centres


def test_on_maps_places_are_metres():
    mapping = pyproj().CRS("EPSG:3413").to_cf()
    y, x = np.arange(12) * -4e5 + 9e5, np.arange(10) * 4e5 - 2e6
    whole = ProjectedGrid(y, x, mapping)
    for axis, rows in ((0, slice(2, 8)), (1, slice(2, 8))):
        found = along(whole, whole.part(rows, rows), axis, (2, 2))
        assert not found.is_relative
        n = whole.shape[axis] // 2
        np.testing.assert_array_equal(found.places, np.eye(n)[1:4])
    degrees = grid(12)
    found = along(degrees, whole, 0, (2, 2))
    assert found.is_relative
    np.testing.assert_array_equal(found.cells, np.eye(2))
