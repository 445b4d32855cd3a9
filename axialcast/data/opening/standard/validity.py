"""Fields at the times they are valid at: the lead times of forecasts are no times of an analysis.

Stores of forecasts call by `time` what they begin with (WeatherBench 2, cfgrib) or what they are
valid at (CF). Which of the two is told by `standard_name`, by the names beside it, and by the sum:
initial time + lead time = valid time.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.arrays.lazy import expand
from axialcast.disclosure import few
from axialcast.names import (
    COORDINATE_ALIASES,
    COORDINATE_ATTRS,
    INIT_TIME,
    LEAD_TIME,
    TIME,
    VALID_TIME,
    VALID_TIMES,
)
from axialcast.times.calendars import time_text
from axialcast.times.dates import Leads, later
from axialcast.times.decoding import is_dated

__all__ = ["at_valid_times"]

logger = logging.getLogger(__name__)

UNITS = {
    **dict.fromkeys(("hours", "hour", "hrs", "hr", "h"), 3600),
    **dict.fromkeys(("days", "day", "d"), 86400),
    **dict.fromkeys(("minutes", "minute", "mins", "min", "m"), 60),
    **dict.fromkeys(("seconds", "second", "secs", "sec", "s"), 1),
    **dict.fromkeys(("milliseconds", "millisecond", "ms"), 1e-3),
    **dict.fromkeys(("microseconds", "microsecond", "us"), 1e-6),
    **dict.fromkeys(("nanoseconds", "nanosecond", "ns"), 1e-9),
}
"""Seconds of the units that lead times are stored in."""
LEAD_STANDARD = COORDINATE_ATTRS[LEAD_TIME]["standard_name"]


@dataclass(frozen=True)
class Axes:
    """The names that a store has for its times; None: it has no such.

    Args:
        init: initial time.
        valid: the time that fields are valid at.
        lead: lead time, a coordinate or a dimension without one.
    """

    init: Any
    valid: Any
    lead: Any


def at_valid_times(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with the dimension `time`, the times that its fields are valid at.

    One lead time of a forecast, or one for each time, is put there, and the log says so unless it
    is 0. A single time without a dimension gets one.

    Raises:
        ValueError: there are several lead times for one time, or it is not told whether `time` is
            the initial or the valid one.
    """
    axes = _axes(dataset)
    leads = None
    if axes.lead is not None:
        dim = _dimension_of_leads(dataset, axes)
        if dim is not None:
            _refuse_several(dataset, axes.lead, dim)
            dataset = dataset.isel({dim: 0})
        leads = _lead_times(dataset, axes.lead)
        _refuse_unclear(dataset, axes, leads)
    if axes.init is None and (axes.valid is None or (leads is None and dataset[axes.valid].ndim)):
        return dataset
    times = _valid_times(dataset, axes, leads)
    if times is None:
        return dataset
    if leads is not None and (leads != np.timedelta64(0, "ns")).any():
        logger.info("time: forecasts of %s, at the times they are valid at", _told(leads))
    return _with_times(dataset, axes, times)


def _dimension_of_leads(dataset: xr.Dataset, axes: Axes) -> Any:
    """The dimension of lead times, if not that of initial or valid times; None: they have none."""
    if axes.lead in dataset.dims:
        return axes.lead
    names = [name for name in (axes.init, axes.valid) if name is not None]
    of_times = {dim for name in names if dataset[name].ndim == 1 for dim in dataset[name].dims}
    others = [dim for dim in dataset[axes.lead].dims if dim not in of_times]
    return others[0] if others else None


def _refuse_unclear(dataset: xr.Dataset, axes: Axes, leads: Leads) -> None:
    """Refuses lead times beside a `time` that calls itself the valid one, but is not called so."""
    if axes.init is not None or axes.valid is None or (leads == np.timedelta64(0, "ns")).all():
        return
    is_cf = dataset[axes.lead].attrs.get("standard_name") == LEAD_STANDARD
    if is_cf or axes.valid in VALID_TIMES:
        return
    raise ValueError(
        f"{axes.valid}: may be the initial or the valid time of forecasts of {_told(leads)}; say "
        f"which in the file: ncatted -a standard_name,{axes.valid},o,c,forecast_reference_time "
        f"file.nc, or ncrename -v {axes.valid},valid_time -d {axes.valid},valid_time file.nc"
    )


