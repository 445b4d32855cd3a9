"""The line on maps: Lambert and polar stereographic, and a rotated pole."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.data import open_analysis
from axialcast.forecast import ForecastStore, ForecastWriter, load, load_checkpoint
from axialcast.grid import ProjectedGrid, grid_of
from axialcast.grid.proj import pyproj
from axialcast.run.config import load_config
from axialcast.run.inspection import describe
from axialcast.run.preflight import check_run
from axialcast.run.stages import run_stages

SIZES = 11, 13
MAPS: dict[str, tuple[dict[str, Any], float, str]] = {
    "lambert": (
        {
            "grid_mapping_name": "lambert_conformal_conic",
            "standard_parallel": 38.5,
            "longitude_of_central_meridian": 262.5,
            "latitude_of_projection_origin": 38.5,
            "earth_radius": 6371229.0,
        },
        80.0,
        "km",
    ),
    "polar": (pyproj().CRS("EPSG:3413").to_cf(), 4e5, "m"),  # over the pole
    "rotated": (
        {
            "grid_mapping_name": "rotated_latitude_longitude",
            "grid_north_pole_latitude": 39.25,
            "grid_north_pole_longitude": -162.0,
        },
        0.5,
        "degrees",
    ),
}
CONFIG = """
pipeline: [train, forecast, verify]
output: {folder}/run
device: cpu
data:
  store: {folder}/analysis.nc
  variables: [mean_sea_level_pressure]
  static: [geopotential_at_surface]
  forcings: [cosine_of_solar_zenith_angle]
  train: ["2001-01-01", "2001-02-10"]
  validate: ["2001-02-11", "2001-02-20"]
  test: ["2001-02-21", "2001-03-01"]
