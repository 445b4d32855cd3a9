"""Bodies made of networks that map fields to fields and know nothing of place and time.

Shapes: b windows, t input times, k fields, c channels, h latitudes, w longitudes.
"""

from typing import Any, NoReturn

import torch
from einops import rearrange
from torch import Tensor, nn

from axialcast.grid import Grid
from axialcast.model.embedding import SpherePlanes

__all__ = ["PLANES", "PlainBody"]

PLANES = SpherePlanes.COUNT
"""Fields of place and time that such a network is given after all others."""


class PlainBody(nn.Module):
    """A network with place and time as ten more fields: see `SpherePlanes` for their order.

    Args:
        network: maps (b, t, k + 10, h, w) to (b, c, h, w).
        grid: (h, w).
    """

    def __init__(self, network: nn.Module, grid: Grid) -> None:
        super().__init__()
        self.network, self.planes = network, SpherePlanes(grid)

    @property
    def parts(self) -> dict[str, str]:
        """The network's submodules, by the names that readers know them by."""
        return {name: f"network.{name}" for name, _ in self.network.named_children()}

    def forward(self, fields: Tensor, dates: Tensor) -> Tensor:
        """(b, t, k, h, w) fields at (b, t, n) dates → (b, c, h, w)."""
        planes = rearrange(self.planes(dates[..., :2]), "b t h w p -> b t p h w")
        outputs: Tensor = self.network(torch.cat([fields, planes.to(fields.dtype)], 2))
        return outputs

    def share(self, group: Any) -> NoReturn:
        """Raises: such a network wants whole fields.

        Raises:
            ValueError: always.
        """
        raise ValueError("only model.kind: axial can be shared by latitudes; set it to 1")
