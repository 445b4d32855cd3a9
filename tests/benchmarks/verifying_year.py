"""A year of daily ten-day forecasts of the globe, verified, against reading them and one pass.

    python tests/benchmarks/verifying_year.py [--inits 365] [--variables 3] [--rounds 3]

Forecasts of 10 daily lead times of three variables of 1.5° (121 x 240), from each day, beside
persistence and climatology. The yardstick reads the same through the same readers, states once,
makes the values of each model and takes the six statistics of each pair by numpy, one array at a
time. Processor time of one core, in turns, the fastest of each. `with events` looks for two of each
variable, above a percentile of the climate and below a number; `with squares` also counts them in
squares of 3 and 9 points.
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
from measuring import machine
from reading import HEIGHT, WIDTH, fields, labels, write

from axialcast.baselines.baseline import with_valid_time
from axialcast.baselines.percentiles import Percentile
from axialcast.data import Analysis, Channels, open_analysis
from axialcast.forecast import ForecastStore, ForecastWriter
from axialcast.scores.pieces import PIECE_VALUES, Pieces
from axialcast.verify import Climatology, Events, Percentiles, Persistence, evaluate

DAY = np.timedelta64(86_400 * 10**9, "ns")
LEADS = np.arange(1, 11)
REGIONS = {
    "tropics": {"latitude": [-20, 20], "longitude": [0, 360]},
    "northern-hemisphere": {"latitude": [20, 90], "longitude": [0, 360]},
    "southern-hemisphere": {"latitude": [-90, -20], "longitude": [0, 360]},
}
KINDS = ("plain", "all", "with regions", "with events", "with squares")


def make(folder: Path, inits: int, variables: int) -> None:
    """An analysis and its forecasts, half a unit too high."""
    num = inits + len(LEADS)
    times = np.datetime64("2019-01-01", "ns") + np.arange(num) * DAY
    coords = {**labels(num), "time": times}
    values, dims = fields(num), ("time", "latitude", "longitude")
    names = [f"field_{number}" for number in range(variables)]
    analysis = xr.Dataset({n: (dims, values, {"units": "1"}) for n in names}, coords)
    write(analysis, folder / "analysis.zarr", (8, HEIGHT, WIDTH), 0)
    template = analysis.isel(time=0, drop=True)
    template = template.expand_dims(init_time=times[:inits], lead_time=LEADS * DAY)
    template = with_valid_time(template)
    with ForecastWriter(folder / "forecast.zarr", template) as writer:
        for number in range(inits):
            block = template.isel(init_time=[number])
            truth = values[None, number + LEADS] + np.float32(0.5)
            writer.write(block.assign({n: (a.dims, truth) for n, a in block.items()}))


def climate(analysis: xr.Dataset) -> Climatology:
    """What might have been fitted: of noise."""
    rng = np.random.default_rng(1)
    shape = (1, 7, HEIGHT, WIDTH)
    dims = ("hour", "coefficient", "latitude", "longitude")
    found = {n: (dims, rng.random(shape, np.float32), a.attrs) for n, a in analysis.items()}
    places = {dim: analysis[dim] for dim in dims[2:]}
    return Climatology(xr.Dataset(found, {"hour": [0], **places}))


def plainly(forecast: xr.Dataset, dataset: xr.Dataset, climatology: Climatology) -> None:
    """Reads all, and takes the statistics of each pair once."""
    analysis = Analysis(dataset)
    states, channels = analysis.read(slice(None)), Channels.of(forecast)
    pieces, inits = Pieces(forecast, PIECE_VALUES), forecast.init_time.values
    weights = analysis.grid.areas / analysis.grid.areas.sum()
    sums = np.zeros((6, 3, len(pieces.lead_times), len(channels)))
    for init, at in enumerate(inits):
        for cut in pieces.cuts:
            leads, chosen = pieces.lead_times[cut.leads], cut.channels
            read = pieces.read(cut, np.array([init]))[0]
            truth = states[analysis.rows(at + leads), chosen]
            normal = climatology.values_at(at + leads, chosen)
            start = states[analysis.rows(at), chosen]
            for lead, channel in np.ndindex(read.shape[:2]):
                o, n = (x[lead, channel].astype(np.float64) for x in (truth, normal))
                where = (cut.leads.start + lead, chosen.start + channel)
                for model, f in enumerate((read[lead, channel], start[channel], n)):
                    error, departure, observed = f - o, f - n, o - n
                    statistics = (
                        *(error, error**2, np.abs(error)),
                        *(departure * observed, departure**2, observed**2),
                    )
                    sums[(slice(None), model, *where)] += [(s * weights).sum() for s in statistics]


def run(kind: str, folder: Path) -> None:
    """In a process of its own, on one core: prints seconds of the processor."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    analysis = open_analysis(folder / "analysis.zarr")
    forecast = ForecastStore(folder / "forecast.zarr").dataset()
    climatology, options = climate(analysis), {}
    if kind == "with regions":
        options["regions"] = REGIONS
    if kind in ("with events", "with squares"):
        wanted = [Percentile(channel, 90.0) for channel in Channels.of(forecast)]
        words = {channel.variable: ["> p90", "< 0"] for channel in Channels.of(forecast)}
        squares = [3, 9] if kind == "with squares" else []
        options["events"] = Events(words, Percentiles.fit(analysis, wanted), squares)
        options["metrics"] = ["rmse", "mae", "bias", "acc", "csi", *(["fss"] if squares else [])]
    start = time.process_time()
    if kind == "plain":
        plainly(forecast, analysis, climatology)
    else:
        baselines = {"persistence": Persistence(), "climatology": climatology}
        evaluate(forecast, analysis, climatology=climatology, baselines=baselines, **options)
    print(json.dumps(time.process_time() - start))


def measured(kind: str, folder: Path) -> float:
    command = [sys.executable, __file__, "--alone", kind, "--store", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: float = json.loads(output.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inits", type=int, default=365)
    parser.add_argument("--variables", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone")
    parser.add_argument("--store", type=Path)
    options = parser.parse_args()
    if options.alone:
        run(options.alone, options.store)
        return
    folder = Path(tempfile.mkdtemp(prefix="verifying-"))
    try:
        make(folder, options.inits, options.variables)
        rounds = [[measured(k, folder) for k in KINDS] for _ in range(options.rounds)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    best = np.min(rounds, axis=0)
    print(f"{machine()}; {options.inits} initial times, {options.variables} variables")
    print("             seconds of one core   / plain")
    for kind, seconds in zip(KINDS, best, strict=True):
        print(f"{kind:13}{seconds:19.1f}{seconds / best[0]:10.2f}")


if __name__ == "__main__":
    main()
