"""What saving states costs a training: python tests/benchmarks/saving_state.py [FOLDER]

Two networks on the grid of configs/ncep_slp.yaml (17 x 33 points, random values): that of the
config, and one whose state has 100 MB. Stretches of steps with a save that begins after the first
of them, written in the background, and stretches without take turns; the median of what the former
take longer is the cost of a save. Its share of a minute is what saving once a minute costs.
Target: under 2 %.
"""

import itertools
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from measuring import machine

from axialcast.data import Channels, States, WindowLoader, grid_of
from axialcast.data import statistics as statistics_of
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork
from axialcast.names import COORDINATE_ATTRS, VARIABLES
from axialcast.training import ForecastTask, Log, Saving, Training, adamw

CASES = {
    "NCEP": {"dim": 128, "depth": 4, "heads": 4},
    "100 MB": {"dim": 256, "depth": 6, "heads": 4},
}
DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
ROUNDS, SECONDS = 11, 1.5


def analysis():
    grid = LatLonGrid(np.linspace(60, 20, 17), np.linspace(-80, 0, 33))
    times = np.datetime64("2001-01-01", "ns") + np.arange(200) * DAY
    values = np.random.default_rng(0).standard_normal((200, *grid.shape)).astype(np.float32)
    coords = {
        "time": ("time", times, COORDINATE_ATTRS["time"]),
        "latitude": ("latitude", grid.latitude, COORDINATE_ATTRS["latitude"]),
        "longitude": ("longitude", grid.longitude, COORDINATE_ATTRS["longitude"]),
    }
    name = "mean_sea_level_pressure"
    dims = ("time", "latitude", "longitude")
    return xr.Dataset({name: (dims, values, VARIABLES[name].attrs)}, coords)


def training(settings):
    data = analysis()
    channels, grid = Channels.of(data), grid_of(data)
    stats = statistics_of(data, channels, step=1)
    states = States(data, channels, stats, buffer_bytes=2**30)
    network = ForecastNetwork(
        num_channels=1, grid=grid, increment_scale=[1.0], patch=(2, 3, 3), **settings
    )
    area_weights = torch.tensor(grid.area_weights, dtype=torch.float32)
    windows = WindowLoader(states, input_steps=2, target_steps=1, batch_size=8, drop_last=True)
    return Training(
        network,
        ForecastTask(step=DAY, area_weights=area_weights, scale=network.increment_scale),
        optimizer=partial(adamw, weight_decay=0.05),
        learning_rate=lambda step: 1e-4,
        stage_steps=[10**9],
        windows=lambda number: windows,
        validation=windows,
        ema_decay=0.99,
        gradient_clip=1.0,
        validate_every=10**9,
    )


def seconds(updates, log, count, after_step):
    start = time.perf_counter()
    for entry in itertools.islice(updates, count):
        log.write(entry)
        after_step()
    return time.perf_counter() - start


def measure(name, settings, folder):
    fitted = training(settings)
    updates = fitted.updates()
    with Log(folder / "log.jsonl") as log:
        each = min(seconds(updates, log, 1, lambda: None) for _ in range(5))
        count = max(3, round(SECONDS / each))
        with Saving(
            folder / "states", fitted, log, made_from={}, beside={}, every_steps=count
        ) as saving:
            seconds(updates, log, count, saving.after_step)  # makes the buffer, too
            saving._wait()
            longer, plain = [], []
            for _ in range(ROUNDS):
                plain.append(seconds(updates, log, count, lambda: None))
                longer.append(seconds(updates, log, count, saving.after_step) - plain[-1])
                saving._wait()
    [*_, newest] = sorted((folder / "states").iterdir())
    size = sum(path.stat().st_size for path in newest.rglob("*") if path.is_file())
    cost = statistics.median(longer)
    low, high = np.quantile(longer, [0.25, 0.75])
    print(
        f"{name}: state {size / 1e6:.1f} MB, step {1e3 * statistics.median(plain) / count:.0f} ms, "
        f"a save costs {1e3 * cost:.0f} ms (quartiles {1e3 * low:.0f} to {1e3 * high:.0f}): "
        f"{cost / 60:.2%} at one a minute"
    )


def main():
    threads = torch.get_num_threads()
    print(f"{machine()}, torch {torch.__version__}, {threads} threads")
    for name, settings in CASES.items():
        with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as folder:
            measure(name, settings, Path(folder))


if __name__ == "__main__":
    main()
