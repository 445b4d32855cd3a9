"""What a loader yields.

Shapes: b windows, t states in a window, c channels, h latitudes, w longitudes.
"""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Batch"]


@dataclass(frozen=True)
class Batch:
    """Windows of normalised states: the input states, then the target states.

    Args:
        states: (b, t, c, h, w) float32, 0 where a value is missing.
        times: (b, t) the valid time of each state: datetime64, or cftime in other calendars.
        valid: (b, t, c, h, w) bool, where a value is there; None: everywhere.
        input_steps: how many of the t states are given; the others are to be forecast.
    """

    states: Tensor
    times: NDArray[Any]
    valid: Tensor | None
    input_steps: int

    @property
    def inputs(self) -> Tensor:
        return self.states[:, : self.input_steps]

    @property
    def targets(self) -> Tensor:
        return self.states[:, self.input_steps :]

    @property
    def input_times(self) -> NDArray[Any]:
        return self.times[:, : self.input_steps]

    @property
    def target_times(self) -> NDArray[Any]:
        return self.times[:, self.input_steps :]

    @property
    def input_valid(self) -> Tensor | None:
        return None if self.valid is None else self.valid[:, : self.input_steps]

    @property
    def target_valid(self) -> Tensor | None:
        return None if self.valid is None else self.valid[:, self.input_steps :]
