"""Regions that a config names: boxes, names that are known, and masks from a store."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from axialcast.grid import LatLonGrid
from axialcast.run.areas import regions_of
from axialcast.run.config import load_config
from axialcast.scores.regions import region_weights

CONFIGS = Path(__file__).parents[2] / "configs"
GRID = LatLonGrid.regular(7, 12, poles=True)


@pytest.fixture
def mask(tmp_path):
    """Shares of land of the globe, some not known, in a file of finer rows."""
    share = np.random.default_rng(0).random((13, 12)).astype("f4")
    share[2, 3] = np.nan
    coords = {"latitude": np.linspace(90, -90, 13), "longitude": GRID.longitude}
    fields = {"land_sea_mask": (tuple(coords), share, {"units": "1"})}
    xr.Dataset(fields, coords).to_netcdf(tmp_path / "mask.nc")
    return tmp_path / "mask.nc", share[::2]


def test_boxes_names_and_masks(mask):
    path, share = mask
    text = (
        "verify.regions={tropics: , north: {latitude: [10, 90]}, "
        f"land: {{mask: lsm, store: '{path}'}}, "
        f"sea: {{mask: land_sea_mask, store: '{path}', below: 0.5}}, "
        f"some: {{mask: lsm, store: '{path}', at_least: 0.2, below: 0.4, latitude: [-90, 0]}}}}"
    )
    config = load_config(CONFIGS / "smallest.yaml", [text])
    weights = region_weights(GRID, regions_of(config, GRID))
    south = GRID.latitudes <= 0
    for name, inside in (
        ("tropics", np.abs(GRID.latitudes) <= 20),
        ("north", GRID.latitudes >= 10),
        ("land", share >= 0.5),
        ("sea", share < 0.5),
        ("some", (share >= 0.2) & (share < 0.4) & south),
    ):
        np.testing.assert_array_equal(weights[name] > 0, inside & (GRID.areas > 0), err_msg=name)


def test_a_mask_that_is_not_there_is_said_by_its_region(mask):
    path, _ = mask
    text = f"verify.regions={{x: {{mask: orography, store: '{path}'}}}}"
    config = load_config(CONFIGS / "smallest.yaml", [text])
    with pytest.raises(ValueError, match=r"^regions\.x: .*orography"):
        regions_of(config, GRID)
