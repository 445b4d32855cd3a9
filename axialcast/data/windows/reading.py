"""Normalised states of an analysis, read by position in time, decoded and normalised once.

Shapes: n times, c channels, h latitudes, w longitudes.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from axialcast.data.arrays.memory import aligned
from axialcast.data.channels import Channels
from axialcast.data.normalize import Statistics
from axialcast.data.reader import Analysis
from axialcast.data.sources import Where
from axialcast.data.transform import LEAST, logarithm
from axialcast.names import FORCING
from axialcast.times.calendars import time_text

__all__ = ["BUFFER_BYTES", "PAGE_BYTES", "States"]

BUFFER_BYTES = 2**30
"""Decoded data kept in memory; an analysis that fits is read once and held."""
PAGE_BYTES = 2**21
"""Decoded size of what a thread reads at once, if chunks are smaller."""


class States:
    """Normalised states of an analysis, by position in time; held in memory where they fit.

    What is selected from stored arrays is decoded chunk by chunk into place; what is computed costs
    what it is, a stretch of times at a time.

    Args:
        analysis: dimensions (time, [level], latitude, longitude), times increasing.
        channels: which channels, in which order.
        statistics: their normalisation. There are masks if it counted NaN in any channel but
            forcings, in which NaN is 0 alone.
        buffer_bytes: hold everything if it decodes to at most this many bytes.
        num_latitudes: of the whole grid, if the analysis is a band of it: what is held, and so the
            order of windows, is chosen as for whole states, the same for every band.
    """

    def __init__(
        self,
        analysis: Analysis | xr.Dataset,
        channels: Channels,
        statistics: Statistics,
        *,
        buffer_bytes: int = BUFFER_BYTES,
        num_latitudes: int | None = None,
    ) -> None:
        self.analysis = Analysis.of(analysis, channels)
        self.times: NDArray[Any] = self.analysis.times
        self.channels, self.buffer_bytes = channels, buffer_bytes
        self.shape = self.analysis.shape
        self._num_latitudes = num_latitudes or self.shape[1]
        self._may_miss = statistics.missing > 0
        judged = np.array([channel.role != FORCING for channel in channels])
        self.masked = bool((self._may_miss & judged).any())
        self._mean = statistics.mean.astype(np.float32)[:, None, None]
        self._std = statistics.std.astype(np.float32)[:, None, None]
        self._scales = statistics.log1p
        self._transformed = statistics.log1p > 0
        self._held: tuple[Tensor, Tensor | None] | None = None

    def __len__(self) -> int:
        return len(self.times)

    @cached_property
    def bytes_per_state(self) -> int:
        """Memory that a whole state takes once it is decoded, with its mask."""
        num_channels, _, width = self.shape
        return num_channels * self._num_latitudes * width * (5 if self.masked else 4)

    @property
    def in_memory(self) -> bool:
        """Whether all states are held after the first reading."""
        return len(self) * self.bytes_per_state <= self.buffer_bytes

    @property
    def is_remote(self) -> bool:
        """Whether a part comes from a store that is no local folder."""
        return self.analysis.is_remote

    @cached_property
    def page(self) -> int:
        """Times that are best read at once: whole chunks."""
        chunk = self.analysis.chunk
        aim = min(PAGE_BYTES, self.buffer_bytes // 64)
        return chunk * max(1, aim // (chunk * self.bytes_per_state))

    @cached_property
    def phase(self) -> int:
        """Place of the first time in its page."""
        return self.analysis.offset % self.page

    def empty(self, num_states: int) -> tuple[Tensor, Tensor | None]:
        """Room for states (n, c, h, w) float32 and, if there are any, masks (bool).

        The last stands for a missing state: 0, and nowhere valid.
        """
        values = torch.from_numpy(aligned((num_states, *self.shape), np.float32))
        values[-1] = 0
        if not self.masked:
            return values, None
        valid = torch.from_numpy(aligned(values.shape, np.bool_))
        valid[-1] = False
        return values, valid

    def held(self, num_threads: int = 1) -> tuple[Tensor, Tensor | None]:
        """All states and one more, which is all zero and invalid; read at the first call."""
        assert self.in_memory
        if self._held is None:
            states, valid = self.empty(len(self) + 1)
            with ThreadPoolExecutor(num_threads, thread_name_prefix="axialcast-states") as threads:
                tasks = [
                    threads.submit(
                        self.read_page, number, states, valid, number * self.page - self.phase
                    )
                    for number in range(self.num_pages)
                ]
                try:
                    for task in tasks:
                        task.result()
                except BaseException:
                    threads.shutdown(cancel_futures=True)
                    raise
            self._held = states, valid
        return self._held

    @cached_property
    def num_pages(self) -> int:
        """Pages that hold all rows, the last of which may be short."""
        return -(-(len(self) + self.phase) // self.page)

    def read_page(self, number: int, states: Tensor, valid: Tensor | None, at: int) -> None:
        """Reads a page into a buffer, the page's first row to row `at`; see `read`."""
        first = number * self.page - self.phase
        start, stop = max(first, 0), min(first + self.page, len(self))
        part = slice(at + start - first, at + stop - first)
        self.read(start, stop, states[part], None if valid is None else valid[part])

    def read(self, start: int, stop: int, out: Tensor, valid: Tensor | None = None) -> None:
        """Reads the states of the times start to stop - 1.

        Args:
            out: (stop - start, c, h, w) float32, overwritten; 0 where a value is missing.
            valid: likewise, bool: where a value is there. Needed if there are masks.

        Raises:
            ValueError: NaN in a channel that has none in the training period, or a chunk that does
                not decode.
            OSError: the store cannot be read.
        """
        target = out.numpy()
        mask = None if valid is None else valid.numpy()
        for where, values in self.analysis.pieces(start, stop):
            into, channel = target[where], where[1]
            values = values.astype(np.float32, copy=False)
            has_nan = np.isnan(values.min())
            if self._transformed[channel].any():
                self._transform(where, start, values)
            # In place while the values are in cache, then once to memory that is not.
            np.subtract(values, self._mean[channel], out=values)
            np.divide(values, self._std[channel], out=into)
            if mask is not None:
                mask[where] = True
            if has_nan:
                self._mask_nan(where, start, into, mask)

    def _transform(self, where: Where, start: int, values: NDArray[np.float32]) -> None:
        """Takes the logarithm of those channels that have one, in place."""
        first = where[1].start or 0
        for channel in np.flatnonzero(self._transformed[where[1]]).tolist():
            part, scale = values[:, channel], self._scales[first + channel]
            lows = np.fmin.reduce(part, (1, 2))
            for time in np.flatnonzero(lows < LEAST * scale)[:1]:
                when = self.times[start + (where[0].start or 0) + time]
                raise ValueError(
                    f"{self.channels[first + channel]}: {lows[time]:.6g} at {time_text(when)} is "
                    "below 0, where data.transform takes its logarithm; set it to 0 in the file"
                )
            part[:] = logarithm(part, scale)

    def _mask_nan(
        self,
        where: Where,
        start: int,
        into: NDArray[np.float32],
        mask: NDArray[np.bool_] | None,
    ) -> None:
        bad = np.isnan(into)
        refused = bad.any((2, 3)) & ~self._may_miss[where[1]]
        if refused.any():
            time, channel = np.argwhere(refused)[0]
            when = self.times[start + (where[0].start or 0) + time]
            raise ValueError(
                f"{self.channels[(where[1].start or 0) + channel]}: NaN at {time_text(when)}, "
                "where the training period has none; fill it or leave the period out"
            )
        into[bad] = 0
        if mask is not None:
            mask[where][bad] = False
