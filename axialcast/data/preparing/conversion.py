"""States of other times or on another grid than an analysis has, computed when they are read.

Shapes: n times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.arrays.lazy import lazily
from axialcast.data.arrays.stored import Box, Stored, boxes, moved
from axialcast.data.preparing.aggregation import Periods, aggregated, periods_of, sums_among
from axialcast.data.preparing.regrid import covered, weights_between
from axialcast.data.reader import Analysis
from axialcast.grid import LatLonGrid
from axialcast.names import CHANNEL, TIME
from axialcast.times.cells import CELL_ATTRS, Cell

__all__ = ["MOST_BYTES", "READ_BYTES", "convert"]

READ_BYTES = 2**26
"""States of the analysis that are read and converted at once, if chunks are smaller."""
MOST_BYTES = 2**28
"""The most that is read at once: of longer chunks a part, for which they are decoded once."""


def convert(
    dataset: xr.Dataset,
    *,
    aggregate_hours: float | None = None,
    accumulated: Sequence[str] = (),
    grid: LatLonGrid | None = None,
) -> xr.Dataset:
    """The analysis aggregated over time and on another grid, nothing computed.

    Its attribute `left_out` names the periods that lack times.

    Args:
        dataset: as `open_analysis` returns it.
        aggregate_hours: see `axialcast.data.preparing.aggregation.periods_of`; None: times as they
            are.
        accumulated: names of the variables to sum.
        grid: the target; of a region, its cells that the analysis covers as a whole. None: the
            grid as it is.
    """
    analysis = Analysis(dataset)
    periods = None
    if aggregate_hours is not None:
        periods = periods_of(dataset, hours=aggregate_hours, accumulated=accumulated)
    target = None if grid is None else covered(grid, analysis.grid)
    states = Converted(analysis, periods, tuple(accumulated), target)
    whole = target or analysis.grid
    times = (TIME, periods.times.values, dataset[TIME].attrs) if periods else dataset[TIME]
    labels = {TIME: times, **whole.labels}
    array = xr.DataArray(xr.Variable((TIME, CHANNEL, *whole.dims), lazily(states)), labels)
    left_out = periods.left_out if periods else []
    fields = analysis.channels.fields(array)
    if periods is None:  # what is said of times, such as that values are sums, still holds
        for name, field in fields.data_vars.items():
            field.attrs = {**dataset[name].attrs, **field.attrs}
    else:
        assert aggregate_hours is not None
        sums = sums_among(dataset, accumulated)
        for name, field in fields.data_vars.items():
            said = aggregated(
                Cell.of(field.attrs),
                hours=aggregate_hours,
                length=periods.length,
                is_sum=name in sums,
            )
            field.attrs = {k: v for k, v in field.attrs.items() if k not in CELL_ATTRS}
            field.attrs |= said.attrs()
    return fields.assign_attrs(dataset.attrs, left_out=left_out)


class Converted(Stored):
    """All states of a conversion, (n, c, h, w).

    Args:
        analysis: what is converted.
        periods: to aggregate over; None: times as they are.
        accumulated: names of the variables to sum.
        grid: the target; None: the grid as it is.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self,
        analysis: Analysis,
        periods: Periods | None,
        accumulated: Sequence[str],
        grid: LatLonGrid | None,
    ) -> None:
        self.analysis, self.periods, self.grid = analysis, periods, grid
        self.is_remote = analysis.is_remote
        self._sums = sums_among(analysis.dataset, accumulated)
        self._weights = None if grid is None else weights_between(analysis.grid, grid)
        per_time = 1 if periods is None else periods.length
        num_times = len(analysis) if periods is None else len(periods)
        self.shape = (num_times, analysis.shape[0], *(grid or analysis.grid).shape)
        self._rows = _rows_at_once(analysis)
        self._step = (max(1, self._rows // per_time), *self.shape[1:])
        chunk = min(analysis.chunk, self._rows) // per_time
        self.chunk_shape = (min(max(1, chunk), num_times), *self.shape[1:])

    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[np.float32]]]:
        for _, where, _ in boxes(box, self._step):
            when = moved(where[0], box[0].start)
            yield where, self._states(when.start, when.stop)[(slice(None), *box[1:])]

    def converted(self, factor: float, offset: float) -> "Converted":
        raise AssertionError("units are converted before")

    def transposed(self, axes: tuple[int, ...]) -> "Converted":
        raise AssertionError("dimensions are in order")

    def _states(self, start: int, stop: int) -> NDArray[np.float32]:
        """(stop - start, c, h, w) converted states."""
        if self.periods is None:
            states: Iterable[NDArray[Any]] = self.analysis.read(slice(start, stop))
        else:
            states = self._aggregated(self.periods, start, stop)
        if self._weights is None:
            return np.asarray(states, np.float32)
        out = np.empty((stop - start, *self.shape[1:]), np.float32)
        for state, into in zip(states, out, strict=True):
            into[:] = self._weights.means(state)
        return out

    def _aggregated(self, periods: Periods, start: int, stop: int) -> NDArray[np.float32]:
        """(stop - start, c, h, w) means and sums over the periods start to stop - 1.

        States are added one after another, so it is of no matter how many are read at once.
        """
        span = periods.rows(start, stop)
        totals = np.zeros((stop - start, *self.analysis.shape))
        for low in range(span.start, span.stop, self._rows):
            rows = slice(low, min(low + self._rows, span.stop))
            values = self.analysis.read(rows)
            for places, firsts in self._firsts(periods):
                for total, first in zip(totals, firsts[start:stop].tolist(), strict=True):
                    for row in range(max(first, low), min(first + periods.length, rows.stop)):
                        total[places] += values[row - low][places]
        means = self._places(are_sums=False)
        totals[:, means] /= periods.length
        return totals.astype(np.float32)

    def _firsts(self, periods: Periods) -> Iterator[tuple[Any, NDArray[np.int64]]]:
        """Channels, and the first row of each period of theirs."""
        for firsts, are_sums in ((periods.means, False), (periods.sums, True)):
            if firsts is not None:
                yield self._places(are_sums=are_sums), firsts

    def _places(self, *, are_sums: bool) -> Any:
        """Which channels are summed, or which are not; a slice if they all are."""
        found = [(c.variable in self._sums) == are_sums for c in self.analysis.channels]
        return slice(None) if all(found) else np.array(found)


def _rows_at_once(analysis: Analysis) -> int:
    """Times of the analysis that are read together: whole chunks, if these are not too long."""
    chunk, enough = analysis.chunk, READ_BYTES // analysis.state_bytes
    rows = max(chunk, enough // chunk * chunk)
    return max(1, min(rows, MOST_BYTES // analysis.state_bytes))
