"""A trained model as one folder: weights (safetensors) and everything else (JSON).

checkpoint/
  weights.safetensors   the network's parameters
  weights.1.safetensors those of the next member, where several were trained, and so on
  model.json            network arguments, channels, statistics, grid, step, provenance
  network.py            of a network that a user's file builds: a copy of that file
  .inventory/           sizes and checksums of all (not in folders of version 0.1.0)
"""

import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from axialcast.data import Channels, Statistics
from axialcast.files import inventory
from axialcast.files.atomic import FULL, remove, sweep, write_text, writing
from axialcast.files.documents import read_document
from axialcast.files.tensors import Snapshot
from axialcast.forecast.own import COPY, described, keywords, named
from axialcast.grid import Grid, grid_from_dict
from axialcast.model import ForecastNetwork
from axialcast.names import DIAGNOSTIC, PROGNOSTIC, ROLES
from axialcast.own import OwnFile
from axialcast.times.steps import step_numbers, step_of_numbers

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint"]

FORMAT = 3
KEYS = ("network", "channels", "static", "bounds", "statistics", "grid", "provenance")
"""Besides the step, `step_hours` or `step_months`."""
WEIGHTS, DESCRIPTION = "weights.safetensors", "model.json"
BODY = ("embed.", "features.", "transformer.", "head.")
"""What tensors of the body were called before format 3."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained network and the fingerprint of what it was trained on.

    Args:
        weights: state dict of the network, of several the first.
        network: keyword arguments of ForecastNetwork beyond channels, grid and statistics.
        channels: (c,) variables, levels, units and roles, in the order of the network's channels.
        statistics: normalisation.
        grid: of rows and columns in this order.
        step: time from one state to the next.
        provenance: free JSON: training period, versions, losses.
        static: names and units of the static fields, whose values are among the weights.
        bounds: of each channel that is forecast, (…, 2) the lowest and the highest value that
            forecasts keep to; None: any.
        others: state dicts of the other members, where several were trained.
        file: of a user, that builds the network; None: axialcast does, or the file was not named.
    """

    weights: Mapping[str, Tensor]
    network: Mapping[str, Any]
    channels: Channels
    statistics: Statistics
    grid: Grid
    step: np.timedelta64
    provenance: Mapping[str, Any] = field(default_factory=dict)
    static: Channels = field(default_factory=lambda: Channels([]))
    bounds: NDArray[np.float64] | None = None
    others: Sequence[Mapping[str, Tensor]] = ()
    file: OwnFile | None = None

    @property
    def members(self) -> tuple[Mapping[str, Tensor], ...]:
        """State dicts of all networks."""
        return (self.weights, *self.others)

    @property
    def read(self) -> list[int]:
        """Places of the channels that forecasts are made from: of what is diagnosed, the analysis
        tells where it is known, if that is not everywhere."""
        return [
            number
            for number, channel in enumerate(self.channels)
            if channel.role != DIAGNOSTIC or self.statistics.missing[number] > 0
        ]

    def alone(self, member: int) -> "Checkpoint":
        """That of one of the members."""
        return replace(self, weights=self.members[member], others=())

    def build(self, member: int = 0) -> ForecastNetwork:
        """A member's network with its weights, in evaluation mode on the CPU."""
        network = self.untrained()
        network.load_state_dict(dict(self.members[member]))
        return network.eval()

    def untrained(self) -> ForecastNetwork:
        """The network without its weights.

        Raises:
            ValueError: a user's file builds it, and was not named; or it builds it no more.
        """
        prognostic = self.channels.where(PROGNOSTIC)
        return ForecastNetwork(
            **self.channels.numbers,
            num_static=len(self.static),
            grid=self.grid,
            increment_scale=self.statistics[prognostic].increment_scale.tolist(),
            **keywords(self.network, self.file),
        )


