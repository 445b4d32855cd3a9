"""Sums of blocks of initial times, kept in files that are known by all that they follow from.

A file is `<first day>-<key>.sums`; its key is a checksum of the block's forecasts, of the states
that verify them and that baselines start from, of the fitted baselines, regions and labels, and of
this machine's arithmetic. So no file can be stale: where anything differs, another is looked for.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from safetensors import SafetensorError
from safetensors.numpy import load, save

from axialcast.baselines.persistence import Baseline, states_at
from axialcast.files import inventory
from axialcast.files.atomic import remove, sweep, writing
from axialcast.names import TIME
from axialcast.scores.blocks import Block
from axialcast.scores.sums import Sums
from axialcast.times.dates import Times

__all__ = ["KeptSums", "checksum"]

FORMAT = 1
READ_VALUES = 2**24
_NAME = re.compile(r"-?\d+-\d\d-\d\d-[0-9a-f]{64}\.(sums|json)")


@dataclass(frozen=True)
class KeptSums:
    """A folder of sums. One process at a time writes there.

    Args:
        folder: where; made if it is missing.
        contents: a checksum of all of a forecast's values by its initial time, a date or its text
            in ISO 8601 (see `axialcast.forecast.ForecastStore.contents`).
        warn: told one line for each file that is damaged; its block is computed anew.
        reading: goes through stretches of times whose states are read to compare them, for
            instance `axialcast.run.progress.track` with a description.
    """

    folder: Path
    contents: Mapping[Any, str]
    warn: Callable[[str], object] = print
    reading: Callable[[Sequence[Times]], Iterable[Times]] = iter

    def keys(
        self,
        blocks: Sequence[Block],
        analysis: xr.Dataset,
        lead_times: Any,
        models: Mapping[str, Baseline | None],
        others: Mapping[str, Any],
    ) -> list[str]:
        """What the sums of each block are known by.

        Args:
            others: whatever else they follow from, by name.

        Raises:
            ValueError: an initial time has no checksum, or a model does not say what it consists
                of.
        """
        for name, model in models.items():
            if not (model is None or (hasattr(model, "parts") and hasattr(model, "states"))):
                raise ValueError(
                    f"baselines: {name!r}, a {type(model).__name__}, does not say what it consists "
                    "of, so its scores cannot be kept; give it `parts` and `states`, or evaluate "
                    "without keeping"
                )
        common = {
            "format": FORMAT,
            "axialcast": version("axialcast"),
            "arithmetic": _arithmetic(),
            "lead times": lead_times.astype("timedelta64[ns]"),
            "models": [[name, model] for name, model in models.items()],
            **others,
        }
        shared = checksum(common)
        contents = {_ns(time): text for time, text in self.contents.items()}
        needed = [_needed(block.init_times, lead_times, models) for block in blocks]
        states = self._states(analysis, np.unique(np.concatenate(needed)))
        keys = []
        for block, times in zip(blocks, needed, strict=True):
            inits = _ns(block.init_times)
            absent = [time for time in inits if time not in contents]
            if absent:
                raise ValueError(
                    f"contents: no checksum of the forecast from {str(absent[0])[:16]}; give one "
                    "for each initial time that is scored"
                )
            forecasts = [contents[time] for time in inits]
            truths = [states[time] for time in times]
            keys.append(checksum([shared, inits, forecasts, times, truths]))
        return keys

    def load(self, block: Block, key: str) -> Sums | None:
        """The sums of a block, None if they are not here."""
        path = self._path(block, key)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        digest, body = data[:64], data[64:]
        try:
            if digest == _seal(key, body):
                return dict(load(body))
        except SafetensorError:
            pass
        self.warn(f"{path}: damaged, its checksum differs; these initial times are scored again")
        remove(path)
        return None

    def save(self, block: Block, key: str, sums: Sums) -> None:
        """Keeps the sums of a block, as a whole or not at all."""
        # safetensors writes arrays as they lie in memory, whatever their order.
        body = save({name: np.ascontiguousarray(array) for name, array in sums.items()})
        data = _seal(key, body) + body
        path = self._path(block, key)
        # First, so that whatever lies here is known to be ours.
        entry = len(data), hashlib.sha256(data).hexdigest()
        inventory.write(self.folder, {path.name: entry}, path.stem)
        with writing(path, needed=len(data)) as partial:
            partial.write_bytes(data)

    def clean(self, blocks: Sequence[Block], keys: Sequence[str]) -> None:
        """Leaves the sums of these blocks and one inventory of them.

        Removed are sums of other blocks and what writers that were killed have left.
        """
        paths = [self._path(block, key) for block, key in zip(blocks, keys, strict=True)]
        files = {path.name: inventory.entry(path) for path in paths}
        inventory.write(self.folder, files, "sums")
        for path in (*self.folder.iterdir(), *(self.folder / inventory.FOLDER).iterdir()):
            if _NAME.fullmatch(path.name) and path.name not in files:
                remove(path)
        sweep(self.folder, alone=True)
        sweep(self.folder / inventory.FOLDER, alone=True)

    def _path(self, block: Block, key: str) -> Path:
        return self.folder / f"{block.day}-{key}.sums"

    def _states(self, analysis: xr.Dataset, times: Times) -> dict[np.datetime64, str]:
        """A checksum of the analysis's states at each of the times, each read once."""
        per_time = sum(array.size for array in analysis.data_vars.values()) // analysis.sizes[TIME]
        size = max(1, READ_VALUES // max(1, per_time))
        found = {}
        parts = [times[first : first + size] for first in range(0, len(times), size)]
        for part in self.reading(parts):
            states = states_at(analysis, part)
            arrays = [np.ascontiguousarray(array.values) for array in states.data_vars.values()]
            for index, is_there in enumerate(np.isin(part, analysis[TIME].values)):
                digest = hashlib.sha256()
                for array in arrays:
                    digest.update(array[index])
                found[part[index]] = digest.hexdigest() if is_there else "absent"
        return found


def checksum(value: Any) -> str:
    """SHA-256 of a value: datasets, arrays, numbers, text, baselines, and what holds them."""
    digest = hashlib.sha256()
    _update(digest, value)
    return digest.hexdigest()


def _update(digest: Any, value: Any) -> None:
    """Adds a value, with marks that tell its kind and length from those of what follows."""
    if isinstance(value, xr.Dataset):
        coords = {str(name): value[name].variable for name in sorted(map(str, value.coords))}
        fields = {str(name): array.variable for name, array in value.data_vars.items()}
        _update(digest, ["dataset", coords, fields])
    elif isinstance(value, xr.Variable):
        _update(digest, ["variable", list(map(str, value.dims)), value.values])
    elif isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        assert array.dtype != object, "what is kept consists of numbers and text"
        digest.update(f"array {array.dtype.str} {array.shape};".encode())
        digest.update(array.view(np.uint8) if array.size else b"")
    elif isinstance(value, Mapping):
        _update(digest, ["mapping", *([str(key), item] for key, item in value.items())])
    elif isinstance(value, list | tuple):
        digest.update(f"list {len(value)};".encode())
        for item in value:
            _update(digest, item)
    elif hasattr(value, "parts"):
        kind = type(value)
        _update(digest, [f"{kind.__module__}.{kind.__qualname__}", value.parts()])
    else:
        assert value is None or isinstance(value, str | int | float | bool), type(value)
        text = repr(value)
        digest.update(f"{type(value).__name__} {len(text)} {text};".encode())


def _needed(init_times: Times, lead_times: Any, models: Mapping[str, Baseline | None]) -> Times:
    """Times (ns) of the states that a block's sums follow from, sorted, each once."""
    times = [np.add.outer(init_times, lead_times).ravel()]
    times += [model.states(init_times) for model in models.values() if model is not None]
    return np.unique(_ns(np.concatenate(times)))


def _ns(times: Any) -> Any:
    return np.asarray(times, dtype="datetime64[ns]")[()]


def _seal(key: str, body: bytes) -> bytes:
    return hashlib.sha256(key.encode() + body).hexdigest().encode()


def _arithmetic() -> str:
    """A checksum of a few sums of products, whose last bits vary with processor and threads."""
    products = []
    for rows, inner, columns, kind in (
        (30, 7000, 2, "f8"),
        (60, 7, 9000, "f4"),
        (8, 7000, 90, "f4"),
    ):
        left = np.sin(np.arange(rows * inner, dtype=kind)).reshape(rows, inner)
        right = np.cos(np.arange(inner * columns, dtype=kind)).reshape(inner, columns)
        products.append(left @ right)
    return checksum([np.__version__, products])
