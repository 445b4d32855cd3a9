"""One pass through an analysis: how often each chunk is decoded, and how long it takes.

    python tests/benchmarks/reading.py [--times 240] [--tiny 350000] [--files 1000]

Fields of 1.5° (121 x 240), float32, blosc-lz4, in the page cache, blocks within 256 MB; groups of
channels and cells where chunks are longer than that. Time is the processor's, of all threads,
against decoding the same chunks one after another and nothing else (NetCDF: reading whole chunks by
hand).
"""

import argparse
import itertools
import os
import pickle
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import netCDF4
import numcodecs
import numpy as np
import xarray as xr
import zarr
from measuring import machine, milliseconds

from axialcast.data import Analysis, Channels, open_analysis
from axialcast.data.arrays.chunks import Chunks
from axialcast.data.opening.kinds.stacked import open_states, write_template
from axialcast.data.sources import Source

HEIGHT, WIDTH = 121, 240
LEVELS = 13
NUM_BYTES = 2**28
LAYOUTS = {
    "one time a chunk": (1, HEIGHT, WIDTH),
    "8 times a chunk": (8, HEIGHT, WIDTH),
    "40 times a chunk": (40, HEIGHT, WIDTH),
    "all times, 10 x 10 cells": (10**6, 10, 10),
}


def labels(num: int, height: int = HEIGHT, width: int = WIDTH) -> dict[str, object]:
    start = np.datetime64("1980-01-01", "ns")
    return {
        "time": start + np.arange(num) * np.timedelta64(1, "h"),
        "latitude": np.linspace(90, -90, height),
        "longitude": np.arange(width) * 360 / width,
    }


def fields(num: int) -> np.ndarray:
    """(num, h, w) that compress about as weather does."""
    rng = np.random.default_rng(0)
    few = rng.standard_normal((16, HEIGHT, WIDTH), np.float32).cumsum(1).cumsum(2).round(1)
    return np.resize(few, (num, HEIGHT, WIDTH))


def single_levels(num: int) -> xr.Dataset:
    values = fields(num)
    dims = ("time", "latitude", "longitude")
    names = [f"field_{number:02}" for number in range(20)]
    return xr.Dataset({n: (dims, values, {"units": "1"}) for n in names}, labels(num))


def on_levels(num: int) -> xr.Dataset:
    values = np.broadcast_to(fields(num)[:, None], (num, LEVELS, HEIGHT, WIDTH))
    dims = ("time", "level", "latitude", "longitude")
    level = ("level", np.arange(50.0, 1000.0, 75.0)[:LEVELS], {"units": "hPa"})
    names = [f"field_{number}" for number in range(5)]
    coords = {**labels(num), "level": level}
    return xr.Dataset({n: (dims, values, {"units": "1"}) for n in names}, coords)


def write(dataset: xr.Dataset, path: Path, chunk: tuple[int, int, int], depth: int) -> None:
    """A store whose chunks hold (times, [levels], rows, columns)."""
    sizes = dataset.sizes
    lengths = [min(chunk[0], sizes["time"]), *([depth] if depth else []), *chunk[1:]]
    codec = zarr.codecs.BloscCodec(cname="lz4", shuffle="shuffle")
    encoding = {n: {"chunks": tuple(lengths), "compressors": [codec]} for n in dataset}
    dataset.to_zarr(path, encoding=encoding, consolidated=False, zarr_format=3)


def write_prepared(dataset: xr.Dataset, path: Path) -> None:
    channels = Channels.of(dataset)
    write_template(path, dataset, channels)
    states = open_states(path)
    for start in range(0, len(dataset.time), states.shards[0]):
        part = slice(start, start + states.shards[0])
        states[part] = channels.stack(dataset.isel(time=part))


def one_pass(analysis: Analysis, num_bytes: int = NUM_BYTES) -> int:
    """Reads all states; states of groups, counted."""
    count = 0
    for group in analysis.groups(num_bytes, by_cells=True):
        count += sum(len(block.new) for block in group.blocks(num_bytes))
    return count


def seconds(run: Callable[[], object]) -> float:
    """Processor time, of the faster of two runs."""
    return min(milliseconds(run), milliseconds(run)) / 1e3


def decodes(run: Callable[[], object]) -> Counter[object]:
    """How often each chunk is decoded."""
    counts: Counter[object] = Counter()
    read = Chunks.read

    def counted(self: Chunks, where: tuple[int, ...], out: np.ndarray) -> None:
        counts[self.array.path, where] += 1
        read(self, where, out)

    with patch.object(Chunks, "read", counted):
        run()
    return counts


