"""Scores of a forecast store and four baselines against reading the same and one plain pass.

    python tests/benchmarks/verifying.py [--inits 8] [--leads 40] [--memory-gib 0.5]

Fields of 1.5° (121 x 240), six-hourly: 20 single-level ones, and 5 on 13 levels; forecasts twice a
day; the linear inverse model has 200 patterns. The yardstick, on one core, reads the same through
the same reader, computes each baseline's values once and the six statistics of each in plain numpy.
For `evaluate`: decodes of each chunk of the forecasts and of the analysis, the processor's time of
one core, the time of two by the clock against one, and the peak of a process over what it holds
before; then with twice as many initial times, and with twice as many lead times.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr
from fitting import peak_bytes
from measuring import machine
from reading import HEIGHT, WIDTH, decodes, on_levels, single_levels, write

from axialcast.baselines.baseline import with_valid_time
from axialcast.data import Analysis, Channels, open_analysis
from axialcast.forecast import ForecastStore, ForecastWriter
from axialcast.scores.pieces import PIECE_VALUES, Pieces
from axialcast.verify import (
    Baseline,
    Climatology,
    DampedPersistence,
    LinearInverseModel,
    Persistence,
    evaluate,
)

STEP = np.timedelta64(6 * 3_600_000_000_000, "ns")
KINDS = {"20 x 1": (single_levels, 0), "5 x 13": (on_levels, 13)}
PATTERNS = 200


def make(folder: Path, kind: str, inits: int, leads: int) -> None:
    """An analysis and its forecasts, half a unit too high."""
    fields, depth = KINDS[kind]
    analysis = fields(2 * inits + leads + 1)
    times = np.datetime64("1980-01-01", "ns") + np.arange(analysis.sizes["time"]) * STEP
    analysis = analysis.assign_coords(time=times)
    write(analysis, folder / "analysis.zarr", (8, HEIGHT, WIDTH), depth)
    steps = np.arange(1, leads + 1)
    labels = analysis.isel(time=0, drop=True)
    labels = labels.expand_dims(init_time=times[1 : 2 * inits : 2], lead_time=steps * STEP)
    template = with_valid_time(labels)
    with ForecastWriter(folder / "forecast.zarr", template) as writer:
        for number in range(inits):
            truth = analysis.isel(time=1 + 2 * number + steps)
            block = template.isel(init_time=[number])
            found = {n: (a.dims, truth[n].values[None] + np.float32(0.5)) for n, a in block.items()}
            writer.write(block.assign(found))


def models(analysis: xr.Dataset, leads: np.ndarray) -> tuple[Climatology, dict[str, Baseline]]:
    """What might have been fitted: of noise."""
    rng, like = np.random.default_rng(1), analysis.isel(time=0, drop=True)

    def noise(**sizes: int) -> xr.Dataset:
        fields = {
            name: ((*sizes, *a.dims), rng.random((*sizes.values(), *a.shape), np.float32), a.attrs)
            for name, a in like.items()
        }
        return xr.Dataset(fields, like.coords)

    climatology = Climatology(noise(hour=4, coefficient=7).assign_coords(hour=[0, 6, 12, 18]))
    damping = noise(lead_time=len(leads)).assign_coords(lead_time=leads)
    cells = sum(array.size for array in like.values())
    patterns = rng.random((cells, PATTERNS), np.float32)
    propagator = rng.standard_normal((2 * PATTERNS, PATTERNS)) / 40
    linear = LinearInverseModel(climatology, STEP, patterns, np.ones(cells, np.float32), propagator)
    return climatology, {
        "persistence": Persistence(),
        "climatology": climatology,
        "damped_persistence": DampedPersistence(climatology, damping),
        "linear_inverse_model": linear,
    }


def plainly(
    forecast: xr.Dataset, dataset: xr.Dataset, climatology: Climatology, models: dict[str, Baseline]
) -> None:
    """Reads all, and computes the statistics of each pair once."""
    analysis = Analysis(dataset)
    states, channels = analysis.read(slice(None)), Channels.of(forecast)
    pieces, inits, leads = Pieces(forecast, PIECE_VALUES), forecast.init_time.values, None
    weights = analysis.grid.areas / analysis.grid.areas.sum()
    sums = np.zeros((6, len(models) + 1, len(pieces.lead_times), len(channels)))
    for init, time_ in enumerate(inits):
        at = inits[init : init + 1]
        start = models["linear_inverse_model"].start(lambda t: states[analysis.rows(t)], at)
        for cut in pieces.cuts:
            leads, chosen = pieces.lead_times[cut.leads], cut.channels
            read = pieces.read(cut, np.array([init]))
            truth = states[analysis.rows(time_ + leads), chosen][None]
            normal = climatology.values_at(time_ + leads, chosen)[None]
            values = [read]
            for name, model in models.items():
                if name == "linear_inverse_model":
                    values.append(model.values_from(start, leads, normal, chosen))
                else:
                    look_up = lambda t, c=chosen: states[analysis.rows(t), c]  # noqa: E731
                    values.append(model.values(look_up, at, leads, normal, chosen))
            for lead, channel in np.ndindex(read.shape[1:3]):
                o, n = (x[0, lead, channel].astype(np.float64) for x in (truth, normal))
                where = (cut.leads.start + lead, chosen.start + channel)
                for number, found in enumerate(values):
                    f = found[0, lead, channel]
                    error, departure, observed = f - o, f - n, o - n
                    statistics = (
                        *(error, error**2, np.abs(error)),
                        *(departure * observed, departure**2, observed**2),
                    )
                    sums[(slice(None), number, *where)] += [(s * weights).sum() for s in statistics]


def run(what: str, folder: Path, cores: int, memory_gib: float) -> None:
    """In a process of its own: prints seconds by the clock and of the processor, bytes, and
    decodes per chunk of forecasts and analysis."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    analysis = open_analysis(folder / "analysis.zarr")
    forecast = ForecastStore(folder / "forecast.zarr").dataset()
    climatology, baselines = models(analysis, forecast.lead_time.values)

    def work() -> None:
        if what == "plain":
            plainly(forecast, analysis, climatology, baselines)
        else:
            evaluate(
                forecast,
                analysis,
                climatology=climatology,
                baselines=baselines,
                memory_gib=memory_gib,
            )

    before, start, processor = peak_bytes(), time.perf_counter(), time.process_time()
    counts = decodes(work)
    found = [time.perf_counter() - start, time.process_time() - processor, peak_bytes() - before]
    # Chunks of forecasts have an axis more.
    dims = sorted({len(where) for _, where in counts}, reverse=True)
    parts = [[n for (_, where), n in counts.items() if len(where) == num] for num in dims]
    print(json.dumps([*found, *(sum(part) / len(part) for part in parts)]))


