"""What surrounds and crosses a field on its chart: its outline, coasts, and lines of degrees."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from axialcast.names import PLANET
from axialcast.report.charts import Chart, OwnChart, PlaceChart, box_of
from axialcast.report.coastlines import coastlines
from axialcast.report.drawing import GREY
from axialcast.report.graticule import place_ticks, step_of
from axialcast.report.wording import degrees

__all__ = ["draw_frame", "has_coasts"]

COAST = "#2b3640"
LINE = "#5f6b76"


def has_coasts(*datasets: xr.Dataset) -> bool:
    """Whether maps of these have coasts: unless one says that it is of another planet."""
    return not any(PLANET in dataset.attrs for dataset in datasets)


def draw_frame(axes: Axes, chart: Chart, *, coasts: bool = True) -> Polygon:
    """Draws it, with equal scales and the axes' limits at the chart's box; the outline, which may
    cut what else is drawn there.

    Args:
        coasts: whether the Earth's are drawn.
    """
    left, right, bottom, top = box_of(chart)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_aspect("equal")
    outline = Polygon(chart.outline, fill=False, edgecolor=GREY, linewidth=0.8, zorder=4)
    outline.set_clip_on(False)
    axes.add_patch(outline)
    if coasts:
        lines = [piece for line in coastlines() for piece in chart.lines(line)]
        _draw(axes, lines, outline, color=COAST, linewidth=0.6)
    if isinstance(chart, PlaceChart):
        axes.set_axis_off()
        _parallels(axes, chart, outline)
        _meridians(axes, chart, outline)
    elif isinstance(chart, OwnChart):
        axes.spines[:].set_visible(True)
        place_ticks(axes, chart.grid)
    return outline


def _draw(
    axes: Axes, lines: list[NDArray[np.float64]], outline: Polygon, *, color: str, linewidth: float
) -> None:
    drawn = LineCollection(lines, colors=color, linewidths=linewidth, zorder=3)
    axes.add_collection(drawn, autolim=False)
    drawn.set_clip_path(outline)


def _parallels(axes: Axes, chart: PlaceChart, outline: Polygon) -> None:
    """Lines of latitude, named at their western ends; of a cap, where they cross the date line."""
    south, north, half = chart.sides
    step = step_of(north - south, 5)
    across = np.linspace(chart.middle - half, chart.middle + half, 181)
    for latitude in np.arange(np.ceil(south / step), np.floor(north / step) + 1) * step:
        if abs(latitude) == 90:
            continue
        lines = chart.lines(np.column_stack([across, np.full(181, latitude)]))
        _draw(axes, lines, outline, color=LINE, linewidth=0.35)
        text = degrees(float(latitude), "N", "S")
        if chart.is_cap:
            place = chart.flat(np.array([[chart.middle + 180, latitude]]))[0]
            if south + 1 < latitude < north - 1:
                axes.text(
                    place[0],
                    place[1],
                    text,
                    color=GREY,
                    size=6.5,
                    ha="center",
                    va="center",
                    zorder=5,
                )
            continue
        place = chart.flat(np.array([[chart.middle - half, latitude]]))[0]
        _beside(axes, place, text, (-3, 0), ha="right", va="center")


def _meridians(axes: Axes, chart: PlaceChart, outline: Polygon) -> None:
    """Lines of longitude, named at their southern ends; of a cap, around it."""
    south, north, half = chart.sides
    step = step_of(2 * half, 6)
    first = np.ceil((chart.middle - half) / step) * step
    rim = south if not chart.is_cap or north > -south else north
    up = np.linspace(max(south, -89.9), min(north, 89.9), 91)
    for longitude in np.arange(first, chart.middle + half + 1e-6, step):
        at_seam = half == 180 and abs(abs(longitude - chart.middle) - 180) < 1e-6
        if at_seam and longitude > chart.middle and (chart.is_cap or abs(rim) == 90):
            continue
        line = chart.flat(np.column_stack([np.full(91, longitude), up]))
        if not at_seam or chart.is_cap:
            _draw(axes, [line], outline, color=LINE, linewidth=0.35)
        text = degrees(float((longitude + 180) % 360 - 180), "E", "W")
        place = chart.flat(np.array([[longitude, rim]]))[0]
        if chart.is_cap:
            away = 9 * place / np.hypot(*place)
            _beside(axes, place, text, tuple(away), ha="center", va="center")
        elif not (at_seam and abs(rim) == 90):
            _beside(axes, place, text, (0, -3), ha="center", va="top")


def _beside(
    axes: Axes, place: NDArray[np.float64], text: str, away: tuple[float, ...], **align: str
) -> None:
    """A name so many points away from a place."""
    axes.annotate(
        text,
        (float(place[0]), float(place[1])),
        (float(away[0]), float(away[1])),
        textcoords="offset points",
        color=GREY,
        size=7.5,
        annotation_clip=False,
        horizontalalignment=align["ha"],
        verticalalignment=align["va"],
    )
