"""Regions: which cells belong to a box of latitude and longitude."""

import numpy as np
import pytest

from axialcast.grid import LatLonGrid
from axialcast.scores.regions import known_region, region_weights


@pytest.fixture(params=[0.0, -180.0])
def grid(request):
    """7 x 12 cells, all round, from one meridian or the other."""
    latitude = np.array([75.0, 50.0, 20.0, 0.0, -20.0, -50.0, -75.0])
    return LatLonGrid(latitude, request.param + 30.0 * np.arange(12))


@pytest.mark.parametrize(
    ("box", "latitudes", "longitudes"),
    [
        ([[-20, 20], [0, 360]], [20, 0, -20], range(0, 360, 30)),
        ([[-20, 20], [-180, 180]], [20, 0, -20], range(0, 360, 30)),
        ([[50, 90], [30, 90]], [75, 50], [30, 60, 90]),
        ([[-90, -49.9], [31, 89]], [-50, -75], [60]),
        ([[0, 0], [-30, 30]], [0], [330, 0, 30]),
        ([[0, 0], [330, 30]], [0], [330, 0, 30]),
        ([[0, 0], [150, -150]], [0], [150, 180, 210]),
        ([[0, 0], [60, 60]], [0], [60]),
    ],
)
def test_cells_belong_by_their_centres_edges_included(grid, box, latitudes, longitudes):
    regions = {"box": dict(zip(("latitude", "longitude"), box, strict=True))}
    weights = region_weights(grid, regions)
    assert list(weights) == ["all", "box"]
    np.testing.assert_array_equal(weights["all"], grid.areas)
    inside = np.isin(grid.latitude, latitudes)[:, None] & np.isin(grid.longitude % 360, longitudes)
    assert inside.sum() == len(latitudes) * len(longitudes)
    np.testing.assert_array_equal(weights["box"], grid.areas * inside)


def test_edges_are_included_in_single_precision():
    latitude, longitude = np.arange(11) / 10, np.arange(13) / 10
    for dtype in (np.float32, np.float64):
        grid = LatLonGrid(latitude.astype(dtype), longitude.astype(dtype))
        for first in range(10):
            box = {"latitude": [first / 10, 0.9], "longitude": [0.3, (3 + first) / 10]}
            inside = region_weights(grid, {"box": box})["box"] > 0
            assert inside.any(1).nonzero()[0].tolist() == list(range(first, 10))
            assert inside.any(0).nonzero()[0].tolist() == list(range(3, 4 + first))


def test_regions_that_are_none(grid):
    box = {"latitude": [20, -20], "longitude": [0, 360]}
    with pytest.raises(ValueError) as error:
        region_weights(grid, {"tropics": box})
    assert str(error.value).startswith(
        "regions: 'tropics', latitude 20 to -20, longitude 0 to 360, holds no point of "
    )
    assert str(error.value).endswith(
        "; expected [south, north] and [west, east] that hold one or more"
    )
    with pytest.raises(ValueError, match="regions: the name 'all' is the whole grid; choose anoth"):
        region_weights(grid, {"all": box})


def test_known_regions_are_those_of_weatherbench(grid):
    regions = {name: known_region(name) for name in ("global", "tropics", "extra-tropics")}
    regions |= {"north-pacific": known_region("north-pacific")}
    weights = region_weights(grid, regions)
    np.testing.assert_array_equal(weights["global"], weights["all"])
    rows = {name: grid.latitude[(found > 0).any(1)].tolist() for name, found in weights.items()}
    assert rows["tropics"] == [20, 0, -20]
    assert rows["extra-tropics"] == [75, 50, 20, -20, -50, -75]
    columns = grid.longitude[(weights["north-pacific"] > 0).any(0)] % 360
    assert sorted(columns) == [150, 180, 210]
    with pytest.raises(ValueError, match="regions: 'mars' is none of those known, global, tropics"):
        known_region("mars")


def test_masks_are_regions(grid):
    mask = np.random.default_rng(0).random(grid.shape) < 0.3
    np.testing.assert_array_equal(region_weights(grid, {"m": mask})["m"], grid.areas * mask)
    with pytest.raises(ValueError, match="regions: 'none' has no cell of the grid"):
        region_weights(grid, {"none": mask & False})
