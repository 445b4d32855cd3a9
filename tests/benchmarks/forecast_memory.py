"""Memory of a forecast: `python tests/benchmarks/forecast_memory.py [--batch 32]`.

Prints what a forecast of 69 channels at 1.5° holds beside its network while it is written to a
store, in batches of states (batch x 69 x 121 x 240 x 4 bytes); the same with twice as many lead
times and with twice as many initial times; and what `predict` takes in terms of its result. The
analysis lies in a Zarr store of one state a chunk, then of eight. The network is a small one; its
own is what a process takes that computes one batch with it. Every measurement is a process, its
peak the kernel's VmHWM: Linux only.
"""

import argparse
import multiprocessing
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from axialcast.data import Statistics, grid_of
from axialcast.data.reader import Analysis
from axialcast.forecast import Checkpoint, Forecaster, ForecastWriter, calendar
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork
from axialcast.names import VARIABLES

STEP = np.timedelta64(6 * 3600 * 10**9, "ns")
LEVELS = (50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000)
UPPER = (
    "geopotential",
    "temperature",
    "u_component_of_wind",
    "v_component_of_wind",
    "specific_humidity",
)
SURFACE = (
    "2m_temperature",
    "10m_u_component_of_wind",
    "10m_v_component_of_wind",
    "mean_sea_level_pressure",
)
STATE_BYTES = 4 * 69 * 121 * 240


def write_analysis(path: Path, num_times: int, length: int) -> None:
    """A store of waves with noise, `length` states a chunk."""
    grid, rng = LatLonGrid.regular(121, 240, poles=True), np.random.default_rng(0)
    wave = np.sin(np.radians(grid.longitude)) * np.cos(np.radians(grid.latitude))[:, None]
    times = np.datetime64("2001-01-01", "ns") + np.arange(num_times) * STEP
    dims = ("time", "level", "latitude", "longitude")
    coords = {
        "time": times,
        "level": np.array(LEVELS, float),
        "latitude": grid.latitude,
        "longitude": grid.longitude,
    }
    for first in range(0, num_times, length):
        fields = {}
        for name in (*UPPER, *SURFACE):
            shape = (length, *((13,) if name in UPPER else ()), *grid.shape)
            values = (wave + 0.1 * rng.standard_normal(shape)).astype("f4")
            kept = dims if name in UPPER else (dims[0], *dims[2:])
            fields[name] = (kept, values, VARIABLES[name].attrs)
        block = xr.Dataset(fields, coords | {"time": times[first : first + length]})
        chunked = block.chunk({"time": length})
        if first:
            chunked.to_zarr(path, append_dim="time", zarr_format=2)
        else:
            encoding = {"time": {"units": "hours since 2001-01-01"}}
            chunked.to_zarr(path, mode="w", zarr_format=2, encoding=encoding)


def small_forecaster(path: Path) -> tuple[Forecaster, Analysis]:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    analysis = Analysis(xr.open_zarr(path, chunks=None))
    ones = np.ones(len(analysis.channels))
    settings = {"input_steps": 2, "dim": 8, "depth": 1, "heads": 2, "patch": [1, 8, 8]}
    network = ForecastNetwork(
        num_channels=len(ones),
        grid=grid_of(analysis.dataset),
        increment_scale=ones.tolist(),
        **settings,
    )
    statistics = Statistics(0 * ones, ones, ones)
    checkpoint = Checkpoint(
        network.state_dict(), settings, analysis.channels, statistics, analysis.grid, STEP
    )
    forecaster = Forecaster(checkpoint, device="cpu")
    return forecaster, forecaster.check(path)


def network_alone(path: Path, batch: int) -> None:
    forecaster, analysis = small_forecaster(path)
    states = torch.ones(batch, 2, *analysis.shape)
    times = np.broadcast_to(analysis.times[:2], (batch, 2))
    with torch.inference_mode():
        forecaster.network(states, calendar(times))


def hindcast(path: Path, batch: int, num_inits: int, num_leads: int) -> None:
    forecaster, analysis = small_forecaster(path)
    inits, leads = analysis.times[1 : 1 + num_inits], np.arange(1, num_leads + 1) * STEP
    with (
        tempfile.TemporaryDirectory() as folder,
        ForecastWriter(Path(folder) / "a.zarr", forecaster.template(inits, leads)) as writer,
    ):
        for part, inputs in forecaster.hindcast(
            analysis,
            init_times=inits,
            lead_times=leads,
            batch_size=batch,
            leads_together=writer.leads_together,
        ):
            writer.write(part, inputs=inputs)


def predict(path: Path, batch: int, num_inits: int, num_leads: int) -> None:
    forecaster, analysis = small_forecaster(path)
    inits, leads = analysis.times[1 : 1 + num_inits], np.arange(1, num_leads + 1) * STEP
    forecaster.predict(analysis, init_times=inits, lead_times=leads, batch_size=batch)


def measured(work: Callable[..., None], *args: object) -> int:
    work(*args)
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def peak(work: Callable[..., None], *args: object) -> int:
    """Bytes that a process that does the work has in memory at most."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(measured, work, *args).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--leads", type=int, default=4)
    batch, leads = (getattr(parser.parse_args(), name) for name in ("batch", "leads"))
    states = batch * STATE_BYTES
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "analysis.zarr"
        write_analysis(path, -(-(2 * batch + 1) // 8) * 8, 1)
        own = peak(network_alone, path, batch)
        print(f"batch of {batch} states: {states / 1e6:.0f} MB; process with network: ", end="")
        print(f"{own / 1e6:.0f} MB; beside it, in batches of states:")
        for length in (1, 8):
            if length > 1:
                write_analysis(path, -(-(2 * batch + 1) // 8) * 8, length)
            for inits, num in ((batch, leads), (batch, 2 * leads), (2 * batch, leads)):
                beside = (peak(hindcast, path, batch, inits, num) - own) / states
                print(f"  {length} states a chunk, {inits:3} initial times, ", end="")
                print(f"{num:2} lead times: {beside:5.2f}", flush=True)
        few = max(1, batch // 8)
        for num in (leads * 4, leads * 8):
            result, small = 2 * few * num * STATE_BYTES, peak(network_alone, path, few)
            ratio = (peak(predict, path, few, 2 * few, num) - small) / result
            print(f"predict, {result / 1e6:.0f} MB in batches of {few}: {ratio:.2f} x its result")


if __name__ == "__main__":
    main()
