"""Static fields: found in any store, put on the grid's points, normalised."""

import numpy as np
import pytest
import xarray as xr

from axialcast.data.opening.static import open_static
from axialcast.data.static import Static
from axialcast.grid import LatLonGrid

GRID = LatLonGrid.regular(7, 12, poles=False)


def store(times=0, **changes):
    """A mask and heights, south to north and from 180°W, as another centre would keep them."""
    rng = np.random.default_rng(0)
    dims, latitude, longitude = ("lat", "lon"), GRID.latitude[::-1], GRID.longitude - 180
    values = {"lsm": rng.random((7, 12)), "phis": 1e4 * rng.random((7, 12))}
    units = {"lsm": "(0 - 1)", "phis": "m**2 s**-2"}
    values |= changes
    coords = {
        "lat": ("lat", latitude, {"units": "degrees_north"}),
        "lon": ("lon", longitude, {"units": "degrees_east"}),
    }
    if times:
        dims = ("time", *dims)
        values = {k: np.repeat(v[None], times, 0) if v.ndim == 2 else v for k, v in values.items()}
        coords["time"] = np.datetime64("2001-01-01", "ns") + np.arange(times) * np.timedelta64(
            1, "D"
        )
    return xr.Dataset({k: (dims, v, {"units": units[k]}) for k, v in values.items()}, coords)


@pytest.mark.parametrize("times", [0, 1, 3])
@pytest.mark.parametrize("kind", ["dataset", "netcdf", "zarr"])
def test_fields_are_put_on_the_points_of_the_grid(kind, times, tmp_path):
    given = source = store(times)
    if kind == "netcdf":
        source = tmp_path / "static.nc"
        given.to_netcdf(source)
    elif kind == "zarr":
        source = tmp_path / "static.zarr"
        given.to_zarr(source, consolidated=False)
    found = open_static(source, ["geopotential_at_surface", "lsm"], GRID)
    assert list(found) == ["geopotential_at_surface", "land_sea_mask"]
    for ours, theirs in zip(found, ["phis", "lsm"], strict=True):
        values = given[theirs].values.reshape(-1, 7, 12)[0]
        expected = values[::-1][:, np.r_[6:12, 0:6]]
        np.testing.assert_allclose(found[ours], expected, rtol=1e-6)
    assert found.land_sea_mask.attrs["units"] == "1"


def test_of_a_larger_store_a_part_is_taken():
    part = LatLonGrid(GRID.latitude[2:5], GRID.longitude[3:9])
    whole = open_static(store(), ["lsm"], GRID).land_sea_mask.values
    np.testing.assert_array_equal(
        open_static(store(), ["lsm"], part).land_sea_mask, whole[2:5, 3:9]
    )


def test_fields_of_several_files(tmp_path):
    for name in ("lsm", "phis"):
        store()[[name]].to_netcdf(tmp_path / f"{name}.nc")
    found = open_static(str(tmp_path / "*.nc"), ["phis", "lsm"], GRID)
    assert list(found) == ["geopotential_at_surface", "land_sea_mask"]


def test_they_are_normalised_by_area():
    fields = open_static(store(), ["lsm", "phis"], GRID)
    static = Static.of(fields)
    assert [str(channel) for channel in static.channels] == list(fields)
    weighted = static.values * GRID.area_weights
    np.testing.assert_allclose(weighted.mean((1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose((static.values * weighted).mean((1, 2)), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "wanted", "grid", "message"),
    [
        (store(), ["oro"], GRID, "static store: no variable oro; the store has geo"),
        (store(), ["lsm"], LatLonGrid.regular(8, 12, poles=True), "lies on another grid than"),
        (
            store(3, lsm=np.random.default_rng(1).random((3, 7, 12))),
            ["lsm"],
            GRID,
            "changes in time",
        ),
    ],
    ids=["absent", "elsewhere", "moving"],
)
def test_what_is_no_static_field_is_refused(given, wanted, grid, message):
    with pytest.raises(ValueError, match=message):
        open_static(given, wanted, grid)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((7, 12), 2.0), "the same everywhere"),
        (np.where(np.eye(7, 12), 1, np.nan), "NaN or infinite"),
    ],
    ids=["constant", "holes"],
)
def test_what_says_nothing_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Static.of(open_static(store(lsm=values), ["lsm"], GRID))


def test_names_of_another_store_do_not_matter():
    """Those of coordinates do, which a store of analyses shares with its static fields."""
    given = store().rename(lat="rows", lsm="field_a")
    given["rows"].attrs = {}
    rename = {"rows": "latitude", "field_a": "lsm", "var129": "geopotential"}
    found = open_static(given, ["land_sea_mask"], GRID, rename=rename)
    np.testing.assert_array_equal(
        found.land_sea_mask, open_static(store(), ["lsm"], GRID).land_sea_mask
    )


def test_files_that_do_not_agree_are_refused(tmp_path):
    store().to_netcdf(tmp_path / "a.nc")
    store(lsm=np.random.default_rng(1).random((7, 12))).to_netcdf(tmp_path / "b.nc")
    pattern = str(tmp_path / "*.nc")
    assert list(open_static(pattern, ["phis"], GRID)) == ["geopotential_at_surface"]
    with pytest.raises(ValueError, match="changes in time or from file to file"):
        open_static(pattern, ["lsm"], GRID)
