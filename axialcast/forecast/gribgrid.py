"""Grids as GRIB 2 describes them (templates 3.0, 3.20, 3.30 and 3.40).

Messages are written from north to south and from west to east, whatever the order in the store.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.grid import Grid, LatLonGrid, ProjectedGrid

__all__ = ["GribGrid", "grid_keys"]

DEGREE = 1e-6
"""In which GRIB counts degrees."""
MILLIMETRE = 1e-3
"""In which it counts metres."""


@dataclass(frozen=True)
class GribGrid:
    """Keys of a grid, and how its fields are turned to the order of a message.

    Args:
        keys: of ecCodes.
        flipped: whether rows run from south to north.
        turned: whether columns run from east to west.
    """

    keys: dict[str, Any]
    flipped: bool
    turned: bool

    def ordered(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(h, w) values in the order of a message, (h · w,)."""
        rows, columns = (slice(None, None, -1 if s else 1) for s in (self.flipped, self.turned))
        return np.ascontiguousarray(values[rows, columns]).ravel()


def grid_keys(grid: Grid) -> GribGrid:
    """The grid as GRIB 2 has it.

    Raises:
        ValueError: it has no template.
    """
    if isinstance(grid, LatLonGrid) and (found := _latlon(grid)) is not None:
        return found
    if isinstance(grid, ProjectedGrid) and (found := _projected(grid)) is not None:
        return found
    raise ValueError(
        f"deliver.formats: grib2 has no template for {grid}; deliver netcdf, or regrid the data "
        "with prepare.regrid"
    )


def _latlon(grid: LatLonGrid) -> GribGrid | None:
    latitude, longitude = grid.latitude, grid.longitude
    flipped, turned = bool(latitude[0] < latitude[-1]), bool(longitude[0] > longitude[-1])
    latitude = latitude[::-1] if flipped else latitude
    longitude = longitude[::-1] if turned else longitude
    east = _spacing(longitude)
    if east is None:
        return None
    keys = {
        "Ni": len(longitude),
        "Nj": len(latitude),
        "latitudeOfFirstGridPointInDegrees": latitude[0],
        "latitudeOfLastGridPointInDegrees": latitude[-1],
        "longitudeOfFirstGridPointInDegrees": longitude[0] % 360,
        "longitudeOfLastGridPointInDegrees": longitude[-1] % 360,
        "iDirectionIncrementInDegrees": east,
        "jScansPositively": 0,
    }
    south = _spacing(latitude)
    if south is not None:
        keys |= {"gridType": "regular_ll", "jDirectionIncrementInDegrees": -south}
    elif _is_gaussian(latitude):
        keys |= {"gridType": "regular_gg", "N": len(latitude) // 2}
    else:
        return None
    return GribGrid({"gridType": keys.pop("gridType"), **keys}, flipped, turned)


def _spacing(axis: NDArray[np.float64]) -> float | None:
    """Of an axis that is regular to the millionth of a degree that GRIB counts; None: it is not."""
    if len(axis) < 2:
        return None
    step = float((axis[-1] - axis[0]) / (len(axis) - 1))
    regular = axis[0] + step * np.arange(len(axis))
    return step if np.abs(axis - regular).max() <= DEGREE else None


def _is_gaussian(latitude: NDArray[np.float64]) -> bool:
    """Whether these are all Gaussian latitudes of their number, from north to south."""
    nodes, _ = np.polynomial.legendre.leggauss(len(latitude))
    whole = np.degrees(np.arcsin(nodes))[::-1]
    return len(latitude) % 2 == 0 and bool(np.abs(latitude - whole).max() <= 1e-3)


def _projected(grid: ProjectedGrid) -> GribGrid | None:
    """Columns from west to east on the map; of rows the message says which way they run."""
    of, spacings = grid.mapping, [_metres(axis) for axis in grid.axes]
    parallels = np.ravel(of.get("standard_parallel", ())).astype(float)
    if grid.units != "m" or None in spacings or not len(parallels):
        return None
    latitude, longitude = (place.item() for place in grid.places(grid.y[:1], grid.x.min()[None]))
    major, minor = grid.ellipsoid
    match grid.name:
        case "lambert_conformal_conic":
            keys = {
                "gridType": "lambert",
                "LoVInDegrees": float(of["longitude_of_central_meridian"]) % 360,
                "LaDInDegrees": float(of.get("latitude_of_projection_origin", parallels[0])),
                "Latin1InDegrees": parallels[0],
                "Latin2InDegrees": parallels[-1],
                "projectionCentreFlag": 128 if parallels[0] < 0 else 0,
            }
        case "polar_stereographic" if major == minor:  # ecCodes places no others
            keys = {
                "gridType": "polar_stereographic",
                "orientationOfTheGridInDegrees": _straight_down(of) % 360,
                "LaDInDegrees": parallels[0],
                "projectionCentreFlag": 128 if parallels[0] < 0 else 0,
            }
        case _:
            return None
    y_step, x_step = (float(step) for step in spacings if step is not None)
    keys |= {
        "Nx": len(grid.x),
        "Ny": len(grid.y),
        "DxInMetres": abs(x_step),
        "DyInMetres": abs(y_step),
        "latitudeOfFirstGridPointInDegrees": latitude,
        "longitudeOfFirstGridPointInDegrees": longitude % 360,
        "jScansPositively": int(y_step > 0),
    }
    kind = {"gridType": keys.pop("gridType")}
    return GribGrid(kind | _earth(major, minor) | keys, flipped=False, turned=x_step < 0)


def _straight_down(mapping: Mapping[str, Any]) -> float:
    """Longitude along which a polar map's columns run."""
    names = ("straight_vertical_longitude_from_pole", "longitude_of_projection_origin")
    return float(next(mapping[name] for name in names if name in mapping))


def _metres(axis: NDArray[np.float64]) -> float | None:
    """Spacing of an axis that is regular to a millimetre a cell; None: it is not."""
    if len(axis) < 2:
        return None
    step = float((axis[-1] - axis[0]) / (len(axis) - 1))
    off = np.abs(axis - axis[0] - step * np.arange(len(axis))).max()
    return round(step, 3) if off <= MILLIMETRE * len(axis) else None


def _earth(semi_major: float, semi_minor: float) -> dict[str, Any]:
    """Shape of the Earth (code table 3.2): a sphere or an ellipsoid of these radii in metres."""
    if semi_major == semi_minor:
        return {
            "shapeOfTheEarth": 1,
            "scaleFactorOfRadiusOfSphericalEarth": 2,
            "scaledValueOfRadiusOfSphericalEarth": round(100 * semi_major),
        }
    return {
        "shapeOfTheEarth": 7,
        "scaleFactorOfEarthMajorAxis": 2,
        "scaledValueOfEarthMajorAxis": round(100 * semi_major),
        "scaleFactorOfEarthMinorAxis": 2,
        "scaledValueOfEarthMinorAxis": round(100 * semi_minor),
    }
