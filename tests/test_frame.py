"""The frame of a region: where it is, and what the boundary counts for there."""

import numpy as np
import pytest
import xarray as xr

from axialcast.frame import interior, relaxation, require_frame, within
from axialcast.grid import LatLonGrid

REGION = LatLonGrid(np.linspace(60.0, 30.0, 7), np.linspace(-40.0, 20.0, 11))
BELT = LatLonGrid(np.linspace(60.0, 30.0, 7), np.arange(12) * 30.0)
CAP = LatLonGrid(np.linspace(87.5, 27.5, 13), np.arange(12) * 30.0)


def test_of_a_region_all_four_sides():
    weights = relaxation(REGION, 2, "overwrite")
    expected = np.ones((7, 11))
    expected[2:-2, 2:-2] = 0
    np.testing.assert_array_equal(weights, expected)
    assert interior(REGION, 2) == (slice(2, 5), slice(2, 9))


def test_of_a_belt_north_and_south_and_of_a_cap_its_southern_end():
    expected = np.zeros((7, 12))
    expected[[0, -1]] = 1
    np.testing.assert_array_equal(relaxation(BELT, 1, "overwrite"), expected)
    expected = np.zeros((13, 12))
    expected[-3:] = 1
    np.testing.assert_array_equal(relaxation(CAP, 3, "overwrite"), expected)
    assert interior(CAP, 3) == (slice(0, 10), slice(0, 12))


def test_it_counts_for_less_inwards():
    weights = relaxation(REGION, 3, "davies")
    np.testing.assert_allclose(weights[3], [1, 0.75, 0.25, *[0] * 5, 0.25, 0.75, 1], atol=1e-12)
    np.testing.assert_allclose(weights[:, 5], [1, 0.75, 0.25, 0, 0.25, 0.75, 1], atol=1e-12)
    np.testing.assert_array_equal(weights > 0, relaxation(REGION, 3, "overwrite") > 0)


def test_what_a_dataset_holds_within():
    field = xr.DataArray(np.arange(77.0).reshape(7, 11), dims=("latitude", "longitude"))
    fields = xr.Dataset(
        {"msl": field}, {"latitude": REGION.latitude, "longitude": REGION.longitude}
    )
    np.testing.assert_array_equal(within(fields, 2).msl, field[2:5, 2:9])


def test_the_globe_has_none_and_a_wide_one_leaves_nothing():
    with pytest.raises(ValueError, match=r"data\.boundary: .* is global, so nothing comes in"):
        require_frame(LatLonGrid.regular(7, 12, poles=False), 1)
    require_frame(REGION, 3)
    with pytest.raises(ValueError, match=r"data\.boundary\.width: 4 points .* leave nothing of 7 "):
        require_frame(REGION, 4)