def save_checkpoint(
    path: str | Path, checkpoint: Checkpoint, *, make_room: Callable[[], None] | None = None
) -> None:
    """Writes the files of a checkpoint into a folder; others in it stay.

    Args:
        path: the folder; made if it is missing.
        checkpoint: replaces the one that is there.
        make_room: called if the disk is full, before the second attempt.

    Raises:
        OSError: it cannot be written. If the disk is full, it is in another place, which is named.
    """
    path = Path(path)
    weights = {
        _weights_name(number): Snapshot(member) for number, member in enumerate(checkpoint.members)
    }
    description = {
        "format": FORMAT,
        "members": len(checkpoint.members),
        "network": described(checkpoint.network, checkpoint.file),
        "channels": checkpoint.channels.to_list(),
        "static": checkpoint.static.to_list(),
        "bounds": None if checkpoint.bounds is None else _ends(checkpoint.bounds),
        "statistics": checkpoint.statistics.to_dict(),
        "grid": checkpoint.grid.to_dict(),
        **step_numbers(checkpoint.step),
        "provenance": dict(checkpoint.provenance),
    }
    texts = {DESCRIPTION: json.dumps(description, indent=1) + "\n"}
    if checkpoint.file is not None:
        texts[COPY] = checkpoint.file.source.decode()
    try:
        _write(path, weights, texts)
    except OSError as error:
        if error.errno not in FULL:
            raise
        if make_room is not None:
            make_room()
        try:
            _write(path, weights, texts)
        except OSError as again:
            kept = _write_elsewhere(path, weights, texts)
            raise OSError(f"{again}; {kept}") from again


def _weights_name(member: int) -> str:
    return f"weights.{member}.safetensors" if member else WEIGHTS


def _write(path: Path, weights: Mapping[str, Snapshot], texts: Mapping[str, str]) -> None:
    """Each file comes whole; until all have, they do not fit the inventory."""
    path.mkdir(parents=True, exist_ok=True)
    for folder in (path, path / inventory.FOLDER):
        sweep(folder)
    if (path / DESCRIPTION).is_file() and not (path / inventory.FOLDER).is_dir():
        inventory.write(path, inventory.take(path, (WEIGHTS, DESCRIPTION)))
    files = {}
    for name, member in weights.items():
        with writing(path / name, needed=member.num_bytes) as partial:
            files[name] = member.write(partial)
    for name, text in texts.items():
        write_text(path / name, text)
        files[name] = inventory.entry(path / name)
    before: set[str] = set()
    with suppress(FileNotFoundError, ValueError):
        before = set(inventory.read(path))
    inventory.write(path, files)
    for other in path.glob("weights.*.safetensors"):  # of an ensemble that was larger
        if re.fullmatch(r"weights\.\d+\.safetensors", other.name) and other.name not in files:
            remove(other)
    if COPY in before - files.keys():
        remove(path / COPY)


def _write_elsewhere(path: Path, weights: Mapping[str, Snapshot], texts: Mapping[str, str]) -> str:
    """Writes a checkpoint where there is room; says where."""
    places = [Path(tempfile.gettempdir()), *([Path.home()] if Path.home().is_dir() else [])]
    for place in places:
        with suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix=f"axialcast-{path.name}-", dir=place))
            try:
                _write(folder, weights, texts)
            except OSError:
                remove(folder)
                raise
            return f"the trained weights are in {folder} until then"
    return f"the trained weights fit neither there nor in {' or '.join(map(str, places))}"


def load_checkpoint(path: str | Path, *, network: str | Path | None = None) -> Checkpoint:
    """Reads the folder; nothing is unpickled, and no program runs but the one named.

    Args:
        path: the folder.
        network: the Python file that builds the network, where that is a user's; without it such a
            checkpoint can be looked at, but not built.

    Raises:
        FileNotFoundError: there is no checkpoint at `path`, or no such file.
        ValueError: its format is another one, its files are damaged, or `network` is not the file
            that it was trained with.
    """
    path = Path(path)
    if not (path / DESCRIPTION).is_file() or not (path / WEIGHTS).is_file():
        within = path / "checkpoint"  # of a run
        there = f"; one is in {within}" if (within / DESCRIPTION).is_file() else ""
        raise FileNotFoundError(
            f"{path}: no checkpoint there (a folder with {DESCRIPTION} and {WEIGHTS}){there}"
        )
    if (path / inventory.FOLDER).is_dir():
        for damage in inventory.problems(path, read_all=True):
            raise ValueError(f"{damage}: the checkpoint is damaged; train again")
    description = _described(path / DESCRIPTION)
    members = _members(path, description)
    file = named(path, description["network"], network)
    try:
        checkpoint = Checkpoint(
            weights=members[0],
            others=members[1:],
            network=description["network"],
            channels=Channels.from_list(description["channels"]),
            static=Channels.from_list(description["static"]),
            bounds=_bounds(description["bounds"]),
            statistics=Statistics.from_dict(description["statistics"]),
            grid=grid_from_dict(description["grid"]),
            step=step_of_numbers(description),
            provenance=dict(description["provenance"]),
            file=file,
        )
        problem = _misfit(checkpoint)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        problem = f"does not describe a network ({type(error).__name__}: {reason})"
    if problem:
        raise ValueError(f"{path / DESCRIPTION}: {problem}; train again, or copy it again")
    return checkpoint


