"""A kind of store opens as any other does, lazily, and in another process: copy this."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from axialcast.data import open_analysis
from axialcast.data.arrays.lazy import part_of

KINDS: dict[str, Callable[[xr.Dataset, Path], object]] = {
    "store.nc": lambda dataset, path: dataset.to_netcdf(path),
    "store.zarr": lambda dataset, path: dataset.to_zarr(path, consolidated=False),
    # yours: its suffix, and what writes one
}


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_opens_as_the_dataset_does(name: str, analysis: xr.Dataset, tmp_path: Path) -> None:
    KINDS[name](analysis, tmp_path / name)
    opened = open_analysis(tmp_path / name)
    assert part_of(opened["geopotential"]) is not None  # a stored array, of which nothing is read
    xr.testing.assert_allclose(opened, open_analysis(analysis), rtol=1e-6)
    again = pickle.loads(pickle.dumps(opened))["geopotential"]
    box = {"time": slice(3, 8), "level": [1], "longitude": slice(None, None, 5)}
    np.testing.assert_array_equal(again.isel(box), opened["geopotential"].isel(box))


@pytest.mark.parametrize("name", KINDS)
def test_one_that_is_damaged_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"not what it is called")
    with pytest.raises((ValueError, OSError), match=name):
        open_analysis(tmp_path / name)
