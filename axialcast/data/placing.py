"""Fields of a grid at the points of another one, and between their times.

Shapes: n times, c channels, h latitudes, w longitudes of the source, H rows, W columns of the
target.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.arrays.lazy import lazily
from axialcast.data.arrays.stored import Box, Stored, boxes, moved
from axialcast.data.reader import Analysis
from axialcast.grid import TOLERANCE_DEGREES, Grid, LatLonGrid
from axialcast.names import CHANNEL, TIME
from axialcast.times.calendars import time_text
from axialcast.times.dates import Times
from axialcast.times.steps import nominal

__all__ = ["Points", "placed"]

READ_BYTES = 2**26
"""States of the source that are read and interpolated at once."""


@dataclass(frozen=True, eq=False)
class Points:
    """Bilinear interpolation to points: between the two rows and the two columns around each.

    Where a point is one of the source's, its value is taken as it is.

    Args:
        rows, columns: (2, H, W) the source's row and column before each point, and after it.
        up, right: (H, W) how far towards those after, 0 to 1.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    up: NDArray[np.float32]
    right: NDArray[np.float32]

    @classmethod
    def between(cls, source: Grid, target: Grid) -> "Points":
        """From a grid to the points of another one.

        Raises:
            ValueError: some lie beyond the source's outermost points; or the source is on a map,
                and they are not all among its own.
        """
        if (places := target.among(source)) is not None:
            row, column = np.meshgrid(*places, indexing="ij")
            none = np.zeros(target.shape, np.float32)
            return cls(np.stack([row, row]), np.stack([column, column]), none, none)
        if not isinstance(source, LatLonGrid):
            raise ValueError(
                f"is on {source}, and the region's points, {target}, are not all among its own; "
                "take a store on latitudes and longitudes, or regrid it to the region's grid"
            )
        latitude, longitude = np.broadcast_arrays(target.latitudes, target.longitudes)
        rows, up = _around(source.latitude, latitude)
        turn = 360.0 if source.is_periodic else None
        first = source.longitude[0]
        # To the turn that the source counts in; what is just west of its first point stays there.
        eastward = (longitude - first + TOLERANCE_DEGREES) % 360 - TOLERANCE_DEGREES
        columns, right = _around(source.longitude - first, eastward, turn)
        if rows is None or columns is None:
            raise ValueError(f"covers {source}, less than the region, {target}")
        return cls(rows, columns, up.astype(np.float32), right.astype(np.float32))

    def values(self, fields: NDArray[Any]) -> NDArray[np.float32]:
        """(…, H, W) of fields (…, h, w); NaN where one of the four around is."""
        fields = fields.astype(np.float32, copy=False)
        (west, east), (rows, more) = self.columns, self.rows
        if not self.up.any() and not self.right.any():
            return fields[..., rows, west]
        before = _mixed(fields[..., rows, west], fields[..., rows, east], self.right)
        after = _mixed(fields[..., more, west], fields[..., more, east], self.right)
        return _mixed(before, after, self.up)


def placed(source: Analysis, grid: Grid, times: Times) -> xr.Dataset:
    """An analysis at the points of a grid and at given times, interpolated when it is read.

    In space as `Points`; in time linearly between the analysis's own, for those that are none of
    its.

    Args:
        source: on a grid that covers the other one.
        times: increasing.

    Raises:
        ValueError: it covers less of the Earth, or of the times, or has a gap among them.
    """
    states = _Placed(source, Points.between(source.grid, grid), _between(source, times))
    labels = {TIME: times, **grid.labels}
    array = xr.DataArray(xr.Variable((TIME, CHANNEL, *grid.dims), lazily(states)), labels)
    return source.channels.fields(array)


