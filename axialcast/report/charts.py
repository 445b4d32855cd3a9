"""Charts: how the places of a grid lie on a flat map, and which map suits it.

Globes are drawn in Equal Earth, bands of all longitudes equirectangular, caps about a pole
stereographic, regions of latitudes and longitudes in equal areas (Albers; cylindrical about the
equator), and grids of a projection in their own. Distances are kilometres.

Shapes: k rows and m columns of points of a map.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from axialcast.grid import EARTH_RADIUS, Grid, LatLonGrid, ProjectedGrid
from axialcast.grid.axes import edges
from axialcast.grid.proj import crs_from_text, pyproj
from axialcast.report.coastlines import split_at

__all__ = ["Chart", "OwnChart", "PlaceChart", "box_of", "chart_of"]

Numbers = NDArray[np.float64]
METRES = 1e3
"""In a kilometre."""
AT_POLE, OFF_EQUATOR, GLOBE = 75.0, 15.0, 90.0
"""Degrees: caps reach beyond the first; cones suit what lies beyond the second; what spans more
latitudes than the third, and nearly all longitudes, is the globe."""
WIDE = 200.0
"""Degrees of longitude that are no region any more."""
FINE = 181
"""Points along each side of an outline."""


class Chart(Protocol):
    """A flat map.

    Attributes:
        outline: (n, 2) x and y of the closed line about it.
    """

    @property
    def outline(self) -> Numbers: ...

    def __hash__(self) -> int: ...

    def positions(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        """(k, m) rows and columns of the grid at points of a raster x (m,), y (k,), as fractions
        between cells; NaN off the grid. Outer cells reach to their edges."""

    def lines(self, line: Numbers) -> list[Numbers]:
        """(n, 2) x and y of what is drawn of a line of degrees east and north (m, 2)."""


@lru_cache(8)
def chart_of(grid: Grid) -> Chart:
    """The map that suits a grid.

    Raises:
        ValueError: it is a curved one, which no projection describes.
    """
    if isinstance(grid, ProjectedGrid):
        return OwnChart(grid)
    if not isinstance(grid, LatLonGrid):
        raise ValueError(
            "latitude, longitude: maps of curved grids are not drawn; regrid the store first, "
            "with prepare.grid"
        )
    south, north = sorted(grid.latitude_bounds[[0, -1]])
    step = 360 / len(grid.longitude) if grid.is_periodic else _step(grid.longitude)
    half = min(180.0, (grid.longitude[-1] - grid.longitude[0] + step) / 2)
    middle = 0.0 if grid.is_periodic else float(grid.longitude[[0, -1]].mean())
    text = f"{_projection(float(south), float(north), float(half))} +lon_0={middle!r}"
    return PlaceChart(grid, middle, (float(south), float(north), float(half)), text)


def box_of(chart: Chart) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of a chart."""
    (left, bottom), (right, top) = chart.outline.min(0), chart.outline.max(0)
    return float(left), float(right), float(bottom), float(top)


def _projection(south: float, north: float, half: float) -> str:
    """What suits a box of degrees, as PROJ writes it."""
    middle = (south + north) / 2
    if max(north, -south) > AT_POLE and north - south <= GLOBE and south * north >= 0:
        return f"+proj=stere +lat_0={90 if north > 0 else -90}"
    if 2 * half > WIDE:
        return "+proj=eqearth" if north - south > GLOBE else f"+proj=eqc +lat_ts={middle!r}"
    if abs(middle) < OFF_EQUATOR or south < -OFF_EQUATOR < OFF_EQUATOR < north:
        return f"+proj=cea +lat_ts={max(abs(south), abs(north)) / 2!r}"
    sixth = (north - south) / 6  # where a cone cuts the sphere so that scales hardly change
    return f"+proj=aea +lat_1={south + sixth!r} +lat_2={north - sixth!r} +lat_0={middle!r}"


