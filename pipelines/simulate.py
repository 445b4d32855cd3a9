"""Simulates an analysis: weather of a quasi-geostrophic planet → analysis.zarr."""

import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path

import xarray as xr

from axialcast.config import Config
from axialcast.data.planet.nature_run import OUTPUT_HOURS, nature_run, output_times
from axialcast.progress import track

READS = ("seed", "simulate")
OUTPUTS = ("analysis.zarr",)

BLOCK_DAYS = 30
"""Days simulated at a time, and in a chunk: 3 MB per variable at T21."""


def run(config: Config) -> None:
    """Writes the nature run from simulate.start to simulate.end."""
    settings = config.simulate.model_dump()
    num_times = len(output_times(config.simulate.start, config.simulate.end))
    num_blocks = -(-num_times * OUTPUT_HOURS // (24 * BLOCK_DAYS))
    blocks = nature_run(**settings, seed=config.seed, block_days=BLOCK_DAYS)
    blocks = track(blocks, description="simulate", total=num_blocks, unit="months")
    write_store(blocks, config.output / "analysis.zarr")


def write_store(blocks: Iterable[xr.Dataset], store: Path) -> None:
    """Writes consecutive blocks of one length (the last may be shorter) as chunks of a Zarr store.

    The store grows under a temporary name and is moved into place when complete, so an unfinished
    one is never taken for a finished one; memory holds one block.
    """
    unfinished = store.with_name(f"{store.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    store.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # Zarr warns that version 3 has not standardised consolidated metadata; xarray reads both.
        warnings.filterwarnings("ignore", "Consolidated metadata")
        for index, block in enumerate(blocks):
            if index == 0:
                block.to_zarr(unfinished, mode="w-", zarr_format=3, encoding=_encoding(block))
            else:
                block.to_zarr(unfinished, append_dim="time")
    shutil.rmtree(store, ignore_errors=True)
    unfinished.rename(store)


def _encoding(block: xr.Dataset) -> dict[str, dict[str, object]]:
    units = f"hours since {block.time.dt.strftime('%Y-%m-%d %H:%M').item(0)}"
    encoding: dict[str, dict[str, object]] = {
        str(name): {"chunks": variable.shape} for name, variable in block.data_vars.items()
    }
    # One chunk of times for many years: every reader needs them all.
    return encoding | {"time": {"units": units, "dtype": "int64", "chunks": (16_384,)}}
