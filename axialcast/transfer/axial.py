"""What an axial transformer takes over from another one: kernels, positions, blocks.

Shapes: n, m patches along an axis of the old grid and of the new one; d features.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from axialcast.forecast import Checkpoint
from axialcast.model.embedding import num_patches
from axialcast.transfer.along import Along, Matrix, along
from axialcast.transfer.kernels import Fold, embedded, headed
from axialcast.transfer.local import local
from axialcast.transfer.units import Key, changes, given_fields, told_fields

__all__ = ["WIDTHS", "axial"]

WIDTHS = {"dim": 128, "heads": 4, "mlp_ratio": 2.0}
"""Keys of `model` without whose value no block fits, and their defaults."""
LAYERS, POSITION = "transformer.layers.blocks.", "transformer.position.param_"
EMBED = ("embed.project.weight", "embed.project.bias")
HEAD = ("head.project.weight", "head.project.bias")
ENDS = re.compile(r"\.f\..*\.to_out\.|\.g\.net\.1\.2\.")
"""The projections that end the branches of a block."""
UNLIKE = (
    "of another kind than before (logarithms, departures), so that forecasts do not begin as the "
    "checkpoint's"
)
Say = Callable[[str], object]
Weights = dict[str, Tensor]


def axial(
    parent: Checkpoint,
    child: Checkpoint,
    old: Mapping[str, Tensor],
    new: Mapping[str, Tensor],
    say: Say,
) -> tuple[Weights, set[str]]:
    """The tensors of a body, and the names of those in which nothing begins anew.

    Args:
        parent, child: that have the bodies.
        old, new: tensors of both, by their names in the body.
        say: told what is not taken over as it is.
    """
    axes = tuple(
        along(parent.grid, child.grid, axis, (_patch(parent)[axis + 1], _patch(child)[axis + 1]))
        for axis in (0, 1)
    )
    found = {name: old.get(name, value) for name, value in new.items()}
    carried = {name for name in new if name in old}
    carried -= _blocks(parent, child, found, say)
    carried -= _kernels(parent, child, axes, found, say)
    carried -= _positions(parent, child, axes, new, found, say)
    folds = (
        changes(told_fields(parent, child), told_fields(child)),
        changes(given_fields(parent), given_fields(child)),
    )
    carried -= local(parent, child, axes, new, found, folds, say)
    return found, carried


def _patch(checkpoint: Checkpoint) -> tuple[int, int, int]:
    times, rows, columns = checkpoint.network.get("patch", (1, 2, 2))
    return times, rows, columns


def _blocks(parent: Checkpoint, child: Checkpoint, found: Weights, say: Say) -> set[str]:
    """Lets blocks beyond those of the parent add nothing at first; their names."""
    was, now = (checkpoint.network.get("depth", 4) for checkpoint in (parent, child))
    more = {
        name
        for name in found
        if name.startswith(LAYERS) and int(name.removeprefix(LAYERS).partition(".")[0]) >= was
    }
    for name in filter(ENDS.search, more):
        found[name] = torch.zeros_like(found[name])
    if now > was:
        say(f"{now} blocks, {was} in the checkpoint: those beyond add nothing at first")
    if now < was:
        say(f"the first {now} of {was} blocks alone: forecasts do not begin as the checkpoint's")
    return more


def _kernels(
    parent: Checkpoint, child: Checkpoint, axes: Sequence[Along], found: Weights, say: Say
) -> set[str]:
    """Fits embedding and head to patches and fields; the names of those where something is new."""
    rows, columns = axes
    told = told_fields(parent, child), told_fields(child)
    given = given_fields(parent), given_fields(child)
    heard, spoken = changes(*told), changes(*given)
    times = _patch(parent)[0], _patch(child)[0]
    embed, head = (tuple(found[name] for name in names) for names in (EMBED, HEAD))
    assert embed[0].shape[1] == len(told[0]) * np.prod(_patch(parent))
    if not (_is_same(heard) and _is_plain(axes) and times[0] == times[1]):
        found[EMBED[0]], found[EMBED[1]] = embedded(
            *embed,
            patch=_patch(parent),
            times=times[1],
            fold=heard,
            kernels=(rows.kernel, columns.kernel),
        )
    if not (_is_same(spoken) and _is_plain(axes)):
        found[HEAD[0]], found[HEAD[1]] = headed(
            *head, patch=_patch(parent)[1:], fold=spoken, cells=(rows.cells, columns.cells)
        )
    lines = *_fields(told, heard, "inputs"), *_fields(given, spoken, "forecasts")
    for line in (*(() if _is_plain(axes) else _resized(parent, child)), *lines):
        say(line)
    is_longer = times[1] > times[0]
    if is_longer:
        say(f"{times[1] - times[0]} earlier times of a patch: their weights begin at zero")
    return {
        *(EMBED if is_longer or None in heard else ()),
        *(HEAD if None in spoken else ()),
    }


def _is_same(fold: Fold) -> bool:
    places = [found and found[0] for found in fold]
    return places == list(range(len(places))) and all(f is not None and f[1].is_none for f in fold)


def _is_plain(axes: Sequence[Along]) -> bool:
    return all(
        a.cells.shape[0] == a.cells.shape[1] and (a.cells == np.eye(len(a.cells))).all()
        for a in axes
    )


def _resized(parent: Checkpoint, child: Checkpoint) -> Iterator[str]:
    """From which patches to which, unless they are the same."""
    patches = [_patch(checkpoint)[1:] for checkpoint in (parent, child)]
    grids = [checkpoint.grid.shape for checkpoint in (parent, child)]
    if patches[0] != patches[1] or grids[0] != grids[1]:
        was, now = (
            f"{_by(patch)} points of {_by(grid)}"
            for patch, grid in zip(patches, grids, strict=True)
        )
        yield f"kernels resized from patches of {was} to {now}"


def _num_patches(checkpoint: Checkpoint) -> tuple[int, ...]:
    size = (checkpoint.network.get("input_steps", 2), *checkpoint.grid.shape)
    return num_patches(size, _patch(checkpoint))


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _fields(pair: Sequence[Mapping[Key, object]], fold: Fold, what: str) -> Iterator[str]:
    """What happens to the fields that a network is told, or gives."""
    old, new = pair
    sorts: dict[str, list[str]] = {
        "that begin at zero": [],
        "left out": [name for kind, name in old if (kind, name) not in new],
        "normalised otherwise, which the weights make up for": [],
        UNLIKE: [],
    }
    anew, _, folded, unlike = sorts.values()
    for (_, name), found in zip(new, fold, strict=True):
        if found is None:
            anew.append(name)
        elif not found[1].is_exact:
            unlike.append(name)
        elif not found[1].is_none:
            folded.append(name)
    for sort, names in sorts.items():
        if names:
            is_all = len(names) == len(new) > 3
            yield f"{what} {sort}: {f'all {len(new)}' if is_all else ', '.join(names)}"


def _positions(
    parent: Checkpoint,
    child: Checkpoint,
    axes: Sequence[Along],
    new: Mapping[str, Tensor],
    found: Weights,
    say: Say,
) -> set[str]:
    """Takes learned positions at the new patches' places; the names of those that begin anew."""
    was, now = (checkpoint.network.get("position", "learned") for checkpoint in (parent, child))
    if was != now:
        say(f"positions are {now} here, {was} in the checkpoint: begin anew")
        names = {name for name in new if name.startswith(POSITION)}
        found |= {name: new[name] for name in names}
        return names
    sizes = [_num_patches(checkpoint) for checkpoint in (parent, child)]
    if sizes[0][0] != sizes[1][0]:
        say(f"tokens of {sizes[1][0]} times, {sizes[0][0]} in the checkpoint: the last as before")
    if was == "none":
        return set()
    if sizes[0][1:] != sizes[1][1:]:
        how = "interpolated" if was == "learned" else f"are {was}: they count patches,"
        say(f"positions {how} from {_by(sizes[0][1:])} to {_by(sizes[1][1:])} patches")
    for number, name in enumerate(("latitude", "longitude")):
        if axes[number].is_relative:
            say(f"positions by their share of the {name}s: the checkpoint's are elsewhere")
    if was == "learned":
        matrices = [_latest(sizes[0][0], sizes[1][0]), *(axis.places for axis in axes)]
        for number, matrix in enumerate(matrices):
            name = f"{POSITION}{number}"
            found[name] = _taken(found[name], number + 1, matrix)
    return set()


def _latest(was: int, now: int) -> Matrix:
    """(m, n) which old time each new one is, counted from the latest; the earliest for others."""
    places = np.maximum(np.arange(now) + was - now, 0)
    return np.eye(was)[places]


def _taken(vectors: Tensor, axis: int, matrix: Matrix) -> Tensor:
    """Vectors along an axis at new places, as weights (m, n) say."""
    if matrix.shape[0] == matrix.shape[1] and (matrix == np.eye(len(matrix))).all():
        return vectors
    old = vectors.double().movedim(axis, -1)
    return (old @ torch.from_numpy(matrix).T).movedim(-1, axis).to(vectors.dtype).contiguous()
