"""Sums of blocks of initial times, kept in files that are known by all that they follow from.

A file is `<first day>-<key>.sums`; its key is a checksum of the block's forecasts, of the fitted
baselines, regions and labels, and of this machine's arithmetic. It holds checksums of the states
that verify the forecasts and that baselines start from, too, and is compared with them when these
are read. So no file can be stale: where anything differs, the block is scored again.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from axialcast.baselines.baseline import Baseline
from axialcast.files import inventory
from axialcast.files.atomic import remove, sweep, writing
from axialcast.scores.blocks import Block
from axialcast.scores.sums import Sums
from axialcast.times.dates import date_text
from axialcast.times.steps import in_months

__all__ = ["KeptSums", "Known", "checksum"]

FORMAT = 4
STATES, ANALYSIS = "of states", "of analysis"
_NAME = re.compile(r"-?\d+-\d\d-\d\d-[0-9a-f]{64}\.(sums|json)")


@dataclass(frozen=True, eq=False)
class Known:
    """Sums as they were kept.

    Args:
        states: (n, 32) checksums of the states that they are of.
        analysis: what the analysis was, empty if that was not known.
    """

    sums: Sums
    states: NDArray[np.uint8]
    analysis: str


@dataclass(frozen=True)
class KeptSums:
    """A folder of sums. Processes that score different blocks may all write there.

    Args:
        folder: where; made if it is missing.
        contents: a checksum of all of a forecast's values by its initial time, a date or its text
            in ISO 8601 (see `axialcast.forecast.ForecastStore.contents`).
        warn: told one line for each file that is damaged; its block is computed anew.
        analysis: text that is another whenever any value of the analysis is. Sums that were kept
            with the same are taken without reading it; None: its states are always compared.

    Attributes:
        taken, made: first days of the blocks whose sums were taken from here, and of the others.
    """

    folder: Path
    contents: Mapping[Any, str]
    warn: Callable[[str], object] = print
    analysis: str | None = None
    taken: list[np.datetime64] = field(default_factory=list, init=False)
    made: list[np.datetime64] = field(default_factory=list, init=False)

    def fits(self, models: Mapping[str, Baseline | None], climatology: Baseline) -> str:
        """A checksum of what was fitted.

        Raises:
            ValueError: a model does not say what it consists of.
        """
        for name, model in models.items():
            if not (model is None or (hasattr(model, "parts") and hasattr(model, "states"))):
                raise ValueError(
                    f"baselines: {name!r}, a {type(model).__name__}, does not say what it consists "
                    "of, so its scores cannot be kept; give it `parts` and `states`, or evaluate "
                    "without keeping"
                )
        return checksum([climatology, *([name, model] for name, model in models.items())])

    def keys(
        self, blocks: Sequence[Block], lead_times: Any, fits: str, others: Mapping[str, Any]
    ) -> list[str]:
        """What the sums of each block are known by, besides the states.

        Args:
            fits: a checksum of what was fitted.
            others: whatever else they follow from, by name.

        Raises:
            ValueError: an initial time has no checksum.
        """
        common = {
            "format": FORMAT,
            "axialcast": version("axialcast"),
            "arithmetic": _arithmetic(),
            "lead times": lead_times if in_months(lead_times) else lead_times.astype("m8[ns]"),
            "fits": fits,
            **others,
        }
        shared = checksum(common)
        contents = {_label(time): text for time, text in self.contents.items()}
        keys = []
        for block in blocks:
            inits = [_label(time) for time in block.init_times]
            absent = [time for time in inits if time not in contents]
            if absent:
                raise ValueError(
                    f"contents: no checksum of the forecast from {str(absent[0])[:16]}; give one "
                    "for each initial time that is scored"
                )
            keys.append(checksum([shared, inits, [contents[time] for time in inits]]))
        return keys

    def load(self, block: Block, key: str) -> Known | None:
        """The sums of a block, None if they are not here."""
        path = self._path(block, key)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        digest, body = data[:64], data[64:]
        try:
            if digest == _seal(key, body):
                sums = dict(load(body))
                states, analysis = sums.pop(STATES), sums.pop(ANALYSIS)
                return Known(sums, states, analysis.tobytes().decode())
        except (SafetensorError, KeyError):
            pass
        self.warn(f"{path}: damaged, its checksum differs; these initial times are scored again")
        remove(path)
        return None

    def save(self, block: Block, key: str, sums: Sums, states: NDArray[np.uint8]) -> None:
        """Keeps the sums of a block of these states, as a whole or not at all."""
        analysis = np.frombuffer((self.analysis or "").encode(), np.uint8)
        arrays = {**sums, STATES: states, ANALYSIS: analysis}
        # safetensors writes arrays as they lie in memory, whatever their order.
        body = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
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


def checksum(value: Any) -> str:
    """SHA-256 of a value: datasets, arrays, numbers, text, baselines, and what holds them."""
    digest = hashlib.sha256()
    _update(digest, value, {})
    return digest.hexdigest()


def _update(digest: Any, value: Any, known: dict[int, tuple[Any, str]]) -> None:
    """Adds a value, with marks that tell its kind and length from those of what follows.

    Args:
        known: baselines by identity, and their checksums: a climatology that several rest on is
            looked at once.
    """
    if isinstance(value, xr.Dataset):
        coords = {str(name): value[name].variable for name in sorted(map(str, value.coords))}
        fields = {str(name): array.variable for name, array in value.data_vars.items()}
        _update(digest, ["dataset", coords, fields], known)
    elif isinstance(value, xr.Variable):
        _update(digest, ["variable", list(map(str, value.dims)), value.values], known)
    elif isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        assert array.dtype != object, "what is kept consists of numbers and text"
        digest.update(f"array {array.dtype.str} {array.shape};".encode())
        digest.update(array.view(np.uint8) if array.size else b"")
    elif isinstance(value, Mapping):
        _update(digest, ["mapping", *([str(key), item] for key, item in value.items())], known)
    elif isinstance(value, list | tuple):
        digest.update(f"list {len(value)};".encode())
        for item in value:
            _update(digest, item, known)
    elif hasattr(value, "parts"):
        if id(value) not in known:
            kind, own = type(value), hashlib.sha256()
            _update(own, [f"{kind.__module__}.{kind.__qualname__}", value.parts()], known)
            known[id(value)] = value, own.hexdigest()
        _update(digest, ["baseline", known[id(value)][1]], known)
    else:
        assert value is None or isinstance(value, str | int | float | bool), type(value)
        text = repr(value)
        digest.update(f"{type(value).__name__} {len(text)} {text};".encode())


def _label(time: Any) -> str:
    """A date of any calendar, or its text, by which it is known."""
    if isinstance(time, str):
        return time.replace(" ", "T")[:19] + "0000-01-01T00:00:00"[len(time) :]
    return date_text(time)


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
