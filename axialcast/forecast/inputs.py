"""The states that forecasts begin with: read once, where neighbours share them or a chunk.

Shapes: n forecasts, b forecasts computed together, t input states, c channels, h latitudes,
w longitudes.
"""

from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.data.channels import Channels
from axialcast.data.normalize import Statistics
from axialcast.data.reader import Analysis
from axialcast.data.transform import LEAST
from axialcast.times.calendars import time_text
from axialcast.times.dates import Times

__all__ = ["Inputs", "checksums", "known_at"]

AHEAD_BYTES = 2**28
"""Most that is held of states that come later: what their chunk holds, decoded once."""


class Inputs:
    """The input states of forecasts, some forecasts at a time.

    Args:
        analysis: with the channels of the network.
        rows: (n, t) positions of each forecast's states in the analysis.
    """

    def __init__(self, analysis: Analysis, rows: NDArray[np.int64]) -> None:
        self.analysis, self.rows = analysis, rows
        self._num_ahead = max(1, AHEAD_BYTES // analysis.state_bytes)
        self._held: dict[int, NDArray[np.float32]] = {}

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """(b, t, c, h, w) states of the forecasts start to stop - 1, in physical units.

        In order, each chunk is decoded about once: what comes soon and is in it, is held.
        """
        chosen = self.rows[start:stop]
        soon = self.rows[stop : 2 * stop - start + self._num_ahead]
        coming = list(dict.fromkeys(soon.ravel().tolist()))
        missing = [row for row in np.unique(chosen).tolist() if row not in self._held]
        chunks = {self._chunk(row) for row in missing}
        shared = [row for row in coming if row not in self._held and self._chunk(row) in chunks]
        wanted = sorted({*missing, *shared[: self._num_ahead]})
        states = self._held | dict(zip(wanted, self.analysis.read(wanted), strict=True))
        windows = np.empty((*chosen.shape, *self.analysis.shape), np.float32)
        for place in np.ndindex(chosen.shape):
            windows[place] = states[int(chosen[place])]
        kept = [row for row in coming if row in states][: self._num_ahead + self.rows.shape[1]]
        # Copies: one state would keep all that were read with it.
        self._held = {row: states[row] if row in self._held else states[row].copy() for row in kept}
        return windows

    def _chunk(self, row: int) -> int:
        return (row + self.analysis.phase) // self.analysis.chunk


def known_at(
    windows: NDArray[np.float32], times: Times, channels: Channels, statistics: Statistics
) -> NDArray[np.bool_] | None:
    """(b, c, h, w) where the last input states are known; None: all states are, everywhere.

    Args:
        windows: (b, t, c, h, w) in physical units.
        times: (b, t) of them.
        channels: (c,) of them.
        statistics: of the training period.

    Raises:
        ValueError: values are missing that training never missed, or all of a channel's, or
            infinite, or below zero where training saw the logarithm.
    """
    known = np.empty((len(windows), *windows.shape[2:]), np.bool_)
    everywhere = True
    for window, when, last in zip(windows, times, known, strict=True):
        for state, time in zip(window, when, strict=True):
            _refuse_negative(state, time, channels, statistics.log1p)
            np.isfinite(state, out=last)
            if not last.all():
                everywhere = False
                _refuse_infinite(state, time, channels)
                _refuse_unknown(last, time, channels, statistics.missing)
    return None if everywhere else known


def checksums(windows: NDArray[np.float32], rows: NDArray[np.int64]) -> list[str]:
    """A checksum of the states that each window consists of.

    Args:
        windows: (b, t, c, h, w).
        rows: (b, t) positions of the states; equal ones are looked at once.
    """
    of: dict[int, bytes] = {}
    for window, positions in zip(windows, rows.tolist(), strict=True):
        for state, row in zip(window, positions, strict=True):
            if row not in of:
                of[row] = sha256(state.data).digest()
    parts = (b"".join(of[row] for row in positions) for positions in rows.tolist())
    return [sha256(part).hexdigest()[:32] for part in parts]


def _refuse_infinite(state: NDArray[np.float32], time: Any, channels: Channels) -> None:
    infinite = np.isinf(state).sum((1, 2))
    for channel in np.flatnonzero(infinite)[:1]:
        raise ValueError(
            f"{channels[channel]}: {infinite[channel]} of {state[0].size} points are infinite in "
            f"the analysis of {time_text(time)}; mend it, or leave out the initial times that need "
            "it"
        )


def _refuse_negative(
    state: NDArray[np.float32], time: Any, channels: Channels, scales: NDArray[np.float64]
) -> None:
    logarithms = np.flatnonzero(scales)
    for channel, low in zip(logarithms, np.fmin.reduce(state[logarithms], (1, 2)), strict=True):
        if low < LEAST * scales[channel]:
            raise ValueError(
                f"{channels[channel]}: {low:.6g} in the analysis of {time_text(time)} is below 0, "
                "and the model was trained on its logarithm; set it to 0"
            )


def _refuse_unknown(
    known: NDArray[np.bool_], time: Any, channels: Channels, missing: NDArray[np.float64]
) -> None:
    num_known, cells = known.sum((1, 2)), known[0].size
    never_missing = missing == 0
    bad = np.flatnonzero((num_known == 0) | (never_missing & (num_known < cells)))
    if len(bad):
        channel = bad[0]
        reason = "the model was trained on none" if never_missing[channel] else "none are known"
        raise ValueError(
            f"{channels[channel]}: {cells - num_known[channel]} of {cells} points are NaN in the "
            f"analysis of {time_text(time)}, {reason}; fill it, or leave out the initial times "
            "that need it"
        )
