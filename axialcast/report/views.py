"""One map or film of a forecast or analysis, as the accessor and the command show them."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib import animation
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from axialcast.data.channels import Channel
from axialcast.grid import grid_of
from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL, NUMBER
from axialcast.report.charts import chart_of
from axialcast.report.choosing import (
    channel_chosen,
    init_chosen,
    lead_chosen,
    member_chosen,
    readable,
    time_dim,
)
from axialcast.report.drawing import STYLE
from axialcast.report.frames import has_coasts
from axialcast.report.maps import contour_levels, map_figure
from axialcast.report.rasters import raster_of, sampled
from axialcast.report.wording import channel_name, date, duration, pretty_units
from axialcast.times.dates import later
from axialcast.times.leads import leads_of
from axialcast.times.steps import in_months

__all__ = ["Film", "animated", "plotted_map", "save_film"]

PAGE = {**STYLE, "figure.facecolor": "white"}


def plotted_map(
    dataset: xr.Dataset,
    variable: str | None = None,
    *,
    init_time: Any = None,
    lead_time: Any = None,
    level: float | None = None,
    number: int | None = None,
    cmap: str = "viridis",
    levels: Sequence[float] | None = None,
    width: float = 6.0,
) -> Figure:
    """The report's map of one field.

    Args:
        dataset: a forecast, or an analysis, whose dates `init_time` then means.
        variable, level: which; without them what the report shows first.
        init_time: a date or the beginning of its text; without it the first.
        lead_time: a timedelta or text such as 36h; without it the first.
        number: of a member; without it the mean of all.
        cmap: of matplotlib.
        levels: between the bands of colour, rising; without them about twenty round ones.
        width: inches.

    Raises:
        ValueError: one of these is not there.
    """
    _refuse_unknown(cmap)
    dataset = readable(dataset)
    channel = channel_chosen(dataset, variable, level)
    field, title, note = _field(dataset, channel, init_time, lead_time, number)
    values = field.values
    bands = contour_levels(values, symmetric=False) if levels is None else np.asarray(levels, float)
    if bands.size < 2 or not (np.diff(bands) > 0).all():
        raise ValueError(f"levels {bands.tolist()}: expected two or more that rise")
    if not np.isfinite(values).all():
        note += "; grey: no data"
    label = pretty_units(channel.units)
    with mpl.rc_context(PAGE):
        figure = map_figure(
            field,
            title=title,
            note=note,
            label=label,
            levels=bands,
            cmap=cmap,
            width=width,
            coasts=has_coasts(dataset),
        )
    FigureCanvasAgg(figure)
    return figure


class Film(animation.FuncAnimation):
    """Maps of a forecast in turn, which a notebook shows with buttons to play them.

    Attributes:
        interval: milliseconds between pictures.
    """

    interval: float

    def _repr_html_(self) -> str:
        return str(self.to_jshtml())


def animated(
    forecast: xr.Dataset,
    variable: str | None = None,
    *,
    init_time: Any = None,
    level: float | None = None,
    number: int | None = None,
    cmap: str = "viridis",
    width: float = 6.0,
    interval: float = 500.0,
) -> Film:
    """Maps of one forecast at each of its lead times, with the same colours.

    Args:
        forecast: with more than one lead time.
        variable, init_time, level, number, cmap, width: as of `plotted_map`.
        interval: milliseconds between pictures.
    """
    _refuse_unknown(cmap)
    forecast = readable(forecast)
    if LEAD_TIME not in forecast.dims:
        raise ValueError(f"animate: expected a forecast, with {LEAD_TIME}; an analysis has none")
    channel = channel_chosen(forecast, variable, level)
    places = range(forecast.sizes[LEAD_TIME])
    shown = [
        _field(forecast, channel, init_time, leads_of(forecast)[place], number) for place in places
    ]
    every = np.stack([field.values for field, _, _ in shown])
    levels = contour_levels(every, symmetric=False)
    first, title, note = shown[0]
    grid = grid_of(first)
    raster = raster_of(chart_of(grid))
    with mpl.rc_context(PAGE):
        figure = map_figure(
            first,
            title=title,
            note=note,
            label=pretty_units(channel.units),
            levels=levels,
            cmap=cmap,
            width=width,
            has_lines=False,
            coasts=has_coasts(forecast),
        )
    FigureCanvasAgg(figure)
    axes = figure.axes[0]

    def show(place: int) -> list[Any]:
        field, title, note = shown[place]
        values = field.transpose(*grid.dims).values.astype(np.float64)
        axes.images[0].set_data(sampled(values, raster, is_periodic=grid.is_periodic))
        axes.set_title(title, loc="left")
        axes.texts[-1].set_text(note)
        return [axes.images[0]]

    film = Film(figure, show, frames=len(shown), interval=interval)
    film.interval = interval
    return film


def save_film(film: Film, path: Path) -> None:
    """Writes a film: GIF; HTML that needs nothing else; MP4 or WebM where ffmpeg is installed.

    Raises:
        ValueError: the ending is another, or ffmpeg is not there.
    """
    pace = max(1, round(1000.0 / film.interval))
    match path.suffix.lower():
        case ".gif":
            film.save(path, writer=animation.PillowWriter(fps=pace), dpi=100)
        case ".html":
            path.write_text(film.to_jshtml(fps=pace), encoding="utf-8")
        case ".mp4" | ".webm":
            if not animation.writers.is_available("ffmpeg"):
                raise ValueError(f"{path}: ffmpeg is not installed; install it, or write .gif")
            film.save(path, writer="ffmpeg", fps=pace, dpi=150)
        case ending:
            raise ValueError(f"{path}: expected .gif, .html, .mp4 or .webm, got {ending!r}")


def _refuse_unknown(cmap: str) -> None:
    if cmap not in mpl.colormaps:
        close = difflib.get_close_matches(str(cmap), mpl.colormaps, 1)
        meant = f"; did you mean {close[0]}?" if close else "; try viridis"
        raise ValueError(f"cmap: matplotlib has no {cmap!r}{meant}")


def _field(
    dataset: xr.Dataset, channel: Channel, init_time: Any, lead_time: Any, number: int | None
) -> tuple[xr.DataArray, str, str]:
    """A field, what it is, and of when."""
    dim, array = time_dim(dataset), channel.of(dataset)
    array = array.isel({dim: init_chosen(dataset, init_time)})
    name, init = channel_name(channel, dataset), array[dim].values[()]
    if dim != INIT_TIME:
        note = date(init)
        if lead_time is not None:
            raise ValueError(f"{LEAD_TIME} {lead_time}: an analysis has none; leave it out")
    else:
        place = lead_chosen(dataset, lead_time)
        leads = leads_of(dataset)
        array = array.isel({LEAD_TIME: place})
        of_month = in_months(leads)
        valid = later(np.array([init]), leads[[place]])[0]
        name = f"{name}, {duration(leads[place])} ahead"
        note = f"{date(valid, of_month=of_month)}, from {date(init, of_month=of_month)}"
    is_mean = NUMBER in array.dims and array.sizes[NUMBER] > 1 and number is None
    note += f"; mean of {array.sizes[NUMBER]} members" if is_mean else ""
    note += f"; member {number}" if number is not None else ""
    field = member_chosen(array, number).drop_vars(LEVEL, errors="ignore").load()
    grid = grid_of(field)
    return field.transpose(*grid.dims), name, note
