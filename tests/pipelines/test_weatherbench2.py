"""The WeatherBench 2 config, on a store of the same layout served over HTTP."""

import http.server
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from axialcast.run.config import load_config
from axialcast.run.stages import run_stages

CONFIG = Path(__file__).parents[2] / "configs" / "era5_weatherbench2.yaml"
UNITS = {
    "geopotential": "m**2 s**-2",
    "temperature": "K",
    "u_component_of_wind": "m s**-1",
    "v_component_of_wind": "m s**-1",
    "specific_humidity": "kg kg**-1",
    "2m_temperature": "K",
    "10m_u_component_of_wind": "m s**-1",
    "10m_v_component_of_wind": "m s**-1",
    "mean_sea_level_pressure": "Pa",
}


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Says nothing."""


@pytest.fixture
def url(tmp_path):
    """A store as WeatherBench 2 lays it out: latitude last and northward, Zarr 2, one URL."""
    rng = np.random.default_rng(0)
    latitude = np.linspace(-78.75, 78.75, 8)
    coords = {
        "time": pd.date_range("2020-01-01", periods=60, freq="6h"),
        "level": [50, 100, 250, 500, 700, 850],
        "longitude": np.arange(16) * 22.5,
        "latitude": latitude,
    }
    dataset = xr.Dataset(coords=coords)
    for name, units in UNITS.items():
        on_levels = not name.startswith(("2m", "10m", "mean"))
        dims = ("time", *(["level"] if on_levels else []), "longitude", "latitude")
        shape = [dataset.sizes[dim] for dim in dims]
        values = rng.standard_normal(shape).cumsum(0).astype(np.float32)
        dataset[name] = (dims, values, {"units": units, "standard_name": "unknown"})
    dataset.chunk(time=20).to_zarr(tmp_path / "era5.zarr", zarr_format=2, consolidated=True)
    handler = partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/era5.zarr"
        server.shutdown()


def test_the_line_from_a_store_over_http(url, tmp_path):
    output = tmp_path / "run"
    overrides = [
        f"data.store={url}",
        f"output={output}",
        "device=cpu",
        "data.train=[2020-01-01,2020-01-09]",
        "data.validate=[2020-01-10,2020-01-11]",
        "data.test=[2020-01-12,2020-01-15]",
        "model.dim=16",
        "model.depth=1",
        "train.schedule=[{steps: 2, rollout_steps: 1}]",
        "train.batch_size=4",
        "forecast.lead_time_hours=24",
        "verify.harmonics=0",
    ]
    run_stages(load_config(CONFIG, overrides), say=lambda line: None)
    forecast = xr.open_zarr(output / "forecast.zarr")
    assert forecast.geopotential.dims == (
        "init_time",
        "lead_time",
        "level",
        "latitude",
        "longitude",
    )
    assert forecast.level.values.tolist() == [100, 250, 500, 700, 850]
    assert len(forecast.init_time) == 8
    scores = pd.read_csv(output / "scores.csv")
    assert set(scores.variable) == set(UNITS)
    assert set(scores.region) >= {"all", "tropics", "europe"}


def test_the_config_names_the_public_bucket():
    config = load_config(CONFIG)
    assert config.data.store.startswith("gs://weatherbench2/")
    assert config.data.store.endswith("64x32_equiangular_conservative.zarr")
