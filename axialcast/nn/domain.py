"""An axis that processes share: each holds a band of it, and attention still sees the whole.

Attention along one axis leaves every other axis alone: what it needs is whole rows of that axis,
and it does not matter who has which. So the bands of the shared axis are exchanged for whole rows,
a share of them on each process, and afterwards back: one all-to-all each way. Along every other
axis nothing moves, and nothing but attention looks beyond a band.

Communication. Of n tokens of d features, s bytes each, a process holds the P-th part, and an
exchange sends all of it but a P-th. Attention along the shared axis exchanges twice; its backward
pass twice more; a reversible block, which evaluates it again, twice more. So a layer sends from
each process

    V = e · (P - 1) / P² · n · d · s        e = 2 forward, 4 in training, 6 if reversible

(the last layer 4, which is not evaluated again), which falls with P as the work does. Windows of ±k
tokens that exchange halos send 2 k rows beyond the band instead, of n / l tokens where the axis has
l: 2 · k / l · n · d · s forward. That does not fall with P, and sees no farther than k; it is less
than V while P < l / k, about.

d features, n tokens of the shared axis, m tokens of it in a band, r rows.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["Domain", "share_axis"]


@dataclass(frozen=True)
class Domain:
    """The processes that share an axis, each an equal band of it, in order of their ranks.

    Args:
        group: the processes.
        axis: which of the axial axes it is, counted from 0.
        length: tokens of the whole axis, n.

    Raises:
        ValueError: there are more processes than tokens.
    """

    group: Any
    axis: int
    length: int

    def __post_init__(self) -> None:
        if self.length < self.size:
            raise ValueError(
                f"{self.size} processes cannot share an axis of {self.length} tokens; choose at "
                f"most {self.length}"
            )

    def __deepcopy__(self, memo: Any) -> "Domain":
        return self  # a process group is one thing

    @property
    def size(self) -> int:
        return dist.get_world_size(self.group)

    @property
    def rank(self) -> int:
        return dist.get_rank(self.group)

    @property
    def bands(self) -> list[slice]:
        """The tokens of the axis that each process has."""
        return [slice(*edges) for edges in itertools.pairwise(self._edges(self.length))]

    @property
    def band(self) -> slice:
        """Those of this process."""
        return self.bands[self.rank]

    def put_together(self, part: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
        """The parts of all processes, one after another along `dim`; without a gradient.

        Args:
            part: of this process.
            sizes: of each process's along `dim`.
        """
        moved = part.movedim(dim, 0)
        padded = moved.new_zeros(max(sizes), *moved.shape[1:])
        padded[: len(moved)] = moved
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded, self.group)
        cut = [part[:size] for part, size in zip(parts, sizes, strict=True)]
        return torch.cat(cut).movedim(0, dim)

    def to_rows(self, bands: Tensor) -> Tensor:
        """(r, m, d) bands of the same rows on every process → (r', n, d) whole ones, a share."""
        rank, of_rows, of_axis = self.rank, self._sizes(len(bands)), self._sizes(self.length)
        width = bands.shape[2:].numel()
        mine = of_rows[rank]
        received = _exchanged(
            bands.contiguous(),
            [count * of_axis[rank] * width for count in of_rows],
            [mine * count * width for count in of_axis],
            self.group,
        )
        parts = zip(received, of_axis, strict=True)
        return torch.cat([part.view(mine, count, *bands.shape[2:]) for part, count in parts], 1)

    def to_bands(self, rows: Tensor, num_rows: int) -> Tensor:
        """The inverse of `to_rows`: (r', n, d) → (r, m, d), with r = `num_rows`."""
        rank, of_rows, of_axis = self.rank, self._sizes(num_rows), self._sizes(self.length)
        width = rows.shape[2:].numel()
        pieces = torch.split(rows, of_axis, 1)
        received = _exchanged(
            torch.cat([piece.reshape(-1) for piece in pieces]),
            [piece.numel() for piece in pieces],
            [count * of_axis[rank] * width for count in of_rows],
            self.group,
        )
        parts = zip(received, of_rows, strict=True)
        return torch.cat(
            [part.view(count, of_axis[rank], *rows.shape[2:]) for part, count in parts]
        )

    def _edges(self, length: int) -> list[int]:
        return [length * rank // self.size for rank in range(self.size + 1)]

    def _sizes(self, length: int) -> list[int]:
        edges = self._edges(length)
        return [high - low for low, high in itertools.pairwise(edges)]


def share_axis(module: nn.Module, domain: Domain | None) -> None:
    """Tells every part of a module that looks along axes that one of them is shared; None: none is.

    Parameters and state dicts stay whole on every process. The gradients of a process are what its
    own tokens contribute: the sum over the processes is the gradient.

    Raises:
        ValueError: a part looks along axes and cannot share one, such as a convolution.
    """
    parts = list(module.modules())
    attentions = [part for part in parts if hasattr(part, "axial_attentions")]
    # What only belongs to them counts axes in its own way.
    theirs = {id(p) for part in attentions for p in part.modules() if p is not part}
    others = [part for part in parts if id(part) not in theirs]
    for part in others:
        if (
            isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d)
            or type(part).__name__ == "AlongAxis"
        ):
            raise ValueError(
                f"module: {type(part).__name__} looks along axes and cannot share one; use "
                "AxialAttention and AxialTransformer"
            )
    for part in others:
        if hasattr(part, "domain"):
            setattr(part, "domain", domain)  # noqa: B010, of any module


def _exchanged(data: Tensor, sent: list[int], received: list[int], group: Any) -> list[Tensor]:
    """What each process gets of every other one, flat; the gradient goes the same way back."""
    # With a gradient, and in a graph of torch.compile; torch.distributed.nn has it deprecated.
    from torch.distributed._functional_collectives import all_to_all_single_autograd

    whole: Tensor = all_to_all_single_autograd(data.reshape(-1), received, sent, group)
    return list(torch.split(whole, received))
