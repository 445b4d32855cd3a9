"""Making a training store: from any analysis, shard by shard, to go on after a kill at any moment.

While it is made, `<store>.unfinished` holds `plan.json` (what is made of what), `store` (the Zarr
store) and `shards/<number>.json`, one for each shard that is complete: written, moved into place,
and its checksum taken. Shards share no file, so any number of them may be written at once.
"""

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from axialcast.data.channels import Channels
from axialcast.data.moments import Moments
from axialcast.data.normalize import cell_weights, statistics_of
from axialcast.data.opening.calendars import cadence, times_per_step
from axialcast.data.opening.stacked import Layout, open_states, shard_path, write_template
from axialcast.data.opening.store import grid_of
from axialcast.data.preparing.prepared import (
    damage,
    read_manifest,
    sha256,
    write_json,
    write_manifest,
)
from axialcast.data.preparing.recipe import Recipe
from axialcast.names import TIME

__all__ = ["Preparation", "write_shard"]

VERSIONS = ("axialcast", "numpy", "xarray", "zarr", "dask")


class Preparation:
    """A training store in the making. All it knows is on disk, so it may be killed at any moment.

    Args:
        recipe: what to make.
        store: where; the manifest comes beside it.

    Raises:
        ValueError: there is a store, finished or not, that was made of something else.
    """

    def __init__(self, recipe: Recipe, store: Path) -> None:
        self.store, self.work = store, store.with_name(f"{store.name}.unfinished")
        analysis = recipe.convert(recipe.open())
        self.left_out: list[str] = analysis.attrs["left_out"]
        self.plan = _plan(recipe, analysis)
        self.is_done = False
        for leftover in (self.work, self._done):
            # Without its plan a folder is what a kill left of the first or the last moment.
            if not (leftover / "plan.json").exists() or leftover == self._done:
                shutil.rmtree(leftover, ignore_errors=True)
        if (self.work / "plan.json").exists():
            _refuse_other(json.loads((self.work / "plan.json").read_text("utf-8")), self)
        elif store.exists():
            self._check_finished()
        if self.is_done:
            return
        write_json(self.work / "plan.json", self.plan)
        if not (self.work / "store").exists():
            if store.exists():
                store.rename(self.work / "store")
            else:
                fresh = self.work / "store.new"
                shutil.rmtree(fresh, ignore_errors=True)
                write_template(fresh, analysis, Channels.of(analysis))
                fresh.rename(self.work / "store")
        for torn in self.work.rglob("*.partial"):
            torn.unlink()

    def _check_finished(self) -> None:
        """Takes a finished store up again for the shards that broke since."""
        manifest = read_manifest(self.store)
        _refuse_other(manifest["plan"], self)
        whole = [shard for shard in manifest["shards"] if damage(self.store, shard) is None]
        self.is_done = len(whole) == len(manifest["shards"])
        if not self.is_done:
            for shard in whole:
                write_json(self._record(shard["number"]), shard)

    @property
    def _done(self) -> Path:
        return self.store.with_name(f"{self.store.name}.done")

    def _record(self, number: int) -> Path:
        return self.work / "shards" / f"{number}.json"

    @property
    def num_shards(self) -> int:
        return int(-(-self.plan["source"]["num_times"] // self.plan["shard_times"]))

    def missing(self) -> list[int]:
        """Numbers of the shards that are not written yet."""
        return [n for n in range(0 if self.is_done else self.num_shards) if self._read(n) is None]

    def _read(self, number: int) -> dict[str, Any] | None:
        if not self._record(number).exists():
            return None
        shard: dict[str, Any] = json.loads(self._record(number).read_text("utf-8"))
        return None if damage(self.work / "store", shard, read=False) else shard

    def finish(self) -> dict[str, Any]:
        """Writes the manifest and moves the store into place; the manifest.

        Raises:
            ValueError: a channel has no statistics.
        """
        if self.is_done:
            return read_manifest(self.store)
        shards = [shard for n in range(self.num_shards) if (shard := self._read(n)) is not None]
        assert len(shards) == self.num_shards, "finish before all shards are written"
        channels = Channels.from_list(self.plan["channels"])
        moments = Moments.none(len(channels))
        for shard in shards:
            # In the order of time, whatever order they were written in: sums round alike.
            moments = moments.merge(Moments.from_dict(shard["moments"]))
        manifest = {
            "plan": self.plan,
            "channels": self.plan["channels"],
            "statistics": statistics_of(moments, channels).to_dict(),
            "missing": np.sum([shard["missing"] for shard in shards], 0).tolist(),
            "left_out": self.left_out,
            "versions": {name: version(name) for name in VERSIONS},
            "shards": shards,
        }
        write_manifest(self.store, manifest)
        (self.work / "store").rename(self.store)
        self.work.rename(self._done)
        shutil.rmtree(self._done)
        self.is_done = True
        return manifest


def write_shard(work: str, number: int) -> int:
    """Writes a shard and its record, with checksum and moments; its number.

    Args:
        work: the folder of an unfinished Preparation.
        number: of the shard along time.
    """
    folder = Path(work)
    text = (folder / "plan.json").read_text("utf-8")
    plan, analysis = json.loads(text), _analysis(text)
    channels = Channels.from_list(plan["channels"])
    num_times, length, step = plan["source"]["num_times"], plan["shard_times"], plan["step"]
    start, stop = number * length, min((number + 1) * length, num_times)
    # The states before begin the first increments.
    first = max(start - step, 0)
    block = analysis.isel({TIME: slice(first, stop)}).compute(scheduler="synchronous")
    values = channels.stack(block)
    states = open_states(folder / "store")
    path = folder / "store" / shard_path(states, number)
    # Zarr would read a shard that is there, torn or broken, to fill it up.
    path.unlink(missing_ok=True)
    states[start:stop] = values[start - first :]
    with path.open("rb") as file:
        os.fsync(file.fileno())
    times = analysis[TIME].values
    # Statistics see the training period only, increments into it included.
    begin, end = plan["train_index"]
    new, low, high = max(start, begin), max(first, begin), min(stop, end)
    moments = Moments.none(len(channels))
    if new < high:
        moments = Moments.of(
            values[low - first : high - first],
            times[low:high],
            span=np.timedelta64(plan["span_seconds"], "s"),
            weights=cell_weights(analysis, area_weighted=plan["recipe"]["area_weighted"]),
            first=new - low,
        )
    record = {
        "number": number,
        "file": shard_path(states, number),
        "times": [str(times[start])[:19], str(times[stop - 1])[:19]],
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
        "missing": np.isnan(values[start - first :]).sum((0, 2, 3)).tolist(),
        "moments": moments.to_dict(),
    }
    write_json(folder / "shards" / f"{number}.json", record)
    return number


@functools.lru_cache(maxsize=1)
def _analysis(plan: str) -> xr.Dataset:
    """The analysis of a plan, opened once in every process."""
    recipe = Recipe(**json.loads(plan)["recipe"])
    return recipe.convert(recipe.open())


def _plan(recipe: Recipe, analysis: xr.Dataset) -> dict[str, Any]:
    """Everything that decides a training store, JSON-ready."""
    channels, grid, times = Channels.of(analysis), grid_of(analysis), analysis[TIME].values
    spacing = cadence(analysis)
    step = times_per_step(spacing, recipe.step_hours)
    numbers = xr.DataArray(np.arange(len(times)), {TIME: analysis[TIME]}, TIME)
    train = numbers.sel({TIME: slice(*recipe.train)}).values
    if not len(train):
        raise ValueError(
            f"data.train: {recipe.train[0]} to {recipe.train[1]} holds no time of {recipe.store}, "
            f"which has {times[0]} to {times[-1]}"
        )
    few = analysis.isel({TIME: sorted({0, len(times) // 2, len(times) - 1})})
    sample = np.ascontiguousarray(channels.stack(few.compute(scheduler="threads")))
    source = {
        "num_times": len(times),
        "first_time": str(times[0])[:19],
        "last_time": str(times[-1])[:19],
        "times": hashlib.sha256(" ".join(map(str, times)).encode()).hexdigest()[:16],
        "sample": hashlib.sha256(sample.tobytes()).hexdigest()[:16],
    }
    plan = {
        "recipe": asdict(recipe),
        "source": source,
        "channels": channels.to_list(),
        "grid": grid.to_dict(),
        "shard_times": Layout.of(len(channels), grid.areas.size).shard[0],
        "step": step,
        "span_seconds": int(spacing * step / np.timedelta64(1, "s")),
        "train_index": [int(train[0]), int(train[-1]) + 1],
    }
    # Tuples become lists, as they will be when it is read again.
    converted: dict[str, Any] = json.loads(json.dumps(plan))
    return converted


def _refuse_other(plan: Mapping[str, Any], wanted: Preparation) -> None:
    """Raises if the store that is there was made of something else."""
    there = wanted.work if (wanted.work / "plan.json").exists() else wanted.store
    for section in ("recipe", "source", "channels", "grid", "step", "shard_times"):
        old, new = plan[section], wanted.plan[section]
        if old == new:
            continue
        name = section
        if isinstance(new, dict):
            key = next(key for key in new if old.get(key) != new[key])
            name, old, new = f"{section}.{key}", old.get(key), new[key]
        if name == "grid" or section == "grid":
            old, new = f"{len(old)} values", f"{len(new)} values"
        raise ValueError(
            f"{there}: was made with {name} {old!r}, but now it is {new!r}; "
            f"remove {there}, or set another output"
        )
