"""A batch of windows: what is given, and what is to be forecast.

Shapes: b windows, t states in a window, c channels, h latitudes, w longitudes.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from axialcast.data.channels import Channels
from axialcast.names import BOUNDARY, DIAGNOSTIC, FORCING, PROGNOSTIC

__all__ = ["Batch"]


@dataclass(frozen=True)
class Batch:
    """Windows of normalised states: the input states, then the target states.

    Args:
        states: (b, t, c, h, w) float32, 0 where a value is missing.
        times: (b, t) the valid time of each state: datetime64, or cftime in other calendars.
        valid: (b, t, c, h, w) bool, where a value is there; None: everywhere.
        input_steps: how many of the t states are given; the others are to be forecast.
        channels: (c,) with their roles; None: all are prognostic.
    """

    states: Tensor
    times: NDArray[Any]
    valid: Tensor | None
    input_steps: int
    channels: Channels | None = None

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
        """The prognostic channels of the input states."""
        return self.states[:, : self.input_steps, self._where(PROGNOSTIC)]

    @property
    def targets(self) -> Tensor:
        """The channels to be forecast, prognostic and diagnostic, of the target states."""
        return self.states[:, self.input_steps :, self._forecast]

    @property
    def forcings(self) -> Iterator[Tensor] | None:
        """For each step, forcings one step after the states that are given then; None: no such."""
        place = self._where(FORCING)
        if self.channels is None or place.start == place.stop:
            return None
        length, total = self.input_steps, self.states.shape[1]
        return (self.states[:, n + 1 : n + 1 + length, place] for n in range(total - length))

    @property
    def boundary(self) -> Iterator[Tensor]:
        """For each step, (b, p, h, w) prognostic channels one step after the last state that is
        given then, NaN where missing: of the boundary's store, if states hold its channels, too."""
        place = self._where(BOUNDARY)
        if place.start == place.stop:
            place = self._where(PROGNOSTIC)
        coming = self.states[:, self.input_steps :, place]
        if self.valid is not None:
            coming = coming.masked_fill(~self.valid[:, self.input_steps :, place], torch.nan)
        return iter(coming.unbind(1))

    @property
    def input_times(self) -> NDArray[Any]:
        """(b, t) valid times of the states that forecasts start from."""
        return self.times[:, : self.input_steps]

    @property
    def target_times(self) -> NDArray[Any]:
        """(b, k) valid times of what is to be forecast."""
        return self.times[:, self.input_steps :]

    @property
    def input_valid(self) -> Tensor | None:
        """Of the channels to be forecast."""
        return None if self.valid is None else self.valid[:, : self.input_steps, self._forecast]

    @property
    def target_valid(self) -> Tensor | None:
        """(b, k, c, h, w) where what is to be forecast is known; None: everywhere."""
        return None if self.valid is None else self.valid[:, self.input_steps :, self._forecast]

    @property
    def _forecast(self) -> slice:
        return self._where(PROGNOSTIC, DIAGNOSTIC)

    def _where(self, *roles: str) -> slice:
        if self.channels is None:
            return slice(None) if PROGNOSTIC in roles else slice(0, 0)
        return self.channels.where(*roles)