def every_chunk(analysis: Analysis) -> Iterator[tuple[Chunks, tuple[int, ...]]]:
    for part in analysis._parts:
        assert isinstance(part, Source)
        chunks = part.stored.chunks
        counts = [-(-s // c) for s, c in zip(part.stored.shape, chunks.shape, strict=True)]
        for where in itertools.product(*map(range, counts)):
            yield chunks, where


def decode_alone(analysis: Analysis) -> None:
    scratch: dict[int, np.ndarray] = {}
    for chunks, where in every_chunk(analysis):
        if chunks.bytes not in scratch:
            scratch[chunks.bytes] = np.empty(chunks.shape, chunks.dtype)
        chunks.read(where, scratch[chunks.bytes].reshape(chunks.shape))


def show(name: str, path: Path) -> None:
    analysis = Analysis(open_analysis(path))
    counts = decodes(lambda: one_pass(analysis))
    alone = seconds(lambda: decode_alone(analysis))
    took = seconds(lambda: one_pass(analysis))
    groups = len(analysis.groups(NUM_BYTES, by_cells=True))
    every = sum(1 for _ in every_chunk(analysis))
    print(
        f"  {name:26}{sum(counts.values()) / every:6.2f}{max(counts.values()):4} decodes a chunk"
        f"{groups:4} groups{took:8.2f} s{took / alone:7.2f} x decoding alone"
    )


def layouts(folder: Path, num: int) -> None:
    for title, make, depth in (
        ("20 single-level fields", single_levels, 0),
        ("13 levels x 5 variables", on_levels, LEVELS),
    ):
        dataset = make(num if depth == 0 else num // 3)
        gigabytes = dataset.nbytes / 1e9
        print(f"\n{title}, {len(dataset.time)} times, {gigabytes:.2f} GB: decodes mean, most")
        for name, chunk in LAYOUTS.items():
            path = folder / "store.zarr"
            write(dataset, path, chunk, depth)
            show(name, path)
            shutil.rmtree(path)
        write_prepared(dataset, folder / "store.zarr")
        show("training store", folder / "store.zarr")
        pickled(folder / "store.zarr")
        shutil.rmtree(folder / "store.zarr")


def pickled(path: Path) -> None:
    analysis = Analysis(open_analysis(path))
    again = pickle.loads(pickle.dumps(analysis))
    ratio = seconds(lambda: one_pass(again)) / seconds(lambda: one_pass(analysis))
    print(f"  {'the same, pickled':26}{ratio:6.2f} x the time")


def netcdf(folder: Path, num: int) -> None:
    dataset = single_levels(4 * num)[["field_00"]]
    chunk = (2 * num, 11, 24)  # a row of chunks is more than HDF5 keeps
    encoding = {"field_00": {"chunksizes": chunk, "zlib": True, "complevel": 1}}
    dataset.to_netcdf(folder / "a.nc", encoding=encoding)

    def by_hand() -> None:
        with netCDF4.Dataset(folder / "a.nc") as file:
            for start in range(0, 4 * num, 2 * num):
                _ = file["field_00"][start : start + 2 * num]

    def by_pages() -> None:
        with netCDF4.Dataset(folder / "a.nc") as file:
            for start in range(0, 64, 8):
                _ = file["field_00"][start : start + 8]

    analysis = Analysis(open_analysis(folder / "a.nc"))
    hand, took = seconds(by_hand), seconds(lambda: one_pass(analysis))
    print(f"\nNetCDF of chunks {chunk}, {4 * num} times")
    print(f"  {'blocks':26}{took:8.2f} s{took / hand:7.2f} x whole chunks by hand")
    print(f"  {'8 times by hand':26}{num / 16 * seconds(by_pages) / hand:17.2f} x")


def many_files(folder: Path, num: int) -> None:
    (folder / "many").mkdir()
    dataset = single_levels(4 * num)[["field_00", "field_01"]].isel(latitude=slice(0, 20))
    for number in range(num):
        part = dataset.isel(time=slice(4 * number, 4 * number + 4))
        part.to_netcdf(folder / "many" / f"{number:05}.nc")
    paths = sorted((folder / "many").iterdir())

    def by_hand() -> None:
        for path in paths:
            with xr.open_dataset(path) as file:
                file.load()

    hand = seconds(by_hand)
    opening = seconds(lambda: open_analysis(folder / "many" / "*.nc"))
    analysis = Analysis(open_analysis(folder / "many" / "*.nc"))
    took = seconds(lambda: one_pass(analysis, 2**24))
    print(f"\n{num} NetCDF files of 4 times and 2 fields, against xarray file by file")
    print(f"  opening {opening / hand:.2f} x, a pass {took / hand:.2f} x of {hand:.2f} s")


def tiny_chunks(folder: Path, num: int) -> None:
    height, width = 8, 16
    group = zarr.open_group(folder / "tiny.zarr", mode="w", zarr_format=2)
    codec = numcodecs.Blosc("lz4")
    shape = (num, height, width)
    array = group.create_array(
        "t", shape=shape, chunks=(1, *shape[1:]), dtype="f4", compressors=codec, fill_value=np.nan
    )
    array.attrs.update(units="K", _ARRAY_DIMENSIONS=["time", "latitude", "longitude"])
    for name, line in labels(*shape).items():
        hours = (line - line[0]) / np.timedelta64(1, "h") if name == "time" else line
        units = {"time": "hours since 1980-01-01", "latitude": "degrees_north"}
        label = group.create_array(name, data=np.asarray(hours, "f8"), fill_value=np.nan)
        label.attrs.update(units=units.get(name, "degrees_east"), _ARRAY_DIMENSIONS=[name])
    encoded = [bytes(codec.encode(values)) for values in fields(16)[:, :height, :width].copy()]
    for number in range(num):
        (folder / "tiny.zarr" / "t" / f"{number}.0.0").write_bytes(encoded[number % 16])
    start = time.perf_counter()
    analysis = Analysis(open_analysis(folder / "tiny.zarr"))
    opening = time.perf_counter() - start
    one_pass(analysis, 2**24)
    took = time.perf_counter() - start - opening
    print(f"\n{num} hourly chunks of {height} x {width}, a file each, by the clock")
    print(f"  opening {opening:.2f} s, a pass {took:.1f} s, {1e6 * took / num:.0f} µs a chunk")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=240)
    parser.add_argument("--tiny", type=int, default=350_000)
    parser.add_argument("--files", type=int, default=1000)
    options = parser.parse_args()
    print(f"{machine()}, {len(os.sched_getaffinity(0))} CPUs, zarr {zarr.__version__}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        layouts(folder, options.times)
        netcdf(folder, options.times)
        many_files(folder, options.files)
        tiny_chunks(folder, options.tiny)


if __name__ == "__main__":
    main()
