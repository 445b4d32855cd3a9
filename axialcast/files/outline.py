"""A folder here that looks like a prefix of an object store, for those who only read."""

import os
from pathlib import Path
from typing import Any

import obstore

from axialcast.files.inventory import FOLDER
from axialcast.files.leasing import PROBE
from axialcast.files.mirroring import objects

__all__ = ["outline"]


def outline(store: Any, folder: Path, most_bytes: int | None) -> int:
    """Makes files of the names, sizes and times of a store's objects; how many there are.

    Args:
        store: an obstore store.
        folder: empty.
        most_bytes: of larger ones, and of those that an inventory names, the contents are left
            out; None: of none.
    """
    found = {name: meta for name, meta in objects(store).items() if not name.startswith(PROBE)}
    kept = tuple(name.partition(FOLDER)[0] for name in found if f"/{FOLDER}/" in name)
    for name, meta in found.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        is_named = name.startswith(kept) and f"/{FOLDER}/" not in name
        with path.open("wb") as file:
            if most_bytes is not None and (is_named or meta["size"] > most_bytes):
                file.truncate(meta["size"])
            else:
                for part in obstore.get(store, name).stream():
                    file.write(part)
        written = meta["last_modified"].timestamp()
        os.utime(path, (written, written))
    return len(found)
