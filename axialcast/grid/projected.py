"""A grid on a map: coordinates of a projection, and what PROJ says of the places there.

Shapes: h rows, w columns.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from axialcast.grid.axes import checked, described, edges, stretches
from axialcast.grid.proj import crs_from_cf, pyproj
from axialcast.grid.protocol import EARTH_RADIUS, Grid, Label, nearest
from axialcast.grid.sphere import points, quadrilaterals
from axialcast.names import COORDINATE_ATTRS, GRID_MAPPING, LATITUDE, LONGITUDE, X, Y

__all__ = ["ProjectedGrid"]

TOLERANCE = 1e-2
"""Two cells whose centres are closer than this part of a cell are the same: stores keep coordinates
in float32, or to the kilometre."""

AXES: dict[str, tuple[str, tuple[str, str]]] = {
    "rotated_latitude_longitude": ("degrees", ("grid_latitude", "grid_longitude")),
    "geostationary": (
        "radian",
        ("projection_y_angular_coordinate", "projection_x_angular_coordinate"),
    ),
}
"""Units and standard names of y and x by grid mapping, where they are no lengths (CF conventions,
appendix F)."""
LENGTHS = ("m", ("projection_y_coordinate", "projection_x_coordinate"))


@dataclass(frozen=True, eq=False)
class ProjectedGrid:
    """h rows by w columns of a projection, as stored: no order is assumed or changed.

    Coordinates must be strictly monotonic, either way: metres; degrees of a rotated pole; radians
    of a geostationary view.

    Args:
        y: (h,) of the cell centres.
        x: (w,) of the cell centres.
        mapping: attributes of a CF grid mapping, or `crs_wkt` alone.

    Raises:
        ValueError: the coordinates are no such grid, or PROJ cannot read the mapping.

    Example:
        >>> grid = ProjectedGrid(np.arange(0, 64) * 2e3, np.arange(0, 64) * 2e3, lambert)
        >>> (grid.areas * EARTH_RADIUS**2).mean() / 4e6
        1.0
    """

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    mapping: Mapping[str, Any]

    def __init__(self, y: ArrayLike, x: ArrayLike, mapping: Mapping[str, Any]) -> None:
        object.__setattr__(self, "y", checked(Y, y))
        object.__setattr__(self, "x", checked(X, x))
        object.__setattr__(self, "mapping", dict(mapping))
        few = (axis[np.linspace(0, len(axis) - 1, 33).astype(int)] for axis in self.axes)
        if not np.isfinite(self.places(*few)[0]).any():
            raise ValueError(
                f"y, x: no cell of {self} lies on the Earth; are they in {self.units}, and is the "
                "projection theirs?"
            )

    @property
    def dims(self) -> tuple[str, str]:
        return Y, X

    @property
    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.y, self.x

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w)."""
        return len(self.y), len(self.x)

    @property
    def name(self) -> str:
        """Of the projection."""
        return str(self.mapping.get("grid_mapping_name") or self._crs.name)

    @property
    def units(self) -> str:
        """Of y and x."""
        return AXES.get(self.name, LENGTHS)[0]

    @property
    def ellipsoid(self) -> tuple[float, float]:
        """Semi-major and semi-minor axis of the Earth (m)."""
        found = self._crs.ellipsoid
        return float(found.semi_major_metre), float(found.semi_minor_metre)

    @property
    def is_periodic(self) -> bool:
        """Whether the columns close a full turn, as those of a rotated pole may."""
        if self.units != "degrees" or len(self.x) < 2:
            return False
        step = abs(self.x[-1] - self.x[0]) / (len(self.x) - 1)
        return bool(abs(step * len(self.x) - 360.0) < 0.01 * step)

    @cached_property
    def latitudes(self) -> NDArray[np.float64]:
        """(h, w) degrees north, NaN off the Earth."""
        return self._centres[0]

    @cached_property
    def longitudes(self) -> NDArray[np.float64]:
        """(h, w) degrees east, NaN off the Earth."""
        return self._centres[1]

    def places(
        self, rows: NDArray[np.float64], columns: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(k, m) latitudes and longitudes of points at such coordinates, NaN off the Earth."""
        x, y = np.meshgrid(np.asarray(columns) * self._scale, np.asarray(rows) * self._scale)
        longitude, latitude = self._to_places.transform(x, y)
        off = ~(np.isfinite(longitude) & np.isfinite(latitude))
        longitude[off] = latitude[off] = np.nan
        return latitude, longitude

    def coordinates(
        self, latitude: NDArray[np.float64], longitude: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """y and x of places in degrees, of their shape; infinite where the map does not go."""
        x, y = self._to_places.transform(longitude, latitude, direction="INVERSE")
        return np.asarray(y) / self._scale, np.asarray(x) / self._scale

    @cached_property
    def areas(self) -> NDArray[np.float64]:
        """(h, w) cell areas in steradians, zero where a corner lies off the Earth.

        Of a cell with straight sides between its corners on the unit sphere, times what a piece of
        the ellipsoid there is larger: its two radii of curvature.
        """
        y, x = edges(self.y, self._spacing(self.x)), edges(self.x, self._spacing(self.y))
        areas = np.concatenate([self._areas(y[rows], x) for rows in stretches(len(y), len(x))])
        areas.flags.writeable = False
        return areas

    @cached_property
    def area_weights(self) -> NDArray[np.float64]:
        """(h, w) cell areas divided by their mean."""
        weights: NDArray[np.float64] = self.areas / self.areas.mean()
        weights.flags.writeable = False
        return weights

    @property
    def labels(self) -> dict[str, Label]:
        units, standard = AXES.get(self.name, LENGTHS)
        found: dict[str, Label] = {}
        for dim, values, name, axis in zip(self.dims, self.axes, standard, "YX", strict=True):
            attrs = {"standard_name": name, "long_name": f"{dim} of the projection"}
            found[dim] = (dim,), values, {**attrs, "units": units, "axis": axis}
        found[GRID_MAPPING] = (
            (),
            np.int32(0),
            {"long_name": "projection", **_complete(self.mapping)},
        )
        return found

    @property
    def more_labels(self) -> dict[str, Label]:
        """Latitude and longitude of every cell, for those who know no projections."""
        found: dict[str, Label] = {}
        for name, values in ((LATITUDE, self.latitudes), (LONGITUDE, self.longitudes)):
            attrs = {k: v for k, v in COORDINATE_ATTRS[name].items() if k != "axis"}
            found[name] = self.dims, values, attrs
        return found

    def part(self, rows: slice, columns: slice) -> "ProjectedGrid":
        return ProjectedGrid(self.y[rows], self.x[columns], self.mapping)

    def among(self, other: Grid) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
        if not isinstance(other, ProjectedGrid) or not self._lies_as(other):
            return None
        rows = nearest(other.y, self.y, self._near(self.y))
        columns = nearest(other.x, self.x, self._near(self.x))
        return None if rows is None or columns is None else (rows, columns)

    def difference(self, other: Grid) -> str | None:
        """What differs between this grid (expected) and the other (got); None if nothing does."""
        if not isinstance(other, ProjectedGrid):
            return f"expected {self}, got {other}"
        for dim, want, got in zip(self.dims, self.axes, other.axes, strict=True):
            near = self._near(want)
            if want.shape == got.shape and np.abs(want - got).max() <= near:
                continue
            difference = f"{dim}: expected {described(want)}, got {described(got)}"
            if want.shape == got.shape and np.abs(want - got[::-1]).max() <= near:
                return f"{difference}; the order is reversed: sort the data the other way"
            return difference
        if self.mapping == other.mapping or self._lies_as(other):
            return None
        return f"projection: expected {self._proj_text}, got {other._proj_text}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready coordinates and grid mapping."""
        return {Y: self.y.tolist(), X: self.x.tolist(), "grid_mapping": dict(self.mapping)}

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, ProjectedGrid) and self.difference(other) is None

    def __hash__(self) -> int:
        return hash(self.shape)

    def __reduce__(self) -> tuple[Any, ...]:  # what PROJ holds does not travel
        return ProjectedGrid, (self.y, self.x, dict(self.mapping))

    def __repr__(self) -> str:
        y, x = described(self.y), described(self.x)
        return f"ProjectedGrid({self.name}, y {y}, x {x} {self.units})"

    @cached_property
    def _crs(self) -> Any:
        return crs_from_cf(dict(self.mapping))

    @cached_property
    def _to_places(self) -> Any:
        # A rotated pole is derived from degrees that are not.
        degrees = self._crs.source_crs if self._crs.is_derived else self._crs.geodetic_crs
        return pyproj().Transformer.from_crs(self._crs, degrees, always_xy=True)

    @cached_property
    def _scale(self) -> float:
        """By which coordinates are multiplied for PROJ."""
        if self.units == "radian":
            return float(self.mapping["perspective_point_height"])
        if self.units == "degrees":
            return 1.0
        return 1.0 / float(self._crs.axis_info[0].unit_conversion_factor)

    @property
    def _proj_text(self) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it may lose what a PROJ string cannot say
            return str(self._crs.to_proj4())

    @cached_property
    def _centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        both = self.places(self.y, self.x)
        for values in both:
            values.flags.writeable = False
        return both

    def _near(self, axis: NDArray[np.float64]) -> float:
        """Two coordinates along an axis that are closer than this are the same."""
        return TOLERANCE * abs(self._spacing(axis))

    def _spacing(self, axis: NDArray[np.float64]) -> float:
        """Mean spacing along an axis; of one cell alone, along the other."""
        for line in (axis, self.y, self.x):
            if len(line) > 1:
                return float((line[-1] - line[0]) / (len(line) - 1))
        return 1.0

    def _areas(self, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(k, m) areas of the cells between edges (k + 1,), (m + 1,)."""
        corners = points(*self.places(y, x))
        middle = corners[:, :-1] + corners[:, 1:]
        middle = middle[:, :, :-1] + middle[:, :, 1:]
        sine = middle[2] / np.sqrt(np.square(middle).sum(0))
        ellipsoid = self._crs.ellipsoid
        flattening = 1 / ellipsoid.inverse_flattening if ellipsoid.inverse_flattening else 0.0
        squared = flattening * (2 - flattening)  # eccentricity
        curvature = ellipsoid.semi_major_metre**2 * (1 - squared) / (1 - squared * sine**2) ** 2
        areas: NDArray[np.float64] = np.nan_to_num(
            quadrilaterals(corners) * curvature / EARTH_RADIUS**2, nan=0.0
        )
        return areas

    def _lies_as(self, other: "ProjectedGrid") -> bool:
        """Whether cells of the same coordinates lie at the same places, on a sample of them."""
        rows, columns = (axis[np.linspace(0, len(axis) - 1, 9).astype(int)] for axis in self.axes)
        if self.units != other.units:
            return False
        one, two = (points(*grid.places(rows, columns)) for grid in (self, other))
        apart = np.sqrt(np.square(one - two).sum(0))
        cell = np.sqrt(self.areas[self.areas > 0].mean())
        return bool((np.isnan(one) == np.isnan(two)).all() and np.nanmax(apart) <= TOLERANCE * cell)


def _complete(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """A grid mapping with the latitude of its origin, which CF wants (appendix F) and PROJ leaves
    out where a single standard parallel says it."""
    parallels = np.ravel(mapping.get("standard_parallel", ()))
    match mapping.get("grid_mapping_name"):
        case "lambert_conformal_conic" if len(parallels) == 1:
            origin = float(parallels[0])
        case "polar_stereographic" if len(parallels) == 1:
            origin = float(np.copysign(90.0, parallels[0]))
        case _:
            return dict(mapping)
    return {"latitude_of_projection_origin": origin, **mapping}
