"""Speed of training on a GPU: python tests/benchmarks/gpu.py [--tiny] [--eager]

A network of 256 features and 8 layers and its AdamW, on grids of 64 x 32 and 240 x 121 with 69
channels, windows streamed from a store; plain against reversible, eager against compiled. In turn,
medians. Without a GPU the CPU is taken; --tiny takes small grids, which shows that this runs, and
--eager leaves the compiled ones out.

- samples/s: windows trained on, input to weights.
- of peak: multiplications and additions of the plain network's step (2 a pair, none for a second
  evaluation) a second, over those of a product of large square matrices in the same precision.
- GB: the most that tensors take on the device at a time.
- wait: share of the time in which the device has nothing to do, for the next batch is not there.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from measuring import allocated, machine
from torch.utils.flop_counter import FlopCounterMode

from axialcast.data import Channels, States, Statistics, WindowLoader, open_analysis
from axialcast.device import autocast, choose_device, computes_in_bfloat16
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork
from axialcast.training import ForecastTask, adamw

DAY = np.timedelta64(1, "D")
CASES = {(32, 64): 32, (121, 240): 4}
"""Windows in a batch, by latitudes and longitudes."""
TINY = {(8, 16): 2, (13, 24): 1}
BATCHES, ROUNDS = 8, 10
"""Batches' worth of states in the store, beside some; three quarters of it are held."""


class Variant:
    """A network in training, with the loader that feeds it."""

    def __init__(self, path, grid, size, device, *, channels, reversible, compiled):
        analysis = open_analysis(path)
        names, ones = Channels.of(analysis), np.ones(channels)
        states = States(
            analysis, names, Statistics(0 * ones, ones, ones, 0 * ones), buffer_bytes=size["buffer"]
        )
        self.loader = WindowLoader(
            states, input_steps=2, target_steps=1, batch_size=size["batch"], device=device
        )
        torch.manual_seed(0)
        network = ForecastNetwork(
            num_channels=channels,
            grid=grid,
            increment_scale=ones.tolist(),
            dim=size["dim"],
            depth=size["depth"],
            heads=size["dim"] // 16,
            reversible=reversible,
        ).to(device)
        self.optimizer = adamw(network, weight_decay=0.1)
        self.network = torch.compile(network) if compiled else network
        self.task = ForecastTask(
            step=DAY,
            area_weights=torch.tensor(grid.area_weights).float().to(device),
            scale=torch.ones(channels, 1, 1, device=device),
        )
        self.device, self.batches = device, self._endless()

    def _endless(self):
        while True:
            yield from self.loader

    def step(self, batch):
        self.optimizer.zero_grad()
        task = self.task
        task.loss.value(task.upper(self.network, batch), task.lower(batch)).backward()
        self.optimizer.step()

    def timed(self):
        """Seconds of a batch, and of those the ones that the device waited for it."""
        synchronize(self.device)
        begin = time.perf_counter()
        batch = next(self.batches)
        synchronize(self.device)
        there = time.perf_counter()
        self.step(batch)
        synchronize(self.device)
        return time.perf_counter() - begin, there - begin

    def gigabytes(self):
        """The peak of a step."""
        batch = next(self.batches)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            self.step(batch)
            return torch.cuda.max_memory_allocated(self.device) / 1e9
        held = sum(p.numel() * p.element_size() for p in self.network.parameters())
        return (3 * held + allocated(lambda: self.step(batch))[1]) / 1e9  # and AdamW's moments

    def operations(self):
        """Multiplications and additions of a step."""
        with FlopCounterMode(display=False) as counter:
            self.step(next(self.batches))
        return counter.get_total_flops()


def synchronize(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak(device, n):
    """Multiplications and additions a second of a product of n x n matrices."""
    a = torch.randn(n, n, device=device)
    seconds = []
    with autocast(device, "auto"):
        for _ in range(5):
            synchronize(device)
            begin = time.perf_counter()
            a @ a
            synchronize(device)
            seconds.append(time.perf_counter() - begin)
    return 2 * n**3 / min(seconds)


def write(path, grid, channels, count):
    """A store of so many states of noise, in chunks of 4."""
    random = np.random.default_rng(0)
    times = np.datetime64("2001-01-01", "ns") + DAY * np.arange(count)
    coords = {"time": times, "latitude": grid.latitude, "longitude": grid.longitude}
    dims = ("time", "level", "latitude", "longitude")
    values = random.standard_normal((count, channels, *grid.shape), np.float32)
    data = {"geopotential": (dims, values, {"units": "m2 s-2"})}
    levels = ("level", np.arange(1.0, channels + 1), {"units": "hPa"})
    analysis = xr.Dataset(data, {**coords, "level": levels})
    encoding = {"geopotential": {"chunks": (4, *values.shape[1:])}}
    analysis.to_zarr(path, encoding=encoding, consolidated=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--eager", action="store_true")
    arguments = parser.parse_args()
    device, tiny = choose_device(), arguments.tiny
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else machine()
    kind = "bfloat16" if computes_in_bfloat16(device, "auto") else "float32"
    print(f"{device}: {name}, {kind}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    best, channels = peak(device, 512 if tiny else 8192), 5 if tiny else 69
    print(f"{best / 1e12:.3g} TFLOP/s in a product of matrices")
    print(f"{'':34}{'samples/s':>11}{'of peak':>9}{'GB':>8}{'wait':>7}")
    for shape, batch in (TINY if tiny else CASES).items():
        grid = LatLonGrid.regular(*shape, poles=shape[0] % 2 == 1)
        size = {"batch": batch, "dim": 32 if tiny else 256, "depth": 2 if tiny else 8}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "analysis.zarr"
            states = 64 + BATCHES * batch
            write(path, grid, channels, states)
            # Less than all of it, so that it is streamed.
            size["buffer"] = states * channels * shape[0] * shape[1] * 4 * 3 // 4
            ways = {
                f"{'reversible' if r else 'plain'}, {'compiled' if c else 'eager'}": (r, c)
                for c in ((False,) if arguments.eager else (False, True))
                for r in (False, True)
            }
            variants = {
                way: Variant(path, grid, size, device, channels=channels, reversible=r, compiled=c)
                for way, (r, c) in ways.items()
            }
            operations = variants["plain, eager"].operations()
            for variant in variants.values():
                variant.timed()  # which compiles
            memory = {way: variant.gigabytes() for way, variant in variants.items()}
            rows = [{w: v.timed() for w, v in variants.items()} for _ in range(ROUNDS)]
            for way in variants:
                seconds = statistics.median(row[way][0] for row in rows)
                waits = sum(row[way][1] for row in rows) / sum(row[way][0] for row in rows)
                share = operations / seconds / best
                label = f"{shape[1]} x {shape[0]}, {way}"
                print(
                    f"{label:34}{batch / seconds:11.1f}{share:9.1%}{memory[way]:8.3f}{waits:7.1%}"
                )


if __name__ == "__main__":
    main()
