"""Names that a store has wrong, given right by who opens it."""

import numpy as np
import pytest
import xarray as xr

from axialcast.data import open_analysis

FOREIGN = {
    "geopotential": "var129",
    "mean_sea_level_pressure": "field_b",
    "latitude": "rows",
    "longitude": "columns",
    "level": "heights",
}
RENAME = {old: new for new, old in FOREIGN.items()}


@pytest.fixture
def foreign(analysis):
    """The analysis under names that say nothing, its coordinates without attributes."""
    found = analysis.rename(FOREIGN)
    for name in ("rows", "columns"):
        found[name].attrs = {}
    found["heights"].attrs = {"units": "hPa"}
    return found


@pytest.mark.parametrize("kind", ["dataset", "netcdf", "zarr"])
def test_a_store_of_foreign_names_is_the_analysis(kind, foreign, analysis, tmp_path):
    store = foreign
    if kind == "netcdf":
        store = tmp_path / "foreign.nc"
        foreign.to_netcdf(store)
    elif kind == "zarr":
        store = tmp_path / "foreign.zarr"
        foreign.to_zarr(store, consolidated=False)
    opened = open_analysis(store, rename=RENAME, variables=["msl", "geopotential"])
    assert list(opened) == ["mean_sea_level_pressure", "geopotential"]
    expected = open_analysis(analysis, variables=["msl", "geopotential"])
    xr.testing.assert_identical(opened.load(), expected.load())


def test_a_name_of_one_file_of_several(foreign, analysis, tmp_path):
    """The other has no such variable; coordinates are in both."""
    foreign[["var129"]].to_netcdf(tmp_path / "a.nc")
    foreign[["field_b"]].to_netcdf(tmp_path / "b.nc")
    opened = open_analysis(str(tmp_path / "*.nc"), rename=RENAME)
    for name in ("geopotential", "mean_sea_level_pressure"):
        np.testing.assert_array_equal(opened[name], analysis[name])


@pytest.mark.parametrize(
    ("rename", "message"),
    [
        ({"var130": "t"}, r"data\.rename: var130 is none of columns, field_b, heights, rows, time"),
        ({"var129": "field_b"}, "var129 cannot be called field_b, for there is one of that name"),
    ],
)
def test_what_cannot_be_renamed_is_said(rename, message, foreign):
    with pytest.raises(ValueError, match=message):
        open_analysis(foreign, rename=rename)
