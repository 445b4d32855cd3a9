"""A meteogram: what a forecast says of one place, a plume where it is an ensemble."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from axialcast.data.channels import Channel, Channels
from axialcast.grid import Grid, grid_of
from axialcast.names import INIT_TIME, LEAD_TIME, NUMBER
from axialcast.report.choosing import channel_chosen, init_chosen, readable
from axialcast.report.drawing import GREY, INK, OWN, STYLE, Picture
from axialcast.report.wording import channel_name, counted, date, degrees, pretty_units
from axialcast.times.dates import Leads
from axialcast.times.leads import leads_of
from axialcast.times.steps import in_months

__all__ = ["Panel", "members_of", "meteogram", "nearest_cell", "place_name", "plotted_meteogram"]

MOST_PANELS = 4
MOST_LINES = 50
"""Members that have lines, evenly spread over all; the bands are of all."""
BANDS = ((5, 95, 0.18), (25, 75, 0.3))
"""Percentiles of the members, and how dark."""


def plotted_meteogram(
    forecast: xr.Dataset,
    lat: float,
    lon: float,
    *,
    variables: Sequence[str] | str | None = None,
    init_time: Any = None,
    level: float | None = None,
    width: float = 6.0,
) -> Figure:
    """Variables against lead time in the cell nearest a place; of an ensemble its median, members
    and percentiles.

    Args:
        forecast: with `init_time` and `lead_time`.
        lat, lon: degrees north and east.
        variables: which; without them the first four channels.
        init_time: a date or the beginning of its text; without it the first.
        level: of all that have levels (hPa).
        width: inches.

    Raises:
        ValueError: one of these is not there, or the place lies beside the grid.
    """
    forecast = readable(forecast)
    if LEAD_TIME not in forecast.dims or INIT_TIME not in forecast.dims:
        raise ValueError(
            f"meteogram: expected a forecast, with {INIT_TIME} and {LEAD_TIME}; got dimensions "
            f"{', '.join(map(str, forecast.dims))}"
        )
    channels = _channels(forecast, variables, level)
    grid, leads = grid_of(forecast), leads_of(forecast)
    row, column = nearest_cell(grid, lat, lon)
    init = init_chosen(forecast, init_time)
    at = {INIT_TIME: init, grid.dims[0]: row, grid.dims[1]: column}
    panels = [
        Panel(
            channel_name(channel, forecast),
            pretty_units(channel.units),
            members_of(channel.of(forecast).isel(at)),
        )
        for channel in channels
    ]
    init_date = date(forecast[INIT_TIME].values[init], of_month=bool(in_months(leads)))
    title = f"{place_name(grid, row, column)}, from {init_date}"
    if (num := len(panels[0].members)) > 1:
        title += f"\nthick: the median of {num} members; bands: 50 and 90 % of them"
    with mpl.rc_context({**STYLE, "figure.facecolor": "white"}):
        figure = meteogram(panels, leads, title=title, width=width)
    FigureCanvasAgg(figure)
    return figure


@dataclass(frozen=True, eq=False)
class Panel:
    """What is drawn of a channel at a place.

    Attributes:
        name, units: in words.
        members: (m, l) of a forecast; of one that is no ensemble m is 1.
        truth: (l,) beside it; None: it is not known.
        is_mean: whether the mean of members is drawn, or their median.
    """

    name: str
    units: str
    members: NDArray[np.floating]
    truth: NDArray[np.floating] | None = None
    is_mean: bool = False


def meteogram(panels: Sequence[Panel], leads: Leads, *, title: str, width: float) -> Figure:
    """Panels below one another against lead time, in the style that is in force."""
    x, unit = counted(leads)
    figure = Picture(figsize=(width, 0.9 + 1.6 * len(panels)), layout="constrained")
    every = np.atleast_1d(figure.subplots(len(panels), 1, sharex=True))
    for axes, panel in zip(every, panels, strict=True):
        _plume(axes, x, panel)
        axes.set_title(panel.name, color=INK)
        axes.set_ylabel(panel.units)
        axes.grid(axis="y")
        axes.tick_params(length=0)
        axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=in_months(leads)))
    every[-1].set_xlabel(f"lead time ({unit})")
    figure.suptitle(title, color=GREY, size=9, x=0.01, ha="left")
    return figure


def members_of(array: xr.DataArray) -> NDArray[np.floating]:
    """(m, l) of a place's forecast (lead_time, [number]); loads it."""
    array = array if NUMBER in array.dims else array.expand_dims(NUMBER)
    return np.asarray(array.transpose(NUMBER, LEAD_TIME).values)


