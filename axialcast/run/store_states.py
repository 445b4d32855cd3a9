"""What tells that a data store is another than it was, without reading its values."""

import glob
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from axialcast.disclosure import identity
from axialcast.files import inventory
from axialcast.run.config import Config
from axialcast.run.stores import Stores, places

__all__ = ["checksum_of", "has_inventory", "store_state"]

ZARR_METADATA = ("zarr.json", ".zmetadata", ".zgroup", ".zattrs", ".zarray")
"""Files of a store that change when its arrays do."""


def store_state(config: Config, stores: Stores) -> str | dict[str, str]:
    """What changes when a store's data do; of several, by their numbers, or what is said of one."""
    options = config.data.storage_options if config.data else {}
    if isinstance(stores, str):
        return _state(stores, options)
    found = {}
    for number, (store, place) in enumerate(zip(stores, places(stores), strict=True)):
        said = {} if isinstance(store, str) else dict(store)
        state = _state(place, said.pop("storage_options", options))
        said.pop("store", None)
        found[str(number)] = checksum_of([state, said]) if said else state
    return found


def has_inventory(store: str) -> bool:
    """Whether a store is ours, with checksums of all that it holds."""
    return (Path(store) / inventory.FOLDER).is_dir()


def _state(store: str, options: Mapping[str, Any]) -> str:
    """What changes when a store's data do: its inventory, or else files, their sizes and times; of
    a URL, what says which data are there, without secrets."""
    if "://" in store:
        # A checksum, for any part of an address may come from the environment.
        return checksum_of(identity(store, options))
    if has_inventory(store):
        return checksum_of(inventory.fingerprint(inventory.read(Path(store))))
    files: list[Path] = []
    for match in sorted(glob.glob(store)) or [store]:
        path = Path(match)
        if path.is_dir():
            # Groups and arrays, not chunks: there may be millions.
            for name in ZARR_METADATA:
                files += sorted([*path.glob(name), *path.glob(f"*/{name}")])
        elif path.exists():
            files.append(path)
    return checksum_of([(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in files])


def checksum_of(value: Any) -> str:
    """Text that differs where JSON-ready values do."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
