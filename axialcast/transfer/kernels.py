"""Kernels that lead from fields into a network and out of it: other patches, other units.

Shapes: o times, p rows and q columns of a patch; c fields; d features.
"""

from collections.abc import Sequence

import torch
from einops import einsum, rearrange
from torch import Tensor

from axialcast.transfer.along import Matrix
from axialcast.transfer.units import Change

__all__ = ["embedded", "headed"]

Matrices = tuple[Matrix, Matrix]
Fold = Sequence[tuple[int, Change] | None]


def embedded(
    weight: Tensor,
    bias: Tensor,
    *,
    patch: tuple[int, int, int],
    times: int,
    fold: Fold,
    kernels: Matrices,
) -> tuple[Tensor, Tensor]:
    """Weight and bias of an embedding that makes of new fields what the old one made of its own.

    What is new begins at zero: times before the old ones, and fields.

    Args:
        weight: (d, o c p q) of the old embedding.
        bias: (d,).
        patch: o, p and q of the old patches.
        times: o of the new ones; both end with the latest time.
        fold: for each new field its place among the old ones and the change of units.
        kernels: along rows and columns, from the cells of an old patch to those of a new one.
    """
    o, p, q = patch
    old = rearrange(weight.double(), "d (o c p q) -> d o c p q", o=o, p=p, q=q)
    kept = min(o, times)
    old = old[:, o - kept :]
    new = old.new_zeros(len(old), times, len(fold), p, q)
    shifted = bias.double()
    for number, found in enumerate(fold):
        if found is not None:
            place, change = found
            new[:, times - kept :, number] = change.scale * old[:, :, place]
            shifted = shifted + change.shift * old[:, :, place].sum((1, 2, 3))
    rows, columns = (torch.from_numpy(matrix) for matrix in kernels)
    new = einsum(rows, columns, new, "P p, Q q, d o c p q -> d o c P Q")
    return rearrange(new, "d o c p q -> d (o c p q)").to(weight), shifted.to(bias)


def headed(
    weight: Tensor,
    bias: Tensor,
    *,
    patch: tuple[int, int],
    fold: Fold,
    cells: Matrices,
) -> tuple[Tensor, Tensor]:
    """Weight and bias of a head that gives what the old one gave, in the units of the new fields.

    Fields that are new begin at zero: no change, or the mean.

    Args:
        weight: (c p q, d) of the old head.
        bias: (c p q,).
        patch: p and q of the old patches.
        fold, cells: as for `embedded`; fold's changes lead from the new units to the old ones.
    """
    p, q = patch
    both = torch.cat([weight, bias[:, None]], 1).double()
    old = rearrange(both, "(c p q) d -> c p q d", p=p, q=q)
    new = old.new_zeros(len(fold), *old.shape[1:])
    for number, found in enumerate(fold):
        if found is not None:
            place, change = found
            new[number] = old[place] / change.scale
            new[number, ..., -1] -= change.shift / change.scale
    rows, columns = (torch.from_numpy(matrix) for matrix in cells)
    new = einsum(rows, columns, new, "P p, Q q, c p q d -> c P Q d")
    new = rearrange(new, "c p q d -> (c p q) d").to(weight)
    return new[:, :-1].contiguous(), new[:, -1].contiguous()