def _axes(dataset: xr.Dataset) -> Axes:
    """What a store calls its initial, valid and lead times."""
    dated = [name for name, v in dataset.variables.items() if v.ndim <= 2 and is_dated(v)]

    def of(kind: str, names: list[Any]) -> list[Any]:
        """Those that are of a kind by their name or, where they have one, their standard name."""
        standard = COORDINATE_ATTRS[kind]["standard_name"]
        stated = {name: dataset[name].attrs.get("standard_name") for name in names}
        aliases = VALID_TIMES if kind == VALID_TIME else COORDINATE_ALIASES[kind]
        found = [n for n in names if stated[n] == standard]
        return found + [n for n in names if n in aliases and stated[n] is None and n not in found]

    inits, valids = of(INIT_TIME, dated), of(VALID_TIME, dated)
    plain = [n for n in of(TIME, dated) if n not in inits and n not in valids]
    near = [name for name, v in dataset.variables.items() if v.ndim <= 1 and v.dtype.kind in "mfiu"]
    named = [*near, *(dim for dim in dataset.dims if dim not in dataset.variables)]
    leads = [name for name in near if dataset[name].attrs.get("standard_name") == LEAD_STANDARD]
    leads += [name for name in named if name in COORDINATE_ALIASES[LEAD_TIME]]
    leads = [name for name in leads if _counts_time(dataset, name)]
    if plain and not inits and (valids or leads):
        inits, plain = plain, []  # `time` of WeatherBench 2, and of cfgrib without attributes
    valids += plain
    # Of several valid times, the one with an axis of its own.
    valids.sort(key=lambda name: (name not in dataset.dims, dataset[name].ndim))
    inits.sort(key=lambda name: (name not in dataset.dims, dataset[name].ndim))
    first = [names[0] if names else None for names in (inits, valids, leads)]
    return Axes(*first)


def _counts_time(dataset: xr.Dataset, name: Any) -> bool:
    """Whether what is called a lead time is one: a number beside times without units is none."""
    if name in dataset.dims or not dataset[name].ndim or dataset[name].dtype.kind == "m":
        return True
    return str(dataset[name].attrs.get("units")).strip().lower() in UNITS


