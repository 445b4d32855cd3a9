"""What roles and several stores cost while windows are loaded, and the sun beside a training step.

    python tests/benchmarks/loading_roles.py [--rounds 7]

Windows of three steps of 9 prognostic channels, 4 forcings and 3 static fields on 64 x 128 cells,
beside those of 16 prognostic channels, the same bytes: static fields are in the network, so that
batches are of 13. Blosc-lz4, 48 hours to a chunk, in the page cache, through a buffer of a quarter;
all variants take turns, an epoch each. Processor time is of all threads.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from measuring import machine, medians
from zarr.codecs import BloscCodec

from axialcast.data import Batch, Channels, States, Statistics, WindowLoader, open_analysis
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork
from axialcast.model.calendar import dates
from axialcast.names import COMPUTED, FORCING
from axialcast.training import ForecastTask

GRID = LatLonGrid.regular(64, 128, poles=False)
TIMES = np.datetime64("2001-01-01", "ns") + np.arange(1000) * np.timedelta64(6, "h")
PROGNOSTIC, FORCINGS, STATIC, CHUNK, BATCH = 9, 4, 3, 8, 16


def write(folder: Path, name: str, numbers: range, every: int = 1) -> str:
    """A store of some channels, at every so many times."""
    dims = ("time", "latitude", "longitude")
    fields = {}
    for number in numbers:
        noise = np.random.default_rng(number).standard_normal(
            (len(TIMES[::every]), *GRID.shape), np.float32
        )
        fields[f"field_{number:02}"] = (dims, noise.cumsum(2) * 0.1, {"units": "1"})
    cube = xr.Dataset(fields, {"time": TIMES[::every], **GRID.labels})
    shape = (CHUNK // every, *GRID.shape)
    codec = BloscCodec(cname="lz4", shuffle="shuffle")
    encoding = {name: {"chunks": shape, "compressors": [codec]} for name in fields}
    cube.to_zarr(folder / name, encoding=encoding, consolidated=False)
    return str(folder / name)


def loader(stores: Any, variables: range, forcings: range = range(0)) -> WindowLoader:
    roles = {f"field_{number:02}": FORCING for number in forcings}
    names = [f"field_{number:02}" for number in [*variables, *forcings]]
    analysis = open_analysis(stores, variables=names)
    channels, ones = Channels.of(analysis, roles), np.ones(len(names))
    states = States(
        analysis,
        channels,
        Statistics(0 * ones, ones, ones),
        buffer_bytes=len(TIMES) * len(names) * GRID.areas.size,
    )
    return WindowLoader(states, input_steps=2, target_steps=1, batch_size=BATCH)


def epoch(windows: WindowLoader, number: int) -> tuple[float, float]:
    """Microseconds a window of an epoch: by the clock, and of processors."""
    clock, processor, count = time.perf_counter(), time.process_time(), 0
    for batch in windows.epoch(number):
        count += len(batch.states)
        used(batch)
    return (
        1e6 * (time.perf_counter() - clock) / count,
        1e6 * (time.process_time() - processor) / count,
    )


def used(batch: Batch) -> list[torch.Tensor]:
    """What the network and the loss take from a batch."""
    return [batch.inputs, batch.targets, *(batch.forcings or ())]


def compare_loading(folder: Path, rounds: int) -> None:
    first, last = range(PROGNOSTIC), range(PROGNOSTIC, PROGNOSTIC + FORCINGS)
    every = range(PROGNOSTIC + FORCINGS + STATIC)
    whole, own = write(folder, "whole.zarr", every), write(folder, "own.zarr", first)
    beside = write(folder, "beside.zarr", last)
    daily = write(folder, "daily.zarr", last, every=4)
    variants = {
        "16 prognostic": loader(whole, every),
        "13 prognostic": loader(whole, every[:13]),
        "9 and 4 forcings, one store": loader(whole, first, last),
        "9 and 4 forcings, two stores": loader([own, beside], first, last),
        "9 and 4 daily ones, held": loader([own, daily], first, last),
    }
    for windows in variants.values():
        epoch(windows, 0)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
    for number in range(rounds):
        for name, windows in variants.items():
            found[name].append(epoch(windows, number + 1))
    base = found["16 prognostic"]
    for name, pairs in found.items():
        clock, processor = (
            statistics.median(one[kind] / of[kind] for one, of in zip(pairs, base, strict=True))
            for kind in (0, 1)
        )
        told = statistics.median(pair[0] for pair in pairs)
        print(f"  {name:30}{told:8.0f} µs a window{clock:7.2f} x{processor:7.2f} x processor time")


def compare_sun(rounds: int) -> None:
    """Forcings of the sun beside a training step of the network that is told of them."""
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(BATCH, 3, PROGNOSTIC, *GRID.shape, generator=generator)
    times = TIMES[: 3 * BATCH].reshape(BATCH, 3)
    batch = Batch(states, times, None, 2)
    runs: dict[str, Callable[[], object]] = {}
    for name, forcings in (("without", ()), ("with", COMPUTED)):
        network = ForecastNetwork(
            num_channels=PROGNOSTIC,
            grid=GRID,
            increment_scale=[1.0] * PROGNOSTIC,
            dim=32,
            depth=2,
            forcings=forcings,
        )
        runs[f"step {name}"] = step_of(network, batch)
        if forcings:
            given = dates(batch.input_times)
            runs["computed"] = lambda n=network, d=given: n.told(batch.inputs, d)
    times_of: Mapping[str, float] = medians(runs, rounds=rounds)
    for name, milliseconds in times_of.items():
        share = 100 * milliseconds / times_of["step without"]
        print(f"  {name:30}{milliseconds:8.1f} ms{share:8.2f} % of a step without")


def step_of(network: ForecastNetwork, batch: Batch) -> Callable[[], None]:
    weights = torch.tensor(GRID.area_weights, dtype=torch.float32)
    task = ForecastTask(
        step=np.timedelta64(6, "h"), area_weights=weights, scale=network.increment_scale
    )

    def step() -> None:
        network.zero_grad()
        task.loss.value(task.upper(network, batch), task.lower(batch)).backward()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}, torch {torch.__version__}; medians of {options.rounds} rounds")
    print(f"windows of 3 steps through a quarter of the data, {GRID.shape} cells")
    with tempfile.TemporaryDirectory() as folder:
        compare_loading(Path(folder), options.rounds)
    print(f"a batch of {BATCH} windows, dim 32, depth 2; processor time of one thread")
    compare_sun(options.rounds)


if __name__ == "__main__":
    main()
