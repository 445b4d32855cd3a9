"""The axial body: embed → axial transformer → head.

Shapes: b windows, t input times, k fields, c channels, h latitudes, w longitudes; T, H, W the same
counted in patches; d features.
"""

from typing import Any, Literal

from torch import Tensor, nn

from axialcast.grid import Grid
from axialcast.model.embedding import PatchEmbedding, PatchHead, SphereFeatures, num_patches
from axialcast.model.local import LocalPath
from axialcast.nn import AxialTransformer
from axialcast.nn.domain import Domain, share_axis

__all__ = ["AxialBody"]


class AxialBody(nn.Module):
    """head(transformer(embed(fields) + features)), zero at first.

    Args:
        num_fields: k.
        grid: (h, w), rows and columns in the order of the data.
        num_outputs: c.
        input_steps: t.
        dim: features d.
        depth: layers of the transformer.
        heads: attention heads; must divide `dim`.
        patch: times, latitudes and longitudes in a patch; times must divide `input_steps`.
        position: of the transformer: learned, sinusoidal, rotary or none.
        mlp_ratio: width of a layer's perceptron over `dim`.
        dropout: of residual branches.
        drop_path: of residual branches as a whole, in the last layer; less in those before.
        reversible: recompute activations in backward instead of keeping them.
        local: features of every point beside those of patches, see `LocalPath`; 0: none.

    Raises:
        ValueError: `patch` does not divide `input_steps`, or as AxialTransformer.
    """

    parts = {  # noqa: RUF012, read alone
        **{"embed": "embed", "features": "features", "positions": "transformer.position"},
        **{"blocks": "transformer.layers", "norm": "transformer.norm", "head": "head"},
        "local": "local",
    }
    """By the names that readers know them by, where parameters are."""

    def __init__(
        self,
        num_fields: int,
        grid: Grid,
        *,
        num_outputs: int,
        input_steps: int,
        dim: int = 128,
        depth: int = 4,
        heads: int = 4,
        patch: tuple[int, int, int] = (1, 2, 2),
        position: Literal["learned", "sinusoidal", "rotary", "none"] = "learned",
        mlp_ratio: float = 2.0,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        reversible: bool = True,
        local: int = 0,
    ) -> None:
        super().__init__()
        if input_steps % patch[0]:
            raise ValueError(
                f"patch: {patch[0]} times do not divide input_steps={input_steps}; "
                f"choose 1 or {input_steps}"
            )
        self.patch = tuple(patch)
        self.embed = PatchEmbedding(num_fields, dim, patch=patch, is_periodic=grid.is_periodic)
        self.features = SphereFeatures(grid, dim, patch=patch[1:])
        self.transformer = AxialTransformer(
            dim,
            depth,
            num_dimensions=3,
            heads=heads,
            shape=num_patches((input_steps, *grid.shape), patch),
            position=position,
            periodic=(False, False, grid.is_periodic),
            mlp_ratio=mlp_ratio,
            dropout=dropout,
            drop_path=drop_path,
            reversible=reversible,
        )
        self.head = PatchHead(dim, num_outputs, patch=patch[1:], shape=grid.shape)
        self.local = None
        if local:
            self.local = LocalPath(
                num_fields,
                grid,
                num_outputs=num_outputs,
                input_steps=input_steps,
                width=local,
                dim=dim,
                patch=patch[1:],
                dropout=dropout,
            )

    def forward(self, fields: Tensor, dates: Tensor) -> Tensor:
        """(b, t, k, h, w) fields at (b, t, n) dates → (b, c, h, w)."""
        latest = self.patch[0] - 1
        tokens = self.embed(fields) + self.features(dates[:, latest :: self.patch[0], :2])
        outputs: Tensor
        if self.local is None:
            outputs = self.head(self.transformer(tokens)[:, -1])
            return outputs
        points = self.local.points(fields)
        features = self.transformer(tokens + self.local.patches(points))[:, -1]
        outputs = self.head(features) + self.local.outputs(points, features)
        return outputs

    def share(self, group: Any) -> tuple[Domain, list[slice]]:
        """Lets the processes of a group share fields, a band of latitudes each: whole patches.

        Returns:
            The bands as attention knows them, and the rows of the grid of each process.

        Raises:
            ValueError: there are more processes than rows of patches, or convolutions would reach
                into the bands of others.
        """
        if self.local is not None:
            raise ValueError("convolutions reach beyond a band of latitudes; set model.local: 0")
        height, patch = self.head.shape[0], self.patch[1]
        length = -(-height // patch)
        try:
            domain = Domain(group, axis=1, length=length)
        except ValueError:
            raise ValueError(
                f"more processes than rows of patches, of which {height} latitudes have {length}, "
                f"{patch} latitudes each; choose at most {length}"
            ) from None
        share_axis(self.transformer, domain)
        rows = [slice(b.start * patch, min(b.stop * patch, height)) for b in domain.bands]
        self.features.band, self.head.rows = domain.band, rows[domain.rank]
        return domain, rows
