"""What two processes gain: python tests/benchmarks/training_parallel.py [ROUNDS]

Two processes of one thread each, on gloo, against one of them alone: updates of the same batches of
16 windows (32 x 64 points, 2 channels), taken in turns, the other process waiting. Samples a second
and their ratio, by DDP and by FSDP2; beside it the ratio of processor time of one process, which
other work on the machine disturbs less. Target: at least 1.7.

Then when DDP hands over each bucket of gradients to be added up, within a backward pass: at 0 % it
has just begun, at 100 % it is over. What is handed over early is sent while the rest is computed.
Plain against reversible blocks.
"""

import itertools
import os
import socket
import subprocess
import sys
import time
from functools import partial

import numpy as np
import torch
import torch.distributed as dist
import xarray as xr
from measuring import machine

from axialcast import parallel
from axialcast.data import Channels, States, WindowLoader, grid_of
from axialcast.data import statistics as statistics_of
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork
from axialcast.names import COORDINATE_ATTRS, VARIABLES
from axialcast.training import ForecastTask, Processes, Training, adamw

DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
NAMES = ("10m_u_component_of_wind", "10m_v_component_of_wind")
BATCH_SIZE, UPDATES = 16, 3


def analysis(num_latitudes: int) -> xr.Dataset:
    grid = LatLonGrid.regular(num_latitudes, 2 * num_latitudes, poles=False)
    times = np.datetime64("2001-01-01", "ns") + np.arange(80) * DAY
    random = np.random.default_rng(0)
    coords = {
        "time": ("time", times, COORDINATE_ATTRS["time"]),
        "latitude": ("latitude", grid.latitude, COORDINATE_ATTRS["latitude"]),
        "longitude": ("longitude", grid.longitude, COORDINATE_ATTRS["longitude"]),
    }
    dims = ("time", "latitude", "longitude")
    fields = {
        name: (dims, random.standard_normal((80, *grid.shape), np.float32), VARIABLES[name].attrs)
        for name in NAMES
    }
    return xr.Dataset(fields, coords)


def training(data: xr.Dataset, processes: Processes, **settings) -> Training:
    channels, grid = Channels.of(data), grid_of(data)
    states = States(data, channels, statistics_of(data, channels, step=1))
    torch.manual_seed(0)
    network = ForecastNetwork(
        num_channels=len(channels), grid=grid, increment_scale=[1.0] * len(channels), **settings
    )
    windows = WindowLoader(
        states,
        input_steps=2,
        target_steps=1,
        batch_size=BATCH_SIZE,
        drop_last=True,
        rank=processes.data_rank,
        world_size=processes.data_ranks,
    )
    area_weights = torch.tensor(grid.area_weights, dtype=torch.float32)
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
        processes=processes,
    )


def seconds(updates, count: int) -> tuple[float, float]:
    """Of some updates, and of the processor in them."""
    start, work = time.perf_counter(), time.process_time()
    for entry in itertools.islice(updates, count):
        entry.values()
    return time.perf_counter() - start, time.process_time() - work


def speed(rounds: int) -> None:
    data = analysis(32)
    settings = {"dim": 64, "depth": 4, "heads": 2}
    is_leader = parallel.launch().is_leader
    one = training(data, Processes(), **settings).updates()
    for kind in ("ddp", "fsdp"):
        many = training(data, Processes.joined(kind, batch_size=BATCH_SIZE), **settings).updates()
        alone, together = [], []
        for _ in range(rounds + 1):
            if is_leader:  # the other one waits
                alone.append(seconds(one, UPDATES))
            parallel.barrier()
            together.append(seconds(many, UPDATES))
            parallel.barrier()
        if is_leader:
            pairs = np.array([alone, together])[:, 1:]  # the first round warms up
            rates = BATCH_SIZE * UPDATES / np.median(pairs[..., 0], 1)
            ratios, of_work = np.moveaxis(pairs[0] / pairs[1], 1, 0)
            print(
                f"{kind:5} one process {rates[0]:6.1f} samples/s, two {rates[1]:6.1f}, ratio "
                f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f}), by the work "
                f"of each {np.median(of_work):.2f}"
            )


def overlap() -> None:
    data = analysis(8)
    for reversible in (False, True):
        handed: list[tuple[float, int]] = []

        def hook(state, bucket, handed=handed):
            handed.append((time.perf_counter(), bucket.buffer().nbytes))
            work = dist.all_reduce(bucket.buffer().div_(2), async_op=True)
            return work.get_future().then(lambda future: future.value()[0])

        fitted = training(
            data,
            Processes.joined("ddp", batch_size=BATCH_SIZE),
            **{"dim": 512, "depth": 8, "heads": 8, "reversible": reversible},
        )
        fitted._objective.register_comm_hook(None, hook)
        updates, spans = fitted.updates(), []
        backward = torch.Tensor.backward

        def timed(tensor, spans=spans, backward=backward):
            start = time.perf_counter()
            backward(tensor)
            spans.append((start, time.perf_counter()))

        torch.Tensor.backward = timed
        seconds(updates, 1)
        handed.clear(), spans.clear()
        seconds(updates, 1)
        torch.Tensor.backward = backward
        [(start, stop)] = spans
        if parallel.launch().is_leader:
            places = [f"{(when - start) / (stop - start):.0%}" for when, _ in handed]
            sizes = [f"{size / 1e6:.0f}" for _, size in handed]
            print(f"{'reversible' if reversible else 'plain':10} MB {' '.join(sizes)}")
            print(f"{'':10} at {' '.join(places)} of {stop - start:.1f} s")


def main(rounds: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    environment |= {"TORCH_CPP_LOG_LEVEL": "ERROR"}  # read when torch is imported
    processes = [
        subprocess.Popen([sys.executable, __file__, rounds], env=environment | {"RANK": str(rank)})
        for rank in range(2)
    ]
    for process in processes:
        process.wait()


if __name__ == "__main__":
    rounds = sys.argv[1] if len(sys.argv) > 1 else "9"
    if "RANK" not in os.environ:
        print(f"{machine()}, torch {torch.__version__}, 1 thread a process\n", flush=True)
        main(rounds)
    else:
        torch.set_num_threads(1)
        with parallel.joined():
            speed(int(rounds))
            overlap()
        sys.stdout.flush()
        os._exit(0)  # FSDP2 on gloo now and then aborts an ordinary exit
