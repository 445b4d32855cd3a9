"""Fits of the training period, kept in files and known by all that they follow from.

A fit is `<kind>-<key>.<name>.npy`, one file for each of its arrays, and an inventory of them; its
key is a checksum of the training data's state, the labels and the settings. So none can be stale:
where anything differs, another is looked for. A newer fit of a kind takes the place of the last.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.data.reader import Analysis
from axialcast.files import inventory
from axialcast.files.atomic import remove, sweep, writing
from axialcast.times.calendars import time_text

__all__ = ["Arrays", "KeptFits"]

Arrays = dict[str, NDArray[Any]]

FORMAT = 2
MAPPED_BYTES = 2**26
"""Larger arrays are mapped into memory, not read."""


@dataclass(frozen=True)
class KeptFits:
    """A folder of fits. One process at a time writes there.

    Args:
        folder: where; made if it is missing.
        made_from: what tells the training data from others, JSON: the store's state, the period
            and how it was opened (see `axialcast.run.stamps.training_data`).
        warn: told one line for each fit that is damaged; it is made anew.
    """

    folder: Path
    made_from: Mapping[str, Any]
    warn: Callable[[str], object] = print

    def load(self, kind: str, training: Analysis, settings: Mapping[str, Any]) -> Arrays | None:
        """The arrays of a fit, None if it is not here.

        Args:
            kind: what was fitted.
            training: what on.
            settings: how, JSON.
        """
        name = self._name(kind, training, settings)
        try:
            files = inventory.read(self.folder, name)
            damage = inventory.check(self.folder, files, read_all=True)
        except FileNotFoundError:
            return None
        except ValueError as error:
            self.warn(f"{error}; it is fitted again")
            return None
        if damage:
            self.warn(f"{damage[0]}; it is fitted again")
            return None
        return {file[len(name) + 1 : -4]: _read(self.folder / file) for file in files}

    def save(
        self, kind: str, training: Analysis, settings: Mapping[str, Any], arrays: Arrays
    ) -> None:
        """Keeps the arrays of a fit, as a whole or not at all, and no other fit of its kind."""
        name = self._name(kind, training, settings)
        (self.folder / inventory.FOLDER).mkdir(parents=True, exist_ok=True)  # so that it is ours
        self._clear(kind)
        files: inventory.Files = {}
        for key, array in arrays.items():
            path = self.folder / f"{name}.{key}.npy"
            with writing(path, needed=array.nbytes) as partial, partial.open("wb") as file:
                np.save(file, array, allow_pickle=False)
            files[path.name] = inventory.entry(path)
        inventory.write(self.folder, files, name)

    def _clear(self, kind: str) -> None:
        """Removes the fits of a kind, and what writers that were killed have left."""
        ours = re.compile(re.escape(kind) + r"-[0-9a-f]{32}(\.\w+\.npy|\.json)")
        for folder in (self.folder / inventory.FOLDER, self.folder):
            for path in folder.iterdir():
                if ours.fullmatch(path.name):
                    remove(path)
            sweep(folder, alone=True)

    def _name(self, kind: str, training: Analysis, settings: Mapping[str, Any]) -> str:
        key = {
            "format": FORMAT,
            "axialcast": version("axialcast"),
            "numpy": np.__version__,
            "made from": dict(self.made_from),
            "channels": training.channels.to_list(),
            "grid": training.grid.to_dict(),
            "times": [len(training), *(time_text(time) for time in training.times[[0, -1]])],
            "settings": dict(settings),
        }
        text = json.dumps(key, sort_keys=True)
        return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _read(path: Path) -> NDArray[Any]:
    mapped: Any = "r" if path.stat().st_size > MAPPED_BYTES else None
    return np.asarray(np.load(path, mmap_mode=mapped, allow_pickle=False))
