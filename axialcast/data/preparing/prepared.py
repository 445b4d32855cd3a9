"""What stands beside a training store: a manifest with its statistics and checksums.

training.zarr         the states; see `axialcast.data.opening.stacked`
training.zarr.json    statistics, what is missing, a checksum of every shard, where it is from
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from axialcast.data.channels import Channels
from axialcast.data.normalize import Statistics

__all__ = [
    "broken_shards",
    "damage",
    "read_manifest",
    "sha256",
    "stored_statistics",
    "write_json",
    "write_manifest",
]


def read_manifest(store: Path | str) -> dict[str, Any]:
    """What the manifest beside a training store says.

    Raises:
        FileNotFoundError: there is none.
    """
    path = _manifest_path(Path(store))
    try:
        manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{store}: no manifest {path.name} beside it, so not a training store; "
            "remove it, or set another output"
        ) from None
    return manifest


def stored_statistics(
    store: Path | str, channels: Channels, *, train: tuple[str, str], step: int
) -> Statistics | None:
    """Statistics in a training store's manifest; None if it has none of just these.

    Args:
        store: any store at all.
        channels: of which, in which order; some of the store's.
        train: the training period that they must be of.
        step: how many times of the store one model step spans.
    """
    if not _manifest_path(Path(store)).exists():
        return None
    manifest = read_manifest(store)
    stored = list(Channels.from_list(manifest["channels"]))
    same = manifest["plan"]["recipe"]["train"] == list(train) and manifest["plan"]["step"] == step
    if not same or not set(channels) <= set(stored):
        return None
    index = [stored.index(channel) for channel in channels]
    values = {name: np.array(of)[index] for name, of in manifest["statistics"].items()}
    return Statistics(**values)


def broken_shards(store: Path | str) -> list[str]:
    """One line for each shard that is not as it was written: its file, its times, what is wrong.

    Reads every shard and compares its SHA-256 with the manifest's.
    """
    lines = []
    for shard in read_manifest(store)["shards"]:
        problem = damage(Path(store), shard)
        if problem:
            first, last = shard["times"]
            lines.append(f"{store}/{shard['file']} ({first} to {last}): {problem}")
    return lines


def damage(store: Path, shard: Mapping[str, Any], *, read: bool = True) -> str | None:
    """What is wrong with a shard, or None; `read`: look at its bytes, not only their number."""
    path = store / shard["file"]
    if not path.exists():
        return "missing"
    if path.stat().st_size != shard["bytes"]:
        return f"has {path.stat().st_size} bytes instead of {shard['bytes']}"
    if read and sha256(path) != shard["sha256"]:
        return "its bytes changed (SHA-256 differs)"
    return None


def sha256(path: Path) -> str:
    """Checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Writes a file under another name, then moves it: it is there as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(value, indent=1), encoding="utf-8")
    os.replace(temporary, path)


def write_manifest(store: Path, manifest: Mapping[str, Any]) -> None:
    """Writes the manifest beside a store."""
    write_json(_manifest_path(store), manifest)


def _manifest_path(store: Path) -> Path:
    return store.with_name(f"{store.name}.json")
