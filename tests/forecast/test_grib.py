"""Forecasts as GRIB 2, read back by cfgrib."""

import numpy as np
import pytest
import xarray as xr

from axialcast.forecast.grib import refuse_grib, write_grib
from axialcast.grid import LatLonGrid, ProjectedGrid
from axialcast.grid.proj import pyproj
from axialcast.names import COORDINATE_ATTRS, VARIABLES

pytest.importorskip("cfgrib", reason="the extra grib is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of cfgrib, about xarray

BITS = 16
NODES = np.degrees(np.arcsin(np.polynomial.legendre.leggauss(8)[0]))
SPHERE = "+proj=lcc +lat_1=33 +lat_2=45 +lat_0=39 +lon_0=-97.5 +R=6371229"


def on_map(text: str, step: float) -> ProjectedGrid:
    mapping = pyproj().CRS(text).to_cf()
    return ProjectedGrid(np.arange(7) * step - 1e5, np.arange(11)[::-1] * step, mapping)


GRIDS = {
    "regular": LatLonGrid.regular(7, 12, poles=False),
    "from the south": LatLonGrid(np.arange(-60, 61, 20.0), np.arange(-50, 60, 10.0)),
    "gaussian": LatLonGrid(NODES[::-1], np.arange(16) * 22.5),
    "lambert": on_map(SPHERE, 5e4),
    "polar": on_map("+proj=stere +lat_0=90 +lat_ts=60 +lon_0=-45 +R=6371229", 4e5),
}


def forecast(grid, members: int | None = 3) -> xr.Dataset:
    rng = np.random.default_rng(0)
    dims = ["init_time", "number", "lead_time", "level", *grid.dims]
    shape = [2, members or 1, 3, 2, *grid.shape]
    values = rng.normal(250, 30, shape).astype("f4")
    values[0, 0, 0, 1, 2:4, 1] = np.nan
    coords = {
        "init_time": np.array(["2001-01-02", "2001-01-05T06"], "M8[ns]"),
        "number": ("number", np.arange(shape[1]), COORDINATE_ATTRS["number"]),
        "lead_time": np.array([90, 1440, 2880], "m8[m]").astype("m8[ns]"),
        "level": ("level", [500.0, 850.0], COORDINATE_ATTRS["level"]),
        **grid.labels,
    }
    fields = {
        "temperature": (dims, values, VARIABLES["temperature"].attrs),
        "mean_sea_level_pressure": ([d for d in dims if d != "level"], 1e5 + values[:, :, :, 0]),
    }
    found = xr.Dataset(fields, coords)
    return found if members else found.isel(number=0, drop=True)


@pytest.mark.parametrize("members", [3, None])
@pytest.mark.parametrize("kind", GRIDS)
def test_fields_come_back(kind, members, tmp_path):
    grid, path = GRIDS[kind], tmp_path / "a.grib2"
    want = forecast(grid, members)
    write_grib(path, want, bits=BITS)
    for name, short in (("temperature", "t"), ("mean_sea_level_pressure", "msl")):
        with xr.open_dataset(
            path,
            engine="cfgrib",
            decode_timedelta=True,
            backend_kwargs={"indexpath": "", "filter_by_keys": {"shortName": short}},
        ) as read:
            got = read[short].load().rename(time="init_time", step="lead_time")
        got = got.rename({"isobaricInhPa": "level"} if "isobaricInhPa" in got.dims else {})
        assert "number" in got.dims or members is None
        array = want[name]
        if kind in ("lambert", "polar"):
            places = [grid.latitudes[:, ::-1], grid.longitudes[:, ::-1] % 360]
            read_places = [got.latitude.values, got.longitude.values % 360]
            np.testing.assert_allclose(read_places, places, atol=2e-5)
            array = array.sortby("x").drop_vars(["y", "x", "crs"])
        else:  # from north to south, from west to east
            array = array.sortby("latitude", ascending=False).assign_coords(
                longitude=got.longitude.values
            )
            np.testing.assert_allclose(got.latitude, array.latitude, atol=1e-6)
            got = got.assign_coords(latitude=array.latitude.values)
        fields = array.max(["latitude", "longitude"] if "latitude" in array.dims else ["y", "x"])
        reach = np.nanmax(fields) - np.nanmin(array)
        got = got.sel({d: array[d] for d in ("init_time", "lead_time", "level") if d in array.dims})
        got = got.transpose(*array.dims).values
        assert got.shape == array.shape
        np.testing.assert_array_equal(np.isnan(got), np.isnan(array))
        bound = 2 * reach / 2**BITS + np.spacing(np.float32(np.nanmax(array)))
        assert np.nanmax(np.abs(got - array.values)) <= bound


def test_longitudes_stay_where_they_are(tmp_path):
    grid = GRIDS["from the south"]
    write_grib(tmp_path / "a.grib2", forecast(grid, None), bits=BITS)
    keys = {"indexpath": "", "filter_by_keys": {"shortName": "msl"}}
    with xr.open_dataset(
        tmp_path / "a.grib2", engine="cfgrib", decode_timedelta=True, backend_kwargs=keys
    ) as read:
        np.testing.assert_allclose((read.longitude - grid.longitude + 180) % 360, 180)


def test_what_grib_does_not_know_is_refused(tmp_path):
    known = forecast(GRIDS["regular"])
    for other, line in (
        (known.rename(temperature="density"), "grib2 has no code for density; deliver netcdf"),
        (
            known.assign_coords(lead_time=("lead_time", [1, 2, 3], {"units": "months"})),
            "grib2 is not written in steps of months",
        ),
        (
            known.assign_coords(
                init_time=xr.date_range("2001", periods=2, calendar="noleap", use_cftime=True)
            ),
            "grib2 knows no dates of the calendar noleap; deliver netcdf",
        ),
        (forecast(LatLonGrid([50.0, 40.0, 25.0], [0.0, 1.0])), "grib2 has no template for Lat"),
        (forecast(on_map("EPSG:3413", 4e5)), "grib2 has no template for Proj"),
        (forecast(on_map("EPSG:3035", 5e4)), "grib2 has no template for Proj.*; deliver netcdf"),
    ):
        with pytest.raises(ValueError, match=f"^deliver.formats: {line}"):
            refuse_grib(other)


def test_infinite_values_are_refused(tmp_path):
    known = forecast(GRIDS["regular"])
    known.mean_sea_level_pressure.values[1, 0, 0, 2, 3] = np.inf
    with pytest.raises(ValueError, match=r"no infinite values, such as mean_sea_.* 2001-01-05T06"):
        write_grib(tmp_path / "a.grib2", known, bits=BITS)
    assert not list(tmp_path.iterdir())
