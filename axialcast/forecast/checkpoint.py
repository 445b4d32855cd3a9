"""A trained model as one folder: weights (safetensors) and everything else (JSON).

checkpoint/
  weights.safetensors   the network's parameters
  model.json            network arguments, channels, statistics, grid, step, provenance
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from axialcast.data import Channels, Statistics
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint"]

FORMAT = 1
WEIGHTS, DESCRIPTION = "weights.safetensors", "model.json"


@dataclass(frozen=True)
class Checkpoint:
    """A trained network and the fingerprint of what it was trained on.

    Args:
        weights: state dict of the network.
        network: keyword arguments of ForecastNetwork beyond channels, grid and statistics.
        channels: variables, levels and units, in the order of the network's channels.
        statistics: normalisation.
        grid: latitudes and longitudes, in order.
        step: time from one state to the next.
        provenance: free JSON: training period, versions, losses.
    """

    weights: Mapping[str, Tensor]
    network: Mapping[str, Any]
    channels: Channels
    statistics: Statistics
    grid: LatLonGrid
    step: np.timedelta64
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> ForecastNetwork:
        """The network with its weights, in evaluation mode on the CPU."""
        network = ForecastNetwork(
            num_channels=len(self.channels),
            grid=self.grid,
            increment_scale=self.statistics.increment_scale.tolist(),
            **self.network,
        )
        network.load_state_dict(dict(self.weights))
        return network.eval()


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Writes the folder under a temporary name, then moves it into place."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    weights = {
        name: value.detach().to("cpu", copy=True).contiguous()
        for name, value in checkpoint.weights.items()
    }
    save_file(weights, temporary / WEIGHTS)
    description = {
        "format": FORMAT,
        "network": dict(checkpoint.network),
        "channels": checkpoint.channels.to_list(),
        "statistics": checkpoint.statistics.to_dict(),
        "grid": checkpoint.grid.to_dict(),
        "step_hours": checkpoint.step / np.timedelta64(1, "h"),
        "provenance": dict(checkpoint.provenance),
    }
    (temporary / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n")
    temporary.chmod(0o755)
    if path.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
        path.rename(old / path.name)
        temporary.rename(path)
        shutil.rmtree(old)
    else:
        temporary.rename(path)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Reads the folder; nothing is unpickled.

    Raises:
        FileNotFoundError: there is no checkpoint at `path`.
        ValueError: its format is another one, or its files are damaged.
    """
    path = Path(path)
    if not (path / DESCRIPTION).is_file() or not (path / WEIGHTS).is_file():
        raise FileNotFoundError(
            f"{path}: no checkpoint there (a folder with {DESCRIPTION} and {WEIGHTS})"
        )
    try:
        description = json.loads((path / DESCRIPTION).read_text())
        weights = load_file(path / WEIGHTS)
    except (json.JSONDecodeError, SafetensorError) as error:
        raise ValueError(f"{path}: the checkpoint is damaged ({error}); train again") from None
    if description.get("format") != FORMAT:
        raise ValueError(
            f"{path}: checkpoint format {description.get('format')}, this version reads {FORMAT}"
        )
    seconds = round(description["step_hours"] * 3600)
    return Checkpoint(
        weights=weights,
        network=description["network"],
        channels=Channels.from_list(description["channels"]),
        statistics=Statistics.from_dict(description["statistics"]),
        grid=LatLonGrid.from_dict(description["grid"]),
        step=np.timedelta64(seconds, "s").astype("timedelta64[ns]"),
        provenance=description["provenance"],
    )