model: {{patch: [2, 2], dim: 8, depth: 1, heads: 2}}
train: {{schedule: [{{steps: 4}}], batch_size: 4, warmup_steps: 1, validate_every: 4}}
forecast: {{lead_time_hours: 48}}
verify: {{harmonics: 0, baselines: [persistence, linear_inverse_model]}}
"""


def analysis_of(kind: str) -> xr.Dataset:
    """Waves that travel along the columns, from north to south, as a centre may write them."""
    mapping, step, units = MAPS[kind]
    rows, columns = ((np.arange(n) - n // 2) * step for n in SIZES)
    times = pd.date_range("2001-01-01", "2001-03-05", freq="1D", unit="ns")
    phase = np.arange(SIZES[1])[None, None] / 3 - np.arange(len(times))[:, None, None] / 2
    noise = np.random.default_rng(3).standard_normal((len(times), *SIZES))
    values = 1e5 + 800 * np.sin(phase) + 40 * noise
    names = ("rlat", "rlon") if kind == "rotated" else ("y", "x")
    standard = ["grid_latitude", "grid_longitude"]
    if kind != "rotated":
        standard = [f"projection_{letter}_coordinate" for letter in "yx"]
    coords: dict[str, Any] = {"time": times}
    for name, axis, of in zip(names, (rows[::-1], columns), standard, strict=True):
        coords[name] = (name, axis, {"standard_name": of, "units": units})
    height = np.add.outer(rows**2, columns) / step
    of_map = {"grid_mapping": "projection"}
    fields = {
        "msl": (("time", *names), values.astype("f4"), {"units": "Pa", **of_map}),
        "phis": (names, height.astype("f4"), {"units": "m2 s-2", **of_map}),
        "projection": ((), 0, mapping),
    }
    return xr.Dataset(fields, coords)


def run(folder: Path, *overrides: str) -> Path:
    (folder / "x.yaml").write_text(CONFIG.format(folder=folder))
    config = load_config(folder / "x.yaml", overrides)
    check_run(config)
    run_stages(config)
    return config.output


@pytest.fixture(scope="module", params=list(MAPS))
def done(request, tmp_path_factory):
    """The kind of map, and the folder of a run on it."""
    folder = tmp_path_factory.mktemp(request.param)
    analysis_of(request.param).to_netcdf(folder / "analysis.nc")
    run(folder)
    return request.param, folder


def test_forecasts_say_where_they_are(done):
    """To those who read CF: xarray and pyproj."""
    kind, folder = done
    forecast = xr.open_zarr(folder / "run" / "forecast.zarr", decode_coords="all")
    field, mapping = forecast["mean_sea_level_pressure"], forecast["crs"].attrs
    assert field.dims == ("init_time", "lead_time", "y", "x")
    assert field.encoding["grid_mapping"] == "crs"
    raw = xr.open_zarr(folder / "run" / "forecast.zarr", decode_coords=False)
    told = raw["mean_sea_level_pressure"].attrs["coordinates"].split()
    assert sorted(told) == ["latitude", "longitude", "valid_time"]
    crs = pyproj().CRS.from_cf(mapping)
    if kind == "rotated":
        to_places = pyproj().Transformer.from_crs(crs, crs.source_crs, always_xy=True)
    else:
        to_places = pyproj().Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    x, y = np.meshgrid(forecast["x"], forecast["y"])
    longitude, latitude = to_places.transform(x, y)
    np.testing.assert_allclose(forecast["latitude"], latitude, atol=1e-9)
    np.testing.assert_allclose(np.cos(np.radians(forecast["longitude"] - longitude)), 1)
    assert np.isfinite(field).all()


def test_scores_are_means_over_areas(done):
    kind, folder = done
    truth = analysis_of(kind)["msl"].values.astype(np.float64)
    mapping, step, units = MAPS[kind]
    scale = 1e3 if units == "km" else 1.0
    rows, columns = ((np.arange(n) - n // 2) * step * scale for n in SIZES)
    weights = ProjectedGrid(rows[::-1], columns, mapping).area_weights
    first = 51  # 21 February
    squares = [
        (np.square(truth[day + 1] - truth[day]) * weights).mean() for day in range(first, first + 9)
    ]
    scores = xr.open_dataset(folder / "run" / "scores.nc", decode_timedelta=True)
    found = scores["mean_sea_level_pressure"].sel(
        model="persistence", metric="rmse", region="all", lead_time=np.timedelta64(1, "D")
    )
    np.testing.assert_allclose(found, np.sqrt(np.mean(squares)), rtol=1e-5)


def test_a_checkpoint_knows_its_map(done):
    kind, folder = done
    checkpoint = load_checkpoint(folder / "run" / "checkpoint")
    grid = checkpoint.grid
    assert isinstance(grid, ProjectedGrid)
    assert any(
        line.startswith("grid: ProjectedGrid(") for line in describe(folder / "run" / "checkpoint")
    )
    forecaster = load(folder / "run" / "checkpoint", device="cpu")
    other = analysis_of(kind)[["msl", "projection"]]
    whole = forecaster.predict(other, init_times="2001-02-25", lead_times="24h")
    stored = ForecastStore(folder / "run" / "forecast.zarr").dataset(
        [np.datetime64("2001-02-25", "ns")]
    )
    assert grid_of(whole) == grid_of(stored)
    turned = other.isel({other["msl"].dims[1]: slice(None, None, -1)})
    with pytest.raises(ValueError, match=r"does not fit .*: y: .* the order is reversed"):
        forecaster.predict(turned, init_times="2001-02-25", lead_times="24h")


def test_more_initial_times_and_netcdf(done, tmp_path):
    """A store grows to what one that is made at once holds, and so does a file of NetCDF."""
    kind, folder = done
    if kind == "rotated":
        pytest.skip("as the others")
    path, forecaster = tmp_path, load(folder / "run" / "checkpoint", device="cpu")
    analysis = forecaster.check(analysis_of(kind)[["msl", "projection"]])
    inits, leads = analysis.times[51:60], np.arange(1, 3) * np.timedelta64(86_400_000_000_000, "ns")
    stores = {"one.zarr": [inits], "two.zarr": [inits[:3], inits], "a.nc": [inits]}
    for store, parts in stores.items():
        for part in parts:
            template = forecaster.template(part, leads)
            with ForecastWriter(path / store, template) as writer:
                for n in writer.missing:
                    chosen = {"init_times": part[[n]], "lead_times": leads}
                    writer.write(forecaster.predict(analysis, **chosen))
    one, two = (xr.open_zarr(path / name, decode_coords="all") for name in ("one.zarr", "two.zarr"))
    xr.testing.assert_identical(one.load(), two.load())
    netcdf = xr.open_dataset(path / "a.nc", decode_coords="all", decode_timedelta=True)
    xr.testing.assert_equal(netcdf.load(), one)
    assert netcdf["mean_sea_level_pressure"].encoding["grid_mapping"] == "crs"


def test_prepared_daily_means_and_a_region(tmp_path):
    analysis_of("lambert").to_netcdf(tmp_path / "analysis.nc")
    box = "data.region={latitude: [38.5, 41.5], longitude: [-101, -94]}"
    pipeline = "pipeline=[prepare, train, forecast, verify]"
    static = "data.static=[]"
    run(tmp_path, pipeline, box, static, "prepare.aggregate_hours=48")
    store = xr.open_zarr(tmp_path / "run" / "training.zarr", decode_coords="all")
    grid = grid_of(store)
    forecast = xr.open_zarr(tmp_path / "run" / "forecast.zarr", decode_coords="all")
    assert grid == grid_of(forecast)
    whole = grid_of(open_analysis(analysis_of("lambert")))
    inside = (whole.latitudes >= 38.5) & (whole.latitudes <= 41.5)
    inside &= (whole.longitudes >= -101) & (whole.longitudes <= -94)
    assert grid.shape == (inside.any(1).sum(), inside.any(0).sum())
    given = analysis_of("lambert")["msl"]
    mean = given[:2].mean("time").sel(y=grid.axes[0] / 1e3, x=grid.axes[1] / 1e3)
    np.testing.assert_allclose(store["states"][0, 0], mean, rtol=1e-6)
