"""The section `model:` of a config file: the network."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from axialcast.run.section import Section
from axialcast.run.values import Count, Patch, Positive, Share

__all__ = ["ModelConfig"]


class ModelConfig(Section):
    """The network: keywords of `axialcast.model.ForecastNetwork`."""

    dim: Annotated[Count, Field(le=65_536)] = 128
    """Feature width."""
    depth: Annotated[Count, Field(le=1024)] = 4
    """Number of axial transformer blocks."""
    heads: Count = 4
    """Attention heads; must divide dim."""
    patch: Patch = (1, 2, 2)
    """Times, latitudes and longitudes in a patch; [2, 2] means [1, 2, 2]."""
    position: Literal["learned", "sinusoidal", "rotary", "none"] = "learned"
    """Kind of positional embedding."""
    reversible: bool = True
    """Whether the backward pass recomputes activations: memory no longer grows with depth."""
    mlp_ratio: Annotated[Positive, Field(le=1024)] = 2.0
    """Hidden width of a layer's perceptron, in units of dim."""
    dropout: Share = 0.0
    """Share of features dropped while training."""
    departures: bool = False
    """Of states of months: whether the network is given, and gives, departures from the mean of
    each calendar month of data.train."""

    @model_validator(mode="after")
    def _has_features(self) -> Self:
        if self.dim % self.heads:
            near = self.dim - self.dim % self.heads or self.heads
            raise ValueError(
                f"dim {self.dim} is not divisible by heads {self.heads}; try dim: {near}"
            )
        if round(self.dim * self.mlp_ratio) < 1:
            raise ValueError(
                f"mlp_ratio {self.mlp_ratio:g} of dim {self.dim} leaves no feature; try 2"
            )
        return self
