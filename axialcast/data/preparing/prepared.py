"""What stands beside a training store: a manifest with its statistics and checksums.

training.zarr         the states; see `axialcast.data.opening.kinds.stacked`
training.zarr.json    statistics, what is missing, a checksum of every shard, where it is from, and
                      a checksum of all this
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.data.channels import Channels
from axialcast.data.normalize import Statistics
from axialcast.files import inventory
from axialcast.files.atomic import write_json
from axialcast.files.documents import read_document

__all__ = [
    "broken_shards",
    "damage",
    "manifest_path",
    "read_manifest",
    "stored_statistics",
    "write_manifest",
]


def read_manifest(store: Path | str) -> dict[str, Any]:
    """What the manifest beside a training store says.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged.
    """
    path = manifest_path(Path(store))
    try:
        manifest = read_document(path, "plan", "channels", "statistics")
        # Version 0.1.0 wrote none.
        checksum = manifest.pop("sha256", None)
        intact = checksum in (None, _checksum(manifest))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{store}: no manifest {path.name} beside it, so not a training store; "
            "remove it, or set another output"
        ) from None
    except ValueError as error:
        raise ValueError(f"{error}; remove it and prepare again") from None
    if not intact:
        raise ValueError(f"{path}: damaged, its checksum differs; remove it and prepare again")
    return manifest


def stored_statistics(
    store: Any,
    channels: Channels,
    *,
    train: tuple[str, str],
    step: int,
    log1p: NDArray[np.float64] | None = None,
) -> Statistics | None:
    """Statistics in a training store's manifest; None if it has none of just these.

    Args:
        store: any store at all.
        channels: of which, in which order; some of the store's.
        train: the training period that they must be of.
        step: how many times of the store one model step spans.
        log1p: (c,) as of Statistics. A manifest has them of values as they are, so that another
            scale asks for no other store.
    """
    if not isinstance(store, str | Path) or (log1p is not None and log1p.any()):
        return None
    if not manifest_path(Path(store)).exists():
        return None
    manifest = read_manifest(store)
    try:
        plan, stored = manifest["plan"], list(Channels.from_list(manifest["channels"]))
        same = plan["recipe"]["train"] == list(train) and plan["step"] == step
        if not same or not set(channels) <= set(stored):
            return None
        index = [stored.index(channel) for channel in channels]
        values = {name: np.array(of)[index] for name, of in manifest["statistics"].items()}
        return Statistics(**values)
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError(
            f"{manifest_path(Path(store))}: damaged, its plan, channels and statistics do not fit "
            "one another; remove it and prepare again"
        ) from None


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
    files = {shard["file"]: (shard["bytes"], shard["sha256"])}
    problems = inventory.check(store, files, read_all=read)
    return problems[0].what if problems else None


def write_manifest(store: Path, manifest: Mapping[str, Any]) -> None:
    """Writes the manifest beside a store, with a checksum of itself."""
    write_json(manifest_path(store), {**manifest, "sha256": _checksum(manifest)})


def manifest_path(store: Path) -> Path:
    """Where the manifest of a store is."""
    return store.with_name(f"{store.name}.json")


def _checksum(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest).encode()).hexdigest()
