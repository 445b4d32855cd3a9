"""How long a run takes to see that there is nothing to do: python tests/benchmarks/starting.py

A forecast of 5,000 initial times, 10,000 chunks, with the stamp of the stage that made it. Prints
seconds of the parts of the look, and of comparing every byte.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr
from measuring import machine

from axialcast.files import inventory
from axialcast.forecast import ForecastStore, ForecastWriter
from axialcast.run.config import load_config
from axialcast.run.stages import run_stages
from axialcast.run.stamps import damage

PROGRAM = """
READS = ("forecast",)
OUTPUTS = ("forecast.zarr",)
def run(config):
    pass
"""
CONFIG = """
pipeline: ./made.py
data: {variables: [a], train: [2001, 2001], validate: [2002, 2002], test: [2003, 2003]}
"""


def forecast(inits: np.ndarray) -> xr.Dataset:
    dims = ("init_time", "lead_time", "latitude", "longitude")
    leads = np.array([24, 48], "m8[h]").astype("m8[ns]")
    values = np.zeros((len(inits), 2, 16, 32), np.float32)
    coords = {"init_time": inits, "lead_time": leads}
    coords |= {"latitude": np.linspace(80, -80, 16), "longitude": np.arange(32) * 11.25}
    return xr.Dataset(dict.fromkeys(("a", "b"), (dims, values)), coords)


def main() -> None:
    inits = np.datetime64("2001-01-01", "ns") + np.arange(5000) * np.timedelta64(1, "D")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = folder / "run" / "forecast.zarr"
        with ForecastWriter(store, forecast(inits)) as writer:
            for first in range(0, len(inits), 100):
                writer.write(forecast(inits[first : first + 100]))
        (folder / "made.py").write_text(PROGRAM)
        (folder / "x.yaml").write_text(CONFIG)
        config = load_config(folder / "x.yaml", [f"output={folder / 'run'}"])
        run_stages(config, folder=folder, say=lambda line: None)
        print(f"{machine()}, {len(inventory.read(store)):,} files")
        for what, look in {
            "run_stages, nothing to do": lambda: run_stages(config, folder=folder, say=str),
            "damage, sizes": lambda: damage(config.output, "made"),
            "damage, every byte": lambda: damage(config.output, "made", read_all=True),
            "which initial times are missing": lambda: ForecastStore(store).missing(inits),
        }.items():
            seconds = []
            for _ in range(5):
                start = time.perf_counter()
                look()
                seconds.append(time.perf_counter() - start)
            print(f"{what:<32} {min(seconds):6.3f} s")


if __name__ == "__main__":
    main()
