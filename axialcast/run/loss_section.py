"""The section `train.loss` of a config file: what forecasts are trained to make small."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from axialcast.run.section import Section
from axialcast.run.values import Count, Location, NotNegative, Positive

__all__ = ["LossConfig"]


class LossConfig(Section):
    """Keywords of `axialcast.model.loss.Loss.of`: the cells' errors, and what is added to them."""

    kind: Literal["auto", "mse", "crps", "file"] = "auto"
    """mse: squared errors. crps: the almost fair continuous ranked probability score of members,
    of a network with model.noise. auto: crps with model.noise, mse without. file: what a Python
    file of yours says of each cell."""
    path: Location | None = None
    """Of file: a Python file that defines loss(forecast, target, **options);
    `axialcast cp loss my_loss.py` makes one."""
    options: dict[str, Any] = {}
    """Of file: further keywords of its loss."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.95
    """Of crps: 1 is the fair score, 0 that of so few members as they are."""
    samples: Annotated[Count, Field(ge=2, le=64)] = 2
    """Of crps: members that each window is forecast by."""
    mean: NotNegative = 0.0
    """Of crps: weight of the squared error of the members' mean, which learns faster; more of it
    makes the spread grow later."""
    spectral: NotNegative = 0.0
    """Weight of spectra along rows, against forecasts that blur: how strong waves are, and of crps
    where they are, too."""
    blocks: tuple[Annotated[Count, Field(ge=2)], ...] = ()
    """Cells along a side of blocks whose means are judged besides the cells, such as [4, 16]."""
    blocks_weight: Positive = 1.0
    """Weight of each size of blocks."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.kind == "file") != (self.path is not None):
            raise ValueError("kind: file and path belong together; give both, or neither")
        if self.options and self.kind != "file":
            raise ValueError(f"options: are of kind: file, not of {self.kind}; leave them out")
        if self.kind == "file" and (self.spectral or self.blocks):
            raise ValueError("kind: file is the whole loss; leave spectral and blocks out")
        return self
