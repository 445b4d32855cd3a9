"""How a training fits its devices: the batch that would, messages, and time; as `check` says it."""

import re

import torch

from axialcast.device import choose_device
from axialcast.files.atomic import readable_size
from axialcast.run.costs import Preflight
from axialcast.run.progress import clock

__all__ = ["fit"]

_BYTES = re.compile(r"(\d+(?:\.\d+)?) *([kMGT]?)(i?)B?")
_POWERS = {"": 0, "k": 1, "M": 2, "G": 3, "T": 4}


def fit(preflight: Preflight, memory: str | None, bandwidth: str, *, timed: bool) -> list[str]:
    """How a run's training fits, one line each.

    Args:
        preflight: of the run.
        memory: of a device, as text; None: the GPU's, or else nothing is said of it.
        bandwidth: bytes a second from one process to another, as text.
        timed: whether a few steps are made to time them.

    Raises:
        ValueError: not even one window fits, or no sizes are given.
    """
    training, train = preflight.training, preflight.config.train
    if "train" not in preflight.config.pipeline:
        return []
    device, speed = choose_device(preflight.config.device), _bytes(bandwidth, "--bandwidth")
    room = None if memory is None else _bytes(memory, "--memory")
    if room is None and device.type == "cuda":
        room = float(torch.cuda.get_device_properties(device).total_memory)
    lines = []
    if room is not None:
        batch, size = training.largest_batch(room), readable_size(round(room))
        if not batch:
            raise ValueError(
                f"--memory: a training takes {readable_size(round(training.least_bytes))} a device "
                f"with one window at once, more than {size}; {training.smaller(1)}"
            )
        lines.append(
            f"largest train.batch_size in {size} a device: {batch:,} (it is {train.batch_size:,})"
        )
    if sent := training.reduced_bytes() + training.exchanged_bytes():
        lines.append(
            f"sent by each process in a step: {readable_size(round(sent))}, "
            f"{1e3 * sent / speed:.3g} ms at {readable_size(round(speed))} a second"
        )
    if timed:
        seconds = training.step_seconds(device)
        steps = sum(stage.steps for stage in train.schedule)
        epoch = max(1, len(preflight.split("train")) // train.batch_size)
        wanted = readable_size(round(training.read_bytes() / seconds))
        lines.append(
            f"a step takes {seconds:.3g} s: an epoch of {epoch:,} steps {clock(epoch * seconds)}, "
            f"the training of {steps:,} {clock(steps * seconds)}; wants {wanted} of decoded states "
            "a second"
        )
    return lines


def _bytes(text: str, name: str) -> float:
    """Bytes of a text such as 80GB, 16 GiB or 500M.

    Raises:
        ValueError: names the option.
    """
    match = _BYTES.fullmatch(text.strip())
    if not match or not float(match[1]):
        raise ValueError(f"{name}: got {text!r}, expected a size such as 80GB or 16GiB")
    unit = 1024.0 if match[3] else 1000.0
    return float(match[1]) * float(unit ** _POWERS[match[2]])
