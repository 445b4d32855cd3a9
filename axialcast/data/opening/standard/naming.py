"""Foreign names become the project's.

A name is recognised by itself, by its aliases, by `standard_name` or by its units, in this order,
unless what the file says of a coordinate contradicts it. Where two candidates are equally good,
neither is renamed.
"""

import logging
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from axialcast.data.opening.standard.coordinates import contradiction, said, tells
from axialcast.grid import TOLERANCE_DEGREES, is_curved
from axialcast.names import (
    COORDINATE_ALIASES,
    COORDINATE_ATTRS,
    GRID_MAPPING,
    LATITUDE,
    LONGITUDE,
    NUMBER,
    TIME,
    VARIABLES,
    Variable,
    canonical,
)

__all__ = ["rename"]

logger = logging.getLogger(__name__)

WIND = re.compile(r"(east|north)ward_wind|eastward wind.*|northward wind.*")
"""What a wind is by its standard or long name."""
ALONG_MAP = re.compile(r"[xy]_wind|grid_(east|north)ward_wind")
"""Standard names of winds along the rows and columns of a map."""

NEAR_SURFACE = {"height", "heightAboveGround"}
"""Scalar coordinates of a field near the surface, which `standard_name` does not tell apart."""


def rename(dataset: xr.Dataset, variables: Sequence[str] | None = None) -> xr.Dataset:
    """The dataset with the project's names of coordinates, except of levels, and of variables.

    Args:
        dataset: in the store's names.
        variables: that are asked for: of several which go by names of one, it is these.

    Raises:
        ValueError: what is named as a coordinate is none, or two that differ are named as one.
    """
    is_on_map = GRID_MAPPING in dataset.coords or is_curved(dataset)
    places = () if is_on_map else (LATITUDE, LONGITUDE)
    for want in (TIME, *places, NUMBER):
        found = _coordinate(dataset, want)
        if found is None:
            continue
        (dim,) = dataset[found].dims
        if want in dataset.dims and dim != want:
            raise ValueError(
                f"{found}: runs along {dim!r}, though there is a dimension {want!r}; give that "
                "dimension a coordinate of its name"
            )
        if found not in dataset.coords:
            dataset = dataset.set_coords(found)
        if found != dim:
            dataset = dataset.swap_dims({dim: found})
        if found != want:
            dataset = dataset.drop_vars(want, errors="ignore").rename({found: want})
    names: dict[Any, str] = {
        dim: NUMBER for dim in dataset.dims if dim in COORDINATE_ALIASES[NUMBER]
    }
    for want in VARIABLES:
        name = _variable(dataset, want, variables or ())
        if name is not None and name != want:
            dataset = dataset.drop_vars(want, errors="ignore")
            names[name] = want
    return dataset.rename(names) if names else dataset


def _coordinate(dataset: xr.Dataset, want: str) -> Any:
    """The name of the one-dimensional variable that is this coordinate, or None.

    Raises:
        ValueError: see `rename`.
    """
    fields = {dim for array in dataset.data_vars.values() if array.ndim > 2 for dim in array.dims}
    lines = [name for name, v in dataset.variables.items() if v.ndim == 1]
    lines = [name for name in lines if fields & set(dataset[name].dims)] or lines
    # Coordinates of their own dimension come first.
    lines.sort(key=lambda name: (name not in dataset.dims, name not in dataset.coords))
    standard = COORDINATE_ATTRS[want].get("standard_name")
    by_name = [name for name in lines if name == want]
    by_name += [name for name in lines if name in COORDINATE_ALIASES[want] and name != want]
    by_attributes = [
        name for name in lines if said(dataset[name].attrs, "standard_name") == standard
    ]
    by_attributes += [name for name in lines if tells(said(dataset[name].attrs, "units"), want)]
    for names in (by_name, by_attributes):
        reasons = {name: contradiction(dataset[name], want) for name in names}
        fitting = [name for name in names if reasons[name] is None]
        if fitting:
            if names is by_name:
                _refuse_another(dataset, want, *fitting)
            return fitting[0]
        if names:
            raise ValueError(f"{names[0]}: {reasons[names[0]]}")
    return None


def _refuse_another(dataset: xr.Dataset, want: str, first: Any, *others: Any) -> None:
    """Refuses latitudes or longitudes of two names along one dimension that differ."""
    if want not in (LATITUDE, LONGITUDE):
        return
    for other in others:
        one, two = dataset[first], dataset[other]
        if one.dims == two.dims and not np.allclose(one, two, 0, TOLERANCE_DEGREES):
            raise ValueError(
                f"{first} and {other}: both are named as the {want} along {one.dims[0]!r}, but "
                "differ; rename the wrong one in the file"
            )


def _variable(dataset: xr.Dataset, want: str, asked: Sequence[str]) -> Any:
    """The name of the variable that this well-known one goes by, or None."""
    known = VARIABLES[want]
    found: list[Any] = [
        name
        for name, array in dataset.data_vars.items()
        if name in known.aliases
        and not (GRID_MAPPING in dataset.coords and _is_along_map(array, known))
    ]
    chosen = [name for name in found if name in asked and want not in asked]
    if len(chosen) == 1:
        return chosen[0]
    if want in dataset.data_vars:
        return want
    if not found and known.standard_name is not None:
        found = [
            name
            for name, array in dataset.data_vars.items()
            if said(array.attrs, "standard_name") == known.standard_name
            and name not in asked
            and canonical(str(name)) not in VARIABLES
            and not NEAR_SURFACE & set(array.coords)
        ]
    if len(found) > 1:
        logger.info("%s: could be any of %s; none is renamed", want, ", ".join(map(str, found)))
    return found[0] if len(found) == 1 else None


def _is_along_map(array: xr.DataArray, known: Variable) -> bool:
    """Whether a wind on a map is along its rows or columns, not eastward or northward."""
    if not WIND.fullmatch(known.standard_name or known.long_name):
        return False
    standard = said(array.attrs, "standard_name")
    if not standard and array.attrs.get("GRIB_uvRelativeToGrid") is None:
        logger.warning(
            "%s: is taken for the %s; if it is along the map, give it another name with "
            "data.rename: {%s: x_wind}, or y_wind",
            array.name,
            known.long_name,
            array.name,
        )
    along_grid = array.attrs.get("GRIB_uvRelativeToGrid") == 1
    return along_grid or ALONG_MAP.fullmatch(standard) is not None
