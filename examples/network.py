"""A network of your own, for `model: {kind: file, path: my_network.py}`.

Change what you like but the first line of `build` and what it has to map. `axialcast check CONFIG`
tries it out on random fields of your data's size; docs/your_own_network.md says all that it checks.

Shapes: b windows, t input times, n channels, c outputs, h rows (latitudes), w columns (longitudes).
"""

from typing import Any

from torch import Tensor, nn


def build(
    num_channels: int,
    grid: Any,
    *,
    num_outputs: int,
    input_steps: int,
    dim: int = 48,
    depth: int = 6,
) -> nn.Module:
    """Called once, before training, and again by whoever loads the checkpoint.

    Args:
        num_channels: n of each time: states, then static fields, forcings and whatever else the
            network is told, all normalised, then ten of place and time.
        grid: of the data: `shape` (h, w), `is_periodic`, `latitudes` and `longitudes` in degrees.
        num_outputs: c: the prognostic channels, then the diagnostic ones.
        input_steps: t, the last being the present.
        dim, depth: options of this file, as `model.options: {dim: 64}`; yours may have others.
    """
    return Convolutions(num_channels * input_steps, num_outputs, dim, depth, grid.is_periodic)


class Convolutions(nn.Module):
    """Residual convolutions, each seeing farther than the one before."""

    def __init__(self, given: int, made: int, dim: int, depth: int, around: bool) -> None:
        super().__init__()
        self.around = around
        self.enter = nn.Conv2d(given, dim, 1)
        self.reaches = [2 ** (layer % 3) for layer in range(depth)]
        self.layers = nn.ModuleList(nn.Conv2d(dim, dim, 3, dilation=r) for r in self.reaches)
        self.leave = nn.Conv2d(dim, made, 1)
        # Nothing changes at first: the forecast starts as persistence, and training is stable.
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, fields: Tensor) -> Tensor:
        """(b, t, n, h, w) → (b, c, h, w).

        Of prognostic channels this is the change over one step, in units of the standard deviation
        of such changes in the training data; of diagnostic channels, which have no state, it is the
        normalised value.
        """
        x = self.enter(fields.flatten(1, 2))
        for layer, reach in zip(self.layers, self.reaches, strict=True):
            x = x + layer(nn.functional.gelu(self.beyond(x, reach)))
        outputs: Tensor = self.leave(x)
        return outputs

    def beyond(self, x: Tensor, reach: int) -> Tensor:
        """Fields continued: around the globe where the grid goes around, else by their edge."""
        mode = "circular" if self.around else "replicate"
        x = nn.functional.pad(x, (reach, reach, 0, 0), mode=mode)
        return nn.functional.pad(x, (0, 0, reach, reach), mode="replicate")
