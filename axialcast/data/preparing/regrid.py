"""Conservative regridding, and aggregation over time.

Both work lazily, in double precision, and return the type of number that they were given.
Shapes: h, w latitudes and longitudes of the source, H, W of the target.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.grid import LatLonGrid, grid_of
from axialcast.names import COORDINATE_ATTRS, LATITUDE, LONGITUDE, TIME
from axialcast.times.calendars import cadence

__all__ = ["aggregate", "covered", "regrid"]

TOLERANCE = 1e-3
"""Share of a cell that may lie outside the source: stores round coordinates to float32."""


def regrid(analysis: xr.Dataset, grid: LatLonGrid, *, min_valid: float = 0.5) -> xr.Dataset:
    """The analysis on another grid: means over the target's cells, first-order conservative.

    A target value is the mean of the source's cells weighted by the exact area in which they
    overlap the target's cell, so the area integral over the globe is kept to rounding. NaN has no
    weight: the mean is over the valid part of a target cell, and NaN where that part is smaller
    than `min_valid`. Jones (1999), Monthly Weather Review 127, 2204-2210, eq. 3, whose
    weights on two latitude-longitude grids are products of one matrix for each coordinate.

    Args:
        analysis: of dimensions (time, [level], latitude, longitude).
        grid: the target; regional is fine, see `covered`.
        min_valid: smallest share of a target cell's area that must hold values.

    Raises:
        ValueError: a target cell is not within the source's cells.
    """
    source = grid_of(analysis)
    rows = _shares(_bands(source, grid), _heights(grid), LATITUDE)
    columns = _shares(_widths(source, grid), np.diff(_edges(grid)), LONGITUDE)

    def mean(field: NDArray[Any]) -> NDArray[Any]:
        values = field.astype(np.float64)
        valid = ~np.isnan(values)
        if valid.all():
            return (rows @ values @ columns.T).astype(field.dtype)
        share = rows @ valid.astype(np.float64) @ columns.T
        total = rows @ np.where(valid, values, 0.0) @ columns.T
        enough = share >= max(min_valid - TOLERANCE, TOLERANCE)
        means = np.divide(total, share, out=np.full_like(total, np.nan), where=enough)
        return means.astype(field.dtype)

    coordinates = {
        LATITUDE: (LATITUDE, grid.latitude, COORDINATE_ATTRS[LATITUDE]),
        LONGITUDE: (LONGITUDE, grid.longitude, COORDINATE_ATTRS[LONGITUDE]),
    }
    fields = {}
    for name, array in analysis.data_vars.items():
        if array.chunks is not None:
            array = array.chunk({LATITUDE: -1, LONGITUDE: -1})
        result = xr.apply_ufunc(
            mean,
            array,
            input_core_dims=[[LATITUDE, LONGITUDE]],
            output_core_dims=[[LATITUDE, LONGITUDE]],
            exclude_dims={LATITUDE, LONGITUDE},
            dask="parallelized",
            output_dtypes=[array.dtype],
            dask_gufunc_kwargs={
                "output_sizes": dict(zip((LATITUDE, LONGITUDE), grid.shape, strict=True))
            },
            keep_attrs=True,
        )
        fields[name] = result.assign_coords(coordinates)
    return xr.Dataset(fields, attrs=analysis.attrs)


def covered(grid: LatLonGrid, source: LatLonGrid) -> LatLonGrid:
    """The part of a grid whose cells lie within those of a regional source.

    Longitudes are shifted by whole turns to run as the source's do.

    Raises:
        ValueError: no cell does.
    """
    if source.is_periodic:
        longitude = grid.longitude
    else:
        first, last = _edges(source)[[0, -1]]
        half = np.diff(_edges(grid))[0] / 2
        slack = 2 * half * TOLERANCE
        turns = np.ceil((first - slack - (grid.longitude - half)) / 360)
        longitude = np.sort(grid.longitude + 360 * turns)
        longitude = longitude[longitude + half <= last + slack]
    bands = _bands(source, grid)
    latitude = grid.latitude[bands.sum(1) >= (1 - TOLERANCE) * _heights(grid)]
    if not len(latitude) or not len(longitude):
        raise ValueError(f"regrid: no cell of {grid} lies within {source}; choose smaller cells")
    return LatLonGrid(latitude, longitude)


def aggregate(
    analysis: xr.Dataset, *, hours: float, accumulated: Sequence[str] = ()
) -> tuple[xr.Dataset, list[str]]:
    """Means over periods of so many hours, and the periods left out because times are missing.

    Periods are counted from 00 UTC of the first day and labelled by their start. An accumulated
    variable is summed; its values are those of the cadence's interval that ends at their time, so
    that a day's sum takes the times after 00 UTC up to the next 00 UTC, a day's mean those from
    00 UTC on. A NaN makes the period's value NaN. Only whole periods are kept.

    Args:
        analysis: sorted in time; gaps are fine.
        hours: length of a period; a multiple of the cadence that divides, or is made of, days.
        accumulated: names of the variables that are sums over the cadence's interval.

    Returns:
        the aggregated analysis, and the starts of the periods left out as ISO dates.

    Raises:
        ValueError: hours do not fit, or no period is whole.
    """
    step, period = cadence(analysis), np.timedelta64(round(hours * 3600), "s")
    if period % step or (24 % hours and hours % 24):
        raise ValueError(
            f"aggregate_hours: {hours:g} is not a multiple of the cadence, "
            f"{step / np.timedelta64(1, 'h'):g} h, that divides a day or is made of days"
        )
    length = int(period // step)
    groups: dict[str, list[str]] = {"mean": [], "sum": []}
    for name in map(str, analysis.data_vars):
        groups["sum" if name in accumulated else "mean"].append(name)
    groups = {how: names for how, names in groups.items() if names}
    shifts = {"mean": 0 * step, "sum": step}
    found = {how: _periods(analysis[TIME], shifts[how], period, length) for how in groups}
    kept = sorted(set.intersection(*(set(whole) for whole, _ in found.values())))
    if not kept:
        raise ValueError(f"aggregate_hours: no period of {hours:g} h has all its {length} times")
    parts = []
    for how, names in groups.items():
        first = [found[how][0][number] for number in kept]
        wide = analysis[names].drop_vars(TIME).isel({TIME: _runs(first, length)})
        # The reductions of coarsen itself would skip NaN without a word.
        periods = wide.astype(np.float64).coarsen({TIME: length}).construct({TIME: (TIME, "part")})
        parts.append(getattr(periods, how)("part", skipna=False, keep_attrs=True))
    result = xr.merge(parts, combine_attrs="override")[list(analysis.data_vars)]
    for variable, array in analysis.data_vars.items():
        result[variable] = result[variable].astype(array.dtype)
    result = result.assign_coords({TIME: _starts(analysis[TIME], kept, period)})
    result[TIME].attrs.update(analysis[TIME].attrs)
    seen = set().union(*(numbers for _, numbers in found.values()))
    left_out = _starts(analysis[TIME], sorted(seen - set(kept)), period).values
    return result.assign_attrs(analysis.attrs), [str(start)[:16] for start in left_out]


def _runs(first: Sequence[int], length: int) -> slice | NDArray[np.int64]:
    """Indices of runs of one length that begin at `first`; a slice where they adjoin."""
    index = np.add.outer(np.array(first), np.arange(length)).ravel()
    is_one_run = index[-1] - index[0] == len(index) - 1
    return slice(int(index[0]), int(index[-1]) + 1) if is_one_run else index


def _periods(
    time: xr.DataArray, shift: np.timedelta64, period: np.timedelta64, length: int
) -> tuple[dict[int, int], set[int]]:
    """Number of each whole period → index of its first time; and all periods that have any."""
    elapsed = np.asarray(time.values - _midnight(time)).astype("timedelta64[s]") - shift
    numbers, first, counts = np.unique(elapsed // period, return_index=True, return_counts=True)
    whole = counts == length
    return dict(zip(numbers[whole].tolist(), first[whole].tolist(), strict=True)), set(
        numbers.tolist()
    )


def _starts(time: xr.DataArray, numbers: Sequence[int], period: np.timedelta64) -> xr.DataArray:
    steps = np.array(numbers, np.int64) * period
    midnight = _midnight(time)
    if isinstance(midnight, np.datetime64):
        starts = midnight + steps.astype("timedelta64[ns]")
    else:
        starts = np.array([midnight + step.item() for step in steps], object)
    return xr.DataArray(starts, dims=TIME, name=TIME)


def _midnight(time: xr.DataArray) -> Any:
    """00 UTC of the first day."""
    first = time.values[0]
    if isinstance(first, np.datetime64):
        return first.astype("datetime64[D]").astype("datetime64[ns]")
    return first.replace(hour=0, minute=0, second=0, microsecond=0)


def _shares(
    overlaps: NDArray[np.float64], cells: NDArray[np.float64], name: str
) -> NDArray[np.float64]:
    """Rows that sum to one, from the overlaps of the target's cells."""
    total = overlaps.sum(1)
    outside = np.count_nonzero(total < (1 - TOLERANCE) * cells)
    if outside:
        raise ValueError(
            f"regrid: {outside} of {len(cells)} target cells reach beyond the source's {name}; "
            "choose a grid within it (axialcast.data.preparing.regrid.covered)"
        )
    shares: NDArray[np.float64] = overlaps / total[:, None]
    return shares


