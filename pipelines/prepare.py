"""Prepares a training store: any analysis → training.zarr, laid out for fast shuffled reading."""

import os
from collections.abc import Iterator, Sequence

import dask

from axialcast.data.preparing.preparation import Preparation
from axialcast.data.preparing.recipe import Recipe
from axialcast.data.preparing.shards import write_shard
from axialcast.run.config import Config
from axialcast.run.progress import track

READS = (
    "data.variables",
    "data.levels",
    "data.region",
    "data.gaps",
    "data.train",
    "data.step_hours",
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
    preparation = Preparation(Recipe(**config.recipe), config.output / "training.zarr")
    missing = preparation.missing()
    written = in_parallel(str(preparation.work), missing, config.prepare.workers)
    for _ in track(written, description="prepare", total=len(missing), unit="shards"):
        pass
    manifest = preparation.finish()
    for period in manifest["left_out"]:
        print(f"prepare: left out {period}, for it lacks times")
    for channel, count in zip(manifest["channels"], manifest["missing"], strict=True):
        if count:
            level = "" if channel["level"] is None else f" {channel['level']:g} hPa"
            print(f"prepare: {channel['variable']}{level} has {count:,} NaN")


def in_parallel(work: str, shards: Sequence[int], workers: int) -> Iterator[int]:
    """Writes shards in any order, threads or processes at a time; yields their numbers."""
    if workers == 1:
        threads = (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        )
        # Some at a time, so that progress can be told.
        for start in range(0, len(shards), 4 * threads):
            tasks = [
                dask.delayed(write_shard)(work, n) for n in shards[start : start + 4 * threads]
            ]
            yield from dask.compute(*tasks, scheduler="threads", num_workers=threads)
        return
    try:
        from distributed import Client, LocalCluster, as_completed
    except ImportError:
        raise ValueError(
            f"prepare.workers: {workers} processes need pip install 'axialcast[hpc]'; "
            "or leave it at 1"
        ) from None
    settings = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(**settings) as cluster, Client(cluster) as client:
        for future in as_completed([client.submit(write_shard, work, n) for n in shards]):
            yield future.result()
