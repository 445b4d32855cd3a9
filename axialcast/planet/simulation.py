"""Keeping a simulation: a Zarr store that grows block by block, to go on after a kill anywhere.

While it grows, `<store>.unfinished` holds `made_from.json` (what decides the run), `store` (the
Zarr store, with an inventory for each block that is whole) and `states/<step>.npz`, the model's
state at the start of each block. A state is written after the block before it.
"""

import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import xarray as xr
import zarr
from numpy.typing import NDArray

from axialcast.files import clearing, inventory
from axialcast.files.atomic import remove, room_error, sweep, sync_all, write_json, writing
from axialcast.names import TIME

__all__ = ["Planet", "Simulation", "State"]

TEMPLATE = "template"
"""Name of the inventory of metadata and coordinates."""

TIMES_PER_CHUNK = 16_384
"""One chunk of times for many years: every reader needs them all."""


class State(Protocol):
    """What a planet needs to go on: a dataclass of numbers and arrays, `step` among them."""

    @property
    def step(self) -> int:
        """Output times since the start; negative before it."""
        ...


class Planet(Protocol):
    """What can be simulated, a block at a time.

    Attributes:
        times: of the output.
    """

    times: pd.DatetimeIndex

    @property
    def steps(self) -> list[int]:
        """At which step each block begins."""
        ...

    @property
    def block_bytes(self) -> int:
        """Memory that a block takes while it is made."""
        ...

    def time(self, step: int) -> pd.Timestamp:
        """When a step is."""
        ...

    def initial_state(self) -> Any:
        """The state in which the first block begins."""
        ...

    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> Any:
        """A state of its numbers and arrays by name."""
        ...

    def advance(self, state: Any) -> tuple[xr.Dataset | None, Any]:
        """The block that begins with a state, None before the start, and the state after it."""
        ...

    def template(self) -> xr.Dataset:
        """All of it with its times and attributes, a chunk of lazy zeros for each block."""
        ...


