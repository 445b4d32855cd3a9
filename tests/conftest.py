"""Fixtures that several rooms share: a small planet with known values, and the real data."""

import os
import signal
import socket
import sqlite3  # noqa: F401 - Python's own, whatever a test imports after ecCodes has brought another
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import dask.threaded
import hypothesis
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

from axialcast.grid import LatLonGrid
from axialcast.grid.proj import pyproj
from axialcast.names import COORDINATE_ATTRS, INIT_TIME, LEAD_TIME, VARIABLES
from axialcast.run.cli import app

pyproj()  # first and with its own PROJ, whatever a test imports after ecCodes has brought another

# How long an example takes is for benchmarks to say, not for tests on a busy machine.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

CONFIGS = Path(__file__).parents[1] / "configs"
RANKS_SECONDS = 240
DATA = Path(os.environ.get("AXIALCAST_DATA", Path(__file__).parents[2] / "shared" / "data"))


def pytest_configure(config: pytest.Config) -> None:
    """Processes that share the cores compute with one thread each, as do those that they start."""
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


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


@pytest.fixture(scope="session")
def content() -> Callable[[Path], dict[str, bytes]]:
    """A function that gives the bytes of every file below a folder, by name."""
    return lambda folder: {
        str(path.relative_to(folder)): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


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


@pytest.fixture(scope="session")
def ranks() -> Callable[..., list[tuple[int, str, str]]]:
    """A function that starts processes that share a run; status, stdout and stderr of each.

    Arguments: a command for each, in order of ranks, and what their environments have besides.
    """

    def start(*commands: Sequence[str], **more: str) -> list[tuple[int, str, str]]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        environment |= {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
        environment |= {"WORLD_SIZE": str(len(commands)), **more}
        processes = [
            subprocess.Popen(
                command,
                env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank, command in enumerate(commands)
        ]
        try:
            said = [process.communicate(timeout=RANKS_SECONDS) for process in processes]
        finally:
            for process in processes:
                process.kill()
        return [(p.returncode, *lines) for p, lines in zip(processes, said, strict=True)]

    return start


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


@pytest.fixture(scope="session")
def killed_at() -> Callable[..., bool]:
    """A function that runs an action in a process that dies by SIGKILL before a chosen event.

    Arguments: the action, the number of the event (from 1) and the folder that they are counted
    in: files opened for writing, synced, moved, linked or removed, folders made or removed. False:
    it came to its end before that event.
    """
    if not hasattr(os, "fork"):
        pytest.skip("no fork, no SIGKILL")
    return _killed_at


def _killed_at(action: Callable[[], object], number: int, folder: Path) -> bool:
    child = os.fork()
    if child == 0:
        try:
            _die_at(number, str(folder))
            action()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the action failed"
    return False


def _die_at(number: int, folder: str) -> None:
    """From now on, this process dies before so many events in a folder."""
    # Threads do not survive a fork, but what refers to them does.
    dask.threaded.default_pool = None
    dask.threaded.pools.clear()
    left, lock, fsync = number, threading.Lock(), os.fsync

    def count() -> None:
        nonlocal left
        with lock:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            writes = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        else:
            writes = event in ("os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir")
        # Within a rmtree, names are relative to a descriptor.
        if writes and (event in ("os.remove", "os.rmdir") or folder in str(arguments[0])):
            count()

    def syncing(descriptor: int) -> None:
        count()
        fsync(descriptor)

    os.fsync = syncing
    sys.addaudithook(hook)


def analysis_of(values, *, start="2001-01-01", freq="24h", levels=None, units="Pa"):
    """(time, [level], latitude, longitude) values as an analysis of one variable, `pressure`."""
    num_latitudes, num_longitudes = values.shape[-2:]
    coords = {
        "time": pd.date_range(start, periods=len(values), freq=freq, unit="ns"),
        "latitude": np.linspace(50.0, -40.0, num_latitudes),
        "longitude": np.arange(num_longitudes) * 360.0 / num_longitudes,
    }
    dims = ["time", "latitude", "longitude"]
    if levels is not None:
        dims.insert(1, "level")
        coords["level"] = np.array(levels, dtype=float)
    attrs = {"units": units, "long_name": "pressure"}
    return xr.Dataset({"pressure": (dims, values.astype(np.float32), attrs)}, coords)


def forecast_of(analysis, inits, leads, *, error=0.0):
    """The truth plus an error, (init_time, lead_time, ...), past the end the last truth."""
    time = analysis["time"].values
    valid = np.minimum(np.add.outer(inits, leads), time[-1])
    rows = np.searchsorted(time, valid)
    arrays = {
        name: ((INIT_TIME, LEAD_TIME, *a.dims[1:]), a.values[rows] + np.float32(error), a.attrs)
        for name, a in analysis.data_vars.items()
    }
    coords = {name: c for name, c in analysis.coords.items() if name != "time"}
    return xr.Dataset(arrays, {INIT_TIME: inits, LEAD_TIME: leads, **coords})


@pytest.fixture(name="analysis_of", scope="session")
def _analysis_of():
    return analysis_of


@pytest.fixture(name="forecast_of", scope="session")
def _forecast_of():
    return forecast_of


@pytest.fixture
def noise():
    """Three years of daily noise on 5 x 7 points around 1000."""
    rng = np.random.default_rng(7)
    return analysis_of(1000 + 10 * rng.standard_normal((1096, 5, 7)))


@pytest.fixture
def climatology(noise):
    from axialcast.baselines import Climatology

    return Climatology.fit(noise.sel(time=slice("2001", "2002")), harmonics=1)