def measured(what: str, folder: Path, cores: int, memory_gib: float) -> list[float]:
    command = [sys.executable, __file__, "--alone", what, "--store", str(folder)]
    command += ["--cores", str(cores), "--memory-gib", str(memory_gib)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} if what == "plain" else os.environ
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: list[float] = json.loads(output.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inits", type=int, default=8)
    parser.add_argument("--leads", type=int, default=40)
    parser.add_argument("--memory-gib", type=float, default=0.5)
    parser.add_argument("--alone")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--cores", type=int, default=1)
    options = parser.parse_args()
    inits, leads, memory = options.inits, options.leads, options.memory_gib
    if options.alone:
        run(options.alone, options.store, options.cores, memory)
        return
    print(f"{machine()}; {inits} initial times, {leads} lead times, {memory:g} GiB")
    print("            decodes of      one core  two cores   peak (MB)")
    print("fields  forecast  analysis    / plain   / one     as is  2 x inits  2 x leads")
    for kind in KINDS:
        folder = Path(tempfile.mkdtemp(prefix="verifying-"))
        try:
            peaks = []
            for sizes in ((inits, leads), (2 * inits, leads), (inits, 2 * leads)):
                shutil.rmtree(folder)
                make(folder, kind, *sizes)
                seconds, processor, peak, *counts = measured("evaluate", folder, 1, memory)
                peaks.append(peak / 1e6)
                if len(peaks) == 1:
                    plain = measured("plain", folder, 1, memory)[1]
                    both = measured("evaluate", folder, 2, memory)[0]
                    line = f"{kind}{counts[0]:10.2f}{counts[1]:10.2f}{processor / plain:11.2f}"
                    print(f"{line}{both / seconds:10.2f}", end="", flush=True)
            print("".join(f"{peak:11.0f}" for peak in peaks), flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
