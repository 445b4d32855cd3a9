"""What a verification costs that goes on: its second half, ten initial times more, nothing new.

    python tests/benchmarks/verifying_again.py --inits 5000

A forecast store as the pipeline writes it, its analysis and four baselines; nothing is fitted while
the clock runs. Ratios of processor time are to one go without keeping anything; waiting for the
disk shows in the seconds.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import xarray as xr
from measuring import one_thread

from axialcast.baselines.baseline import with_valid_time
from axialcast.forecast import ForecastStore, ForecastWriter
from axialcast.grid import LatLonGrid
from axialcast.names import VARIABLES
from axialcast.scores.blocks import Block
from axialcast.verify import (
    Climatology,
    DampedPersistence,
    DrawnField,
    KeptSums,
    LinearInverseModel,
    Persistence,
    evaluate,
)

DAY = np.timedelta64(86_400_000_000_000, "ns")
TRAINING = 730
NAME = "geopotential_height"


def analysis_of(num_times: int, grid: LatLonGrid, levels: int) -> xr.Dataset:
    """Noise on a grid, one state a day."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((num_times, levels, *grid.shape), dtype=np.float32)
    coords = {
        "time": np.datetime64("2000-01-01", "ns") + np.arange(num_times) * DAY,
        "level": 100.0 * np.arange(1, levels + 1),
        "latitude": grid.latitude,
        "longitude": grid.longitude,
    }
    return xr.Dataset({NAME: (tuple(coords), values, VARIABLES[NAME].attrs)}, coords)


def write(path: Path, analysis: xr.Dataset, num_inits: int, leads: int, batch: int = 50) -> None:
    """Forecasts that are the truth and some more, into a store that may hold a part of them."""
    steps = np.arange(1, leads + 1)
    inits = analysis["time"].values[TRAINING : TRAINING + num_inits]
    like = analysis.isel(time=0, drop=True).expand_dims(init_time=inits, lead_time=steps * DAY)
    template = with_valid_time(like)
    with ForecastWriter(path, template) as writer:
        for first in range(0, len(writer.missing), batch):
            part = writer.missing[first : first + batch]
            rows = np.add.outer(np.array(part) + TRAINING, steps)
            values = analysis[NAME].values[rows] + np.float32(0.5)
            block = template.isel(init_time=part)
            writer.write(block.assign({NAME: (block[NAME].dims, values, block[NAME].attrs)}))


class Verification:
    """Runs of one verification, with what is kept in a folder."""

    def __init__(self, store: Path, analysis: xr.Dataset, kept: Path, leads: int) -> None:
        training = analysis.isel(time=slice(TRAINING))
        climatology = Climatology.fit(training)
        times = np.arange(1, leads + 1) * DAY
        self.store, self.analysis, self.kept = store, analysis, kept
        self.models = {
            "climatology": climatology,
            "baselines": {
                "persistence": Persistence(),
                "climatology": climatology,
                "damped_persistence": DampedPersistence.fit(
                    training, climatology, lead_times=times
                ),
                "linear_inverse_model": LinearInverseModel.fit(training, climatology),
            },
        }

    def run(
        self, *, keep: bool = True, stop_at: float = 1.0
    ) -> tuple[float, float, xr.Dataset | None]:
        """Seconds, those of the processor, and the scores unless a share of blocks was the end."""

        def progress(blocks: list[Block]) -> Iterator[Block]:
            for number, block in enumerate(blocks):
                if number >= stop_at * len(blocks):
                    raise InterruptedError
                yield block

        clock, processor, scores = time.perf_counter(), time.process_time(), None
        store = ForecastStore(self.store)
        kept = KeptSums(self.kept, store.contents()) if keep else None
        forecast = store.dataset()
        with suppress(InterruptedError):
            scores = evaluate(
                forecast,
                self.analysis,
                **self.models,
                progress=progress,
                kept=kept,
                drawn=DrawnField(forecast),
            )
        return time.perf_counter() - clock, time.process_time() - processor, scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inits", type=int, default=2000)
    parser.add_argument("--leads", type=int, default=10)
    parser.add_argument("--levels", type=int, default=2)
    parser.add_argument("--grid", type=int, nargs=2, default=(33, 64))
    options = parser.parse_args()
    leads, levels, num = options.leads, options.levels, options.inits
    grid = LatLonGrid.regular(*options.grid, poles=False)
    print(one_thread())
    print(
        f"{num:,} forecasts of {leads} x {levels} x {options.grid[0]} x {options.grid[1]} values\n"
    )
    folder = Path(tempfile.mkdtemp(prefix="verifying-"))
    try:
        analysis = analysis_of(TRAINING + num + 10 + leads, grid, levels)
        store = folder / "forecast.zarr"
        write(store, analysis, num, leads)
        runs = Verification(store, analysis, folder / "sums", leads)
        first = runs.run(keep=False)
        once = min(first, runs.run(keep=False), key=lambda run: run[1])
        print(f"{'':26}   seconds  processor    ratio")

        def line(what: str, run: tuple[float, float, xr.Dataset | None]) -> None:
            print(f"{what:26}{run[0]:10.2f}{run[1]:11.2f}{run[1] / once[1]:9.3f}", flush=True)

        line("one go, nothing kept", once)
        line("one go, kept", runs.run())
        shutil.rmtree(runs.kept)
        line("stopped half-way", runs.run(stop_at=0.5))
        rest = runs.run()
        line("the second half", rest)
        assert rest[2] is not None
        xr.testing.assert_identical(rest[2], first[2])
        line("nothing new", runs.run())
        write(store, analysis, num + 10, leads)
        line("ten more initial times", runs.run())
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
