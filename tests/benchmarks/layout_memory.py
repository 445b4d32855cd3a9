"""Memory of every stage, whatever the file's layout, while the file grows.

    python tests/benchmarks/layout_memory.py [--days 1000] [--layouts NetCDF-3 …] [--stages open …]

Two fields of 73 x 144 once a day, in units that have to be converted, in files of so many days and
of four times as many. Each stage runs in a process of its own and may hold little: 32 MiB of
windows, 64 MiB of statistics, of baselines and of what prepare reads at once. Prints what its
peak is above that of a process that imported all of it (the kernel's VmHWM: Linux only), for the
smallest and for the largest file, what of each MB that the decoded file grows by stays in memory,
where 0.00 is flat, and the seconds. Windows of long chunks are refused, which is printed.
"""

import argparse
import itertools
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from layouts import LAYOUTS, NUM_CELLS
from measuring import machine

from axialcast.baselines import fit_baselines
from axialcast.data import Channels, States, Statistics, WindowLoader, open_analysis, statistics
from axialcast.data.preparing import conversion, shards
from axialcast.data.preparing.preparation import Preparation
from axialcast.data.preparing.recipe import Recipe
from axialcast.data.preparing.shards import write_shards
from axialcast.data.reader import Analysis
from axialcast.forecast import Checkpoint, Forecaster
from axialcast.model import ForecastNetwork
from axialcast.run.config import load_config
from axialcast.run.preflight import check_run
from axialcast.verify import evaluate

DAY = np.timedelta64(86_400 * 10**9, "ns")
BUFFER_BYTES = 2**25
MEMORY_GIB = 2**-4
NUM_BATCHES = 5
NUM_INITS = 40

CONFIG = """
pipeline: [train]
output: {folder}/run
data:
  store: {store}
  variables: [msl, t2m]
  train: ["1980-01-01", "1981-12-31"]
  validate: ["1982-01-01", "1982-03-31"]
  test: ["1982-04-01", "1982-09-01"]
  buffer_gib: 0.03125
model: {{dim: 8, depth: 1, heads: 2, patch: [4, 8]}}
train: {{schedule: [{{steps: 4}}], batch_size: 4, validate_every: 4}}
"""


def nothing(store: str, folder: str) -> None:
    """What importing takes."""


def opening(store: str, folder: str) -> None:
    open_analysis(store)


def check(store: str, folder: str) -> None:
    path = Path(folder) / "config.yaml"
    path.write_text(CONFIG.format(folder=folder, store=store))
    check_run(load_config(path), scan=True)


def windows(store: str, folder: str) -> None:
    analysis = open_analysis(store)
    one = np.ones(2)
    channels, known = Channels.of(analysis), Statistics(0 * one, one, one)
    states = States(analysis, channels, known, buffer_bytes=BUFFER_BYTES)
    loader = WindowLoader(states, input_steps=2, target_steps=1, batch_size=8)
    for _ in itertools.islice(loader, NUM_BATCHES):
        pass


def gather(store: str, folder: str) -> None:
    analysis = open_analysis(store)
    statistics(analysis, Channels.of(analysis), step=1, memory_gib=MEMORY_GIB)


def fit(store: str, folder: str) -> None:
    fit_baselines(open_analysis(store), lead_times=DAY * np.arange(1, 3), memory_gib=MEMORY_GIB)


def forecasts(store: str) -> tuple[Forecaster, Analysis]:
    analysis = Analysis(open_analysis(store))
    one = np.ones(2)
    settings = {"input_steps": 2, "dim": 8, "depth": 1, "heads": 2, "patch": [1, 8, 8]}
    network = ForecastNetwork(
        num_channels=2, grid=analysis.grid, increment_scale=[1.0, 1.0], **settings
    )
    known = Statistics(np.array([1e5, 280.0]), np.array([1e3, 9.0]), one)
    checkpoint = Checkpoint(
        network.state_dict(), settings, analysis.channels, known, analysis.grid, DAY
    )
    return Forecaster(checkpoint, device="cpu"), analysis


