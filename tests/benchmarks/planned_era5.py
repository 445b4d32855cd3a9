"""ERA5 at 0.25°, 40 years, 69 channels, planned: `python tests/benchmarks/planned_era5.py`.

A Zarr store of that shape (721 x 1440, every six hours, one time a chunk) whose chunks are absent,
and a forecast store of daily initial times and ten days of six-hourly lead times of all of it. For
each step that comes before values are read: seconds, and what the process's peak grows by (the
kernel's VmHWM: Linux only). Then what there will be: bytes, chunks, shards, blocks.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import xarray as xr
from fitting import peak_bytes
from measuring import machine

from axialcast.baselines.baseline import with_valid_time
from axialcast.baselines.memory import fitted_bytes
from axialcast.data import Analysis, States, Statistics, open_analysis
from axialcast.data.opening.kinds.stacked import Layout
from axialcast.data.preparing.planned import planned
from axialcast.data.windows.plan import WindowRows, plan_epoch
from axialcast.data.windows.pool import Pool
from axialcast.files import inventory
from axialcast.forecast import ForecastStore, choose_init_times
from axialcast.forecast.layout import chunkings
from axialcast.grid import LatLonGrid
from axialcast.names import COORDINATE_ATTRS, INIT_TIME, LEAD_TIME, VARIABLES
from axialcast.run.config import load_config
from axialcast.run.preflight import check_run
from axialcast.scores import blocks_of
from axialcast.scores.pieces import PIECE_VALUES, Pieces
from axialcast.scores.window import Window
from axialcast.times.dates import date_text

SINGLE = ("2m_temperature", "mean_sea_level_pressure")
SINGLE += ("10m_u_component_of_wind", "10m_v_component_of_wind")
ON_LEVELS = ("geopotential", "temperature", "specific_humidity")
ON_LEVELS += ("u_component_of_wind", "v_component_of_wind")
LEVELS = (50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000)
STEP = np.timedelta64(6 * 3_600_000_000_000, "ns")
GB = 1e9
CONFIG = """
pipeline: [prepare, train, forecast, verify]
output: {output}
data:
  store: {store}
  variables: [{names}]
  levels: [{levels}]
  train: ["1979", "2015"]
  validate: ["2016", "2016"]
  test: ["2017", "2018"]
  buffer_gib: 64
