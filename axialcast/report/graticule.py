"""Axes of a map: degrees, or distances on a projection with parallels and meridians across."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator
from numpy.typing import NDArray

from axialcast.grid import Grid, ProjectedGrid
from axialcast.report.wording import degrees

__all__ = ["map_axes", "place_ticks", "step_of"]

STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 45, 60, 90)
"""Degrees between lines."""
MOST = 5
"""Of parallels, and of meridians."""


def map_axes(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of rows and columns to draw by: kilometres where a projection has metres."""
    rows, columns = grid.axes
    if isinstance(grid, ProjectedGrid) and grid.units == "m":
        rows, columns = rows / 1e3, columns / 1e3
    return rows, columns


def place_ticks(axes: Axes, grid: Grid) -> None:
    """Labels the axes of a drawn map; a projection has one scale, and lines of degrees across."""
    axes.tick_params(length=2.5, labelsize=8)
    rows, columns = map_axes(grid)
    if not isinstance(grid, ProjectedGrid):
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: degrees(x, "E", "W")))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: degrees(y, "N", "S")))
        axes.xaxis.set_major_locator(MultipleLocator(step_of(float(np.ptp(axes.get_xlim())), 6)))
        axes.yaxis.set_major_locator(MultipleLocator(step_of(float(np.ptp(rows)), 5)))
        return
    units = {"m": " km", "degrees": "°", "radian": " rad"}[grid.units]
    for axis, unit in ((axes.xaxis, units), (axes.yaxis, "")):  # one scale: once is enough
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(
            FuncFormatter(lambda x, _, unit=unit: f"{x:g}{unit}".replace("-", "−"))
        )
    axes.set_aspect("equal")
    _parallels(axes, grid, rows, columns)
    _meridians(axes, grid, rows, columns)


def _parallels(
    axes: Axes, grid: ProjectedGrid, rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> None:
    latitude = grid.latitudes
    low, high = np.nanmin(latitude), np.nanmax(latitude)
    step = step_of(float(high - low), MOST)
    for line in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step:
        _line(axes, columns, rows, latitude - line, degrees(line, "N", "S"))


def _meridians(
    axes: Axes, grid: ProjectedGrid, rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> None:
    """Each from its own side of the Earth, so that none is drawn where degrees begin anew."""
    longitude = grid.longitudes
    line = np.sort(longitude[np.isfinite(longitude)] % 360)
    gap = np.diff(np.append(line, line[0] + 360)).max()
    step = step_of(float(360 - gap), MOST)
    for middle in np.arange(0, 360, step):
        away = (longitude - middle + 180) % 360 - 180
        away = np.where(np.abs(away) > 90, np.nan, away)
        if np.nanmin(away, initial=1) < 0 < np.nanmax(away, initial=-1):
            _line(axes, columns, rows, away, degrees(middle, "E", "W"))


def _line(
    axes: Axes,
    columns: NDArray[np.float64],
    rows: NDArray[np.float64],
    away: NDArray[np.float64],
    text: str,
) -> None:
    """Where a field is zero."""
    drawn = axes.contour(
        columns, rows, away, levels=[0.0], colors="#5f6b76", linewidths=0.5, alpha=0.7
    )
    axes.clabel(drawn, fmt=lambda _: text, fontsize=6.5)


def step_of(span: float, most: int) -> float:
    """Round degrees between lines, of which there are at most so many and one."""
    return next((step for step in STEPS if span / step <= most), STEPS[-1])