def hindcast(store: str, folder: str) -> None:
    forecaster, analysis = forecasts(store)
    inits = analysis.times[1 :: len(analysis) // NUM_INITS][:NUM_INITS]
    made = forecaster.hindcast(
        analysis, init_times=inits, lead_times=DAY * np.arange(1, 3), batch_size=8
    )
    for _ in made:
        pass


def score(store: str, folder: str) -> None:
    forecaster, analysis = forecasts(store)
    inits = analysis.times[1 :: len(analysis) // NUM_INITS][: NUM_INITS - 1]
    leads = DAY * np.arange(1, 3)
    forecast = forecaster.predict(analysis, init_times=inits, lead_times=leads, batch_size=8)
    climatology, baselines = fit_baselines(
        analysis.part(slice(800)), ["persistence"], lead_times=leads, memory_gib=MEMORY_GIB
    )
    evaluate(
        forecast, analysis, climatology=climatology, baselines=baselines, memory_gib=MEMORY_GIB
    )


def prepare(**converted: object) -> Callable[[str, str], None]:
    def work(store: str, folder: str) -> None:
        conversion.MOST_BYTES = shards.MOST_BYTES = int(MEMORY_GIB * 2**30)
        recipe = Recipe(store, train=("1980", "1981"), **converted)  # type: ignore[arg-type]
        made = Preparation(recipe, Path(folder) / "training.zarr")
        for numbers in made.missing_together():
            write_shards(str(made.work), numbers)
        made.finish()

    return work


REGRID = {"num_latitudes": 36, "num_longitudes": 72, "poles": False}
STAGES: dict[str, Callable[[str, str], None]] = {
    "open": opening,
    "check": check,
    "windows": windows,
    "statistics": gather,
    "baselines": fit,
    "hindcast": hindcast,
    "evaluate": score,
    "prepare": prepare(),
    "regrid": prepare(regrid=REGRID),
    "means": prepare(aggregate_hours=120),
    "both": prepare(regrid=REGRID, aggregate_hours=120),
}


def measured(stage: str, store: str, folder: str) -> tuple[float, float, str]:
    """MB at most, seconds, and the first words of an error."""
    start, error = time.perf_counter(), ""
    try:
        STAGES.get(stage, nothing)(store, folder)
    except ValueError as refusal:
        error = str(refusal)
    seconds = time.perf_counter() - start
    status = Path("/proc/self/status").read_text()
    return (
        int(status.split("VmHWM:")[1].split()[0]) / 1024,
        seconds,
        error.replace(folder, "")[:100],
    )


def alone(stage: str, store: str) -> tuple[float, float, str]:
    """Of a process that does this and nothing else, forked from one that only imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__"])
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, mp_context=context) as process,
    ):
        return process.submit(measured, stage, store, folder).result()


def stores(layout: str, days: int) -> Iterator[str]:
    """The store of so many days and of four times as many."""
    for factor in (1, 4):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / ("store.zarr" if layout.startswith("Zarr") else "store.nc")
            LAYOUTS[layout](path, factor * days)
            yield f"{path}/*.nc" if layout.endswith("files") else str(path)
            shutil.rmtree(path, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--layouts", nargs="*", default=list(LAYOUTS))
    parser.add_argument("--stages", nargs="*", default=list(STAGES))
    options = parser.parse_args()
    libraries, _, _ = alone("nothing", "")
    grown = 3 * options.days * 2 * NUM_CELLS * 4 / 2**20
    print(f"{machine()}; {options.days} to {4 * options.days} days, {grown / 3:.0f} MB and more")
    print(f"MB beside {libraries:.0f} of libraries, growth per MB of file, seconds\n")
    for layout in options.layouts:
        found: dict[str, list[tuple[float, float, str]]] = {stage: [] for stage in options.stages}
        for store in stores(layout, options.days):
            for stage in options.stages:
                found[stage].append(alone(stage, store))
        print(layout)
        for stage, ((first, took, _), (last, long, error)) in found.items():
            line = f"  {stage:12}{first - libraries:7.0f}{last - libraries:7.0f}"
            line += f"{(last - first) / grown:8.2f}{took:8.1f}{long:7.1f}  {error}"
            print(line.rstrip(), flush=True)


if __name__ == "__main__":
    main()