class _Placed(Stored):
    """Interpolated states, (n, c, H, W).

    Args:
        analysis: the source.
        points: of the target.
        between: (2, n) rows of the source around each time, and (n,) how far towards the second.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self,
        analysis: Analysis,
        points: Points,
        between: tuple[NDArray[np.int64], NDArray[np.float32]],
    ) -> None:
        self.analysis, self.points = analysis, points
        self.is_remote = analysis.is_remote
        self._rows, self._share = between
        self.shape = (len(self._share), analysis.shape[0], *points.up.shape)
        length = max(1, READ_BYTES // (2 * analysis.state_bytes))
        self.chunk_shape = (min(length, analysis.chunk), *self.shape[1:])
        self._step = (length, *self.shape[1:])

    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[np.float32]]]:
        for _, where, _ in boxes(box, self._step):
            when = moved(where[0], box[0].start)
            yield where, self._states(when)[(slice(None), *box[1:])]

    def _states(self, when: slice) -> NDArray[np.float32]:
        """(m, c, H, W)."""
        rows, share = self._rows[:, when], self._share[when]
        read, places = np.unique(rows, return_inverse=True)
        states = self.points.values(self.analysis.read(read))
        before, after = states[places.reshape(rows.shape)]
        return _mixed(before, after, share[:, None, None, None])


def _between(source: Analysis, times: Times) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows around each time, (2, n), and how far towards the second, (n,).

    Raises:
        ValueError: a time is beyond the source's, or in a gap of them.
    """
    own = source.times
    after = np.minimum(np.searchsorted(own, times), len(own) - 1)
    before = np.maximum(np.where(own[after] == times, after, after - 1), 0)
    span = np.asarray(own[after] - own[before]).astype("timedelta64[us]").astype(np.float64)
    past = np.asarray(times - own[before]).astype("timedelta64[us]").astype(np.float64)
    outside = (past < 0) | (past > span)
    if outside.any():
        time = times[outside][0]
        raise ValueError(
            f"holds {time_text(own[0])} to {time_text(own[-1])}, and {time_text(time)} is wanted"
        )
    # Months are of unequal length; where a time is missing, the span is twice as long.
    longest = 1.5 * (nominal(source.cadence) / np.timedelta64(1, "us")) if len(own) > 1 else 0.0
    if (gap := span > longest).any():
        raise ValueError(f"has a gap about {time_text(times[gap][0])}, which is wanted")
    share = np.divide(past, span, out=np.zeros_like(past), where=span > 0)
    return np.stack([before, after]), share.astype(np.float32)


def _mixed(
    before: NDArray[np.float32], after: NDArray[np.float32], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Towards `after` by a share; as it is where that is 0 or 1, whatever the other value."""
    mixed = before + share * (after - before)
    mixed = np.where(share == 0, before, mixed)
    return np.where(share == 1, after, mixed)


def _around(
    have: NDArray[np.float64], want: NDArray[np.float64], turn: float | None = None
) -> tuple[NDArray[np.intp] | None, NDArray[np.float64]]:
    """Places of the coordinates before and after each wanted one, (2, …), and how far towards the
    second; None: some are beyond the ends.

    Args:
        have: monotonic; increasing where they close a turn.
    """
    order = np.argsort(have)
    line = have[order]
    if turn is not None:
        order, line = np.append(order, order[0]), np.append(line, line[0] + turn)
    want = np.where(np.abs(want - line[0]) <= TOLERANCE_DEGREES, line[0], want)
    want = np.where(np.abs(want - line[-1]) <= TOLERANCE_DEGREES, line[-1], want)
    if want.min() < line[0] or want.max() > line[-1]:
        return None, want
    after = np.clip(np.searchsorted(line, want), min(1, len(line) - 1), None)
    before = np.maximum(after - 1, 0)
    span = np.where(after > before, line[after] - line[before], 1.0)
    share = (want - line[before]) / span
    near = TOLERANCE_DEGREES / span
    share = np.where(share <= near, 0.0, np.where(share >= 1 - near, 1.0, share))
    return np.stack([order[before], order[after]]), share
