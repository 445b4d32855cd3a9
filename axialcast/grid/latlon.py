"""A latitude-longitude grid: coordinates, exact cell areas, periodicity, and what is wrong with it.

numpy only. Shapes: h latitudes, w longitudes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from axialcast.grid.protocol import Grid, Label, nearest
from axialcast.names import COORDINATE_ATTRS, LATITUDE, LONGITUDE

__all__ = ["TOLERANCE_DEGREES", "LatLonGrid"]

TOLERANCE_DEGREES = 1e-3
"""Two coordinates closer than this are the same: stores keep them in float32."""


@dataclass(frozen=True, eq=False)
class LatLonGrid:
    """A separable grid of h latitudes by w longitudes, as stored: no order is assumed or changed.

    Latitudes must be strictly monotonic (either way) within [-90, 90]; longitudes strictly
    increasing and evenly spaced, and cover at most one turn. Their origin is free.

    Args:
        latitude: (h,) degrees north of the cell centres.
        longitude: (w,) degrees east of the cell centres.

    Raises:
        ValueError: if the coordinates are not such a grid.

    Example:
        >>> LatLonGrid.regular(3, 4, poles=False).areas.sum() / (4 * np.pi)
        1.0
    """

    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]

    def __init__(self, latitude: ArrayLike, longitude: ArrayLike) -> None:
        object.__setattr__(self, "latitude", _frozen(LATITUDE, latitude))
        object.__setattr__(self, "longitude", _frozen(LONGITUDE, longitude))
        _check_latitude(self.latitude)
        _check_longitude(self.longitude)
        _check_degrees(self.latitude, self.longitude)

    @classmethod
    def regular(cls, num_latitudes: int, num_longitudes: int, *, poles: bool) -> "LatLonGrid":
        """Evenly spaced global grid, north to south from 0°E; `poles`: rows on both poles."""
        edges = np.linspace(90.0, -90.0, num_latitudes + (0 if poles else 1))
        latitude = edges if poles else (edges[1:] + edges[:-1]) / 2
        return cls(latitude, np.arange(num_longitudes) * 360.0 / num_longitudes)

    @classmethod
    def gauss_legendre(cls, num_latitudes: int, num_longitudes: int) -> "LatLonGrid":
        """Global Gauss-Legendre grid, north to south from 0°E, as spectral models use."""
        nodes, _ = np.polynomial.legendre.leggauss(num_latitudes)
        latitude = np.degrees(np.arcsin(nodes))[::-1]
        return cls(latitude, np.arange(num_longitudes) * 360.0 / num_longitudes)

    @property
    def dims(self) -> tuple[str, str]:
        return LATITUDE, LONGITUDE

    @property
    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.latitude, self.longitude

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w)."""
        return len(self.latitude), len(self.longitude)

    @property
    def latitudes(self) -> NDArray[np.float64]:
        """(h, 1) degrees north."""
        return self.latitude[:, None]

    @property
    def longitudes(self) -> NDArray[np.float64]:
        """(1, w) degrees east."""
        return self.longitude[None, :]

    @property
    def labels(self) -> dict[str, Label]:
        pairs = zip(self.dims, self.axes, strict=True)
        return {name: ((name,), axis, COORDINATE_ATTRS[name]) for name, axis in pairs}

    @property
    def more_labels(self) -> dict[str, Label]:
        return {}

    def places(
        self, rows: NDArray[np.float64], columns: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(k, 1) latitudes and (1, m) longitudes."""
        return np.asarray(rows)[:, None], np.asarray(columns)[None, :]

    def part(self, rows: slice, columns: slice) -> "LatLonGrid":
        return LatLonGrid(self.latitude[rows], self.longitude[columns])

    @property
    def is_periodic(self) -> bool:
        """Whether the longitudes close a full turn, so that the last column adjoins the first."""
        if len(self.longitude) < 2:
            return False
        step = (self.longitude[-1] - self.longitude[0]) / (len(self.longitude) - 1)
        return bool(abs(step * len(self.longitude) - 360.0) < 0.01 * step)

    @cached_property
    def latitude_bounds(self) -> NDArray[np.float64]:
        """(h + 1,) cell edges in degrees: midpoints; the outer ones half a cell out, or the pole.

        A grid whose outer rows lie within one spacing of the poles is taken to reach them.
        """
        centre = self.latitude
        if len(centre) == 1:
            return np.array([centre[0] + 0.5, centre[0] - 0.5]).clip(-90, 90)
        inner = (centre[1:] + centre[:-1]) / 2
        first, last = centre[1] - centre[0], centre[-1] - centre[-2]
        outer = np.array([_outer_edge(centre[0], -first), _outer_edge(centre[-1], last)])
        return np.concatenate([outer[:1], inner, outer[1:]])

    @cached_property
    def areas(self) -> NDArray[np.float64]:
        """(h, w) exact cell areas in steradians; a global grid's sum to 4 pi.

        Area of a cell: (sin of its northern edge - sin of its southern edge) x width in radians.
        """
        band = np.abs(np.diff(np.sin(np.radians(self.latitude_bounds))))
        if self.is_periodic:
            width = 2 * np.pi / len(self.longitude)
        elif len(self.longitude) == 1:
            width = np.radians(1.0)
        else:
            span = np.radians(self.longitude[-1] - self.longitude[0])
            width = span / (len(self.longitude) - 1)
        areas: NDArray[np.float64] = np.repeat(band[:, None] * width, len(self.longitude), axis=1)
        areas.flags.writeable = False
        return areas

    @cached_property
    def area_weights(self) -> NDArray[np.float64]:
        """(h, w) cell areas divided by their mean."""
        weights: NDArray[np.float64] = self.areas / self.areas.mean()
        weights.flags.writeable = False
        return weights

    def among(self, other: Grid) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
        if not isinstance(other, LatLonGrid):
            return None
        rows = nearest(other.latitude, self.latitude, TOLERANCE_DEGREES)
        columns = nearest(other.longitude, self.longitude, TOLERANCE_DEGREES, turn=360.0)
        return None if rows is None or columns is None else (rows, columns)

    def difference(self, other: Grid) -> str | None:
        """What differs between this grid (expected) and the other (got); None if nothing does."""
        if not isinstance(other, LatLonGrid):
            return f"expected {self}, got {other}"
        pairs = [
            ("latitude", self.latitude, other.latitude),
            ("longitude", self.longitude, other.longitude),
        ]
        for name, want, got in pairs:
            if want.shape == got.shape and np.abs(want - got).max() <= TOLERANCE_DEGREES:
                continue
            difference = f"{name}: expected {_describe(want)}, got {_describe(got)}"
            if want.shape == got.shape and np.abs(want - got[::-1]).max() <= TOLERANCE_DEGREES:
                return f"{difference}; the order is reversed: sort the data the other way"
            if want.shape == got.shape and name == "longitude":
                turns = (np.sort(got % 360) - np.sort(want % 360)) / TOLERANCE_DEGREES
                if np.abs(turns).max() <= 1:
                    return f"{difference}; the origin differs: let the data start at {want[0]:g}"
            return difference
        return None

    def to_dict(self) -> dict[str, list[float]]:
        """JSON-ready coordinates, the inverse of `from_dict`."""
        return {"latitude": self.latitude.tolist(), "longitude": self.longitude.tolist()}

    @classmethod
    def from_dict(cls, value: Mapping[str, Sequence[float]]) -> "LatLonGrid":
        """The grid that `to_dict` gave."""
        return cls(value["latitude"], value["longitude"])

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, LatLonGrid) and self.difference(other) is None

    def __hash__(self) -> int:
        return hash(self.shape)

    def __repr__(self) -> str:
        return f"LatLonGrid({_describe(self.latitude)} N, {_describe(self.longitude)} E)"


def _frozen(name: str, values: ArrayLike) -> NDArray[np.float64]:
    given = np.asarray(values)
    if given.dtype.kind not in "iuf":  # numpy would take the real part, or read text
        raise ValueError(f"{name}: expected degrees as real numbers, got type {given.dtype}")
    array = np.array(given, dtype=np.float64)
    array.flags.writeable = False
    return array


def _outer_edge(centre: float, step: float) -> float:
    pole = np.copysign(90.0, step)
    return float(pole if abs(pole - centre) < abs(step) else centre + step / 2)


def _describe(values: NDArray[np.float64]) -> str:
    return f"{len(values)} values {values[0]:g} to {values[-1]:g}"


def _check_latitude(latitude: NDArray[np.float64]) -> None:
    if latitude.ndim != 1 or latitude.size == 0:
        raise ValueError(f"latitude: expected one dimension, got shape {latitude.shape}")
    if not np.isfinite(latitude).all():
        raise ValueError("latitude: holds NaN or infinity; expected degrees within -90 to 90")
    if np.abs(latitude).max() > 90 + TOLERANCE_DEGREES:
        raise ValueError(
            f"latitude: expected degrees within -90 to 90, got {_describe(latitude)}; "
            "are latitude and longitude swapped?"
        )
    steps = np.diff(latitude)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise ValueError(
            "latitude: expected strictly monotonic values, got "
            f"{_describe(latitude)} with a repeat or a turn; sort them"
        )


def _check_longitude(longitude: NDArray[np.float64]) -> None:
    if longitude.ndim != 1 or longitude.size == 0:
        raise ValueError(f"longitude: expected one dimension, got shape {longitude.shape}")
    if not np.isfinite(longitude).all():
        raise ValueError("longitude: holds NaN or infinity; expected degrees east")
    steps = np.diff(longitude)
    if not (steps > 0).all():
        raise ValueError(
            f"longitude: expected strictly increasing degrees east, got {_describe(longitude)}; "
            f"sort them, or wrap them to one turn first{_wrapped(longitude)}"
        )
    if len(steps) and longitude[-1] - longitude[0] >= 360 - TOLERANCE_DEGREES:
        (past,) = np.flatnonzero(longitude >= longitude[0] + 360 - TOLERANCE_DEGREES)[:1]
        is_repeated = longitude[past] < longitude[0] + 360 + TOLERANCE_DEGREES
        remedy = (
            f"drop the repeated column, for instance with: ncks -d longitude,0,{past - 1} in.nc "
            "out.nc (or as longitude is called there)"
            if is_repeated
            else "give degrees of one turn"
        )
        raise ValueError(f"longitude: {_describe(longitude)} covers more than one turn; {remedy}")
    if len(steps) and steps.max() - steps.min() > 2 * TOLERANCE_DEGREES + 1e-2 * steps.mean():
        raise ValueError(
            f"longitude: expected even spacing, got steps of {steps.min():g} to {steps.max():g} "
            "degrees; interpolate to even longitudes, or keep a stretch of them that is even"
        )


def _wrapped(longitude: NDArray[np.float64]) -> str:
    """How longitudes that start anew once, at 0° or 180°, or fall, are put in order; or nothing."""
    order = np.sort(longitude)
    if len(order) < 2 or not (np.diff(order) > 0).all():
        return ""
    turns = np.diff(longitude) < 0
    east = longitude + 360 * np.concatenate([[0], np.cumsum(turns)])
    if turns.sum() == 1 and east[-1] - east[0] < 360:
        order = east
    step = (order[-1] - order[0]) / (len(order) - 1)
    west = order[0] - step / 2
    width = order[-1] - order[0] + step
    return f", for instance with: cdo sellonlatbox,{west:g},{west + width:g},-90,90 in.nc out.nc"


def _check_degrees(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> None:
    """Refuses radians: no latitude above pi / 2, and longitudes that close a turn of 2 pi."""
    if np.abs(latitude).max() > np.pi / 2 + TOLERANCE_DEGREES or len(longitude) < 2:
        return
    span = longitude[-1] - longitude[0]
    step = span / (len(longitude) - 1)
    turn = min(abs(span + step - 2 * np.pi), abs(span - 2 * np.pi))  # without and with both ends
    if turn < 0.01 * step:
        raise ValueError(
            f"latitude, longitude: {_describe(latitude)} and {_describe(longitude)} look like "
            "radians; convert with np.degrees, or multiply the values in the file by 180 / pi"
        )