def _bands(source: LatLonGrid, target: LatLonGrid) -> NDArray[np.float64]:
    """(H, h) overlap of latitude bands in the sine of latitude, to which area is proportional."""
    given = np.sort(np.sin(np.radians(source.latitude_bounds)))
    wanted = np.sort(np.sin(np.radians(target.latitude_bounds)))
    overlap = _overlap(wanted, given)
    overlap = overlap[::-1] if target.latitude[0] > target.latitude[-1] else overlap
    return overlap[:, ::-1] if source.latitude[0] > source.latitude[-1] else overlap


def _widths(source: LatLonGrid, target: LatLonGrid) -> NDArray[np.float64]:
    """(W, w) overlap of longitudes in degrees, whatever turn they are counted in."""
    given, wanted = _edges(source), _edges(target)
    nearest = round((given.mean() - wanted.mean()) / 360)
    turns = range(nearest - 1, nearest + 2)
    total: NDArray[np.float64] = np.sum([_overlap(wanted + 360 * n, given) for n in turns], 0)
    return total


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """(len(a) - 1, len(b) - 1) lengths that the intervals between two sets of edges share."""
    low = np.maximum(a[:-1, None], b[None, :-1])
    high = np.minimum(a[1:, None], b[None, 1:])
    lengths: NDArray[np.float64] = np.maximum(high - low, 0.0)
    return lengths


def _heights(grid: LatLonGrid) -> NDArray[np.float64]:
    heights: NDArray[np.float64] = np.abs(np.diff(np.sin(np.radians(grid.latitude_bounds))))
    return heights


def _edges(grid: LatLonGrid) -> NDArray[np.float64]:
    """(w + 1,) edges of the columns in degrees."""
    longitude, num = grid.longitude, len(grid.longitude)
    if grid.is_periodic:
        spacing = 360.0 / num
    else:
        # A single column is one degree wide, as in LatLonGrid.areas.
        spacing = (longitude[-1] - longitude[0]) / (num - 1) if num > 1 else 1.0
    edges: NDArray[np.float64] = longitude[0] + spacing * (np.arange(num + 1) - 0.5)
    return edges
