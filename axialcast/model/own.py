"""A body built by a user's file: see docs/your_own_network.md.

Shapes: b windows, t input times, k fields, c channels, h latitudes, w longitudes.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from axialcast.grid import Grid
from axialcast.model.planes import PLANES, PlainBody
from axialcast.own import OwnFile

__all__ = ["OwnBody"]

LARGEST = 2**25
"""Numbers in a window that a network is tried on."""


class OwnBody(PlainBody):
    """A network of somebody's, with place and time as ten more fields.

    Args:
        num_fields: k.
        grid: (h, w).
        num_outputs: c.
        input_steps: t.
        path: of the file that defines `build(num_channels, grid, *, num_outputs, input_steps,
            **options)`; num_channels is k + 10.
        options: further keywords of `build`.
        sha256: checksum that the file must have; None: whatever it has.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is another file, or does not build a network.

    Attributes:
        file: as it was when the network was built.
    """

    def __init__(
        self,
        num_fields: int,
        grid: Grid,
        *,
        num_outputs: int,
        input_steps: int,
        path: str | Path,
        options: Mapping[str, Any] | None = None,
        sha256: str | None = None,
    ) -> None:
        file = OwnFile.read(path)
        if sha256 not in (None, file.sha256):
            raise ValueError(
                f"{path}: its SHA-256 begins with {file.sha256[:12]}, expected {sha256[:12]}: it "
                "is not the file that the network was trained with"
            )
        own = {"num_outputs": num_outputs, "input_steps": input_steps}
        if twice := sorted({"num_channels", "grid", *own} & (options or {}).keys()):
            raise ValueError(f"options: {twice[0]} follows from the data; leave it out")
        network = file.call("build", num_fields + PLANES, grid, **own, **(options or {}))
        if not isinstance(network, nn.Module):
            raise ValueError(
                f"{path}: build returned {type(network).__name__}, expected a torch.nn.Module"
            )
        for name, tensor in network.state_dict().items():
            if not isinstance(tensor, Tensor) or tensor.is_complex():
                raise ValueError(
                    f"{path}: {name} is complex, or no tensor, which a checkpoint does not keep; "
                    "hold real and imaginary parts apart (torch.view_as_complex)"
                )
        super().__init__(network, grid)
        self.file, self.num_outputs = file, num_outputs
        self.given = (input_steps, num_fields, *grid.shape)

    def forward(self, fields: Tensor, dates: Tensor) -> Tensor:
        outputs = super().forward(fields, dates)
        expected = (len(fields), self.num_outputs, *fields.shape[-2:])
        if not isinstance(outputs, Tensor) or outputs.shape != expected:
            got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
            told = (*fields.shape[:2], fields.shape[2] + PLANES, *fields.shape[3:])
            raise ValueError(
                f"{self.file.path}: the network returned {got} for {told}, expected {expected}: "
                "windows, num_outputs, rows, columns"
            )
        return outputs

    def try_out(self, seed: int = 0) -> None:
        """Computes with random fields, forwards and backwards, unless these would be many.

        Raises:
            ValueError: the network does not do what a network must: what, and where in the file.
        """
        if torch.Size(self.given).numel() > LARGEST:
            return
        with torch.random.fork_rng(devices=[]), self.file.naming_lines():
            torch.manual_seed(seed)
            self._try_out(torch.randn(2, *self.given), torch.rand(2, self.given[0], 5))

    def _try_out(self, fields: Tensor, dates: Tensor) -> None:
        path, tried = self.file.path, copy.deepcopy(self)
        trained = [p for p in tried.parameters() if p.requires_grad]
        outputs = tried.train()(fields, dates)
        if not trained or not outputs.requires_grad:
            raise ValueError(f"{path}: what the network gives follows from no parameter")
        gradients = torch.autograd.grad(outputs.sum(), trained, allow_unused=True)
        known = [outputs, *(g for g in gradients if g is not None)]
        if not all(bool(torch.isfinite(values).all()) for values in known):
            raise ValueError(
                f"{path}: of standard normal numbers the network gives NaN or infinity, or such "
                "gradients"
            )
        with torch.no_grad():
            for parameter in trained:  # a last layer of zeros would hide what is to be seen
                parameter.add_(0.02 * torch.randn_like(parameter))
            together, alone = (tried.eval()(fields[:n], dates[:n]) for n in (2, 1))
        if not torch.allclose(together[:1], alone, rtol=1e-3, atol=1e-4 * float(alone.abs().max())):
            raise ValueError(
                f"{path}: in evaluation mode, what the network gives for one window depends on the "
                "others of its batch; let it compute each alone"
            )
