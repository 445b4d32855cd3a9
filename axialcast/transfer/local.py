"""What convolutions beside the patches take over: see `axialcast.model.local`."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from axialcast.forecast import Checkpoint
from axialcast.model.local import num_halvings
from axialcast.transfer.along import Along, along
from axialcast.transfer.kernels import Fold, embedded, headed
from axialcast.transfer.units import Change

__all__ = ["local"]

PREFIX = "local."
ENTER, LEAVE = f"{PREFIX}enter", f"{PREFIX}leave"
EMBED, BACK = f"{PREFIX}embed.project", f"{PREFIX}back.project"


def local(
    parent: Checkpoint,
    child: Checkpoint,
    axes: Sequence[Along],
    new: Mapping[str, Tensor],
    found: dict[str, Tensor],
    folds: tuple[Fold, Fold],
    say: Callable[[str], object],
) -> set[str]:
    """Fits the path of points to another grid and other fields, as patches are; what begins anew.

    Args:
        axes: of the patches.
        new, found: tensors of the body: as it would begin, and the parent's where it has them.
        folds: of what the network is told, and of what it gives.
    """
    was, now = (_shape(checkpoint) for checkpoint in (parent, child))
    names = {name for name in found if name.startswith(PREFIX)}
    if was != now:
        if was[0]:
            say(f"local is {_words(now)} here, {_words(was)} in the checkpoint: begins anew, and "
                "forecasts do not begin as the checkpoint's")  # fmt: skip
        found |= {name: new[name] for name in names}
        for end in (f"{EMBED}.weight", f"{EMBED}.bias") if now[0] else ():
            found[end] = torch.zeros_like(found[end])
        if not was[0]:
            say("features of points begin anew, and add nothing at first")
        return names
    if not now[0]:
        return set()
    width, halvings = now
    heard, spoken = folds
    times = [checkpoint.network.get("input_steps", 2) for checkpoint in (parent, child)]
    sides = [[side >> halvings for side in _patch(c)] for c in (parent, child)]
    beside, pair, left = (
        tuple(along(parent.grid, child.grid, axis, (old[axis], made[axis])) for axis in (0, 1))
        for old, made in (([3, 3], [3, 3]), ([2, 2], [2, 2]), sides)
    )
    for name in [name for name in names if found[name].ndim == 4 and found[name].shape[-1] == 3]:
        weight, end, is_first = found[name], f"{name[:-6]}bias", name.startswith(ENTER)
        folded, found[end] = embedded(
            weight.flatten(1),
            found[end],
            patch=(times[0] if is_first else 1, 3, 3),
            times=times[1] if is_first else 1,
            fold=heard if is_first else _plain(weight.shape[1]),
            kernels=(beside[0].kernel, beside[1].kernel),
        )
        found[name] = folded.reshape(len(weight), -1, 3, 3)
    merged = [(f"{PREFIX}coarser.{level}.project", (2, 2), pair) for level in range(halvings)]
    for level, (name, patch, kinds) in enumerate([*merged, (EMBED, sides[0], left)]):
        found[f"{name}.weight"], found[f"{name}.bias"] = embedded(
            found[f"{name}.weight"],
            found[f"{name}.bias"],
            patch=(1, patch[0], patch[1]),
            times=1,
            fold=_plain(width << level),
            kernels=(kinds[0].kernel, kinds[1].kernel),
        )
    found[f"{BACK}.weight"], found[f"{BACK}.bias"] = headed(
        found[f"{BACK}.weight"],
        found[f"{BACK}.bias"],
        patch=(sides[0][0], sides[0][1]),
        fold=_plain(width << halvings),
        cells=(left[0].cells, left[1].cells),
    )
    one = np.ones((1, 1))
    leave = found[f"{LEAVE}.weight"].flatten(1)
    leave, found[f"{LEAVE}.bias"] = headed(
        leave, found[f"{LEAVE}.bias"], patch=(1, 1), fold=spoken, cells=(one, one)
    )
    found[f"{LEAVE}.weight"] = leave[:, :, None, None]
    return {
        *((f"{ENTER}.weight", f"{ENTER}.bias") if None in heard else ()),
        *((f"{LEAVE}.weight", f"{LEAVE}.bias") if None in spoken else ()),
    }


def _patch(checkpoint: Checkpoint) -> tuple[int, int]:
    _, rows, columns = checkpoint.network.get("patch", (1, 2, 2))
    return rows, columns


def _shape(checkpoint: Checkpoint) -> tuple[int, int]:
    """Features of a point, and how often its rows and columns are halved; 0, 0 without any."""
    width = checkpoint.network.get("local", 0)
    return (width, num_halvings(_patch(checkpoint))) if width else (0, 0)


def _words(shape: tuple[int, int]) -> str:
    return f"{shape[0]} halved {shape[1]} times" if shape[0] else "0"


def _plain(num: int) -> Fold:
    return [(number, Change()) for number in range(num)]
