"""A GRIB file as a lazy Dataset: its messages sorted by variable, time, level and member."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.arrays.gribs import GribArray, Place
from axialcast.data.arrays.lazy import lazily
from axialcast.data.opening.kinds.grib_maps import MAPS, mapping_of
from axialcast.data.opening.kinds.messages import PRESSURE, Header, by_series, headers, one_of_each
from axialcast.data.opening.kinds.packages import require
from axialcast.names import (
    GRID_MAPPING,
    LATITUDE,
    LONGITUDE,
    NUMBER,
    ON_LEVELS,
    TIME,
    X,
    Y,
    canonical,
)
from axialcast.times.calendars import time_text

__all__ = ["open_grib"]

logger = logging.getLogger(__name__)

NAMES = {TIME: "times", PRESSURE: "levels", NUMBER: "members"}
"""What dimensions are called in messages."""
REGULAR = ("regular_ll", "regular_gg")
"""Types of grid with one latitude for each row and one longitude for each column."""
REMEDIES = {
    "reduced_gg": "cdo -R -f nc4 copy in.grib out.nc",
    "reduced_ll": "cdo -R -f nc4 copy in.grib out.nc",
    "sh": "cdo -f nc4 sp2gpl in.grib out.nc",
}
"""How grids of other types become regular ones."""
INTERPOLATE = "cdo -f nc4 remapbil,r360x181 in.grib out.nc"


def open_grib(
    path: Path,
    *,
    variables: Sequence[str] | None = None,
    levels: Sequence[float] | None = None,
) -> xr.Dataset:
    """All fields of the file, in its own names and units, at the times they are valid at.

    Args:
        path: the file.
        variables: that are wanted, by any of their names; what others are does not matter then.
            None: all.
        levels: pressure levels (hPa) that are wanted, where the variables are on different ones.

    Raises:
        ValueError: cfgrib or ecCodes is absent, the file is damaged, its grid is of no kind that is
            known, a variable has several fields for one time, or variables differ in grid, times or
            levels.
        OSError: it cannot be read.
    """
    require("cfgrib", path, "a GRIB file", extra="grib")
    try:
        import cfgrib.messages
    except (ImportError, RuntimeError) as error:  # the ecCodes library is not found
        reason = " ".join(str(error).split()) or "no further message"
        raise ValueError(
            f"{path}: a GRIB file needs ecCodes ({reason}); pip install 'axialcast[grib]'"
        ) from None
    found = headers(path)
    all_series = {_called(name, kind, of): of for (name, kind), of in by_series(found).items()}
    series = _wanted(all_series, variables)
    _refuse_other_grids(path, series)
    stream = cfgrib.messages.FileStream(str(path), errors="raise")
    first = next(iter(series.values()))[0]
    scan = _scan(path, stream[first.place])
    coords: dict[str, Any] = scan.pop("coordinates")
    arrays = {
        name: _array(path, fields, stream[fields[0].place], scan, levels)
        for name, fields in series.items()
    }
    try:
        merged = xr.merge(
            [array.to_dataset(name=name) for name, array in arrays.items()],
            join="exact",
            compat="no_conflicts",
        )
    except ValueError:
        raise ValueError(f"{path}: {_difference(arrays)}") from None
    return merged.assign_coords(coords)


def _called(name: str, kind: str, fields: list[Header]) -> str:
    """What a variable on one kind of level is called: what is of the air has its kind in it.

    So `u` 80 m above the ground is not taken for `u` on pressure levels.
    """
    if kind == PRESSURE or canonical(name) not in ON_LEVELS:
        return name
    if (name, kind) == ("z", "surface"):
        return "phis"
    levels = {field.level for field in fields}
    level = f"_{next(iter(levels)):g}" if len(levels) == 1 else ""
    return f"{name}_{kind}{level}"


def _wanted(
    series: Mapping[str, list[Header]], variables: Sequence[str] | None
) -> dict[str, list[Header]]:
    if variables is None:
        return dict(series)
    names = {*variables, *map(canonical, variables)}
    chosen = {n: fields for n, fields in series.items() if {n, canonical(n)} & names}
    return chosen or dict(series)  # what is missing is told by those who know all files


def _refuse_other_grids(path: Path, series: Mapping[str, list[Header]]) -> None:
    found: dict[str, Header] = {}
    for fields in series.values():
        for field in fields:
            found.setdefault(field.grid, field)
    if len(found) > 1:
        one, other = list(found.values())[:2]
        raise ValueError(
            f"{path}: {one.name} of {time_text(one.valid)} and {other.name} of "
            f"{time_text(other.valid)} are on different grids; name those of one grid in "
            "data.variables, or interpolate them to one: " + INTERPOLATE
        )


def _scan(path: Path, message: Any) -> dict[str, Any]:
    """The coordinates of the file's grid, and how a field lies in it: arguments of GribArray."""
    grid = message["gridType"]
    if grid not in (*REGULAR, *MAPS):
        raise ValueError(
            f"{path}: its grid ({grid}) is none of {', '.join((*REGULAR, *MAPS))}; interpolate it, "
            f"for instance by: {REMEDIES.get(grid, INTERPOLATE)}"
        )
    scan: dict[str, Any] = {
        "field_shape": (int(message["Nj"]), int(message["Ni"])),
        "by_columns": bool(message["jPointsAreConsecutive"]),
        "alternating": bool(message["alternativeRowScanning"]),
    }
    nothing = GribArray(path, np.empty(0, object), **scan)
    places = [np.asarray(message[name]) for name in ("latitudes", "longitudes")]
    if any(line.size != np.prod(nothing.field_shape) for line in places):
        raise ValueError(f"{path}: its grid has rows of different lengths; interpolate it")
    latitudes, longitudes = (nothing.arranged(line) for line in places)
    if grid in MAPS:  # whether they are rows and columns is seen when they are put on the map
        coords: dict[str, Any] = {GRID_MAPPING: ((), 0, mapping_of(message))}
        coords |= {LATITUDE: ((Y, X), latitudes), LONGITUDE: ((Y, X), longitudes)}
        return {**scan, "coordinates": coords}
    if np.ptp(latitudes, axis=1).max() > 0 or np.ptp(longitudes, axis=0).max() > 0:
        # ecCodes gives both as they are scanned, or as if rows did not alternate.
        latitudes, longitudes = (line.reshape(nothing.field_shape) for line in places)
    if np.ptp(latitudes, axis=1).max() > 0 or np.ptp(longitudes, axis=0).max() > 0:
        raise ValueError(f"{path}: its points are in an order that is not known; {INTERPOLATE}")
    lines = (LATITUDE, latitudes[:, 0], {"units": "degrees_north"})
    columns = (LONGITUDE, longitudes[0], {"units": "degrees_east"})
    return {**scan, "coordinates": {LATITUDE: lines, LONGITUDE: columns}}