def place_name(grid: Grid, row: int, column: int) -> str:
    """Coordinates of a cell's middle, as 12.5°N 30°W."""
    north, east = (float(np.broadcast_to(a, grid.shape)[row, column]) for a in _places(grid))
    east = round((east + 180) % 360 - 180, 2)
    return f"{degrees(round(north, 2), 'N', 'S')} {degrees(east, 'E', 'W')}"


def nearest_cell(grid: Grid, lat: float, lon: float) -> tuple[int, int]:
    """Row and column of the cell whose middle is nearest to a place.

    Raises:
        ValueError: it lies farther from all of them than their size.
    """
    if not (-90 <= lat <= 90 and np.isfinite(lon)):
        raise ValueError(f"lat {lat}, lon {lon}: expected degrees north from -90 to 90, and east")
    north, east = (np.radians(np.broadcast_to(a, grid.shape)) for a in _places(grid))
    here, there = np.radians(lat), np.radians(lon)
    haversine = np.sin((north - here) / 2) ** 2
    haversine = haversine + np.cos(north) * np.cos(here) * np.sin((east - there) / 2) ** 2
    place = np.unravel_index(np.nanargmin(haversine), grid.shape)
    away = 2 * np.arcsin(np.sqrt(haversine[place]))
    cell = np.sqrt(grid.areas.max())
    if away > 1.5 * cell:
        raise ValueError(
            f"lat {lat:g}, lon {lon:g}: lies {6371 * away:,.0f} km off the grid, which is from "
            f"{np.degrees(np.nanmin(north)):.1f} to {np.degrees(np.nanmax(north)):.1f} north and "
            f"{np.degrees(np.nanmin(east)):.1f} to {np.degrees(np.nanmax(east)):.1f} east"
        )
    return int(place[0]), int(place[1])


def _channels(
    forecast: xr.Dataset, variables: Sequence[str] | str | None, level: float | None
) -> list[Channel]:
    if isinstance(variables, str):
        variables = [variables]
    if variables:
        known = Channels.of(forecast)
        has_level = {channel.variable for channel in known if channel.level is not None}
        names = set(has_level) | {channel.variable for channel in known}
        return [
            channel_chosen(forecast, one, level if one in has_level or one not in names else None)
            for one in variables
        ]
    first = channel_chosen(forecast, None, level)
    rest = [
        channel
        for channel in Channels.of(forecast)
        if channel != first and channel.level in (None, first.level)
    ]
    return [first, *rest][:MOST_PANELS]


def _plume(axes: Axes, x: NDArray[np.float64], panel: Panel) -> None:
    """A line; of an ensemble bands, members and their mean or median; and the truth."""
    members = panel.members
    if not np.isfinite(members).any():
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, color=GREY, ha="center")
        axes.plot(x, np.zeros_like(x), visible=False)  # for the lead times
        axes.set_yticks([])
    elif len(members) == 1:
        axes.plot(x, members[0], color=OWN, linewidth=2, marker="o", markersize=3)
    else:
        for low, high, alpha in BANDS:
            ends = np.nanpercentile(members, (low, high), axis=0)
            axes.fill_between(x, *ends, color=OWN, alpha=alpha, linewidth=0)
        lines = np.unique(np.linspace(0, len(members) - 1, MOST_LINES).round().astype(int))
        axes.plot(x, members[lines].T, color=OWN, linewidth=0.5, alpha=0.5)
        middle = np.nanmean if panel.is_mean else np.nanmedian
        axes.plot(x, middle(members, axis=0), color=OWN, linewidth=2)
    if panel.truth is not None:
        axes.plot(x, panel.truth, color=INK, linewidth=1.4, dashes=(4, 2), zorder=4)


def _places(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return grid.latitudes, grid.longitudes
