"""Shuffled windows from Zarr: WindowLoader against what people use in its place.

    pip install tensorstore zarrs xbatcher
    python tests/benchmarks/loading.py [--rounds 5]

Cube: 4 variables x 2920 times x 64 x 128 float32 (383 MB), blosc-lz4, 8 times to a chunk, in the
page cache; a buffer of 48 MB, an eighth. All variants deliver batches of 16 normalised windows in
random order, WindowLoader a whole epoch, the others as many batches as they manage in a second.
Time is by the clock, per window. The unavoidable is processor time: to decode each chunk once, to
normalise each state once and to copy each window once into memory at hand, one after the other and
nothing else. Two threads get in each other's way at that, too, so it is measured on one and on two.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dask.array
import numcodecs
import numpy as np
import tensorstore
import torch
import xarray as xr
import xbatcher
import zarr
from measuring import machine
from zarr.codecs import BloscCodec

from axialcast.data import Channels, States, Statistics, WindowLoader, open_analysis
from axialcast.data.opening.kinds.stacked import open_states, write_template
from axialcast.data.windows.reading import BUFFER_BYTES as DEFAULT_BUFFER_BYTES
from axialcast.names import VARIABLES

SIZES = {"time": 2920, "latitude": 64, "longitude": 128}
NAMES = ("2m_temperature", "mean_sea_level_pressure", "surface_pressure", "sea_surface_temperature")
BATCH = 16
BUFFER_BYTES = 48 * 10**6
CHUNK = 8
SECONDS = 1.0
"""A slow variant runs as many batches as take this long."""

Batches = Callable[[], Iterator[object]]


def write(folder: Path) -> dict[str, Path]:
    """The cube twice: an array for each variable, and as a training store."""
    rng = np.random.default_rng(0)
    fields = {
        name: rng.standard_normal(tuple(SIZES.values()), np.float32).cumsum(2) * 0.1 + 280
        for name in NAMES
    }
    start = np.datetime64("2001-01-01", "ns")
    times = start + np.arange(SIZES["time"]) * np.timedelta64(6, "h")
    cube = xr.Dataset(
        {n: (tuple(SIZES), f, {"units": VARIABLES[n].units}) for n, f in fields.items()},
        {
            "time": times,
            "latitude": np.linspace(-88.6, 88.6, SIZES["latitude"]),
            "longitude": np.arange(SIZES["longitude"]) * 360 / SIZES["longitude"],
        },
    )
    paths = {"array per variable": folder / "variables.zarr", "training store": folder / "one.zarr"}
    codec = BloscCodec(cname="lz4", shuffle="shuffle")
    shape = (CHUNK, SIZES["latitude"], SIZES["longitude"])
    encoding = {name: {"chunks": shape, "compressors": [codec]} for name in NAMES}
    cube.to_zarr(paths["array per variable"], encoding=encoding, consolidated=False)
    write_template(paths["training store"], cube, Channels.of(cube))
    open_states(paths["training store"])[:] = np.stack(list(fields.values()), 1)
    return paths


def loader(path: Path, steps: int, buffer_bytes: int, num_threads: int = 2) -> WindowLoader:
    analysis = open_analysis(path)
    channels = Channels.of(analysis)
    ones = np.ones(len(channels))
    states = States(
        analysis, channels, Statistics(280 * ones, 3 * ones, ones), buffer_bytes=buffer_bytes
    )
    return WindowLoader(
        states,
        input_steps=2,
        target_steps=steps - 2,
        batch_size=BATCH,
        num_threads=num_threads,
    )


def others(path: Path, steps: int) -> dict[str, Batches]:
    """What is compared; each yields batches of normalised windows (b, t, c, h, w)."""
    group = zarr.open_group(path, mode="r")
    arrays = [group["states"]] if "states" in group else [group[name] for name in NAMES]
    axis = 1 if len(arrays) == 1 else None
    num_starts = SIZES["time"] - steps + 1

    def starts() -> Iterator[np.ndarray]:
        order = np.random.default_rng(0).permutation(num_starts)
        yield from order[: num_starts // BATCH * BATCH].reshape(-1, BATCH)

    def normalised(windows: list[list[np.ndarray]]) -> torch.Tensor:
        stacked = [w[0] if axis else np.stack(w, 1) for w in windows]
        return torch.from_numpy(np.stack(stacked)).sub_(280).div_(3)

    def with_zarr() -> Iterator[object]:
        for batch in starts():
            yield normalised([[a[i : i + steps] for a in arrays] for i in batch.tolist()])

    def with_zarrs() -> Iterator[object]:
        with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
            again = zarr.open_group(path, mode="r")
            mine = [again[a.path] for a in arrays]
            for batch in starts():
                yield normalised([[a[i : i + steps] for a in mine] for i in batch.tolist()])

    def with_tensorstore() -> Iterator[object]:
        opened = [
            tensorstore.open(
                {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/{a.path}"}}
            ).result()
            for a in arrays
        ]
        for batch in starts():
            reads = [[a[i : i + steps].read() for a in opened] for i in batch.tolist()]
            yield normalised([[read.result() for read in window] for window in reads])

    def with_xbatcher(chunks: dict[str, int] | None) -> Iterator[object]:
        analysis = xr.open_zarr(path, chunks=chunks, consolidated=False)
        analysis = analysis[[a.path for a in arrays]]
        windows = xbatcher.BatchGenerator(
            analysis,
            {"time": steps, **{dim: analysis.sizes[dim] for dim in analysis.dims if dim != "time"}},
            input_overlap={"time": steps - 1},
            preload_batch=False,
        )
        for batch in starts():
            loaded = [windows[i].load() for i in batch.tolist()]
            yield normalised([[w[a.path].values for a in arrays] for w in loaded])

    return {
        "tensorstore, batched": with_tensorstore,
        "zarr-python with zarrs": with_zarrs,
        "zarr-python": with_zarr,
        "xbatcher, as in its demo": lambda: with_xbatcher({}),
        "xbatcher without dask": lambda: with_xbatcher(None),
    }


def per_window(batches: Iterator[object], seconds: float = float("inf")) -> float:
    """Clock time per window, in µs."""
    start, count = time.perf_counter(), 0
    for _ in batches:
        count += 1
        if time.perf_counter() - start > seconds:
            break
    return 1e6 * (time.perf_counter() - start) / (count * BATCH)


def unavoidable(path: Path, steps: int, held: torch.Tensor, num_threads: int) -> float:
    """Processor time of an epoch's decoding, normalising and copying, each once, nothing else."""
    shares = [(path, steps, held, first, num_threads) for first in range(num_threads)]
    start = time.process_time()
    threads = [threading.Thread(target=unavoidable_share, args=share) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.process_time() - start


def unavoidable_share(path: Path, steps: int, held: torch.Tensor, first: int, every: int) -> None:
    group = zarr.open_group(path, mode="r")
    one = "states" in group
    shape = (CHUNK, 4 if one else 1, SIZES["latitude"], SIZES["longitude"])
    scratch = np.empty(shape, np.float32)
    page_rows = BUFFER_BYTES // held[0].nbytes // CHUNK // every
    page = np.empty((page_rows, CHUNK, *held.shape[1:]), np.float32)
    flat = scratch.reshape(-1).view(np.uint8)
    codec = numcodecs.Blosc()
    out = torch.empty(BATCH * steps, *held.shape[1:])
    order = np.random.default_rng(0).permutation(SIZES["time"] - steps + 1)
    order = order[: len(order) // BATCH * BATCH].reshape(-1, BATCH)
    for number in range(first, SIZES["time"] // CHUNK, every):
        for index, name in enumerate(["states"] if one else NAMES):
            codec.decode(encoded_chunk(path, name, number), flat)
            part = page[number % len(page)][:, index : index + shape[1]]
            np.subtract(scratch, np.float32(280), out=part)
            np.divide(part, np.float32(3), out=part)
    for batch in order[first::every]:
        rows = torch.from_numpy((batch[:, None] + np.arange(steps)).ravel())
        torch.index_select(held, 0, rows, out=out)


def encoded_chunk(path: Path, name: str, number: int) -> bytes:
    """Bytes of a chunk, from its file or its shard; where it lies in a shard is looked up once."""
    if name != "states":
        return (path / name / "c" / str(number) / "0" / "0").read_bytes()
    per_shard = 10
    file = path / name / "c" / str(number // per_shard) / "0" / "0" / "0"
    if file not in INDEXES:
        tail = file.read_bytes()[-(16 * per_shard + 4) : -4]
        INDEXES[file] = np.frombuffer(tail, "<u8").reshape(per_shard, 2)
    begin, length = INDEXES[file][number % per_shard].tolist()
    with file.open("rb", buffering=0) as opened:
        opened.seek(begin)
        return opened.read(length)


INDEXES: dict[Path, np.ndarray] = {}


def peak_memory(path: Path) -> None:
    """Prints by how much an epoch raises the resident memory of a fresh process, in bytes."""
    windows = loader(path, 3, BUFFER_BYTES)
    torch.zeros(1)
    for _ in zip(range(2), windows.epoch(0), strict=False):
        pass  # libraries are loaded
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    for _ in windows.epoch(1):
        pass
    print(resident("VmHWM") - before)


def resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def cells_per_batch(windows: WindowLoader) -> float:
    """Distinct stretches of ten days among the windows of a batch, on average."""
    plan = windows._plan(0)  # no data are read
    starts = windows.states.times[windows.rows.first[plan.order]]
    cells = (starts - starts.min()) // np.timedelta64(10, "D")
    batches = [cells[plan.batch(number)] for number in range(len(plan))]
    return statistics.mean(len(set(batch)) for batch in batches if len(batch) == BATCH)


def cells_at_default_settings(steps: int) -> float:
    """The same of a store eight times as large as the default buffer, six-hourly."""
    shape = (8 * DEFAULT_BUFFER_BYTES // (4 * 64 * 128 * len(NAMES)), 64, 128)
    fields = dask.array.zeros(shape, np.float32, chunks=(CHUNK, *shape[1:]))
    times = np.datetime64("1979-01-01", "ns") + np.arange(shape[0]) * np.timedelta64(6, "h")
    large = xr.Dataset(dict.fromkeys(NAMES, (("time", "latitude", "longitude"), fields)))
    labels = {"time": times, "latitude": np.linspace(88, -88, 64), "longitude": np.arange(128.0)}
    channels, ones = Channels.of(large), np.ones(len(NAMES))
    states = States(large.assign_coords(labels), channels, Statistics(0 * ones, ones, ones))
    return cells_per_batch(
        WindowLoader(states, input_steps=2, target_steps=steps - 2, batch_size=BATCH)
    )


def compare(name: str, path: Path, steps: int, rounds: int) -> None:
    loaders = {n: loader(path, steps, BUFFER_BYTES, n) for n in (2, 1)}
    held = loader(path, steps, 2**30)
    whole, _ = held.states.held()
    variants = others(path, steps)
    times: dict[str, list[float]] = {}
    used: dict[tuple[int, int], list[float]] = {}
    for epoch in range(rounds):
        needed = {n: unavoidable(path, steps, whole, n) for n in loaders}
        now = {}
        for number, streamed in loaders.items():
            start = time.process_time()
            now[f"streamed by {number}"] = per_window(streamed.epoch(epoch))
            took = time.process_time() - start
            for n in range(1, number + 1):
                used.setdefault((number, n), []).append(took / needed[n])
        now["in memory"] = per_window(held.epoch(epoch))
        now |= {key: per_window(run(), SECONDS) for key, run in variants.items()}
        for key, value in now.items():
            times.setdefault(key, []).append(value)
    base = times["streamed by 2"]
    print(f"\n{name}, windows of {steps} steps")
    for key, values in times.items():
        factor = statistics.median(v / b for v, b in zip(values, base, strict=True))
        print(f"  {key:25}{statistics.median(values):9.0f} µs a window{factor:9.2f} x streamed")
    for (number, n), ratios in used.items():
        label = f"processor time, read by {number}"
        print(f"  {label:25}{statistics.median(ratios):9.2f} x the unavoidable on {n}")
    cells = cells_per_batch(loaders[2])
    print(f"  ten-day cells in a batch {cells:9.1f} of {BATCH}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        peak_memory(options.peak)
        return
    torch.set_num_threads(1)
    print(f"{machine()}, {os.cpu_count()} CPUs, torch {torch.__version__}, zarr {zarr.__version__}")
    print(f"buffer {BUFFER_BYTES / 1e6:.0f} MB; medians of {options.rounds} rounds")
    cells = " and ".join(f"{cells_at_default_settings(steps):.1f}" for steps in (3, 12))
    print(f"ten-day cells in a batch of {BATCH} at default settings, 3 and 12 steps: {cells}")
    with tempfile.TemporaryDirectory() as folder:
        paths = write(Path(folder))
        for name, path in paths.items():
            next(loader(path, 3, BUFFER_BYTES).epoch(0)).states.sum()
            start = time.perf_counter()
            next(iter(loader(path, 3, BUFFER_BYTES)))
            first = time.perf_counter() - start
            command = [sys.executable, __file__, "--peak", str(path)]
            peak = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
            print(f"\n{name}: first batch {first:.3f} s after opening again, ", end="")
            print(f"memory {peak / BUFFER_BYTES:.2f} x the buffer")
            for steps in (3, 12):
                compare(name, path, steps, options.rounds)


if __name__ == "__main__":
    main()