@dataclass(frozen=True)
class PlaceChart:
    """A grid of latitudes and longitudes in a projection of the sphere.

    Attributes:
        grid: what is drawn.
        middle: degrees east in the middle; the seam is opposite.
        sides: southern and northern edge, and half of the width, in degrees.
        text: the projection, as PROJ writes it.
    """

    grid: LatLonGrid
    middle: float
    sides: tuple[float, float, float]
    text: str

    def positions(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        x, y = (METRES * line for line in np.meshgrid(x, y))
        east, north = self._transform.transform(x, y, direction="INVERSE")
        again = self._transform.transform(east, north)
        south, top, half = self.sides
        with np.errstate(invalid="ignore"):
            # What lies beyond the edge of the world comes back elsewhere.
            on = np.hypot(again[0] - x, again[1] - y) < 1.0
            aside = (east - self.middle + 180) % 360 - 180
            on &= (north >= south) & (north <= top) & (np.abs(aside) <= half)
        longitude = self.grid.longitude
        east = self.middle + np.where(on, aside, np.nan)
        if self.grid.is_periodic:
            columns = (east - longitude[0]) / (360.0 / len(longitude)) % len(longitude)
        else:
            columns = _among(east, longitude)
        return _among(np.where(on, north, np.nan), self.grid.latitude), columns

    def lines(self, line: Numbers) -> list[Numbers]:
        pieces = (self.flat(piece) for piece in split_at(line, self.middle + 180))
        return [seen for piece in pieces for seen in _seen(piece, self)]

    @cached_property
    def outline(self) -> Numbers:
        south, north, half = self.sides
        west, east = self.middle - half, self.middle + half
        across, up = np.linspace(west, east, FINE), np.linspace(south, north, FINE)
        if self.is_cap:
            rim = south if north > -south else north
            return self.flat(np.column_stack([across, np.full(FINE, rim)]))
        sides = (
            (across, np.full(FINE, south)),
            (np.full(FINE, east), up),
            (across[::-1], np.full(FINE, north)),
            (np.full(FINE, west), up[::-1]),
        )
        return self.flat(np.concatenate([np.column_stack(side) for side in sides]))

    @property
    def is_cap(self) -> bool:
        """Whether a pole is in its middle and all longitudes about it."""
        return self.text.startswith("+proj=stere") and self.sides[2] == 180

    def flat(self, line: Numbers) -> Numbers:
        """x and y of degrees east and north (n, 2); longitudes within half a turn of the middle."""
        # At the seam itself PROJ may take either side; a little within it is on the right one.
        east = self.middle + (line[:, 0] - self.middle).clip(-180 + 1e-7, 180 - 1e-7)
        x, y = self._transform.transform(east, line[:, 1])
        return np.column_stack([x, y]) / METRES

    @cached_property
    def _transform(self) -> Any:
        crs = crs_from_text(f"{self.text} +R={EARTH_RADIUS:.0f} +units=m +no_defs")
        return pyproj().Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)


@dataclass(frozen=True)
class OwnChart:
    """A grid of a projection as it is stored: kilometres for metres, or its own units."""

    grid: ProjectedGrid

    def positions(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        x, y = x / self._unit, y / self._unit
        off = ~np.isfinite(self.grid.places(y, x)[0])
        rows, columns = _among(y, self.grid.y)[:, None], _among(x, self.grid.x)[None, :]
        return np.where(off, np.nan, rows), np.where(off, np.nan, columns)

    def lines(self, line: Numbers) -> list[Numbers]:
        y, x = self.grid.coordinates(line[:, 1], line[:, 0])
        return _seen(np.column_stack([x, y]) * self._unit, self)

    @cached_property
    def outline(self) -> Numbers:
        y, x = (edges(axis, _step(axis))[[0, -1]] * self._unit for axis in self.grid.axes)
        return np.column_stack([x[[0, 1, 1, 0, 0]], y[[0, 0, 1, 1, 0]]])

    @property
    def _unit(self) -> float:
        return 1 / METRES if self.grid.units == "m" else 1.0


def _seen(line: Numbers, chart: Chart) -> list[Numbers]:
    """Pieces of a line (n, 2) that lie on a chart or hardly beside it, without leaps across it."""
    left, right, bottom, top = box_of(chart)
    low, high = np.array([left, bottom]), np.array([right, top])
    size = high - low
    with np.errstate(invalid="ignore"):
        near: NDArray[np.bool_] = np.all(
            (line > low - 0.1 * size) & (line < high + 0.1 * size), axis=1
        )
        leaps = (np.abs(np.diff(line, axis=0)) > 0.5 * size).any(1)
    cuts = np.flatnonzero(leaps | (near[1:] != near[:-1])) + 1
    pieces = zip(np.split(line, cuts), np.split(near, cuts), strict=True)
    return [piece for piece, is_near in pieces if len(piece) > 1 and is_near[0]]


def _among(wanted: Numbers, axis: Numbers) -> Numbers:
    """Where coordinates lie among those of an axis that rises or falls; the ends beyond it."""
    order = slice(None) if axis[0] <= axis[-1] else slice(None, None, -1)
    found = np.interp(wanted, axis[order], np.arange(len(axis), dtype=np.float64)[order])
    return np.where(np.isfinite(wanted), found, np.nan)


def _step(axis: Numbers) -> float:
    """Mean spacing."""
    return float((axis[-1] - axis[0]) / (len(axis) - 1)) if len(axis) > 1 else 1.0
