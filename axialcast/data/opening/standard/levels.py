"""Levels of an analysis: pressures in hPa along the dimension `level`.

A file of one level says it by a scalar coordinate; it gets the dimension, of length one. What is on
model levels, heights or depths is refused by name, or left out where nobody asks for it.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.arrays.lazy import expand
from axialcast.data.opening.standard.coordinates import said
from axialcast.data.opening.standard.vertical import (
    HIDING_KINDS,
    PRESSURE_TYPES,
    conversion_to_hpa,
    in_hpa,
    is_pressure,
    is_vertical,
    listed,
    other_kind,
)
from axialcast.names import (
    COORDINATE_ALIASES,
    COORDINATE_ATTRS,
    LATITUDE,
    LEVEL,
    LONGITUDE,
    NUMBER,
    ON_LEVELS,
    TIME,
    VARIABLES,
    X,
    Y,
    canonical,
)

__all__ = ["is_level", "with_levels"]

logger = logging.getLogger(__name__)

HORIZONTAL = (TIME, LATITUDE, LONGITUDE, Y, X, NUMBER)

LEAVE_OUT = "interpolate it to pressure levels, or leave it out with data.variables"


@dataclass(frozen=True)
class Line:
    """The pressure levels of a variable.

    Args:
        name: of the coordinate in the file.
        dim: the dimension it runs along; None: it is a scalar.
        pressures: (n,) hPa.
    """

    name: Any
    dim: Any
    pressures: NDArray[np.float64]


def with_levels(
    dataset: xr.Dataset,
    *,
    wanted: Collection[str] | None = None,
    units: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """The dataset with `level` (hPa) as a dimension of every variable on pressure levels.

    Args:
        dataset: fields in the project's names, with the coordinates of the file.
        wanted: variables that must not be left out; None: all.
        units: by name; those of `level` come before the file's.

    Raises:
        ValueError: a wanted variable is on levels that are no pressures, or on others than another.
    """
    stated = next((u for name, u in (units or {}).items() if is_level(name)), None)
    if stated is not None:
        dataset = _with_units(dataset, stated)
    lines = _lines(dataset, wanted, stated)
    fields = {name: dataset[name] for name in lines}
    on_levels = {name: line for name, line in lines.items() if line is not None}
    coords: dict[Any, Any] = {}
    if on_levels:
        first = next((n for n in on_levels if wanted is None or n in wanted), next(iter(on_levels)))
        common = on_levels[first].pressures
        coords[LEVEL] = (LEVEL, common, COORDINATE_ATTRS[LEVEL])
        for name, line in on_levels.items():
            if np.array_equal(line.pressures, common):
                fields[name] = _along_level(fields[name], line)
                continue
            differ = f"{first} is on the levels {listed(common)} hPa, {name} on others"
            if wanted is None or name in wanted:
                raise ValueError(
                    f"{differ}, {listed(line.pressures)} hPa; name variables of the same levels "
                    "in data.variables"
                )
            del fields[name]
            logger.info("%s: left out: %s", name, differ)
    gone = {LEVEL} | {part for line in on_levels.values() for part in (line.name, line.dim)}
    kept = {
        name: coord.variable
        for name, coord in dataset.coords.items()
        if name not in gone and not gone & {*coord.dims}
    }
    variables = {name: array.variable for name, array in fields.items()}
    return xr.Dataset(variables, kept | coords, dataset.attrs)


def _with_units(dataset: xr.Dataset, stated: str) -> xr.Dataset:
    """The dataset whose coordinates of pressures say these units.

    Raises:
        ValueError: they are no units of pressure.
    """
    conversion_to_hpa(f"data.units: {LEVEL}", stated)
    pressures = [name for name, coord in dataset.coords.items() if is_pressure(name, coord.attrs)]
    return dataset.assign_coords(
        {name: dataset.coords[name].assign_attrs(units=stated) for name in pressures}
    )


def _lines(
    dataset: xr.Dataset, wanted: Collection[str] | None, stated: str | None
) -> dict[Any, Line | None]:
    """The pressure levels of each variable, None for a variable on none; others are left out."""

    @cache
    def pressures(name: Any) -> NDArray[np.float64]:
        coord = dataset.coords[name]
        return in_hpa(name, np.atleast_1d(coord.values), coord.attrs, stated)

    lines: dict[Any, Line | None] = {}
    for name, array in dataset.data_vars.items():
        try:
            lines[name] = _line_of(array, pressures)
        except ValueError as error:
            if wanted is None or name in wanted:
                raise
            logger.info("%s; it is left out", error)
    return lines


def is_level(name: Any) -> bool:
    """Whether this is the name of the coordinate of pressure levels, or an alias of it."""
    return name == LEVEL or name in COORDINATE_ALIASES[LEVEL]


def _line_of(array: xr.DataArray, pressures: Callable[[Any], NDArray[np.float64]]) -> Line | None:
    """The pressure levels of a variable; None: it is on none.

    Args:
        array: with its coordinates.
        pressures: gives those (hPa) of a coordinate by its name.

    Raises:
        ValueError: it is on levels that are no pressures, or whose pressures are not known.
    """
    if array.name == LEVEL:
        raise ValueError(
            f"{LEVEL}: is a variable, though the coordinate of levels is called so; rename it in "
            "the file, or leave it out with data.variables"
        )
    grib_type = said(array.attrs, "GRIB_typeOfLevel") or None
    found: list[Line] = []
    for name, dim in _coordinates(array):
        along = () if dim is None else (dim,)
        coord = next((c for n, c in array.coords.items() if n == name and c.dims == along), None)
        attrs = {} if coord is None else coord.attrs
        size = 1 if dim is None else array.sizes[dim]
        kind = other_kind(name, attrs, grib_type)
        if size == 1 and (not _takes_level(array, kind) or _is_zero(coord)):
            continue
        if kind is not None:
            raise ValueError(f"{array.name}: is on {kind}, no pressure levels; {LEAVE_OUT}")
        if coord is None and size == 1:
            continue
        if coord is None:
            raise ValueError(
                f"{array.name}: its dimension {name!r} of size {size} has no coordinate that says "
                f"which levels these are; add it to the file, with units such as hPa, or leave "
                f"{array.name} out with data.variables"
            )
        if is_pressure(name, attrs):
            found.append(Line(name, dim, pressures(name)))
    if not found:
        _refuse_dropped(array, grib_type)
        return None
    return _only(array.name, found)


def _coordinates(array: xr.DataArray) -> list[tuple[Any, Any]]:
    """(name, dimension) of each vertical coordinate of a variable; scalar ones have no dimension.

    A dimension may have none of its own name but another along it.
    """
    found: list[tuple[Any, Any]] = []
    for dim in array.dims:
        if dim in HORIZONTAL:
            continue
        along = [name for name, c in array.coords.items() if c.dims == (dim,)]
        along.sort(key=lambda name: (name != dim, not is_level(name)))
        vertical = [name for name in along if is_vertical(name, array.coords[name].attrs)]
        if vertical:
            found.append((vertical[0], dim))
        elif not along and is_vertical(dim, {}):
            found.append((dim, dim))
    scalars = [name for name, c in array.coords.items() if c.ndim == 0]
    scalars.sort(key=lambda name: not is_level(name))
    return found + [(n, None) for n in scalars if is_vertical(n, array.coords[n].attrs)]


def _is_zero(coord: xr.DataArray | None) -> bool:
    """Whether a single level is 0, as some tools number the level of what is on none."""
    return coord is not None and coord.dtype.kind in "iuf" and not coord.values.any()


def _takes_level(array: xr.DataArray, kind: str | None) -> bool:
    """Whether a single level is one that the variable's name leaves open.

    xarray gives a scalar coordinate to every variable of a file, and the height of a field near the
    surface stands in its name.
    """
    grib_type, name = said(array.attrs, "GRIB_typeOfLevel") or None, canonical(str(array.name))
    if name in VARIABLES and name not in ON_LEVELS:
        return False
    if kind is None:
        return grib_type is None or grib_type in PRESSURE_TYPES
    return kind.startswith(HIDING_KINDS)


def _refuse_dropped(array: xr.DataArray, grib_type: Any) -> None:
    """Refuses a variable whose only level was dropped, but which its GRIB type tells."""
    kind = None if grib_type is None else other_kind("", {}, grib_type)
    if kind is not None and _takes_level(array, kind):
        raise ValueError(f"{array.name}: is on {kind}, no pressure levels; {LEAVE_OUT}")


def _only(name: Any, found: list[Line]) -> Line:
    """The one line of levels; a scalar beside a dimension of many says nothing."""
    long = [line for line in found if len(line.pressures) > 1] or found
    first, *others = long
    if any(not np.array_equal(line.pressures, first.pressures) for line in others):
        texts = " and ".join(f"{line.name} ({listed(line.pressures)} hPa)" for line in long)
        raise ValueError(f"{name}: is on two kinds of levels, {texts}; keep one in the file")
    return first


def _along_level(array: xr.DataArray, line: Line) -> xr.DataArray:
    """The variable with the dimension `level`, its values still to be read."""
    if LEVEL in array.dims and line.dim != LEVEL:  # of length one, and without a pressure
        array = array.isel({LEVEL: 0}, drop=True)
    if line.dim is None:
        return expand(array.reset_coords(drop=True), LEVEL)
    variable = array.variable.copy(deep=False)
    variable.dims = [LEVEL if dim == line.dim else dim for dim in variable.dims]
    return xr.Dataset({array.name: variable})[array.name]
