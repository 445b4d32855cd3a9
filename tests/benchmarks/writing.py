"""Writing in the background: `python tests/benchmarks/writing.py [--rounds 15]`.

Prints what share of the time that a forecast of 63 MB takes to be written is hidden behind its
computation, and how fast whole chunks are written. One process, torch on one thread; every round
makes the forecast twice, waiting for each write and not. By the clock, the share needs a second
core that is idle; the time that the computation waits for writes tells it on a busy machine too.
"""

import argparse
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
import xarray as xr

from axialcast.data import Channels, grid_of, statistics
from axialcast.forecast import Checkpoint, Forecaster, ForecastWriter
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork
from axialcast.names import VARIABLES

STEP = np.timedelta64(6 * 3600 * 10**9, "ns")
NUM_INITS, NUM_LEADS = 12, 40
VARIABLE_NAMES = (
    "2m_temperature",
    "10m_u_component_of_wind",
    "10m_v_component_of_wind",
    "mean_sea_level_pressure",
)


def waves() -> xr.Dataset:
    """An analysis of four smooth fields with a little noise, 64 x 128."""
    grid, rng = LatLonGrid.regular(64, 128, poles=False), np.random.default_rng(0)
    times = np.datetime64("2001-01-01", "ns") + np.arange(NUM_INITS + 8) * STEP
    phase = (
        np.radians(grid.longitude) * np.arange(1, 5)[:, None] - np.arange(len(times))[:, None, None]
    )
    wave = np.sin(phase)[:, :, None] * np.cos(np.radians(grid.latitude))[:, None]
    fields = 280 + 10 * wave + rng.standard_normal(wave.shape)
    dims = ("time", "latitude", "longitude")
    return xr.Dataset(
        {
            name: (dims, fields[:, index].astype(np.float32), VARIABLES[name].attrs)
            for index, name in enumerate(VARIABLE_NAMES)
        },
        {"time": times, "latitude": grid.latitude, "longitude": grid.longitude},
    )


def small_forecaster(analysis: xr.Dataset) -> Forecaster:
    channels, grid = Channels.of(analysis), grid_of(analysis)
    stats = statistics(analysis, channels, step=1)
    settings = {"input_steps": 2, "dim": 32, "depth": 1, "heads": 2, "patch": [1, 8, 8]}
    network = ForecastNetwork(
        num_channels=len(channels),
        grid=grid,
        increment_scale=stats.increment_scale.tolist(),
        **settings,
    )
    torch.nn.init.normal_(network.body.head.project.weight, std=0.01)
    weights = network.state_dict()
    return Forecaster(Checkpoint(weights, settings, channels, stats, grid, STEP), device="cpu")


def forecast(
    forecaster: Forecaster, analysis: xr.Dataset, path: Path, *, wait: bool
) -> list[float]:
    """Seconds that the forecast took, and how many of them the computation stood still."""
    inits = analysis.time.values[4 : 4 + NUM_INITS]
    leads = np.arange(1, NUM_LEADS + 1) * STEP
    started, stood = time.perf_counter(), 0.0
    shutil.rmtree(path, ignore_errors=True)
    with ForecastWriter(path, forecaster.template(inits, leads)) as writer:
        for part, inputs in forecaster.hindcast(
            analysis,
            init_times=inits,
            lead_times=leads,
            batch_size=1,
            leads_together=writer.leads_together,
        ):
            begun = time.perf_counter()
            writer.write(part, inputs=inputs)
            if wait:
                writer.wait()
            stood += time.perf_counter() - begun
        begun = time.perf_counter()
        writer.wait()
        stood += time.perf_counter() - begun
    return [time.perf_counter() - started, stood]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.manual_seed(0)
    torch.set_num_threads(1)
    analysis = waves()
    forecaster = small_forecaster(analysis)
    size = NUM_INITS * NUM_LEADS * analysis.isel(time=0).nbytes / 1e6
    results = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "forecast.zarr"
        forecast(forecaster, analysis, path, wait=True)
        for number in range(rounds):
            pair = {
                wait: forecast(forecaster, analysis, path, wait=wait)
                for wait in ((True, False) if number % 2 else (False, True))
            }
            results.append([*pair[True], *pair[False]])
        stored = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
    whole, writing, behind, stood = (median(column) for column in zip(*results, strict=True))
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, ", end="")
    print(f"torch {torch.__version__}, 1 thread; medians of {rounds} rounds")
    print(f"forecast: {size:.1f} MB, {stored:.1f} MB stored")
    print(f"computed and written one after the other  {whole:6.3f} s, of this")
    print(f"  writing whole chunks                    {writing:6.3f} s, {size / writing:.0f} MB/s")
    print(f"written in the background                 {behind:6.3f} s, of this")
    print(f"  waiting for writes                      {stood:6.3f} s")
    print(f"hidden, by the clock                      {100 * (whole - behind) / writing:6.1f} %")
    print(f"hidden, by the time not waited for        {100 * (1 - stood / writing):6.1f} %")


if __name__ == "__main__":
    main()
