"""The stations that `verify.stations` names, and what forecasts are worth there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines import Baseline, Climatology
from axialcast.data import open_static
from axialcast.data.channels import Channel, Channels
from axialcast.grid import Grid, grid_of
from axialcast.names import INIT_TIME, canonical
from axialcast.run.config import Config
from axialcast.scores.at_stations import at_stations, with_stations
from axialcast.scores.stations import Neighbours, Observations, read_observations

__all__ = ["scored_at_stations"]

GRAVITY = 9.80665


def scored_at_stations(
    config: Config,
    scores: xr.Dataset,
    by_init: xr.Dataset,
    forecast: xr.Dataset,
    analysis: xr.Dataset,
    climatology: Climatology,
    baselines: Mapping[str, Baseline],
) -> tuple[xr.Dataset, xr.Dataset, list[str]]:
    """Scores, and what each pair says, with those at stations; and lines about these.

    Raises:
        FileNotFoundError: there is no such store.
        ValueError: the variable is not forecast, or the store is not what it should be.
    """
    wanted = config.verify.stations
    assert wanted is not None
    channel = _channel(Channels.of(forecast), canonical(wanted.variable), wanted.level)
    observed = read_observations(Path(wanted.store), channel.variable, wanted.units)
    grid = grid_of(forecast)
    near = Neighbours.of(grid, observed.latitude, observed.longitude)
    lines, correction = _heights(config, grid, near, observed)
    if wanted.lapse_rate is not None and channel.units != "K":
        raise ValueError(f"verify.stations.lapse_rate: {channel} is no temperature; leave it out")
    found = at_stations(
        forecast,
        analysis,
        channel,
        observed,
        climatology=climatology,
        baselines=baselines,
        correction=correction,
    )
    outside = int((~near.inside).sum())
    num = len(near.inside)
    used, most = int(found["num"].sum()), found["num"].size * num
    lines = [
        f"{channel} at {num - outside:,} of {num:,} stations, {outside:,} beyond the grid",
        f"{used:,} of {most:,} pairs of forecast and station have an observation",
        f"{observed.num_missing:,} rows of {wanted.store} have no value",
        *lines,
    ]
    if not used:
        raise ValueError(
            f"{wanted.store}: none of its observations is within the grid and at a time that "
            "forecasts are for; times are in UTC"
        )
    rows = forecast[INIT_TIME].values
    return *with_stations(scores, by_init, found, channel, rows), lines


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
    scale = GRAVITY if field.attrs.get("units") == "m2 s-2" else 1.0
    above = observed.elevation - near.values(field.values) / scale
    known = above[np.isfinite(above)]
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
    return [f"{line}; {wanted.lapse_rate:g} K/km are taken off"], -wanted.lapse_rate * above / 1000
