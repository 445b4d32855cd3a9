"""A step of forecasts as one file that `torch.export.load` reads, with its labels as JSON inside.

OUT.pt2
  the program          of `ForecastStep`, weights and normalisation within
  extra/axialcast.json what its inputs and outputs are
"""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from axialcast.data import Channels
from axialcast.exporting.step import ForecastStep
from axialcast.files.atomic import writing
from axialcast.forecast import Checkpoint
from axialcast.names import FORCING, PROGNOSTIC
from axialcast.times.steps import step_numbers

__all__ = ["LABELS", "export", "labels_of"]

LABELS = "axialcast.json"
"""Name of the extra file."""
FORMAT = 1
SUFFIX = ".pt2"
TRACED = 2
"""Forecasts that the program is traced with; it takes any number."""


def export(checkpoint: Checkpoint, path: str | Path, *, member: int | None = None) -> Path:
    """Writes one step of a checkpoint's forecasts as a program that needs torch alone.

    The program is called as `ForecastStep.forward`: states in physical units, seconds and memory
    in, the forecast and what the next step is given out, for any number of forecasts at once, in
    single precision. Errors it cannot raise it says by NaN: where a value is missing that training
    never missed, and at hours of the day whose climatology is not known.

    Args:
        checkpoint: what was trained.
        path: of the file, which ends in .pt2; replaced if it exists.
        member: which of several networks; None: there is one.

    Returns:
        The path.

    Raises:
        ValueError: the file's name ends in something else; the checkpoint holds several networks
            and no member is named, or no such member; its network is a user's, and cannot be
            exported.
        OSError: it cannot be written.
    """
    path, num = Path(path), len(checkpoint.members)
    if path.suffix != SUFFIX:
        raise ValueError(f"{path}: torch.export writes {SUFFIX} files; name it so")
    if member is None and num > 1:
        raise ValueError(
            f"member: the checkpoint holds {num} networks, and a program is one of them; choose "
            f"0 to {num - 1}"
        )
    if member is not None and not 0 <= member < num:
        raise ValueError(f"member: expected 0 to {num - 1}, got {member}")
    step = ForecastStep(checkpoint, member or 0).eval()
    labels = labels_of(checkpoint, step)
    program = _traced(step, labels["inputs"])
    extra = {LABELS: json.dumps(labels, indent=1) + "\n"}
    with writing(path) as partial, partial.open("wb") as file:
        torch.export.save(program, file, extra_files=extra)
    return path


def _traced(step: ForecastStep, inputs: dict[str, Any]) -> torch.export.ExportedProgram:
    given = {name: _example(name, about["shape"]) for name, about in inputs.items()}
    first = [given.pop(name) for name in ("states", "time", "memory")]
    batch = torch.export.Dim("batch", min=1)
    shapes: dict[str, Any] = {name: {0: batch} for name in inputs}
    try:
        with torch.no_grad():
            return torch.export.export(
                step, tuple(first), given, dynamic_shapes=shapes, strict=False
            )
    except Exception as error:
        file = getattr(step.network.body, "file", None)
        if file is None:
            raise
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"{file.path}: torch.export does not follow what the network computes "
            f"({type(error).__name__}: {reason}); see "
            "https://docs.pytorch.org/docs/stable/export.html for what it can"
        ) from error


def _example(name: str, shape: list[int | None]) -> Tensor:
    size = [TRACED if length is None else length for length in shape]
    if name == "time":
        return torch.arange(TRACED) * 86_400
    return torch.zeros(size) if name == "memory" else torch.randn(size)


def labels_of(checkpoint: Checkpoint, step: ForecastStep) -> dict[str, Any]:
    """What the inputs and outputs are; null stands for any number of forecasts."""
    channels, (height, width) = checkpoint.channels, checkpoint.grid.shape
    read = Channels([channels[number] for number in checkpoint.read])
    down, across = checkpoint.grid.dims

    def fields(of: Channels, *leading: int) -> dict[str, Any]:
        steps = ["input_step"] * len(leading)
        return {
            "dims": ["forecast", *steps, "channel", down, across],
            "shape": [None, *leading, len(of), height, width],
            "channels": of.to_list(),
        }

    inputs: dict[str, Any] = {
        "states": fields(read, step.network.input_steps),
        "time": {"dims": ["forecast"], "shape": [None], "units": "seconds since 1970-01-01 UTC"},
        "memory": {"dims": ["forecast", "number"], "shape": [None, step.num_remembered]},
    }
    if forcings := channels.having(FORCING):
        inputs["forcings"] = fields(forcings)
    if step.network.frame is not None:
        inputs["boundary"] = fields(channels.having(PROGNOSTIC))
    if step.num_drawn:
        inputs["noise"] = {"dims": ["forecast", "number"], "shape": [None, step.num_drawn]}
    return {
        "format": FORMAT,
        "inputs": inputs,
        "outputs": {
            "forecast": fields(channels.forecast),
            **{name: inputs[name] for name in ("states", "time", "memory")},
        },
        "grid": checkpoint.grid.to_dict(),
        **step_numbers(checkpoint.step),
        "calendar": "proleptic_gregorian",
        "axialcast": version("axialcast"),
        "provenance": dict(checkpoint.provenance),
    }
