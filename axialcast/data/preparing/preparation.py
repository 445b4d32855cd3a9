"""Making a training store: from any analysis, shard by shard, to go on after a kill at any moment.

While it is made, `<store>.unfinished` holds `plan.json` (what is made of what), `store` (the Zarr
store, unless a finished one is mended where it is) and `shards/<number>.json`, one for each shard
that is complete: written, moved into place, and its checksum taken. Shards share no file, so any
number of them may be written at once.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from axialcast.data.channels import Channels
from axialcast.data.moments import Moments
from axialcast.data.normalize import statistics_of
from axialcast.data.opening.kinds.stacked import Layout, write_template
from axialcast.data.plausible import warn_implausible
from axialcast.data.preparing.prepared import damage, read_manifest, write_manifest
from axialcast.data.preparing.recipe import Recipe
from axialcast.data.preparing.shards import UNFINISHED, place_of, shards_together
from axialcast.data.reader import Analysis
from axialcast.files import clearing, inventory
from axialcast.files.atomic import remove, room_error, sweep, write_json, writing
from axialcast.files.documents import read_document
from axialcast.names import PLANET, TIME
from axialcast.times.calendars import times_per_step
from axialcast.times.steps import in_months, step_numbers

__all__ = ["Preparation"]

TEMPLATE, SHARDS = "template", "shards"
"""Names of the inventories: of metadata and coordinates, and of the shards."""

ADDRESS = ("store", "storage_options")
"""What in a recipe says where the analysis is, not what."""

VERSIONS = ("axialcast", "numpy", "xarray", "zarr", "dask")

RECORD = ("number", "file", "times", "bytes", "sha256", "missing")
"""What is kept of a shard, besides its moments."""


class Preparation:
    """A training store in the making. All it knows is on disk, so it may be killed at any moment.

    Args:
        recipe: what to make.
        store: where; the manifest comes beside it.
        attrs: more of the store's.

    Raises:
        ValueError: there is a store, finished or not, that was made of something else.
        OSError: the disk is full: says how much room is needed.
    """

    def __init__(self, recipe: Recipe, store: Path, attrs: Mapping[str, str] | None = None) -> None:
        self.store, self.work = store, store.with_name(f"{store.name}{UNFINISHED}")
        opened = recipe.convert(recipe.open())
        self.left_out: list[str] = opened.attrs["left_out"]
        planet = {name: opened.attrs[name] for name in (PLANET,) if name in opened.attrs}
        self.attrs = {**planet, **(attrs or {})}
        self._analysis = Analysis(opened)
        self.plan = _plan(recipe, self._analysis)
        self.is_done = False
        clearing.require_ours(store.resolve())
        sweep(store.parent)
        try:
            plan = read_document(self.work / "plan.json", *self.plan)
        except (FileNotFoundError, ValueError):
            # Without its plan a folder is what a kill left of the first or the last moment.
            plan = None
        if plan:
            _refuse_other(plan, self.plan, self.work)
        if not plan or not self._is_laid_out():
            remove(self.work)
            self._begin()
        if not self.is_done:
            for folder in (self.work, self.work / "shards", self._place / inventory.FOLDER):
                sweep(folder, alone=True)
            write_json(self.work / "plan.json", self.plan)

    @property
    def _place(self) -> Path:
        return place_of(self.work)

    def _begin(self) -> None:
        """Lays out a store without shards, or takes up one that is there, to mend it."""
        known = self._known()
        if known is None:
            # What may be there is replaced at the end.
            clearing.require_ours(self.store)
            fresh = self.work / "store"
            self._write_template(fresh)
            inventory.write(fresh, inventory.take(fresh), TEMPLATE)
            return
        plan, shards, is_complete = known
        _refuse_other(plan, self.plan, self.store)
        whole = [shard for shard in shards if damage(self.store, shard) is None]
        was_whole = self._is_laid_out()
        if not was_whole:
            self._mend_template()
        self.is_done = is_complete and was_whole and len(whole) == self.num_shards
        if not self.is_done:
            for shard in whole:
                write_json(self._record(shard["number"]), shard)

    def _known(self) -> tuple[dict[str, Any], list[dict[str, Any]], bool] | None:
        """What is known of a finished store: its plan, its shards, and whether that is all.

        Shards have no moments where the manifest is lost. None: there is no store, or nothing is
        known of it.
        """
        if not self.store.exists():
            return None
        try:
            files = inventory.read(self.store, SHARDS)
            plan = inventory.about(self.store, SHARDS)["plan"]
        except (FileNotFoundError, ValueError):
            files = {}
        try:
            manifest = read_manifest(self.store)
            return manifest["plan"], manifest["shards"], bool(files)
        except (FileNotFoundError, ValueError):
            pass
        if not files:
            return None
        shards = [
            # states/c/<number>/0/0/0
            {"number": int(name.split("/")[2]), "file": name, "bytes": size, "sha256": checksum}
            for name, (size, checksum) in files.items()
        ]
        return plan, shards, False

    def _is_laid_out(self) -> bool:
        """Whether metadata and coordinates are as they were written."""
        try:
            files = inventory.read(self._place, TEMPLATE)
        except (FileNotFoundError, ValueError):
            return False
        return not inventory.check(self._place, files, read_all=True)

    def _write_template(self, store: Path) -> None:
        try:
            write_template(store, self._analysis.dataset, self._analysis.channels, self.attrs)
        except OSError as error:
            raise room_error(store, error) from error

    def _mend_template(self) -> None:
        """Writes metadata and coordinates of a finished store again where they are not whole."""
        fresh = self.work / "template"
        self._write_template(fresh)
        new = inventory.take(fresh)
        try:
            files = inventory.read(self.store, TEMPLATE)
        except (FileNotFoundError, ValueError):
            files = new
        for name in new:
            path = self.store / name
            if name in files and not inventory.check(
                self.store, {name: files[name]}, read_all=True
            ):
                continue
            sweep(path.parent, alone=True)
            with writing(path) as partial:
                shutil.copyfile(fresh / name, partial)
            files = files | {name: new[name]}
        inventory.write(self.store, files, TEMPLATE)

    def _record(self, number: int) -> Path:
        return self.work / "shards" / f"{number}.json"

    @property
    def num_shards(self) -> int:
        return int(-(-self.plan["source"]["num_times"] // self.plan["shard_times"]))

    def missing(self) -> list[int]:
        """Numbers of the shards that are not written yet."""
        return [n for n in range(0 if self.is_done else self.num_shards) if self._read(n) is None]

    def missing_together(self) -> list[list[int]]:
        """The numbers in runs that are best written together: where chunks are longer than a shard,
        several."""
        together = shards_together(self._analysis)
        found: list[list[int]] = []
        for number in self.missing():
            if found and number == found[-1][-1] + 1 and len(found[-1]) < together:
                found[-1].append(number)
            else:
                found.append([number])
        return found

    def _read(self, number: int) -> dict[str, Any] | None:
        try:
            shard = read_document(self._record(number), "moments", *RECORD)
        except (FileNotFoundError, ValueError):
            return None
        return None if damage(self._place, shard, read=False) else shard

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
        statistics = statistics_of(moments, channels, place=partial(_infinite_between, shards))
        warn_implausible(channels, statistics.lowest, statistics.highest)
        manifest = {
            "plan": self.plan,
            "channels": self.plan["channels"],
            "statistics": statistics.to_dict(),
            "missing": np.sum([shard["missing"] for shard in shards], 0).tolist(),
            "left_out": self.left_out,
            "versions": {name: version(name) for name in VERSIONS},
            "shards": shards,
        }
        place = self._place
        files = {shard["file"]: (shard["bytes"], shard["sha256"]) for shard in shards}
        inventory.write(place, files, SHARDS, {"plan": _without_address(self.plan)})
        write_manifest(self.store, manifest)
        if place != self.store:
            clearing.replace(self.store, place)
        (self.work / "plan.json").unlink()
        remove(self.work)
        self.is_done = True
        return manifest


def _infinite_between(shards: Sequence[Mapping[str, Any]], index: int) -> str:
    """The times of the first shard in which a channel is infinite."""
    found = (s["times"] for s in shards if Moments.from_dict(s["moments"]).infinite[index])
    return "between {} and {}".format(*next(found))


def _plan(recipe: Recipe, analysis: Analysis) -> dict[str, Any]:
    """Everything that decides a training store, JSON-ready."""
    channels, grid, times = analysis.channels, analysis.grid, analysis.times
    spacing = analysis.cadence
    step = times_per_step(spacing, recipe.model_step)
    numbers = xr.DataArray(np.arange(len(times)), {TIME: analysis.dataset[TIME]}, TIME)
    train = numbers.sel({TIME: slice(*recipe.train)}).values
    if not len(train):
        raise ValueError(
            f"data.train: {recipe.train[0]} to {recipe.train[1]} holds no time of "
            f"{recipe.name}, which has {times[0]} to {times[-1]}"
        )
    sample = analysis.read(sorted({0, len(times) // 2, len(times) - 1}))
    source = {
        "num_times": len(times),
        "first_time": str(times[0])[:19],
        "last_time": str(times[-1])[:19],
        "times": hashlib.sha256(" ".join(map(str, times)).encode()).hexdigest()[:16],
        "sample": hashlib.sha256(sample.tobytes()).hexdigest()[:16],
    }
    plan = {
        "recipe": recipe.written,
        "source": source,
        "channels": channels.to_list(),
        "grid": grid.to_dict(),
        "shard_times": Layout.of(len(channels), grid.areas.size).shard[0],
        "step": step,
        **_span(spacing * step),
        "train_index": [int(train[0]), int(train[-1]) + 1],
    }
    # Tuples become lists, as they will be when it is read again.
    converted: dict[str, Any] = json.loads(json.dumps(plan))
    return converted


def _span(span: np.timedelta64) -> dict[str, float]:
    if in_months(span):
        return step_numbers(span)
    return {"span_seconds": int(span / np.timedelta64(1, "s"))}


def _without_address(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan without what says where its analysis is; what is said of each of several stores."""
    recipe = {key: value for key, value in plan["recipe"].items() if key not in ADDRESS}
    if isinstance(stores := plan["recipe"].get("store"), list):
        recipe["stores"] = [
            {k: v for k, v in store.items() if k not in ADDRESS} if isinstance(store, dict) else {}
            for store in stores
        ]
    return {**plan, "recipe": recipe}


def _refuse_other(plan: Mapping[str, Any], wanted: Mapping[str, Any], there: Path) -> None:
    """Raises if the store that is there was made of something else."""
    plan, wanted = _without_address(plan), _without_address(wanted)
    for section in ("recipe", "source", "channels", "grid", "step", "shard_times"):
        old, new = plan[section], wanted[section]
        if old == new:
            continue
        name = section
        if isinstance(new, dict):
            key = next(key for key in {**new, **old} if old.get(key) != new.get(key))
            name, old, new = f"{section}.{key}", old.get(key), new.get(key)
        if name == "grid" or section == "grid":
            old, new = f"{len(old)} values", f"{len(new)} values"
        raise ValueError(
            f"{there}: was made with {name} {old!r}, but now it is {new!r}; "
            "run with --force to start over, or set another output"
        )
