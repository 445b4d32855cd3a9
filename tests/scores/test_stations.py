"""Where stations lie in a grid: interpolation around the Earth, and on maps."""

import numpy as np
import pytest

from axialcast.grid import LatLonGrid, ProjectedGrid
from axialcast.grid.proj import pyproj
from axialcast.scores.stations import Neighbours


@pytest.mark.parametrize("descending", [False, True])
def test_linear_fields_are_interpolated_exactly(descending):
    latitude = np.arange(-85.0, 86.0, 10.0)[:: -1 if descending else 1]
    grid = LatLonGrid(latitude, np.arange(0.0, 360.0, 15.0))
    stations = np.array([[12.3, 40.0], [-60.0, 359.0], [88.0, 7.5], [0.0, -1.0]])
    near = Neighbours.of(grid, *stations.T)
    assert near.inside.all()
    rows, columns = np.meshgrid(latitude, np.cos(np.deg2rad(grid.longitude)), indexing="ij")
    found = near.values(np.stack([rows, columns]))
    np.testing.assert_allclose(found[0], [12.3, -60.0, 85.0, 0.0])
    # Between the last column and the first, a fifteenth of the way back.
    last = np.cos(np.deg2rad(345.0))
    np.testing.assert_allclose(found[1, [1, 3]], last + (1 - last) * 14 / 15)


def test_stations_beyond_a_region_are_not_there():
    grid = LatLonGrid(np.arange(30.0, 61.0, 5), np.arange(-10.0, 31.0, 5))
    stations = np.array([[45.0, -3.0], [45.0, 100.0], [61.0, 0.0]])  # the last by a fifth of a row
    near = Neighbours.of(grid, *stations.T)
    np.testing.assert_array_equal(near.inside, [True, False, False])
    field = np.arange(7 * 9.0).reshape(7, 9)
    assert np.isfinite(near.values(field)).tolist() == [True, False, False]
    gap = field.copy()
    gap[3, 1] = np.nan
    assert np.isnan(near.values(gap)[0])


def test_linear_fields_of_a_map_are_interpolated_exactly():
    """Rows count from the north; a station beyond the map is not there."""
    mapping = pyproj().CRS("+proj=lcc +lat_0=50 +lon_0=10 +lat_1=50").to_cf()
    grid = ProjectedGrid(np.arange(13)[::-1] * 50e3, np.arange(11) * 40e3, mapping)
    y, x = np.array([137e3, 590e3, 610e3]), np.array([13e3, 390e3, 90e3])
    there = pyproj().Transformer.from_crs(pyproj().CRS.from_cf(mapping), 4326, always_xy=True)
    longitude, latitude = there.transform(x, y)
    near = Neighbours.of(grid, latitude, longitude % 360)
    assert near.inside.tolist() == [True, True, False]
    plane = grid.axes[0][:, None] + 3 * grid.axes[1]
    np.testing.assert_allclose(near.values(plane)[:2], (y + 3 * x)[:2], rtol=1e-6)
    far = Neighbours.of(grid, np.array([50.0, -30.0]), np.array([190.0, 10.0]))
    assert not far.inside.any()
