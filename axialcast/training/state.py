"""Saved states: what a training goes on from, each whole or not there.

states/
  00001234/               the step, counted on from one member to the next
    tensors.safetensors   network, averaged network, the best of these, optimizer, random numbers,
                          weights of members that are finished, each by name
    tensors-00001.s…      what another process holds of those that processes share, one file each
    state.json            the position, what the training is made from, the place in the log
    .inventory/           sizes and checksums of all

Names of tensors say the part and the parameter (`optimizer.head.weight.exp_avg`). Where processes
share them, each file has some rows, in the order of the files, and any number of processes can go
on from them. The random numbers are those of each process.
"""

import errno
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from axialcast.files import inventory
from axialcast.files.atomic import aside, remove, sweep, sync, write_text
from axialcast.files.documents import read_document
from axialcast.files.tensors import Snapshot
from axialcast.training.log import Log, Mark
from axialcast.training.loop import Training
from axialcast.training.parallel import Processes

__all__ = [
    "Parts",
    "SavedState",
    "discard",
    "finished_name",
    "machine",
    "newest_state",
    "publish",
    "steps_in",
    "write_part",
]

FORMAT = 3
POSITION = ("step", "stage", "loader", "seconds", "best", "member", "kept")
KEYS = (*POSITION, "log", "made_from", "beside")
TENSORS, OTHERS = "tensors.safetensors", "tensors-{:05d}.safetensors"
DESCRIPTION = "state.json"


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
        """Optimizer steps that were done when it was saved."""
        return int(self.position["step"])

    @classmethod
    def of(cls, path: Path) -> "SavedState":
        """The state in a folder, which is not looked at for damage."""
        known = _description(path)
        size, checksum = known["log"]
        return cls(
            path=path,
            position={key: known[key] for key in POSITION},
            mark=(size, checksum),
            made_from=known["made_from"],
            beside=known["beside"],
        )

    @property
    def member(self) -> int:
        """Which of several networks was being trained: as many are finished."""
        return int(self.position["member"])

    @property
    def kept(self) -> list[str]:
        """Of which step the weights of those are, in words."""
        return list(self.position["kept"])

    def finished(self) -> list[dict[str, Tensor]]:
        """The weights of the members before."""
        tensors = Parts(self.path)
        found = []
        for member in range(self.member):
            start = finished_name(member, "")
            names = [name for name in tensors if name.startswith(start)]
            found.append({name.removeprefix(start): tensors[name] for name in names})
        return found

    def put_into(self, training: Training, beside: Mapping[str, Any]) -> None:
        """Puts a training where this one stood; says from which step it goes on.

        Args:
            training: of what this state is made from.
            beside: what was kept beside it, as it is now.

        Raises:
            ValueError: its windows come in another order; names what is not as it was.
        """
        changed = {key for key in beside if beside[key] != self.beside.get(key)}
        words = {key: f"{key} was {self.beside.get(key)}, is {beside[key]}" for key in changed}
        try:
            training.go_on_from(self.position, Parts(self.path))
        except ValueError as error:
            raise ValueError(
                f"{self.path}: windows would come in another order: "
                f"{'; '.join(words[key] for key in sorted(changed))}; set it back, or run with "
                f"--force to start over ({error})"
            ) from None
        if others := sorted(words[key] for key in changed - {"data.buffer_gib"}):
            drops = any(isinstance(m, nn.Dropout) and m.p > 0 for m in training.network.modules())
            draws = drops and changed & {"processes", "train.accumulate", "torch.device"}
            numbers = ", and dropout draws other numbers" if draws else ""
            print(f"train: {'; '.join(others)}: the same to rounding, not to the bit{numbers}")
        of = f" of member {self.member}" if self.member else ""
        print(f"train: goes on from step {self.step:,}{of}")


def machine(
    device: torch.device, processes: Processes | None = None, accumulate: int = 1
) -> dict[str, Any]:
    """What may change the last bits of numbers: to be kept beside a state."""
    is_gpu = device.type == "cuda"
    processes = processes or Processes()
    return {
        "processes": processes.world_size,
        "train.parallel": processes.kind,
        "train.domain_ranks": processes.domain_ranks,
        "train.accumulate": accumulate,
        "torch.device": torch.cuda.get_device_name(device) if is_gpu else str(device),
        "torch.threads": torch.get_num_threads(),
        "torch.version": str(torch.__version__),
    }


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
            return SavedState.of(path)
        rest = "an older state" if step > steps[0] else "no other state is there: starts over"
        print(f"train: {reason}; {rest}", file=sys.stderr)
    return None


class Parts(Mapping[str, Tensor]):
    """Tensors of a state by name, whole, each read when it is asked for.

    Args:
        path: of the state.
    """

    def __init__(self, path: Path) -> None:
        paths = [path / TENSORS, *sorted(path.glob(OTHERS.replace("{:05d}", "*")))]
        self._files: list[Any] = [safe_open(path, "pt") for path in paths]
        self._names: list[set[str]] = [set(file.keys()) for file in self._files]

    def __getitem__(self, name: str) -> Tensor:
        pairs = zip(self._files, self._names, strict=True)
        parts = [file.get_tensor(name) for file, names in pairs if name in names]
        if not parts:
            raise KeyError(name)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names[0]))

    def __len__(self) -> int:
        return len(self._names[0])


def write_part(folder: Path, rank: int, snapshot: Snapshot) -> tuple[str, int, str]:
    """Writes what a process has of a state; the file's name, size and SHA-256.

    Raises:
        OSError: what the system says.
    """
    folder.mkdir(parents=True, exist_ok=True)  # by whoever comes first
    name = OTHERS.format(rank) if rank else TENSORS
    return (name, *snapshot.write(folder / name))


def publish(
    path: Path, partial: Path, description: Mapping[str, Any], parts: inventory.Files
) -> None:
    """Makes a state of a folder that has all parts; it is there when the disk has all of it.

    Raises:
        OSError: what the system says.
    """
    write_text(partial / DESCRIPTION, json.dumps({"format": FORMAT, **description}) + "\n")
    files = {**parts, DESCRIPTION: inventory.entry(partial / DESCRIPTION)}
    inventory.write(partial, files)
    sync(partial)
    partial.replace(path)
    sync(path.parent)


def finished_name(member: int, name: str) -> str:
    """What a tensor of a finished member's weights is called in a state."""
    return f"members.{member}.{name}"


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
        if absent := [key for key in KEYS if key not in description]:
            return f"{path / DESCRIPTION}: damaged, it lacks {', '.join(absent)}"
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return f"{error.filename or path}: cannot be read ({error.strerror})"
    if not Log.holds(log, (description["log"][0], description["log"][1])):
        return f"{log}: lacks lines up to step {description['step']}, which {path} goes on from"
    return None


def _description(path: Path) -> dict[str, Any]:
    known = read_document(path / DESCRIPTION, "format")
    if known["format"] != FORMAT:
        raise ValueError(
            f"{path}: format {known['format']}, this version reads {FORMAT}; run with --force to "
            "start over"
        )
    return known
