"""What convolutions beside the patches take over: see `axialcast.model.local`."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from axialcast.forecast import Checkpoint
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
    was, now = (checkpoint.network.get("local", 0) for checkpoint in (parent, child))
    names = {name for name in found if name.startswith(PREFIX)}
    if was != now:
        if was:
            say(f"local is {now} here, {was} in the checkpoint: forecasts do not begin as its")
        if now:
            found |= {name: new[name] for name in names}
            for end in (f"{EMBED}.weight", f"{EMBED}.bias"):
                found[end] = torch.zeros_like(found[end])
            say("features of points begin anew, and add nothing at first")
        return names
    if not now:
        return set()
    heard, spoken = folds
    rows, columns = axes
    three = tuple(along(parent.grid, child.grid, axis, (3, 3)).kernel for axis in (0, 1))
    for name in [name for name in names if found[name].ndim == 4 and found[name].shape[-1] == 3]:
        weight, end = found[name], f"{name.removesuffix('weight')}bias"
        times = [checkpoint.network.get("input_steps", 2) for checkpoint in (parent, child)]
        is_first = name.startswith(ENTER)
        fold = heard if is_first else _plain(weight.shape[1])
        folded, found[end] = embedded(
            weight.flatten(1),
            found[end],
            patch=(times[0] if is_first else 1, 3, 3),
            times=times[1] if is_first else 1,
            fold=fold,
            kernels=(three[0], three[1]),
        )
        found[name] = folded.reshape(len(weight), -1, 3, 3)
    patch = parent.network.get("patch", (1, 2, 2))
    found[f"{EMBED}.weight"], found[f"{EMBED}.bias"] = embedded(
        found[f"{EMBED}.weight"],
        found[f"{EMBED}.bias"],
        patch=(1, patch[1], patch[2]),
        times=1,
        fold=_plain(now),
        kernels=(rows.kernel, columns.kernel),
    )
    found[f"{BACK}.weight"], found[f"{BACK}.bias"] = headed(
        found[f"{BACK}.weight"],
        found[f"{BACK}.bias"],
        patch=(patch[1], patch[2]),
        fold=_plain(now),
        cells=(rows.cells, columns.cells),
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


def _plain(num: int) -> Fold:
    return [(number, Change()) for number in range(num)]
