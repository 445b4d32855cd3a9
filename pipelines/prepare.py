"""Prepares a training store: any analysis → training.zarr, laid out for fast shuffled reading."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from functools import partial

from axialcast.cores import available_cores
from axialcast.data.preparing.preparation import Preparation
from axialcast.data.preparing.recipe import Recipe
from axialcast.data.preparing.shards import write_shards
from axialcast.run.config import Config
from axialcast.run.progress import track
from axialcast.run.provenance import provenance
from axialcast.run.stamps import made_from
from axialcast.run.workers import workers

READS = (
    "data.variables",
    "data.diagnostic",
    "data.forcings",
    "data.levels",
    "data.region",
    "data.member",
    "data.gaps",
    "data.round_times_seconds",
    "data.grid_mapping",
    "data.train",
    "data.step",
    "data.step_hours",
    "data.rename",
    "data.units",
    "data.missing_chunks",
    "prepare.aggregate_hours",
    "prepare.accumulated",
    "prepare.regrid",
    "prepare.area_weighted",
)
NEEDS = ("analysis.zarr",)
OUTPUTS = ("training.zarr", "training.zarr.json")
RESUMES = ("training.zarr.unfinished", "training.zarr", "training.zarr.json")


def run(config: Config) -> None:
    """Writes the shards that are still missing, then statistics and checksums of all.

    Killed at any moment, it goes on where it was: a shard counts once it is in place and its
    checksum is taken. A finished store is looked through, and broken shards are written again.
    """
    assert config.prepare is not None
    recipe = Recipe(**config.recipe)
    attrs = provenance(config, made_from(config, __file__))
    preparation = Preparation(recipe, config.output / "training.zarr", attrs)
    missing = preparation.missing_together()
    # The recipe with its secrets is passed on in memory: on disk there are none.
    write = partial(write_shards, str(preparation.work), recipe=recipe)
    total = sum(map(len, missing))
    with workers(config) as pool, ExitStack() as stack:
        if pool is None:
            pool = stack.enter_context(ThreadPoolExecutor(available_cores()))
        written = shared(pool, write, missing)
        for _ in track(written, description="prepare", total=total, unit="shards"):
            pass
    manifest = preparation.finish()
    for period in manifest["left_out"]:
        print(f"prepare: left out {period}, for it lacks times")
    for channel, count in zip(manifest["channels"], manifest["missing"], strict=True):
        if count:
            level = "" if channel["level"] is None else f" {channel['level']:g} hPa"
            print(f"prepare: {channel['variable']}{level} has {count:,} NaN")


def shared(
    pool: Executor, write: Callable[[Sequence[int]], list[int]], runs: Sequence[Sequence[int]]
) -> Iterator[int]:
    """Writes runs of shards in any order, by threads or Dask workers; yields their numbers."""
    tasks = [pool.submit(write, numbers) for numbers in runs]
    try:
        for task in as_completed(tasks):
            yield from task.result()
    finally:
        for task in tasks:
            task.cancel()