model: {{dim: 16, depth: 1, heads: 2, patch: [7, 8]}}
train: {{batch_size: 16}}
forecast: {{lead_time_hours: 240, init_times: test, init_every_hours: 24}}
"""


def template(years: int) -> xr.Dataset:
    """Labels of the analysis; the values take no memory."""
    grid = LatLonGrid.regular(721, 1440, poles=True)
    days = np.arange("1979-01-01", f"{1979 + years}-01-01", 6, dtype="M8[h]")
    coords: dict[str, Any] = {"time": days.astype("M8[ns]"), "level": np.array(LEVELS, float)}
    for name, values in (("latitude", grid.latitude), ("longitude", grid.longitude)):
        coords[name] = (name, values, COORDINATE_ATTRS[name])
    coords["level"] = ("level", coords["level"], COORDINATE_ATTRS["level"])
    fields = {}
    for name in (*SINGLE, *ON_LEVELS):
        dims = ("time", *(["level"] if name in ON_LEVELS else []), "latitude", "longitude")
        shape = [len(days), *([len(LEVELS)] if name in ON_LEVELS else []), *grid.shape]
        values = np.broadcast_to(np.float32(0), shape)
        fields[name] = (dims, values, VARIABLES[name].attrs)
    return xr.Dataset(fields, coords)


def write_absent(path: Path, labels: xr.Dataset) -> None:
    """A store without chunks, one time a chunk."""
    lazy, encoding = labels.copy(), {}
    for name, array in labels.data_vars.items():
        absent = dask.array.zeros(array.shape, dtype=np.float32, chunks=-1)
        lazy[name] = (array.dims, absent, array.attrs)
        encoding[name] = {"chunks": (1, *array.shape[1:]), "_FillValue": np.float32(np.nan)}
    encoding["time"] = {"units": "hours since 1979-01-01", "chunks": (len(labels.time),)}
    lazy.to_zarr(path, compute=False, zarr_format=2, encoding=encoding)


def said(what: str, run: Callable[[], Any]) -> Any:
    before, start = peak_bytes(), time.perf_counter()
    found = run()
    seconds, grown = time.perf_counter() - start, (peak_bytes() - before) / 1e6
    print(f"{what:54}{seconds:8.2f} s{grown:8.0f} MB", flush=True)
    return found


def plan_epochs(states: States) -> str:
    rows = WindowRows(states.times, input_steps=2, target_steps=1, step=1, stride=1, missing="skip")
    pool = Pool.fitting(
        states.buffer_bytes // states.bytes_per_state - 100,
        reach=int(rows.offsets[-1]),
        page=states.page,
        batch_size=16,
        ahead=4,
    )
    ranks = [
        plan_epoch(
            rows.first + states.phase,
            pool,
            batch_size=16,
            shuffle=True,
            drop_last=True,
            seed=0,
            epoch=0,
            rank=rank,
            world_size=16,
        )
        for rank in (0, 15)
    ]
    return f"{len(rows):,} windows, {len(ranks[0]):,} batches; {pool}"


def forecasts(folder: Path, labels: xr.Dataset, inits: np.ndarray, leads: np.ndarray) -> xr.Dataset:
    """A forecast store of all initial times, of which no value is there."""
    one = labels.isel(time=0, drop=True)
    fields = {
        name: (
            (INIT_TIME, LEAD_TIME, *array.dims),
            np.broadcast_to(np.float32(0), (len(inits), len(leads), *array.shape)),
            array.attrs,
        )
        for name, array in one.data_vars.items()
    }
    made = with_valid_time(
        xr.Dataset(fields, dict(one.coords)).assign_coords(init_time=inits, lead_time=leads)
    )
    ForecastStore.prepare(folder / "forecast.zarr", made)
    return made


def claim(path: Path, made: xr.Dataset) -> None:
    """Says of every file of a forecast store that it is there."""
    entry, months = (200 * 10**6, 64 * "0"), dict[str, dict[str, int]]()
    for number, moment in enumerate(made[INIT_TIME].values):
        date = date_text(moment)
        months.setdefault(date[:7], {})[date] = number
    for month, numbers in months.items():
        files = {
            f"{name}/c/{number}{'/0' * (array.ndim - 1)}": entry
            for name, array in made.data_vars.items()
            for number in numbers.values()
        }
        inventory.write(path, files, month, {"init_times": dict.fromkeys(numbers, 64 * "0")})


def look_up(path: Path, inits: np.ndarray) -> xr.Dataset:
    """All that is there, as a verification asks for it."""
    store = ForecastStore(path)
    store.contents()
    return store.dataset(inits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--years", type=int, default=40)
    options = parser.parse_args()
    print(machine())
    leads = np.arange(1, 41) * STEP
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels = template(options.years)
        said("write the labels of the store", lambda: write_absent(folder / "era5.zarr", labels))
        config = folder / "era5.yaml"
        names = ", ".join((*SINGLE, *ON_LEVELS))
        levels = ", ".join(map(str, LEVELS))
        config.write_text(
            CONFIG.format(
                output=folder / "run", store=folder / "era5.zarr", names=names, levels=levels
            )
        )
        dataset = said("open", lambda: open_analysis(folder / "era5.zarr"))
        analysis = said("channels, chunks", lambda: Analysis(dataset))
        said("the same: which chunk a time is in", lambda: analysis.chunk)
        said("axialcast check, before it reads a sample", lambda: check_run(load_config(config)))
        ones = np.ones(len(analysis.channels))
        store = planned(analysis)
        buffer = 64 * 2**30
        states = States(
            store, analysis.channels, Statistics(0 * ones, ones, ones), buffer_bytes=buffer
        )
        print(
            "  " + said("windows; an epoch, as 2 of 16 ranks plan it", lambda: plan_epochs(states))
        )
        inits = said(
            "choose daily initial times of all years",
            lambda: choose_init_times(
                analysis,
                init_times="test",
                test=["1979", "2018-12-20"],
                init_every=np.timedelta64(24, "h"),
            ),
        )
        made = said(
            f"lay out a store of {len(inits):,} forecasts",
            lambda: forecasts(folder, labels, inits, leads),
        )
        claim(folder / "forecast.zarr", made)
        opened = said(
            "open it when all are there", lambda: look_up(folder / "forecast.zarr", inits)
        )
        pieces = said("how forecasts are cut for scoring", lambda: Pieces(opened, PIECE_VALUES))
        blocks = said("blocks of initial times", lambda: blocks_of(opened))

        def window() -> int:
            needed = [np.add.outer(b.init_times, leads).ravel() for b in blocks]
            return Window(analysis, needed, most_bytes=2**30).num_held(2)

        held = said("states that blocks share", window)
        report(analysis, made, pieces, len(blocks), held)


def report(
    analysis: Analysis, made: xr.Dataset, pieces: Pieces, num_blocks: int, held: int
) -> None:
    """What there will be."""
    num, height, width = analysis.shape
    layout = Layout.of(num, height * width)
    state = analysis.state_bytes
    cut = chunkings(made)
    forecast = math.prod(made.sizes[d] for d in (INIT_TIME, LEAD_TIME)) * state
    files = len(cut) * made.sizes[INIT_TIME]
    fits = fitted_bytes(
        analysis,
        ("damped_persistence", "linear_inverse_model"),
        num_leads=made.sizes[LEAD_TIME],
        harmonics=3,
    )
    kept = 2 * 8 * 4 * height * width
    print(f"a state: {state / 1e6:.0f} MB; all states: {len(analysis) * state / 1e12:.1f} TB")
    shards = -(-len(analysis) // layout.shard[0])
    print(
        f"training store: chunks {layout.chunk}, shards {layout.shard}, {shards:,} of them, ",
        end="",
    )
    print(f"{layout.shard[0] * state / 1e6:.0f} MB each")
    print(f"forecasts: {forecast / 1e12:.1f} TB in {files:,} files")
    for name in ("2m_temperature", "geopotential"):
        print(f"  {name}: {cut[name]}")
    print(f"scores: {num_blocks:,} blocks, {len(pieces.cuts):,} cuts each of up to ", end="")
    print(f"{4 * pieces.largest / 1e6:.0f} MB; {held} states held by 3 blocks at work: ", end="")
    print(f"{held * state / GB:.1f} GB if all channels were scored together")
    print(f"maps among the sums kept of a block: {kept / 1e6:.0f} MB")
    print(f"fits: climatology {4 * 7 * state / GB:.1f} GB and damping ", end="")
    print(f"{made.sizes[LEAD_TIME] * state / GB:.1f} GB on disk; in memory {fits / GB:.2f} GB")


if __name__ == "__main__":
    main()
