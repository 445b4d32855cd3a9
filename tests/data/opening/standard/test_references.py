"""Attributes that name variables which opening leaves behind."""

import numpy as np
import pytest
import xarray as xr

from axialcast.data import open_analysis
from axialcast.data.opening.standard.references import without_dangling

DAY = np.timedelta64(86_400_000_000_000, "ns")


@pytest.fixture
def daily_means():
    """As models' output is: bounds, areas and flags beside the fields."""
    times = np.datetime64("2001-01-01", "ns") + DAY * np.arange(4)
    latitude, longitude = np.array([60.0, 0.0, -60.0]), np.arange(0, 360, 72.0)
    dims = ("time", "plev", "lat", "lon")
    values = np.random.default_rng(0).random((4, 2, 3, 5), np.float32)
    said = {
        "units": "K",
        "standard_name": "air_temperature",
        "cell_methods": "time: mean",
        "ancillary_variables": "ta_number ta_flag",
        "cell_measures": "area: areacella",
    }
    return xr.Dataset(
        {
            "ta": (dims, values, said),
            "ta_number": (dims, values, {"units": "1"}),
            "areacella": (("lat", "lon"), np.ones((3, 5)), {"units": "m2"}),
            "time_bnds": (("time", "nv"), np.stack([times, times + DAY], 1)),
            "lat_bnds": (("lat", "nv"), np.stack([latitude - 30, latitude + 30], 1)),
            "plev_bnds": (("plev", "nv"), np.array([[9e4, 7e4], [6e4, 4e4]])),
        },
        {
            "time": ("time", times, {"bounds": "time_bnds", "standard_name": "time"}),
            "plev": ("plev", [85_000.0, 50_000.0], {"units": "Pa", "bounds": "plev_bnds"}),
            "lat": ("lat", latitude, {"units": "degrees_north", "bounds": "lat_bnds"}),
            "lon": ("lon", longitude, {"units": "degrees_east", "bounds": "lon_bnds"}),
            "height": ((), 2.0, {"units": "m"}),
        },
    )


def names_in(dataset):
    """Words of all attributes that may name variables."""
    keys = ("bounds", "climatology", "ancillary_variables", "cell_measures", "coordinates")
    keys += ("grid_mapping", "formula_terms")
    return {
        word
        for array in dataset.variables.values()
        for key in keys
        for word in str(array.attrs.get(key, "")).split()
        if not word.endswith(":")
    }


@pytest.mark.parametrize("kind", ["nc", "zarr"])
def test_what_is_opened_names_what_is_there(daily_means, tmp_path, kind):
    path = tmp_path / f"means.{kind}"
    daily_means["time"].encoding["units"] = "days since 2001-01-01"
    if kind == "nc":
        daily_means.to_netcdf(path)
    else:
        daily_means.to_zarr(path, zarr_format=2)
    opened = open_analysis(path)
    assert "bounds" not in opened["time"].attrs
    assert names_in(opened) == {"ta_number"}
    assert opened["temperature"].attrs["ancillary_variables"] == "ta_number"
    assert opened["temperature"].attrs["cell_hours"] == [0.0, 24.0]  # what the bounds said
    alone = open_analysis(path, variables=["ta"])
    assert names_in(alone) == set()
    alone.to_netcdf(tmp_path / "again.nc")
    with xr.open_dataset(tmp_path / "again.nc", decode_coords="all") as again:
        assert set(again.variables) == set(alone.variables)


def test_each_attribute():
    labels = ("x", np.arange(3.0), {"bounds": "x_bnds", "climatology": "climatology_bounds"})
    said = {
        "coordinates": "x place",
        "cell_measures": "area: area volume: cell_volume",
        "formula_terms": "a: x b: b",
        "grid_mapping": "Lambert: x y",
    }
    dataset = xr.Dataset(
        {"t": ("x", np.zeros(3), said), "area": ("x", np.ones(3), {"grid_mapping": "crs: x"})},
        {"x": labels},
    )
    found = without_dangling(dataset)
    assert found["t"].attrs == {"coordinates": "x", "cell_measures": "area: area"}
    assert found["area"].attrs == {}
    assert found["x"].attrs == {}
    assert dataset["t"].attrs == said  # what was given stays
    whole = dataset.assign_coords(crs=0, b=0.0, place=1.0, x_bnds=(("x", "nv"), np.zeros((3, 2))))
    found = without_dangling(whole)
    assert found["t"].attrs == said | {"cell_measures": "area: area", "grid_mapping": "crs"}
    assert found["area"].attrs == {"grid_mapping": "crs: x"}
    assert found["x"].attrs == {"bounds": "x_bnds"}
