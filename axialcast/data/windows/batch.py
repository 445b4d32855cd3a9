"""A batch of windows: what is given, and what is to be forecast.

Shapes: b windows, t states in a window, c channels, h latitudes, w longitudes.
"""

import itertools
from dataclasses import dataclass, replace
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

    def split(self, count: int) -> list["Batch"]:
        """Views of as equal parts of the windows, in order.

        Raises:
            ValueError: there are fewer windows than parts.
        """
        total = len(self.states)
        if total < count:
            raise ValueError(
                f"accumulate: {total} windows of a process cannot be taken in {count} parts; "
                "choose fewer, or a larger batch_size"
            )
        bounds = [total * part // count for part in range(count + 1)]
        return [
            replace(
                self,
                states=self.states[low:high],
                times=self.times[low:high],
                valid=None if self.valid is None else self.valid[low:high],
            )
            for low, high in itertools.pairwise(bounds)
        ]

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
