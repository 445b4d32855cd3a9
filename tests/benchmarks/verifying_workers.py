"""Verification of a year of forecasts on Dask workers, within 2 GB a worker.

    python tests/benchmarks/verifying_workers.py [--inits 365] [--workers 2] [--folder /tmp]

Daily forecasts of 10 days of three variables on the global 1.5° grid (121 x 240) against four
baselines, by the pipeline `verify`: in one process, and on the workers that `cluster:` asks for.
Prints seconds by the clock, the peak of the process and of each worker (the kernel's VmHWM: Linux
only), and whether the scores are the same to the bit. The values are waves of few digits, so that
the store is small.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr
from measuring import machine

from axialcast.baselines.baseline import with_valid_time
from axialcast.forecast import ForecastWriter
from axialcast.grid import LatLonGrid
from axialcast.names import COORDINATE_ATTRS, VARIABLES

NAMES = ("2m_temperature", "mean_sea_level_pressure", "10m_u_component_of_wind")
LEADS = np.arange(1, 11) * np.timedelta64(86_400_000_000_000, "ns")
CONFIG = """
pipeline: [verify]
output: {output}
data:
  store: {store}
  variables: [{names}]
  train: ["2001-01-01", "2002-11-30"]
  validate: ["2002-12-01", "2002-12-31"]
  test: ["2003-01-01", "{last}"]
forecast: {{lead_time_hours: 240, init_times: test, init_every_hours: 24}}
cluster: {{workers: {workers}, cores: 1, memory_gib: {memory}}}
"""


def waves(numbers: np.ndarray, shift: int) -> np.ndarray:
    """(n, 121, 240) waves that move eastward by the day, in tenths."""
    rows, columns = np.arange(121)[:, None], np.arange(240)
    place = 2 * np.pi * (3 * columns / 240 - numbers[:, None, None] / 7 + shift / 5)
    season = np.cos(2 * np.pi * numbers / 365.25)[:, None, None]
    values = 280 + np.round(8 * season * np.sin(np.pi * rows / 120) + 4 * np.sin(place), 1)
    result: np.ndarray = values.astype(np.float32)
    return result


def fields(numbers: np.ndarray) -> dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]]:
    dims = ("time", "latitude", "longitude")
    return {n: (dims, waves(numbers, i), VARIABLES[n].attrs) for i, n in enumerate(NAMES)}


def make(folder: Path, inits: int) -> None:
    """Three years of states and some, and forecasts of the third that lag ever more."""
    grid = LatLonGrid.regular(121, 240, poles=True)
    times = np.arange("2001-01-01", "2004-01-12", dtype="M8[D]").astype("M8[ns]")
    places = {"latitude": grid.latitude, "longitude": grid.longitude}
    for first in range(0, len(times), 100):
        part = np.arange(first, min(first + 100, len(times)))
        block = xr.Dataset(fields(part), {"time": times[part], **places}).chunk(time=10)
        for name in places:
            block[name].attrs.update(COORDINATE_ATTRS[name])
        if first:
            block.to_zarr(folder / "analysis.zarr", append_dim="time", zarr_format=2)
        else:
            encoding = {"time": {"units": "hours since 2001-01-01"}}
            block.to_zarr(folder / "analysis.zarr", zarr_format=2, encoding=encoding)
    labels = block.isel(time=0, drop=True).compute()
    start = int(np.searchsorted(times, np.datetime64("2003-01-01")))
    labels = labels.expand_dims(init_time=times[start : start + inits], lead_time=LEADS)
    template = with_valid_time(labels)
    days = np.arange(1, len(LEADS) + 1)
    with ForecastWriter(folder / "forecast.zarr", template) as writer:
        for number in range(inits):
            found = fields(start + number + 0.9 * days)
            one = template.isel(init_time=[number])
            writer.write(one.assign({n: (one[n].dims, found[n][1][None]) for n in NAMES}))


def descendants(pid: int) -> list[int]:
    """Processes that a process started, and those that they did."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def peak(pid: int) -> float:
    """GB that a process took at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith("VmHWM"))


def verified(config: Path) -> tuple[float, float, list[float]]:
    """Seconds; GB of the process at most, and of each that it started."""
    peaks: dict[int, float] = {}
    start = time.perf_counter()
    program = [sys.executable, "-m", "axialcast", "run", str(config)]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(program, stdout=said, stderr=subprocess.STDOUT)
        while process.poll() is None:
            for pid in [process.pid, *descendants(process.pid)]:
                try:
                    peaks[pid] = max(peaks.get(pid, 0), peak(pid))
                except (OSError, StopIteration):  # it has ended
                    continue
            time.sleep(0.05)
        if process.returncode:
            said.seek(0)
            sys.exit(said.read())
    seconds = time.perf_counter() - start
    return seconds, peaks.pop(process.pid), sorted(peaks.values(), reverse=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inits", type=int, default=48)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory-gib", type=float, default=2)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    print(f"{machine()}; {options.inits} initial times, 10 lead times, 3 variables of 121 x 240")
    print("                seconds   process (GB)   workers (GB)")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder, scores = Path(name), []
        make(folder, options.inits)
        for workers in (0, options.workers):
            output = folder / f"on{workers}"
            output.mkdir()
            (folder / "forecast.zarr").rename(output / "forecast.zarr")
            config = folder / f"on{workers}.yaml"
            last = np.datetime64("2003-01-01") + options.inits - 1
            config.write_text(
                CONFIG.format(
                    output=output,
                    store=folder / "analysis.zarr",
                    names=", ".join(NAMES),
                    last=last,
                    workers=workers,
                    memory=options.memory_gib,
                )
            )
            seconds, own, others = verified(config)
            (output / "forecast.zarr").rename(folder / "forecast.zarr")
            scores.append((output / "scores.nc").read_bytes())
            shutil.rmtree(output)
            what = f"{workers} workers" if workers else "one process"
            largest = "  ".join(f"{gb:.2f}" for gb in others[:workers])
            print(f"{what:14}{seconds:9.0f}{own:15.2f}   {largest}", flush=True)
    print("scores: " + ("the same to the bit" if scores[0] == scores[1] else "DIFFERENT"))


if __name__ == "__main__":
    main()
