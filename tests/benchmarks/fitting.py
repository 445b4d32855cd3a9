"""Fits of statistics and of all baselines against one pass of reading.

    python tests/benchmarks/fitting.py [--days 400] [--leads 10] [--memory-gib 0.5]

Daily fields of 1.5° (121 x 240), float32, blosc-lz4, in the page cache: 20 single-level ones, and 5
on 13 levels. For each layout: how often a chunk is decoded, the time by the clock in passes of
reading (blocks, nothing else), and the peak of a process that holds `memory-gib` beside the
patterns, over what it takes to import all of it; then with twice as many days. Last, statistics of
many hourly chunks of a tiny grid. With `--alone` only what is named runs: `read`, `statistics`,
`fit`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr
from measuring import machine
from reading import HEIGHT, LAYOUTS, LEVELS, WIDTH, decodes, one_pass, tiny_chunks, write

from axialcast.baselines import fit_baselines
from axialcast.data import Analysis, Channels, open_analysis, statistics

DAY = np.timedelta64(86_400_000_000_000, "ns")
KINDS = {"20 x 1": 0, "5 x 13": LEVELS}


def fields(num_days: int, depth: int) -> xr.Dataset:
    """Noise that compresses about as weather does, the same for all fields and levels."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((num_days, HEIGHT, WIDTH), np.float32).cumsum(2).round(1)
    coords = {
        "time": np.datetime64("1980-01-01", "ns") + np.arange(num_days) * DAY,
        "latitude": np.linspace(90, -90, HEIGHT),
        "longitude": np.arange(WIDTH) * 360 / WIDTH,
    }
    dims, values, names = tuple(coords), noise, range(20)
    if depth:
        dims, names = (dims[0], "level", *dims[1:]), range(5)
        values = np.broadcast_to(noise[:, None], (num_days, depth, HEIGHT, WIDTH))
        coords["level"] = ("level", np.arange(50.0, 1000.0, 75.0)[:depth], {"units": "hPa"})
    return xr.Dataset({f"field_{n:02}": (dims, values, {"units": "1"}) for n in names}, coords)


def peak_bytes() -> int:
    """The process's peak so far (Linux)."""
    text = Path("/proc/self/status").read_text()
    return 1024 * int(text.partition("VmHWM:")[2].split()[0])


def run(what: str, path: str, leads: int, memory_gib: float) -> None:
    """In a process of its own: prints seconds, bytes and decodes per chunk."""
    analysis = Analysis(open_analysis(path))

    def work() -> None:
        match what:
            case "read":
                one_pass(analysis, int(memory_gib * 2**30))
            case "statistics":
                statistics(analysis, Channels.of(analysis.dataset), step=1, memory_gib=memory_gib)
            case "fit":
                times = np.arange(1, leads + 1) * DAY
                fit_baselines(analysis, lead_times=times, memory_gib=memory_gib)

    before, start = peak_bytes(), time.perf_counter()
    counts = decodes(work)
    seconds = time.perf_counter() - start
    per_chunk = sum(counts.values()) / len(counts)
    print(json.dumps([seconds, peak_bytes() - before, per_chunk]))


def measured(what: str, path: Path, arguments: argparse.Namespace) -> tuple[float, int, float]:
    command = [sys.executable, __file__, "--alone", what, "--store", str(path)]
    command += ["--leads", str(arguments.leads), "--memory-gib", str(arguments.memory_gib)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, peak, per_chunk = json.loads(output)
    return seconds, peak, per_chunk


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=400)
    parser.add_argument("--leads", type=int, default=10)
    parser.add_argument("--memory-gib", type=float, default=0.5)
    parser.add_argument("--layouts", nargs="*", default=list(LAYOUTS))
    parser.add_argument("--tiny", type=int, default=350_000)
    parser.add_argument("--alone")
    parser.add_argument("--store")
    arguments = parser.parse_args()
    if arguments.alone:
        run(arguments.alone, arguments.store, arguments.leads, arguments.memory_gib)
        return
    print(f"{machine()}; {arguments.days} days, {arguments.leads} leads\n")
    head = f"{'fields':7} {'layout':26} {'days':>5}  {'read s':>6}"
    for what in ("statistics", "fit"):
        head += f"  {what:>10}: decodes  x read  peak MB"
    print(head)
    for kind, depth in KINDS.items():
        for name in arguments.layouts:
            for days in (arguments.days, 2 * arguments.days):
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "store.zarr"
                    write(fields(days, depth), path, LAYOUTS[name], depth)
                    seconds, _, _ = measured("read", path, arguments)
                    line = f"{kind:7} {name:26} {days:5}  {seconds:6.1f}"
                    for what in ("statistics", "fit"):
                        took, peak, per_chunk = measured(what, path, arguments)
                        line += f"  {per_chunk:19.2f} {took / seconds:7.1f} {peak / 1e6:8.0f}"
                    print(line, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        tiny_chunks(Path(folder), arguments.tiny)
        seconds, _, per_chunk = measured("statistics", Path(folder) / "tiny.zarr", arguments)
        print(f"  statistics {seconds:.1f} s, {per_chunk:.2f} decodes a chunk")


if __name__ == "__main__":
    main()
