"""Memory of each stage when there is twice as much: `python tests/benchmarks/stage_memory.py`.

Runs the stages prepare, train, forecast and verify of one config over a store of 10 fields of 64 x
128 points every six hours, each in a process of its own, and again with twice the years of
training, twice the initial times and twice the lead times. Prints the peak of each (the kernel's
VmHWM: Linux only) and its ratio to the first. What does not grow is 1.00.
"""

import argparse
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr
from measuring import machine

from axialcast.grid import LatLonGrid
from axialcast.names import COORDINATE_ATTRS, VARIABLES
from axialcast.run.config import load_config
from axialcast.run.shipped import find_pipeline

STAGES = ("prepare", "train", "forecast", "verify")
NAMES = list(VARIABLES)[:20]
CONFIG = """
pipeline: [prepare, train, forecast, verify]
output: {output}
data:
  store: {store}
  variables: [{names}]
  train: ["2001", "{last}"]
  validate: ["2005-01-01", "2005-01-20"]
  test: ["2005-02-01", "2005-12-31"]
  buffer_gib: 0.25
model: {{dim: 16, depth: 1, heads: 2, patch: [4, 8]}}
train: {{schedule: [{{steps: 4}}], batch_size: 4, validate_every: 4}}
forecast: {{lead_time_hours: {hours}, init_times: [{inits}], batch_size: 8}}
verify: {{memory_gib: 0.5}}
"""


def write_store(path: Path, names: list[str]) -> None:
    """Waves with noise, 2001 to 2005, twenty times a chunk."""
    grid, rng = LatLonGrid.regular(64, 128, poles=False), np.random.default_rng(0)
    times = np.arange("2001-01-01", "2006-01-01", 6, dtype="M8[h]").astype("M8[ns]")
    season = np.sin(2 * np.pi * np.arange(len(times)) / 1461)[:, None, None]
    coords = {"time": times, "latitude": grid.latitude, "longitude": grid.longitude}
    for first in range(0, len(times), 500):
        part = slice(first, first + 500)
        noise = rng.standard_normal((len(times[part]), *grid.shape), np.float32)
        values = (season[part] + 0.3 * noise + 280).astype(np.float32)
        fields = {
            name: (tuple(coords), np.roll(values, shift, 2), VARIABLES[name].attrs)
            for shift, name in enumerate(names)
        }
        block = xr.Dataset(fields, coords | {"time": times[part]}).chunk(time=20)
        for name in ("latitude", "longitude"):
            block[name].attrs.update(COORDINATE_ATTRS[name])
        if first:
            block.to_zarr(path, append_dim="time", zarr_format=2)
        else:
            encoding = {"time": {"units": "hours since 2001-01-01"}}
            block.to_zarr(path, mode="w", zarr_format=2, encoding=encoding)


def peak(stage: str, config: Path) -> float:
    """MB that a stage takes at most."""
    command = [sys.executable, __file__, "--stage", stage, "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return float(done.stdout.splitlines()[-1])


def run(stage: str, config: str) -> None:
    program = find_pipeline(stage, Path())
    runpy.run_path(str(program))["run"](load_config(config))
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stage")
    parser.add_argument("--config")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.stage:
        run(arguments.stage, arguments.config)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        store = Path(folder) / "analysis.zarr"
        names = [name for name in NAMES if name not in ("total_precipitation",)][:10]
        write_store(store, names)
        variants = {
            "2 years, 40 initial times, 10 lead times": ("2002", 40, 10),
            "4 years": ("2004", 40, 10),
            "80 initial times": ("2002", 80, 10),
            "20 lead times": ("2002", 40, 20),
        }
        print(f"{machine()}; MB at most, and in units of the first line")
        print(f"{'':42}" + "".join(f"{stage:>16}" for stage in STAGES))
        first: list[float] = []
        for number, (name, (last, inits, leads)) in enumerate(variants.items()):
            start = np.datetime64("2005-03-01")
            text = CONFIG.format(
                output=Path(folder) / f"run{number}",
                store=store,
                names=", ".join(names),
                last=last,
                hours=6 * leads,
                inits=", ".join(f'"{start + np.timedelta64(n, "D")}"' for n in range(inits)),
            )
            config = Path(folder) / f"{number}.yaml"
            config.write_text(text)
            peaks = [peak(stage, config) for stage in STAGES]
            first = first or peaks
            cells = [f"{p:9.0f} {p / f:5.2f} " for p, f in zip(peaks, first, strict=True)]
            print(f"{name:42}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main()
