"""The interval that values are of, as files say it by bounds of their times, and GRIB by steps."""

import re
from typing import Any

import numpy as np
import xarray as xr

from axialcast.names import COORDINATE_ALIASES, TIME, VALID_TIMES
from axialcast.times.cells import Cell
from axialcast.times.dates import microseconds
from axialcast.times.decoding import decoded, is_dated

__all__ = ["with_cells"]

HOUR = 3_600_000_000
"""Microseconds."""
SLACK = 1_000_000
"""Microseconds: intervals that differ by less are alike, as times may be stored with few digits."""
GRIB_METHODS = {
    "accum": "sum",
    "avg": "mean",
    "max": "maximum",
    "min": "minimum",
    "rms": "root_mean_square",
    "sd": "standard_deviation",
}
"""CF's words for the steps of GRIB that are not of an instant."""
LENGTH = re.compile(r"(\d+)([hms]?)")
HOURS = {"": 1.0, "h": 1.0, "m": 1 / 60, "s": 1 / 3600}


def with_cells(dataset: xr.Dataset, raw: xr.Dataset) -> xr.Dataset:
    """The dataset, whose variables say in attributes over which interval they are, where that is
    known: see `axialcast.times.cells`.

    Args:
        dataset: with its dates decoded.
        raw: before that.
    """
    interval = _interval(dataset, raw)
    found = {}
    for name, array in dataset.data_vars.items():
        cell = Cell.of(array.attrs)
        if cell is not None and not cell.is_point and cell.span is None and interval:
            found[name] = array.assign_attrs(interval)
        elif cell is None and (said := _of_grib(array.attrs)) is not None:
            found[name] = array.assign_attrs(said.attrs())
    return dataset.assign(found) if found else dataset


def _of_grib(attrs: Any) -> Cell | None:
    """Of an interval that ends at the time that a field is valid at."""
    method = GRIB_METHODS.get(str(attrs.get("GRIB_stepType")))
    if method is None:
        return None
    length = LENGTH.fullmatch(str(attrs.get("GRIB_lengthOfTimeRange")))
    hours = int(length[1]) * HOURS[length[2]] if length else 0.0
    return Cell(method, (-hours, 0.0) if hours else None)


def _interval(dataset: xr.Dataset, raw: xr.Dataset) -> dict[str, Any]:
    """The attribute that says where intervals begin and end, counted from their times; nothing
    where no bounds are stated, or they are not alike."""
    for name in (TIME, *COORDINATE_ALIASES[TIME], *VALID_TIMES):
        if name not in dataset.variables or not is_dated(dataset[name]):
            continue
        stated = raw[name].attrs.get("bounds", raw[name].encoding.get("bounds"))
        if stated not in dataset.variables or dataset[name].ndim != 1:
            continue
        ends = dataset[stated]
        if not is_dated(ends):  # in the units of its times, which it need not repeat
            words = {k: v for k, v in raw[name].attrs.items() if k in ("units", "calendar")}
            numbers = xr.Variable(ends.dims, ends.values, {**ends.attrs, **words})
            ends = decoded(xr.Dataset({stated: numbers}))[stated]
        if is_dated(ends) and ends.shape == (dataset[name].size, 2):
            return _alike(dataset[name].values, ends.values)
    return {}


def _alike(times: Any, ends: Any) -> dict[str, Any]:
    """Of times (n,) and the ends (n, 2) of their intervals."""
    if all(_begins_month(end) for end in ends.ravel()) and _months(ends) is not None:
        return {"cell_months": [0, _months(ends)]}  # counted from the first of the month
    apart = np.stack([microseconds(ends[:, side]) - microseconds(times) for side in (0, 1)], 1)
    if (np.ptp(apart, axis=0) > SLACK).any() or (apart[:, 1] <= apart[:, 0]).any():
        return {}
    return {"cell_hours": (np.round(apart[0] / SLACK) * SLACK / HOUR).tolist()}


def _begins_month(date: Any) -> bool:
    text = str(date)
    return text[8:10] == "01" and not text[11:].replace("00", "").strip(":. 0")


def _months(ends: Any) -> int | None:
    """How many months every interval has; None: not all the same number."""
    number = [[12 * int(str(date)[:4]) + int(str(date)[5:7]) for date in pair] for pair in ends]
    apart = {last - first for first, last in number}
    return apart.pop() if len(apart) == 1 and min(apart) > 0 else None
