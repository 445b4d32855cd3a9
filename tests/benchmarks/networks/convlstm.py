"""ConvLSTM as a network by file: Shi et al. (2015, section 3), on patches as they take them.

Shapes: b windows, t input times, n channels, c outputs, h rows, w columns; d features.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from axialcast.model.embedding import PatchEmbedding, PatchHead


def build(
    num_channels: int,
    grid: Any,
    *,
    num_outputs: int,
    input_steps: int,
    dim: int = 64,
    depth: int = 2,
    patch: tuple[int, int] = (2, 2),
) -> nn.Module:
    return ConvLSTM(num_channels, grid, num_outputs, dim, depth, tuple(patch))


class ConvLSTM(nn.Module):
    """Layers of cells that read the times one after another; the last hidden state forecasts."""

    def __init__(
        self,
        num_channels: int,
        grid: Any,
        num_outputs: int,
        dim: int,
        depth: int,
        patch: tuple[int, int],
    ) -> None:
        super().__init__()
        self.embed = PatchEmbedding(
            num_channels, dim, patch=(1, *patch), is_periodic=grid.is_periodic
        )
        self.cells = nn.ModuleList(Cell(dim, grid.is_periodic) for _ in range(depth))
        self.head = PatchHead(dim, num_outputs, patch=patch, shape=grid.shape)

    def forward(self, fields: Tensor) -> Tensor:
        """(b, t, n, h, w) → (b, c, h, w)."""
        states = self.embed(fields).movedim(-1, 2)
        for cell in self.cells:
            hidden, memory = torch.zeros_like(states[:, 0]), torch.zeros_like(states[:, 0])
            passed = []
            for state in states.unbind(1):
                hidden, memory = cell(state, hidden, memory)
                passed.append(hidden)
            states = torch.stack(passed, 1)
        return self.head(states[:, -1].movedim(1, -1))


class Cell(nn.Module):
    """Their equation 3 without peepholes: gates and candidate by one 3 x 3 convolution."""

    def __init__(self, dim: int, around: bool) -> None:
        super().__init__()
        self.beyond = "circular" if around else "replicate"
        self.gates = nn.Conv2d(2 * dim, 4 * dim, 3)

    def forward(self, x: Tensor, hidden: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        given = functional.pad(torch.cat([x, hidden], 1), (1, 1, 0, 0), mode=self.beyond)
        gates = self.gates(functional.pad(given, (0, 0, 1, 1), mode="replicate"))
        enters, stays, leaves, new = gates.chunk(4, 1)
        memory = (stays + 1).sigmoid() * memory + enters.sigmoid() * new.tanh()
        return leaves.sigmoid() * memory.tanh(), memory
