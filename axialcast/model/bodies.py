"""Which kinds of body a forecast network may have, and who builds them."""

from typing import Any, Literal, Protocol

from torch import Tensor

from axialcast.grid import Grid
from axialcast.model.axial import AxialBody
from axialcast.model.own import OwnBody
from axialcast.model.planes import PLANES, PlainBody
from axialcast.model.unet import UNet
from axialcast.model.vit import ViT
from axialcast.nn.domain import Domain

__all__ = ["Body", "Kind", "body_of"]

Kind = Literal["axial", "unet", "vit", "file"]


class Body(Protocol):
    """What a forecast network computes with; also an `nn.Module`.

    Shapes: b windows, t input times, k fields, c channels forecast, h latitudes, w longitudes.
    """

    def __call__(self, fields: Tensor, dates: Tensor) -> Tensor:
        """Changes over one step, and values of diagnostic channels.

        Args:
            fields: (b, t, k, h, w) normalised states, and all that is told beside them.
            dates: (b, t, 5) of the times, see `axialcast.model.calendar.dates`.

        Returns:
            (b, c, h, w) in units of the standard deviation of such changes, and of such values.
        """
        ...

    def share(self, group: Any) -> tuple[Domain, list[slice]]:
        """Lets processes share fields, a band of latitudes each: see `AxialBody.share`."""
        ...


def body_of(kind: Kind, num_fields: int, grid: Grid, **settings: Any) -> AxialBody | PlainBody:
    """A body of a kind.

    Args:
        num_fields: k.
        settings: keywords of its class.
    """
    match kind:
        case "axial":
            return AxialBody(num_fields, grid, **settings)
        case "unet":
            return PlainBody(UNet(num_fields + PLANES, grid, **settings), grid)
        case "vit":
            return PlainBody(ViT(num_fields + PLANES, grid, **settings), grid)
        case "file":
            return OwnBody(num_fields, grid, **settings)
