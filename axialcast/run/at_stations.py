"""The stations that `verify.stations` names, and what forecasts are worth there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines import Baseline, Climatology
from axialcast.data import open_static
from axialcast.data.channels import Channel, Channels
from axialcast.data.spellings import linear_conversion
from axialcast.grid import Grid
from axialcast.names import INIT_TIME, canonical
from axialcast.run.config import Config
from axialcast.scores.at_stations import at_stations, with_stations
from axialcast.scores.cases import Cases
from axialcast.scores.matching import valid_times
from axialcast.scores.observations import Observations, read_observations
from axialcast.scores.stations import Neighbours
from axialcast.times.calendars import time_text
from axialcast.times.cells import Cell
from axialcast.times.dates import Times

__all__ = ["Placed", "placed", "scored_at_stations"]


@dataclass(frozen=True, eq=False)
class Placed:
    """Stations of a config on the grid that forecasts are on.

    Args:
        store: that they are read from.
        channel: that is observed.
        observed: at s stations.
        near: where these lie.
        lines: what is to be said of their elevations.
        correction: (s,) added to forecasts there.
    """

    store: str
    channel: Channel
    observed: Observations
    near: Neighbours
    lines: list[str]
    correction: NDArray[np.float64] | float


def placed(config: Config, channels: Channels, grid: Grid, times: Times) -> Placed:
    """The stations that `verify.stations` names.

    Args:
        config: with such a section.
        channels: that are forecast.
        grid: that they are on.
        times: of the analysis, or of forecasts.

    Raises:
        FileNotFoundError: there is no such store.
        ValueError: the variable is not forecast, the store is not what it should be, or times are
            of another calendar than observations have.
    """
    wanted = config.verify.stations
    assert wanted is not None
    if times.dtype == object:
        raise ValueError(
            f"verify.stations: the analysis has the calendar {times[0].calendar}, which no "
            "observation has; leave the section out"
        )
    channel = _channel(channels, canonical(wanted.variable), wanted.level)
    if wanted.lapse_rate is not None and channel.units != "K":
        raise ValueError(f"verify.stations.lapse_rate: {channel} is no temperature; leave it out")
    observed = read_observations(
        Path(wanted.store), channel.variable, wanted.units, wanted=channel.units
    )
    near = Neighbours.of(grid, observed.latitude, observed.longitude)
    if not near.inside.any():
        south, north = observed.latitude.min(), observed.latitude.max()
        raise ValueError(
            f"{wanted.store}: none of its {len(near.inside):,} stations, at latitudes {south:g} to "
            f"{north:g}, is within {grid}; take stations of this region"
        )
    heights = _heights(config, grid, near, observed)
    return Placed(str(wanted.store), channel, observed, near, *heights)


def scored_at_stations(
    place: Placed,
    scores: xr.Dataset,
    by_init: xr.Dataset,
    forecast: xr.Dataset,
    analysis: xr.Dataset,
    climatology: Climatology,
    baselines: Mapping[str, Baseline],
    *,
    cases: Cases | None,
) -> tuple[xr.Dataset, xr.Dataset, list[str]]:
    """Scores, and what each pair says, with those at stations; and lines about these.

    Args:
        cases: that the scores are of, besides all.

    Raises:
        ValueError: no observation is at a time that forecasts are for.
    """
    channel, observed, near = place.channel, place.observed, place.near
    found = at_stations(
        forecast,
        analysis,
        channel,
        observed,
        climatology=climatology,
        baselines=baselines,
        correction=place.correction,
    )
    outside = int((~near.inside).sum())
    num = len(near.inside)
    used, most = int(found["num"].sum()), found["num"].size * num
    lines = [
        f"{channel} at {num - outside:,} of {num:,} stations, {outside:,} beyond the grid",
        f"{used:,} of {most:,} pairs of forecast and station count: both have a value",
        f"{observed.num_missing:,} rows of {place.store} have no value",
        _range(observed, channel),
        *_interval(forecast[channel.variable].attrs),
        *place.lines,
    ]
    if not used:
        first, begin = time_text(observed.times[0]), time_text(valid_times(forecast).min())
        raise ValueError(
            f"{place.store}: none of its observations is at a point that has a value and at a time "
            f"that forecasts are for; it begins with {first}, forecasts with {begin}, both in UTC"
        )
    rows = forecast[INIT_TIME].values
    return *with_stations(scores, by_init, found, channel, rows, cases=cases), lines


def _range(observed: Observations, channel: Channel) -> str:
    """What the values are taken for: a mark of missing ones may be among them."""
    low, high = np.nanmin(observed.values), np.nanmax(observed.values)
    taken = {None: "the store states no units", channel.units: ""}.get(
        observed.units, f"converted from {observed.units}"
    )
    return f"observations are {low:.5g} to {high:.5g} {channel.units}" + (taken and f"; {taken}")


def _interval(attrs: Mapping[str, Any]) -> list[str]:
    cell = Cell.of(attrs)
    if cell is None or cell.is_point:
        return []
    return [f"forecasts are of an interval, {cell.told}; so should observations be"]


def _channel(channels: Channels, variable: str, level: float | None) -> Channel:
    for channel in channels:
        if channel.variable == variable and channel.level == level:
            return channel
    raise ValueError(
        f"verify.stations: {variable}{'' if level is None else f' at {level:g} hPa'} is not "
        f"forecast; choose variable and level from {', '.join(map(str, channels))}"
    )


def _heights(
    config: Config, grid: Grid, near: Neighbours, observed: Observations
) -> tuple[list[str], NDArray[np.float64] | float]:
    """What is said of elevations, and what is added to forecasts at each station for theirs."""
    wanted, data = config.verify.stations, config.data
    assert wanted is not None
    assert data is not None
    if wanted.orography is None:
        return ["how high the grid's points are is not known: name it with stations.orography"], 0.0
    fields: Any = open_static(
        config.static_store,
        [wanted.orography],
        grid,
        rename=data.rename,
        units=data.units,
        grid_mapping=data.grid_mapping,
        storage_options=data.storage_options,
    )
    (field,) = fields.data_vars.values()
    above = observed.elevation - near.values(_metres(str(field.name), field))
    known = above[np.isfinite(above)]
    if not len(known) and wanted.lapse_rate is not None:
        raise ValueError(
            f"{wanted.store}: no station within the grid states its elevation, which lapse_rate "
            "needs; add a column elevation in metres, or leave lapse_rate out"
        )
    if not len(known):
        return ["no elevation of a station is known"], 0.0
    low, middle, high = np.quantile(known, [0.0, 0.5, 1.0])
    line = (
        f"{len(known):,} stations lie {low:+.0f} to {high:+.0f} m above the grid's height, "
        f"{middle:+.0f} m in the middle"
    )
    if wanted.lapse_rate is None:
        return [f"{line}; forecasts are left as they are"], 0.0
    # A station whose elevation is not known cannot be corrected: it does not count.
    line += f"; {wanted.lapse_rate:g} K/km are taken off"
    if num := int((~np.isfinite(observed.elevation) & near.inside).sum()):
        line += f", and {num:,} of unknown elevation do not count"
    return [line], -wanted.lapse_rate * above / 1000


def _metres(name: str, field: Any) -> NDArray[np.float64]:
    """Heights (h, w) of a field that is one, or a geopotential.

    Raises:
        ValueError: its units are of neither.
    """
    units = field.attrs.get("units")
    try:
        factor, _ = linear_conversion(str(units), "m")  # knows geopotentials
    except ValueError:
        stated = "has no units" if units is None else f"is in {units!r}"
        raise ValueError(
            f"verify.stations.orography: {name} {stated}; expected a height in m or a geopotential "
            f"in m2 s-2: say which with data.units: {{{name}: m}}"
        ) from None
    return np.asarray(field.values * factor, np.float64)
