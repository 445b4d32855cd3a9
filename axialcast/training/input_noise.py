"""Noise on the states that windows begin with, while a network is trained.

Shapes: b windows, t input states, p prognostic channels, h latitudes, w longitudes.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from axialcast.model.noise import drawn_for

__all__ = ["InputNoise"]

INPUTS = 4
"""What is drawn, told to `drawn_for`."""


@dataclass(frozen=True)
class InputNoise:
    """White noise, so that a network learns to lead back what is off: its own errors, later.

    Sanchez-Gonzalez et al. (2020, arXiv 2002.09405, section 4.3) train simulators so. It follows
    from seed, update and a window's initial time, whatever the batch and the processes.

    Args:
        scale: (p, 1, 1) its standard deviation.
        shape: (h, w) of the whole grid.
        rows: of it, that this process has.
        seed: of the run.
    """

    scale: Tensor
    shape: tuple[int, int]
    rows: slice = field(default_factory=lambda: slice(None))
    seed: int = 0

    def added(self, states: Tensor, inits: NDArray[Any], update: int) -> Tensor:
        """(b, t, p, h, w) states of windows from (b,) times with noise; 0 where one is missing.

        Args:
            update: of the optimizer that it is drawn for.
        """
        shape = (*states.shape[1:3], *self.shape)
        drawn = (drawn_for(self.seed, time, INPUTS, update) for time in inits)
        white = [one.standard_normal(shape, np.float32)[..., self.rows, :] for one in drawn]
        noise = torch.from_numpy(np.stack(white)).to(states.device)
        return torch.where(states == 0, 0.0, states + self.scale * noise)