def _array(
    path: Path,
    fields: list[Header],
    message: Any,
    scan: Mapping[str, Any],
    levels: Sequence[float] | None,
) -> xr.DataArray:
    """One variable over the times, levels and members that it has fields of."""
    first = fields[0]
    if first.kind == PRESSURE and levels is not None:
        fields = [field for field in fields if field.level in levels] or fields
    places = one_of_each(path, fields)
    times, heights, numbers = (sorted(set(line)) for line in zip(*places, strict=True))
    dims: list[str] = [TIME]
    coords: dict[str, Any] = {TIME: np.array(times)}
    if first.kind == PRESSURE or len(heights) > 1:
        dims.append(first.kind)
        attrs = {"units": "hPa"} if first.kind == PRESSURE else {}
        coords[first.kind] = (first.kind, np.array(heights), attrs)
    if len(numbers) > 1:
        dims.append(NUMBER)
        coords[NUMBER] = np.array(numbers)
    table = _table(path, first.name, places, [times, heights, numbers])
    kept = [dim in dims for dim in (TIME, first.kind, NUMBER)]
    table = table.reshape([size for size, keep in zip(table.shape, kept, strict=True) if keep])
    attrs = {
        "units": message["units"],
        "long_name": message["name"],
        "GRIB_typeOfLevel": first.kind,
        "GRIB_stepType": first.step_type,
        "GRIB_lengthOfTimeRange": first.length,
    }
    # What is near the surface has a name of its own; its standard name is that of the air above.
    if first.kind == PRESSURE and message["cfName"] not in ("unknown", "undef"):
        attrs["standard_name"] = message["cfName"]
    horizontal = [LATITUDE, LONGITUDE]
    if message["gridType"] in MAPS:
        horizontal = [Y, X]
        attrs["GRIB_uvRelativeToGrid"] = message.get("uvRelativeToGrid", 0)
    data = lazily(GribArray(path, table, **scan))
    return xr.DataArray(
        xr.Variable([*dims, *horizontal], data, attrs), coords=coords, name=first.name
    )


def _table(
    path: Path, name: str, places: Mapping[tuple[Any, Any, Any], Place], lines: list[list[Any]]
) -> NDArray[np.object_]:
    """The places of fields along times, levels and members; each must be there."""
    table = np.full([len(line) for line in lines], None, object)
    at = [{value: number for number, value in enumerate(line)} for line in lines]
    for key, place in places.items():
        table[tuple(where[value] for where, value in zip(at, key, strict=True))] = place
    lacking = np.argwhere(table == None)  # noqa: E711 - of each element
    if len(lacking):
        time, level, number = (line[i] for line, i in zip(lines, lacking[0], strict=True))
        member = f", member {number}" if number is not None else ""
        raise ValueError(
            f"{path}: {name} lacks the field of {time_text(time)}, level {level:g}{member}, and "
            f"{len(lacking) - 1} more; add them, or name other data.variables or data.levels"
        )
    return table


def _difference(arrays: Mapping[str, xr.DataArray]) -> str:
    """In what variables of one file differ that should share it, and what to do."""
    (one, first), *others = arrays.items()
    for other, array in others:
        for dim in set(first.dims) & set(array.dims):
            lines = first[dim].values, array[dim].values
            if not np.array_equal(lines[0], lines[1]):
                ends = [
                    f"{len(line)} from {time_text(line[0])} to {time_text(line[-1])}"
                    if dim == TIME
                    else str(line.tolist())
                    for line in lines
                ]
                return (
                    f"{one} and {other} do not share one set of "
                    f"{NAMES.get(str(dim), dim)} ({ends[0]}, and {ends[1]}); name those that do in "
                    "data.variables, or split the file"
                )
    return "its variables do not fit together; split the file"
