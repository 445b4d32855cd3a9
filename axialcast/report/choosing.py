"""What of a forecast or analysis is drawn: one variable, level, initial and lead time, member.

Whatever is not there is answered with what is.
"""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from axialcast.data.channels import Channel, Channels
from axialcast.grid import dims_of
from axialcast.names import INIT_TIME, LATITUDE, LEAD_TIME, LONGITUDE, NUMBER, TIME
from axialcast.scores.shown import headline
from axialcast.times.leads import leads_of
from axialcast.times.steps import in_months

__all__ = ["channel_chosen", "init_chosen", "lead_chosen", "member_chosen", "readable", "time_dim"]

WEATHERBENCH = {INIT_TIME: TIME, LEAD_TIME: "prediction_timedelta"}
"""What WeatherBench 2 calls them."""
MOST = 12
"""Names that an error lists."""


def readable(dataset: xr.Dataset) -> xr.Dataset:
    """A forecast or analysis by our names, with a dimension for each time, where it was selected
    from, as by `isel(init_time=0)`, too; WeatherBench 2 has other names of these.

    Raises:
        ValueError: it is on no grid, as scores are.
    """
    if WEATHERBENCH[LEAD_TIME] in dataset.coords and INIT_TIME not in dataset.coords:
        there = {theirs: ours for ours, theirs in WEATHERBENCH.items() if theirs in dataset.coords}
        dataset = dataset.rename(there)
    single = [
        dim for dim in (LATITUDE, LONGITUDE) if dim in dataset.coords and not dataset[dim].ndim
    ]
    if single:
        raise ValueError(
            f"{single[0]}: there is one value, {float(dataset[single[0]]):g}; expected a field, of "
            f"two or more: select with slices, or leave {single[0]} as it is"
        )
    if missing := [dim for dim in dims_of(dataset.dims) if dim not in dataset.dims]:
        raise ValueError(
            f"expected fields on a grid; got no {missing[0]} among the dimensions "
            f"{', '.join(map(str, dataset.dims)) or '(none)'}; open a file with names of its own "
            "by axialcast.open_analysis, and of scores read the report"
        )
    kinds = (INIT_TIME, LEAD_TIME) if INIT_TIME in dataset.coords else (TIME,)
    single = [dim for dim in kinds if dim in dataset.coords and not dataset[dim].ndim]
    return dataset.expand_dims(single) if single else dataset


def time_dim(dataset: xr.Dataset) -> str:
    """The dimension of dates: of initial times, or of an analysis."""
    for name in (INIT_TIME, TIME):
        if name in dataset.dims:
            return name
    raise ValueError(
        f"expected a forecast, with {INIT_TIME} and {LEAD_TIME}, or an analysis, with {TIME}; got "
        f"dimensions {', '.join(map(str, dataset.dims)) or 'none'}; select without drop=True"
    )


def channel_chosen(dataset: xr.Dataset, variable: str | None, level: float | None) -> Channel:
    """The channel that is meant; without a name that of the report's first map."""
    channels = Channels.of(dataset)
    names = list(dict.fromkeys(channel.variable for channel in channels))
    if not names:
        raise ValueError("the dataset holds no variable on a grid; there is nothing to draw")
    if variable is None:
        found = [c for c in headline(channels) if level is None or c.level in (level, None)]
        variable = (found or headline(channels))[0].variable
    if variable not in names:
        raise ValueError(f"variable {variable!r}: not there; there are {_listed(names)}")
    mine = [channel for channel in channels if channel.variable == variable]
    if level is None:
        return next((channel for channel in headline(channels) if channel in mine), mine[0])
    for channel in mine:
        if channel.level is not None and np.isclose(channel.level, level):
            return channel
    levels = [f"{channel.level:g}" for channel in mine if channel.level is not None]
    there = f"there are {_listed(levels)} hPa" if levels else "it has no levels; leave level out"
    raise ValueError(f"level {level}: {variable} is not there; {there}")


def init_chosen(dataset: xr.Dataset, time: Any = None) -> int:
    """Position of a date, the first that begins as the text does; without one, of the first."""
    dim = time_dim(dataset)
    if time is None:
        return 0
    texts = [_text(value) for value in dataset[dim].values]
    wanted = time if isinstance(time, str) else _text(time)
    wanted = wanted.strip().replace(" ", "T")
    for position, text in enumerate(texts):
        if text.startswith(wanted):
            return position
    raise ValueError(
        f"{dim} {wanted}: not there; there are {len(texts):,}, {texts[0][:16]} to {texts[-1][:16]}"
        + (f", such as {_listed([text[:16] for text in texts[:3]])}" if len(texts) > 2 else "")
    )


def lead_chosen(dataset: xr.Dataset, lead: Any = None) -> int:
    """Position of a lead time, a timedelta or text such as 36h or 3D, months as 2M; without one, of
    the first."""
    leads = leads_of(dataset)
    if lead is None:
        return 0
    of_months = bool(in_months(leads))
    units = ("M", "months") if of_months else ("h", "hours")
    try:
        if isinstance(lead, np.timedelta64):
            wanted = lead
        elif of_months:
            wanted = np.timedelta64(int(str(lead).rstrip("Mmonths ")), "M")
        else:
            number = isinstance(lead, int | float) or str(lead).isdigit()
            wanted = (
                pd.Timedelta(float(lead), "h").to_timedelta64()
                if number
                else (pd.Timedelta(lead).to_timedelta64())
            )
        found = np.flatnonzero(leads == wanted)
    except (ValueError, TypeError):
        found = np.array([], int)
    if len(found):
        return int(found[0])
    unit = np.timedelta64(1, "M") if of_months else np.timedelta64(1, "h")
    there = [f"{one / unit:g}" for one in leads]
    example = f"{there[-1]}{units[0]}"
    raise ValueError(
        f"{LEAD_TIME} {lead}: not there; there are {_listed(there)} {units[1]}, "
        f"written as {example}"
    )


def member_chosen(array: xr.DataArray, number: int | None) -> xr.DataArray:
    """One member by its number, or the mean of all."""
    if NUMBER not in array.dims:
        if number is None:
            return array
        raise ValueError(f"number {number}: this is no ensemble; leave number out")
    if number is None:
        return array.mean(NUMBER, keep_attrs=True)
    members = array[NUMBER].values.tolist() if NUMBER in array.coords else []
    members = members or list(range(array.sizes[NUMBER]))
    if number not in members:
        raise ValueError(f"number {number}: not there; there are {_listed(map(str, members))}")
    return array.isel({NUMBER: members.index(number)})


def _text(time: Any) -> str:
    """A date as ISO text."""
    if isinstance(time, xr.DataArray):
        time = time.values[()]
    return (
        str(np.datetime_as_string(time))
        if isinstance(time, np.datetime64)
        else str(time.isoformat())
    )


def _listed(names: Any) -> str:
    names = [str(name) for name in names]
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more
