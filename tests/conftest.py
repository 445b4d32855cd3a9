"""Fixtures that several rooms share: a small planet with known values, and the real data."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from axialcast.cli import app
from axialcast.grid import LatLonGrid
from axialcast.names import COORDINATE_ATTRS, VARIABLES

CONFIGS = Path(__file__).parents[1] / "configs"
DATA = Path(os.environ.get("AXIALCAST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """A function that finds a real data file by name and skips the test where it is absent."""

    def find(name: str) -> Path:
        path = DATA / name
        if not path.exists():
            pytest.skip(f"{path} is absent; set AXIALCAST_DATA to the folder that holds it")
        return path

    return find


@pytest.fixture(scope="session")
def make_analysis() -> Callable[..., xr.Dataset]:
    """A function that makes a small analysis with known values."""
    return _waves


@pytest.fixture
def analysis() -> xr.Dataset:
    return _waves()


@pytest.fixture(scope="session")
def smallest_run(tmp_path_factory) -> Path:
    """The output folder of the smallest config, run from simulation to report."""
    output = tmp_path_factory.mktemp("runs") / "smallest"
    arguments = ["run", str(CONFIGS / "smallest.yaml"), f"output={output}", "device=cpu"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return output


def _waves(
    *, num_times: int = 40, grid: LatLonGrid | None = None, hours: int = 24, seed: int = 0
) -> xr.Dataset:
    """Waves that travel east over two levels of geopotential and one surface field, plus noise."""
    grid = grid or LatLonGrid.regular(7, 12, poles=False)
    rng = np.random.default_rng(seed)
    times = np.datetime64("2001-01-01", "ns") + np.arange(num_times) * np.timedelta64(hours, "h")
    day = np.arange(num_times)[:, None, None] * hours / 24
    latitude, longitude = np.radians(grid.latitude)[:, None], np.radians(grid.longitude)
    wave = np.cos(latitude) * np.sin(2 * longitude - 0.5 * day)
    noise = rng.standard_normal((3, num_times, *grid.shape))
    levels = np.stack([5.4e4 + 900 * wave, 1.5e4 + 500 * wave], 1) + 30 * np.stack(noise[:2], 1)
    pressure = 1e5 + 800 * wave + 40 * noise[2]
    coords = {
        "time": ("time", times, COORDINATE_ATTRS["time"]),
        "level": ("level", [500.0, 850.0], COORDINATE_ATTRS["level"]),
        "latitude": ("latitude", grid.latitude, COORDINATE_ATTRS["latitude"]),
        "longitude": ("longitude", grid.longitude, COORDINATE_ATTRS["longitude"]),
    }
    z, slp = VARIABLES["geopotential"].attrs, VARIABLES["mean_sea_level_pressure"].attrs
    dims = ("time", "latitude", "longitude")
    return xr.Dataset(
        {
            "geopotential": ((dims[0], "level", *dims[1:]), levels.astype(np.float32), z),
            "mean_sea_level_pressure": (dims, pressure.astype(np.float32), slp),
        },
        coords=coords,
    )
