"""A forecast store: a set of initial times, each complete or absent.

    forecast.zarr/
      zarr.json, init_time/, lead_time/, latitude/, …   labels: plain Zarr, for every tool
      <variable>/c/<n>/…                                chunks of the n-th initial time, no other's
      .inventory/labels.json                            checksums of the labels, and whose they are
      .inventory/2009-01.json                           checksums of all that the complete initial
                                                        times of a month consist of

An initial time is complete when its month's inventory names it; until then it reads as NaN.
Initial times are sorted, and stores of equal forecasts are equal to the byte, whoever wrote what in
which order. Any number of processes may write at once: each encodes and writes aside, then moves
what it made into place while it alone holds the store, for milliseconds.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from axialcast.files import inventory
from axialcast.files.atomic import aside, remove, sweep
from axialcast.files.holding import hold
from axialcast.forecast import growth
from axialcast.forecast.layout import Layout, arranged, canonical, init_dim
from axialcast.forecast.ownership import (
    LABELS,
    labels_are_damaged,
    labels_of,
    opened,
    refuse_other,
    short,
)
from axialcast.names import INIT_TIME
from axialcast.times.dates import date_text, datetimes

__all__ = ["ForecastStore", "Staged"]

WAIT_SECONDS = 600.0
"""How long another process may hold the store: it does so for milliseconds, or is dead."""


class Staged(NamedTuple):
    """One initial time, written aside.

    Args:
        date: as text.
        folder: holds `<variable>/<chunk key>`.
        files: size and SHA-256 by `<variable>/<chunk key>`.
        inputs: checksum of the states it was made of.
    """

    date: str
    folder: Path
    files: inventory.Files
    inputs: str


class ForecastStore:
    """The forecasts in a folder.

    Args:
        path: the folder.

    Raises:
        FileNotFoundError: there is no forecast store.
        ValueError: its labels are damaged, or it was made by another program.

    Example:
        >>> store = ForecastStore("runs/quickstart/forecast.zarr")
        >>> store.dataset().geopotential.sel(init_time="2005-01-01", level=500)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / "zarr.json").exists():
            raise FileNotFoundError(f"{self.path}: no such forecast; run the pipeline forecast")
        if (self.path / growth.GROWING).exists():
            with hold(self.path, wait_seconds=WAIT_SECONDS):
                growth.finish(self.path)
        self._read_at: tuple[int, int] | None = None
        self._number: dict[str, int] = {}
        self._numbers()

    @classmethod
    def prepare(
        cls,
        path: str | Path,
        template: xr.Dataset,
        *,
        belongs_to: Mapping[str, Any] | None = None,
        layout: Layout = "axialcast",
    ) -> "ForecastStore":
        """A store with room for a template's initial times, made or grown as that needs.

        Initial times that are there stay as they are, new ones are absent. Labels that are damaged
        are written again.

        Args:
            path: the folder.
            template: labels of what will be written (see Forecaster.template).
            belongs_to: what decides the values, JSON: the checkpoint and the like.
            layout: axialcast, or weatherbench2 (`time` for init_time, `prediction_timedelta` for
                lead_time, no valid_time, longitudes 0 to 360).

        Raises:
            ValueError: what is there is of something else: names what differs.
            OSError: the disk is full.
        """
        path, template = Path(path), arranged(template, layout)
        whose = json.loads(json.dumps(dict(belongs_to or {})))
        wanted = {date_text(time): time for time in template[init_dim(template)].values}
        with hold(path, wait_seconds=WAIT_SECONDS):
            _sweep(path)
            growth.finish(path)
            if any((path / name).exists() for name in (".zgroup", ".zmetadata", ".zattrs")):
                raise ValueError(
                    f"{path}: is a Zarr store of version 2; remove it, or write elsewhere"
                )
            old, about = list[str](), {"belongs_to": whose}
            if (path / "zarr.json").exists() or inventory.inventories(path):
                old, known = labels_of(path)
                refuse_other(path, known, whose, template)
                with suppress(FileNotFoundError, ValueError):
                    about = inventory.about(path, LABELS)
            dates = sorted({*old, *wanted})
            if dates != old or labels_are_damaged(path):
                times = datetimes(dates, like=template[init_dim(template)].values)
                labels = growth.with_init_times(template, times)
                growth.begin(path, labels, dates=dates, old=old, about=about)
                growth.finish(path)
            store = cls(path)
            store._remove_unpublished()
        return store

    @classmethod
    def owner(cls, path: str | Path) -> dict[str, Any] | None:
        """What decides the values of a store at `path`, as far as it is there; None: not known."""
        try:
            known: dict[str, Any] = inventory.about(Path(path), LABELS)["belongs_to"]
        except (FileNotFoundError, ValueError):
            return None
        return known

    @property
    def belongs_to(self) -> dict[str, Any]:
        """What decides the values, as `prepare` was told."""
        return self.owner(self.path) or {}

    @property
    def num_init_times(self) -> int:
        """Initial times that it has room for, complete or absent."""
        return len(self._numbers())

    @property
    def checked_against(self) -> Any:
        """State of the analysis that the complete initial times were last compared with."""
        return inventory.about(self.path, LABELS).get("checked_against")

    @checked_against.setter
    def checked_against(self, state: Any) -> None:
        if state != self.checked_against:
            with self._held():
                about = inventory.about(self.path, LABELS) | {"checked_against": state}
                inventory.write(self.path, inventory.read(self.path, LABELS), LABELS, about)

    def complete(self) -> dict[str, str]:
        """The complete initial times as text, sorted, with a checksum of what each was made of.

        Raises:
            ValueError: a month's inventory is damaged.
        """
        found: dict[str, str] = {}
        for month in growth.months(self.path):
            found |= inventory.about(self.path, month)["init_times"]
        return dict(sorted(found.items()))

    def dataset(self, init_times: Iterable[Any] | None = None) -> xr.Dataset:
        """The complete initial times, of these if any are given, sorted, with our names.

        Values are read when they are asked for, each chunk decoded directly; `.chunk()` makes dask
        arrays of them. A chunk that is missing or damaged is then a ValueError.
        """
        complete = self.complete()
        wanted = complete if init_times is None else {date_text(time) for time in init_times}
        chosen = [n for date, n in self._numbers().items() if date in complete and date in wanted]
        return canonical(opened(self.path)).isel({INIT_TIME: chosen})

    def contents(self) -> dict[str, str]:
        """A checksum of all that is stored of each complete initial time, by its date as text."""
        dates, parts = list(self._numbers()), dict[str, list[str]]()
        for month in growth.months(self.path):
            for file, (size, checksum) in inventory.read(self.path, month).items():
                variable, _, rest = file.partition("/c/")
                number, _, key = rest.partition("/")
                part = f"{variable} {key} {size} {checksum}"
                parts.setdefault(dates[int(number)], []).append(part)
        return {
            date: hashlib.sha256("\n".join(sorted(of)).encode()).hexdigest()
            for date, of in sorted(parts.items())
        }

    def missing(self, init_times: Iterable[Any]) -> list[int]:
        """Positions of those initial times that are absent or lack a part.

        What is found damaged counts as absent from then on.
        """
        with self._held():
            for damage in inventory.problems(self.path):
                self._forget(damage.path)
        complete = self.complete()
        return [n for n, time in enumerate(init_times) if date_text(time) not in complete]

    def drop(self, init_times: Iterable[Any]) -> None:
        """Counts initial times as absent from now on."""
        with self._held():
            self._drop({date_text(time) for time in init_times})

    def sweep(self, *, alone: bool = False) -> None:
        """Removes what writers that are gone left.

        Args:
            alone: whether no process of another host writes here.
        """
        with self._held():
            sweep(self.path, alone=alone)
            sweep(self.path / inventory.FOLDER, alone=alone)

    def staging(self) -> Path:
        """A new folder in the store, for what is to be published."""
        folder = aside(self.path / "staged")
        folder.mkdir()
        return folder

    def publish(self, staged: Sequence[Staged]) -> None:
        """Moves initial times into place and counts them as complete.

        One that another process completed meanwhile stays as it is.
        """
        with self._held():
            numbers = self._numbers()
            for month, ones in groupby(staged, lambda one: one.date[:7]):
                files, known = self._month(month)
                for one in ones:
                    if one.date in known:
                        continue
                    for folder in sorted(one.folder.iterdir()):
                        place = self.path / folder.name / "c" / str(numbers[one.date])
                        remove(place)
                        place.parent.mkdir(exist_ok=True)
                        folder.rename(place)
                    known[one.date] = one.inputs
                    for name, entry in one.files.items():
                        variable, _, key = name.partition("/")
                        files[f"{variable}/c/{numbers[one.date]}/{key}"] = entry
                self._write_month(month, files, known)

    @contextmanager
    def _held(self) -> Iterator[None]:
        with hold(self.path, wait_seconds=WAIT_SECONDS):
            growth.finish(self.path)
            yield

    def _numbers(self) -> dict[str, int]:
        """Number of each initial time, by its date; read again when the store has grown."""
        path = self.path / inventory.FOLDER / f"{LABELS}.json"
        try:
            found = path.stat()
        except FileNotFoundError:
            raise ValueError(
                f"{path}: missing, so these forecasts were not made by this version, or lost it; "
                f"remove {self.path} and run the pipeline forecast again"
            ) from None
        if self._read_at != (found.st_ino, found.st_mtime_ns):
            dates = inventory.about(self.path, LABELS)["init_times"]
            self._number = {date: number for number, date in enumerate(dates)}
            self._read_at = (found.st_ino, found.st_mtime_ns)
        return self._number

    def _month(self, month: str) -> tuple[inventory.Files, dict[str, str]]:
        try:
            files = inventory.read(self.path, month)
            return files, inventory.about(self.path, month)["init_times"]
        except FileNotFoundError:
            return {}, {}

    def _write_month(self, month: str, files: inventory.Files, known: dict[str, str]) -> None:
        if known:
            about = {
                "belongs_to": short(self.belongs_to),
                "init_times": dict(sorted(known.items())),
            }
            inventory.write(self.path, files, month, about)
        else:
            remove(self.path / inventory.FOLDER / f"{month}.json")

    def _remove_unpublished(self) -> None:
        """Removes chunks of initial times that are absent: a killed process published them in part.

        Where an inventory is damaged, what is of its month cannot be told from them and stays.
        """
        try:
            files = [f for m in growth.months(self.path) for f in inventory.read(self.path, m)]
        except ValueError:
            return
        kept = {(file.partition("/")[0], str(growth.number_of(file))) for file in files}
        for variable in canonical(opened(self.path)).data_vars:
            chunks = self.path / str(variable) / "c"
            for name in set(os.listdir(chunks)) if chunks.is_dir() else ():
                if name.isdigit() and (variable, name) not in kept:
                    remove(chunks / name)

    def _forget(self, damaged: Path) -> None:
        """Counts what a damaged chunk or inventory is of as absent."""
        name = damaged.relative_to(self.path).as_posix()
        if damaged.parent.name == inventory.FOLDER:
            remove(damaged)
        elif name not in inventory.read(self.path, LABELS):
            self._drop({list(self._numbers())[growth.number_of(name)]})

    def _drop(self, dates: set[str]) -> None:
        numbers = self._numbers()
        for month in {date[:7] for date in dates}:
            files, known = self._month(month)
            gone = {numbers[date] for date in dates if date in known}
            kept = {name: e for name, e in files.items() if growth.number_of(name) not in gone}
            left = {date: inputs for date, inputs in known.items() if date not in dates}
            self._write_month(month, kept, left)


def _sweep(path: Path) -> None:
    """Removes what writers that are gone left in a store."""
    sweep(path)
    sweep(path / inventory.FOLDER)