class Simulation:
    """A planet on its way into a store. All it knows is on disk, so it may be killed anywhere.

    Args:
        planet: what to simulate.
        store: where; what axialcast made there before is replaced at the end.
        made_from: what decides the store, JSON; kept until it is finished.
        attrs: more of the store's.

    Raises:
        ValueError: `store` is something that axialcast did not make.
        OSError: the disk is full: says how much room is needed.
    """

    def __init__(
        self,
        planet: Planet,
        store: Path,
        made_from: Mapping[str, Any],
        attrs: Mapping[str, str] | None = None,
    ) -> None:
        clearing.require_ours(store)
        self.planet, self.store, self.attrs = planet, store, attrs or {}
        self.work = store.with_name(f"{store.name}.unfinished")
        try:
            known = json.loads((self.work / "made_from.json").read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            # Without it a folder is what a kill left of the first moment or the last.
            known = self._begin(dict(made_from))
        self.made_from: dict[str, Any] = known
        """What decides the store that is there unfinished: compare it before going on."""

    @property
    def growing(self) -> Path:
        """The store while it is made."""
        return self.work / "store"

    def state(self) -> State | None:
        """Where to go on: before the first block whose bytes are not as they were written.

        None: the store is in its place, and all that remains is to `finish`.
        """
        for torn in self.growing.rglob("*.partial"):
            remove(torn)
        for folder in (self.work, self.work / "states"):
            sweep(folder, alone=True)
        if self._is_complete():
            return None
        if not self._is_whole(TEMPLATE):
            self._begin(self.made_from)
        steps = [*self.planet.steps, len(self.planet.times)]
        torn_block = next((n for n in steps if n >= 0 and not self._is_whole(_label(n))), steps[-1])
        known = (self._read(n) for n in reversed(steps) if n <= torn_block)
        return next((state for state in known if state), self.planet.initial_state())

    def blocks(self, state: State | None) -> Iterator[State]:
        """Simulates block after block and writes each; yields the state after it."""
        while state is not None and state.step < len(self.planet.times):
            block, after = self.planet.advance(state)
            if block is not None:
                self._write(block, state.step)
            with writing(self._path(after.step)) as partial, partial.open("wb") as file:
                np.savez(file, **vars(after))
            state = after
            yield state

    def finish(self) -> None:
        """Puts the store in its place and removes what led to it."""
        if self.growing.exists():
            files = inventory.read(self.growing)
            sync_all(self.growing)
            write_json(self.work / "complete.json", inventory.fingerprint(files))
            # One inventory from here on: it is read whenever a run starts.
            inventory.write(self.growing, files)
            for name in (TEMPLATE, *map(_label, self.planet.steps)):
                remove(self.growing / inventory.FOLDER / f"{name}.json")
            clearing.replace(self.store, self.growing)
        (self.work / "made_from.json").unlink()
        remove(self.work)

    def _is_complete(self) -> bool:
        """Whether the store was complete once, and is whole where it is now."""
        place = self.growing if self.growing.exists() else self.store
        try:
            complete = json.loads((self.work / "complete.json").read_text("utf-8"))
            there = inventory.fingerprint(inventory.read(place))
        except (FileNotFoundError, ValueError):
            return False
        return there == complete and not inventory.problems(place, read_all=True)

    def _begin(self, made_from: dict[str, Any]) -> dict[str, Any]:
        """Lays out the store anew: metadata and coordinates do not depend on how it is filled."""
        remove(self.work)
        template = self.planet.template().assign_attrs(self.attrs)
        try:
            _write_template(template, self.growing)
        except OSError as error:
            raise room_error(self.growing, error, template.nbytes) from error
        inventory.write(self.growing, inventory.take(self.growing), TEMPLATE)
        write_json(self.work / "made_from.json", made_from)
        return made_from

    def _write(self, block: xr.Dataset, step: int) -> None:
        """Writes the chunks of a block, then the inventory that says they are whole."""
        files = {}
        for name, variable in block.data_vars.items():
            # Chunks that hold one number throughout are written, too.
            array = zarr.open_array(
                self.growing / str(name), mode="r+", config={"write_empty_chunks": True}
            )
            index = (step // array.chunks[0], *[0] * (array.ndim - 1))
            chunk = f"{name}/{array.metadata.encode_chunk_key(index)}"
            # Zarr would read a chunk that is there to fill up the last one.
            (self.growing / chunk).unlink(missing_ok=True)
            try:
                array[step : step + len(variable)] = variable.values
            except OSError as error:
                left = block.nbytes // len(variable) * (len(self.planet.times) - step)
                raise room_error(self.growing / chunk, error, left) from error
            files[chunk] = inventory.entry(self.growing / chunk)
        inventory.write(self.growing, files, _label(step))

    def _is_whole(self, name: str) -> bool:
        """Whether the files of an inventory are as they were written."""
        try:
            files = inventory.read(self.growing, name)
        except (FileNotFoundError, ValueError):
            return False
        return not inventory.check(self.growing, files, read_all=True)

    def _path(self, step: int) -> Path:
        return self.work / "states" / f"{step}.npz"

    def _read(self, step: int) -> State | None:
        """A state that was kept; None: it was not, or is damaged."""
        try:
            with np.load(self._path(step), allow_pickle=False) as known:
                restored: State = self.planet.restored(known)
                return restored
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None


def _label(step: int) -> str:
    """Name of the inventory of the block that begins with a step."""
    return f"block-{step:06d}"


def _write_template(template: xr.Dataset, store: Path) -> None:
    times = template[TIME].to_index()
    unit = "hours" if (times.minute == 0).all() else "minutes"
    encoding: dict[str, dict[str, Any]] = {
        # A chunk that got lost reads as NaN, not as weather.
        str(name): {"chunks": variable.data.chunksize, "fill_value": np.nan, "_FillValue": None}
        for name, variable in template.data_vars.items()
    }
    encoding |= {str(name): {"_FillValue": None} for name in template.coords}
    since = f"{unit} since {times[0]:%Y-%m-%d %H:%M}"
    encoding[TIME] = {"units": since, "dtype": "int64", "chunks": (TIMES_PER_CHUNK,)}
    with warnings.catch_warnings():
        # Zarr warns that version 3 has not standardised consolidated metadata; xarray reads both.
        warnings.filterwarnings("ignore", "Consolidated metadata")
        template.to_zarr(store, mode="w-", compute=False, zarr_format=3, encoding=encoding)
