"""Saved states: what a training goes on from, each whole or not there.

states/
  00001234/               the step
    tensors.safetensors   network, averaged network, optimizer, random numbers, each by name
    state.json            the position, what the training is made from, the place in the log
    .inventory/           sizes and checksums of both

Names of tensors say the part and the parameter (`optimizer.head.weight.exp_avg`), so that several
processes can write a file each of what they hold.
"""

import errno
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from axialcast import inventory
from axialcast.atomic import aside, remove, sweep, sync, write_text
from axialcast.tensors import Snapshot
from axialcast.training.log import Log, Mark

__all__ = ["SavedState", "discard", "newest_state", "steps_in", "write_state"]

FORMAT = 1
TENSORS, DESCRIPTION = "tensors.safetensors", "state.json"


@dataclass(frozen=True)
class SavedState:
    """A training between two updates.

    Args:
        path: its folder.
        position: as `Training.position`.
        mark: the place in the log.
        made_from: what decides the outcome, by name.
        beside: what may, by name: devices, versions.
    """

    path: Path
    position: Mapping[str, Any]
    mark: Mark
    made_from: Mapping[str, Any]
    beside: Mapping[str, Any]

    @property
    def step(self) -> int:
        return int(self.position["step"])

    def tensors(self) -> dict[str, Tensor]:
        """As `Training.tensors`, read anew, on the CPU."""
        return load_file(self.path / TENSORS)


def newest_state(folder: Path, log: Path) -> SavedState | None:
    """The newest state in a folder that is whole, and whose log is; None: there is none.

    Every byte is compared. For each newer one, a line on stderr says what is damaged.

    Raises:
        ValueError: it has another format.
    """
    sweep(folder)
    steps = steps_in(folder)
    for step in reversed(steps):
        path = folder / f"{step:08d}"
        reason = _problem(path, log)
        if reason is None:
            return _read(path)
        rest = "an older state" if step > steps[0] else "no other state is there: starts over"
        print(f"train: {reason}; {rest}", file=sys.stderr)
    return None


def write_state(path: Path, snapshot: Snapshot, description: Mapping[str, Any]) -> None:
    """Writes a state; it is there when the disk has all of it.

    Raises:
        OSError: what the system says.
    """
    partial = aside(path)
    try:
        partial.mkdir(parents=True)
        files = {TENSORS: snapshot.write(partial / TENSORS)}
        write_text(partial / DESCRIPTION, json.dumps({"format": FORMAT, **description}) + "\n")
        files[DESCRIPTION] = inventory.entry(partial / DESCRIPTION)
        inventory.write(partial, files)
        sync(partial)
        partial.replace(path)
        sync(path.parent)
    finally:
        remove(partial)


def steps_in(folder: Path) -> list[int]:
    """Steps of the states in a folder, the oldest first."""
    return sorted(int(p.name) for p in folder.glob("*") if re.fullmatch(r"\d{8,}", p.name))


def discard(folder: Path, step: int) -> None:
    """Removes a state, at once as it came."""
    path = folder / f"{step:08d}"
    gone = aside(path)
    path.rename(gone)
    remove(gone)


def _problem(path: Path, log: Path) -> str | None:
    """What keeps a state from being gone on from."""
    try:
        for damage in inventory.problems(path, read_all=True):
            return str(damage)
        description = _description(path)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return f"{error.filename or path}: cannot be read ({error.strerror})"
    if not Log.holds(log, (description["log"][0], description["log"][1])):
        return f"{log}: lacks lines up to step {description['step']}, which {path} goes on from"
    return None


def _description(path: Path) -> dict[str, Any]:
    known: dict[str, Any] = json.loads((path / DESCRIPTION).read_text("utf-8"))
    if known["format"] != FORMAT:
        raise ValueError(
            f"{path}: format {known['format']}, this version reads {FORMAT}; run with --force to "
            "start over"
        )
    return known


def _read(path: Path) -> SavedState:
    known = _description(path)
    size, checksum = known["log"]
    return SavedState(
        path=path,
        position={key: known[key] for key in ("step", "stage", "loader", "seconds")},
        mark=(size, checksum),
        made_from=known["made_from"],
        beside=known["beside"],
    )