def _members(path: Path, description: Mapping[str, Any]) -> list[dict[str, Tensor]]:
    """The weights of each member, by the names that tensors have now."""
    members, num = [], description.get("members", 1)
    if not isinstance(num, int) or num < 1:
        raise ValueError(
            f"{path / DESCRIPTION}: members: expected 1, 2, …, got {num!r}; train again, or copy "
            "it again"
        )
    for number in range(num):
        file = path / _weights_name(number)
        try:
            weights = load_file(file)
        except (FileNotFoundError, ValueError, SafetensorError) as error:
            raise ValueError(f"{file}: the checkpoint is damaged ({error}); train again") from None
        if description["format"] < 3:
            weights = {f"body.{n}" if n.startswith(BODY) else n: w for n, w in weights.items()}
        members.append(weights)
    return members


def _described(path: Path) -> dict[str, Any]:
    """The description as this version writes it.

    Raises:
        ValueError: it is damaged, or of a later version.
    """
    description = read_document(path, "format")
    if description["format"] == 1:  # of axialcast 0.1: networks were told of states alone
        missing: dict[str, Any] = {"static": [], "bounds": None}
        return missing | read_document(path, *(key for key in KEYS if key not in missing))
    if description["format"] not in (2, FORMAT):
        raise ValueError(
            f"{path.parent}: checkpoint format {description['format']}, this version reads 1 to "
            f"{FORMAT}; install the axialcast that wrote it, or train again"
        )
    return read_document(path, *KEYS)


def _ends(bounds: NDArray[np.float64]) -> list[list[float | None]]:
    """JSON knows no infinity."""
    return [[end if np.isfinite(end) else None for end in pair] for pair in bounds.tolist()]


def _bounds(ends: list[list[float | None]] | None) -> NDArray[np.float64] | None:
    if ends is None:
        return None
    pairs = [
        (-np.inf if low is None else low, np.inf if high is None else high) for low, high in ends
    ]
    return np.array(pairs, np.float64)


def _misfit(checkpoint: Checkpoint) -> str | None:
    """What in a checkpoint does not fit the rest, None if all does."""
    if checkpoint.step <= np.zeros((), checkpoint.step.dtype):
        [(name, value)] = step_numbers(checkpoint.step).items()
        return f"{name}: expected a positive step, got {value:g}"
    num, statistics = len(checkpoint.channels), checkpoint.statistics
    places = [list(ROLES).index(channel.role) for channel in checkpoint.channels]
    if places != sorted(places):
        return f"channels: their roles are not in the order {', '.join(ROLES)}"
    forecast = len(checkpoint.channels.forecast)
    if checkpoint.bounds is not None and checkpoint.bounds.shape != (forecast, 2):
        return f"bounds: holds {len(checkpoint.bounds)} pairs for {forecast} channels"
    for name, values in statistics.to_dict().items():
        if len(values) != num:
            return f"statistics.{name}: holds {len(values)} values for {num} channels"
        is_scale = name in ("std", "increment_std")
        if not np.isfinite(values).all() or (is_scale and min(values) <= 0):
            return f"statistics.{name}: expected {'positive' if is_scale else 'finite'} numbers"
    if checkpoint.file is None and checkpoint.network.get("kind") == "file":
        return None  # not known until it is built
    # What a user's file computes while it builds may want values.
    with torch.device("meta" if checkpoint.file is None else "cpu"):
        expected = checkpoint.untrained().state_dict()
    for number, weights in enumerate(checkpoint.members):
        if problem := _other_network(expected, weights, _weights_name(number)):
            return problem
    return None


def _other_network(
    expected: Mapping[str, Tensor], weights: Mapping[str, Tensor], file: str
) -> str | None:
    """Which of the weights in a file are not the network's, None if all are."""
    for name in sorted(expected.keys() | weights.keys()):
        want, got = expected.get(name), weights.get(name)
        shapes = ["none" if t is None else "x".join(map(str, t.shape)) for t in (want, got)]
        if want is None or got is None or want.shape != got.shape:
            return f"describes another network than {file}: {name} is {shapes[1]}, not {shapes[0]}"
        if got.is_floating_point() and not bool(torch.isfinite(got).all()):
            return f"{file} holds numbers that are not finite, in {name}"
    return None
