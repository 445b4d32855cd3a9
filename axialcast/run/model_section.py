"""The section `model:` of a config file: the network, whose body `kind` names."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)

from axialcast.run.section import Section
from axialcast.run.values import Count, Location, Patch, Positive, Share, Whole

__all__ = ["AxialConfig", "FileConfig", "Model", "ModelConfig", "UNetConfig", "ViTConfig"]

Kind = Literal["axial", "unet", "vit", "file"]
SIZED = ("dim", "depth", "patch", "local")
"""Keys that a size decides."""


class ModelConfig(Section):
    """What networks of all kinds have: keywords of `axialcast.model.ForecastNetwork`."""

    kind: Kind = "axial"
    """What computes: axial attention; unet or vit, to compare it with; file, a network of your
    own."""
    base: Literal["persistence", "blend", "linear", "auto"] = "auto"
    """What forecasts are built on: persistence, the last state; blend, a linear floor beside the
    network (the baseline vector_autoregression), in shares that data.validate decides; linear, the
    same of a network that learns on top of a share of the floor; auto: blend where the data allow
    it, and linear for every second of several members."""
    departures: Literal["auto"] | bool = "auto"
    """Whether the network is given, and gives, departures from the climatology of data.train: mean
    and harmonics of the year at each hour of the day, or the means of the calendar months; auto:
    where data.train has a year or more, and each month twice."""
    noise: Annotated[Whole, Field(le=256)] = 0
    """Fields of noise that the network is conditioned on: one network of which any number of
    members can be made, trained on their CRPS (train.loss); 0: none."""

    @property
    def patching(self) -> tuple[int, int, int]:
        """Times, latitudes and longitudes that are computed as one."""
        found: tuple[int, int, int] = getattr(self, "patch", (1, 1, 1))
        return found


class AxialConfig(ModelConfig):
    """Axial attention: keywords of `axialcast.model.axial.AxialBody`."""

    size: Literal["auto", "small", "medium", "large"] | None = None
    """What decides those of dim, depth, patch and local that are not given: a size, or auto, which
    goes by the grid, the channels and the number of states in data.train; null: their defaults."""
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
    drop_path: Share = 0.0
    """Share of windows for which the last layer is left out while training; of the layers before
    it less, from 0 at the first."""

    local: Annotated[Whole, Field(le=4096)] = 0
    """Features of every point, by convolutions, beside those of patches; 0: none."""

    @model_validator(mode="after")
    def _has_features(self) -> Self:
        _refuse_odd_heads(self.dim, self.heads, self.mlp_ratio)
        return self

    @model_serializer(mode="wrap")
    def _without_what_size_decides(self, all_of: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is written down is read again as it was: a key that nobody gave is not given."""
        values: dict[str, Any] = all_of(self)
        for name in SIZED if self.size else ():
            if name not in self.model_fields_set:
                del values[name]
        return values


class UNetConfig(ModelConfig):
    """Convolutions at several resolutions: keywords of `axialcast.model.unet.UNet`."""

    kind: Kind = "unet"
    """What computes: unet, convolutions at several resolutions."""
    dim: Annotated[Count, Field(le=4096)] = 32
    """Feature width of the finest level; each coarser one has twice that of the one above."""
    depth: Annotated[Count, Field(le=12)] = 2
    """How often rows and columns are halved."""
    dropout: Share = 0.0
    """Share of features dropped while training."""


class ViTConfig(ModelConfig):
    """Attention of every patch to every other: keywords of `axialcast.model.vit.ViT`."""

    kind: Kind = "vit"
    """What computes: vit, attention of every patch to every other."""
    dim: Annotated[Count, Field(le=65_536)] = 128
    """Feature width."""
    depth: Annotated[Count, Field(le=1024)] = 4
    """Number of blocks."""
    heads: Count = 4
    """Attention heads; must divide dim."""
    patch: Patch = (1, 2, 2)
    """Times, latitudes and longitudes in a patch; [2, 2] means [1, 2, 2]."""
    mlp_ratio: Annotated[Positive, Field(le=1024)] = 2.0
    """Hidden width of a block's perceptron, in units of dim."""
    dropout: Share = 0.0
    """Share of features dropped while training."""

    @model_validator(mode="after")
    def _has_features(self) -> Self:
        _refuse_odd_heads(self.dim, self.heads, self.mlp_ratio)
        return self


class FileConfig(ModelConfig):
    """A network of your own: keywords of `axialcast.model.own.OwnBody`."""

    kind: Kind = "file"
    """What computes: file, a network that a Python file of yours builds."""
    path: Location
    """Python file that defines build(num_channels, grid, *, num_outputs, input_steps, **options);
    `axialcast cp network my_network.py` makes one."""
    options: dict[str, Any] = {}
    """Further keywords of its build."""


def kind_of(value: Any) -> str:
    """Which section a value is meant as; unknown kinds are left to be refused there."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return str(kind) if kind in get_args(Kind) else "axial"


Model = Annotated[
    Annotated[AxialConfig, Tag("axial")]
    | Annotated[UNetConfig, Tag("unet")]
    | Annotated[ViTConfig, Tag("vit")]
    | Annotated[FileConfig, Tag("file")],
    Discriminator(kind_of),
]
"""Whichever of them it is."""


def _refuse_odd_heads(dim: int, heads: int, mlp_ratio: float) -> None:
    if dim % heads:
        near = dim - dim % heads or heads
        raise ValueError(f"dim {dim} is not divisible by heads {heads}; try dim: {near}")
    if round(dim * mlp_ratio) < 1:
        raise ValueError(f"mlp_ratio {mlp_ratio:g} of dim {dim} leaves no feature; try 2")
