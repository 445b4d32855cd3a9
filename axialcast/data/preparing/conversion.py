"""States of other times or on another grid than an analysis has, computed when they are read.

Shapes: n times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.arrays.lazy import lazily
from axialcast.data.arrays.stored import Box, Stored, boxes, moved
from axialcast.data.preparing.aggregation import Periods, aggregate, periods_of
from axialcast.data.preparing.regrid import covered, regrid
from axialcast.data.reader import Analysis
from axialcast.grid import LatLonGrid
from axialcast.names import CHANNEL, LATITUDE, LONGITUDE, TIME

__all__ = ["convert"]

READ_BYTES = 2**26
"""States of the analysis that are read and converted at once, if chunks are smaller."""


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
    labels = {TIME: times, LATITUDE: whole.latitude, LONGITUDE: whole.longitude}
    array = xr.DataArray(xr.Variable((TIME, CHANNEL, LATITUDE, LONGITUDE), lazily(states)), labels)
    left_out = periods.left_out if periods else []
    return analysis.channels.fields(array).assign_attrs(dataset.attrs, left_out=left_out)


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
        self.accumulated, self.is_remote = accumulated, analysis.is_remote
        per_time = 1 if periods is None else periods.length
        num_times = len(analysis) if periods is None else len(periods)
        self.shape = (num_times, analysis.shape[0], *(grid or analysis.grid).shape)
        rows = max(analysis.chunk, READ_BYTES // analysis.state_bytes)
        self.chunk_shape = (min(max(1, rows // per_time), num_times), *self.shape[1:])

    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[np.float32]]]:
        for _, where, _ in boxes(box, self.chunk_shape):
            when = moved(where[0], box[0].start)
            yield where, self._states(when.start, when.stop)[(slice(None), *box[1:])]

    def converted(self, factor: float, offset: float) -> "Converted":
        raise AssertionError("units are converted before")

    def transposed(self, axes: tuple[int, ...]) -> "Converted":
        raise AssertionError("dimensions are in order")

    def _states(self, start: int, stop: int) -> NDArray[np.float32]:
        """(stop - start, c, h, w) converted states."""
        analysis, periods = self.analysis, self.periods
        rows = slice(start, stop) if periods is None else periods.rows(start, stop)
        coords = {name: analysis.dataset[name] for name in (LATITUDE, LONGITUDE)}
        coords[TIME] = analysis.dataset[TIME][rows]
        block = analysis.channels.unstack(analysis.read(rows), coords, (TIME,))
        if periods is not None:
            block = aggregate(block, periods.part(start, stop), accumulated=self.accumulated)
        if self.grid is not None:
            block = regrid(block, self.grid)
        return analysis.channels.stack(block)