def _lead_times(dataset: xr.Dataset, name: Any) -> Leads:
    """(n,) lead times (timedelta64[ns]).

    Raises:
        ValueError: their unit is not known, or some are missing.
    """
    if name not in dataset.variables:  # a dimension of length one: nothing is told
        return np.zeros(1, "timedelta64[ns]")
    values = np.atleast_1d(dataset[name].values)
    if values.dtype.kind == "m":
        if np.isnat(values).any():
            raise ValueError(f"{name}: holds missing lead times; correct them in the file")
        return values.astype("timedelta64[ns]")
    units = dataset[name].attrs.get("units")
    seconds = UNITS.get(str(units).strip().lower())
    if seconds is None and units is None and "hour" in str(name):
        seconds = 3600
    if seconds is None and (values != 0).any():
        raise ValueError(
            f"{name}: expected lead times in hours, got {values[0]:g} in {units!r}; say in the "
            f"file what they count, for instance with: ncatted -a units,{name},o,c,hours file.nc"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{name}: holds missing lead times; correct them in the file")
    return np.round(values * (seconds or 1) * 1e9).astype("timedelta64[ns]")


def _refuse_several(dataset: xr.Dataset, name: Any, dim: Any) -> None:
    size = dataset.sizes[dim]
    if size == 1:
        return
    told = f"{size} lead times"
    if name in dataset.variables:
        try:
            told = _told(_lead_times(dataset, name))
        except ValueError:  # their unit is not known
            told = f"the lead times {few([f'{value:g}' for value in dataset[name].values])}"
    raise ValueError(
        f"{name}: holds forecasts of {told}: expected the dimensions time, [level], latitude and "
        f"longitude, got also {dim!r} of size {size}; an analysis has one field for each time: "
        f"keep one lead time in the file, for instance with: ncks -d {dim},0 in.nc out.nc"
    )


def _valid_times(dataset: xr.Dataset, axes: Axes, leads: Leads | None) -> xr.DataArray | None:
    """The valid times, along one dimension or none; None where `time` is no initial time.

    Raises:
        ValueError: see `at_valid_times`.
    """
    if axes.valid is not None:
        valid: xr.DataArray = dataset[axes.valid]
        if valid.ndim > 1:
            raise ValueError(
                f"{axes.valid}: has the dimensions {valid.dims}; keep one lead time in the file"
            )
        _compare(dataset, axes, leads)
        return valid
    init: xr.DataArray = dataset[axes.init]
    if leads is not None:
        return _plus(init, leads)
    if axes.init == TIME:
        return init
    if TIME in dataset.dims:
        return None
    raise ValueError(
        f"no dimension {TIME!r}: {axes.init} holds initial times, but neither lead times nor valid "
        f"times are beside them; if fields are valid at these, say so in the file: "
        f"ncrename -d {axes.init},time -v {axes.init},time in.nc out.nc"
    )


def _plus(init: xr.DataArray, leads: Leads) -> xr.DataArray:
    if len(leads) > 1 and init.shape != leads.shape:
        raise ValueError(f"{init.name}: one initial time of {_told(leads)}; keep one in the file")
    lead = leads if len(leads) > 1 else leads[0]
    return init.copy(data=np.reshape(later(np.atleast_1d(init.values), lead), init.shape))


def _compare(dataset: xr.Dataset, axes: Axes, leads: Leads | None) -> None:
    """Refuses times that contradict one another."""
    if axes.init is None or leads is None:
        return
    valid, init = dataset[axes.valid], dataset[axes.init]
    if init.ndim > 1 or (init.ndim and init.dims != valid.dims):
        return
    start, end = np.atleast_1d(init.values), np.atleast_1d(valid.values)
    want = later(start, leads)
    if want.shape not in ((1,), end.shape) or (start.dtype == object) != (end.dtype == object):
        return
    wrong = np.flatnonzero(np.broadcast_to(want != end, end.shape))
    if len(wrong):
        place = int(wrong[0])
        raise ValueError(
            f"{axes.valid}: {time_text(end[place])} is not {axes.init} "
            f"{time_text(start[min(place, len(start) - 1)])} plus {axes.lead} "
            f"{_told(leads)}; correct the file"
        )


def _with_times(dataset: xr.Dataset, axes: Axes, times: xr.DataArray) -> xr.Dataset:
    """The dataset with these times as its dimension `time`, and no other ones."""
    attrs = {k: v for k, v in times.attrs.items() if k not in ("standard_name", "long_name")}
    values: NDArray[Any] = np.atleast_1d(times.values)
    dim = times.dims[0] if times.ndim else None
    others = {axes.init, axes.valid, axes.lead, TIME} & {*dataset.variables}
    dataset = dataset.drop_vars(others)
    if dim is None:
        if TIME in dataset.dims:
            return dataset
        fields = {name: expand(a, TIME) for name, a in dataset.data_vars.items() if a.ndim >= 2}
        dataset = dataset.drop_vars(list(fields)).assign(fields)
    elif dim != TIME:
        dataset = dataset.drop_vars([dim], errors="ignore").rename_dims({dim: TIME})
    return dataset.assign_coords({TIME: (TIME, values, attrs)})


def _told(leads: Leads) -> str:
    hours = [f"{lead / np.timedelta64(1, 'h'):g}" for lead in np.unique(leads)]
    return f"a lead time of {hours[0]} h" if len(hours) == 1 else f"the lead times {few(hours)} h"
