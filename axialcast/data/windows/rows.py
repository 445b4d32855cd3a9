"""Which rows of a store the windows hold.

Shapes: b windows, t states in a window.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from axialcast.data.windows.plan import Positions
from axialcast.times.calendars import gapless_axis, time_text

__all__ = ["Missing", "WindowRows"]

Missing = Literal["skip", "mask"]


class WindowRows:
    """All windows of a store, numbered by time, and the rows that hold their states.

    Args:
        times: of the rows, increasing, perhaps with gaps.
        input_steps, target_steps, step, stride, missing: see WindowLoader.

    Attributes:
        offsets: (t,) cadences from the start of a window to each of its states.
        first, last: row in which each window begins and ends.
        may_lack: whether a window may lack a state.

    Raises:
        ValueError: too few times for one window.
    """

    def __init__(
        self,
        times: NDArray[Any],
        *,
        input_steps: int,
        target_steps: int,
        step: int,
        stride: int,
        missing: Missing,
    ) -> None:
        if missing not in ("skip", "mask"):
            raise ValueError(f"missing: expected 'skip' or 'mask', got {missing!r}")
        self.may_lack = missing == "mask"
        self.offsets = np.arange(input_steps + target_steps) * step
        self._times = times
        self._row, self._spacing = gapless_axis(times)
        there = self._row >= 0
        starts = np.arange(0, len(there) - int(self.offsets[-1]), stride)
        inputs, targets = np.split(there[starts[:, None] + self.offsets], [input_steps], 1)
        enough = targets.any(1) if self.may_lack else targets.all(1)
        self._starts = starts[inputs.all(1) & enough]
        if not len(self):
            raise ValueError(
                f"{len(times)} times ({self.period}) are too few for one window of "
                f"{len(self.offsets)} states {step} apart, which spans {self.offsets[-1] + 1}; "
                "choose a longer period or fewer input or rollout steps"
            )
        self.first = self._row[self._starts]
        self.last = self[np.arange(len(self))].max(1)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, windows: Positions) -> Positions:
        """(b, t) rows that these windows hold, -1 for a missing time."""
        rows: Positions = self._row[self._starts[windows][:, None] + self.offsets]
        return rows

    def times(self, rows: Positions) -> NDArray[Any]:
        """(b, t) times of the states in these rows of windows, of missing ones too."""
        times: NDArray[Any] = self._times[rows]
        if self.may_lack:
            for window, state in np.argwhere(rows < 0):
                times[window, state] = times[window, 0] + self._spacing * int(self.offsets[state])
        return times

    @property
    def period(self) -> str:
        """First and last time, in words."""
        if not len(self._times):
            return "none"
        return f"{time_text(self._times[0])} to {time_text(self._times[-1])}"
