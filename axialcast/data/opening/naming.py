"""Foreign names and orders of dimensions become the project's.

A name is recognised by itself, by its aliases, by `standard_name` or by its units, in this order.
Where two candidates are equally good, neither is renamed.
"""

import logging
from collections.abc import Callable
from typing import Any

import xarray as xr

from axialcast.data.arrays.lazy import transpose
from axialcast.names import (
    COORDINATE_ALIASES,
    COORDINATE_ATTRS,
    COORDINATE_UNITS,
    LATITUDE,
    LEVEL,
    LONGITUDE,
    NUMBER,
    TIME,
    VARIABLES,
    canonical,
)

__all__ = ["rename", "reorder"]

logger = logging.getLogger(__name__)

NEAR_SURFACE = {"height", "heightAboveGround"}
"""Scalar coordinates of a field near the surface, which `standard_name` does not tell apart."""


def rename(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with the project's names; a name that is right already always wins."""
    for want in (TIME, LATITUDE, LONGITUDE, LEVEL, NUMBER):
        found = _coordinate(dataset, want)
        if found is None:
            continue
        (dim,) = dataset[found].dims
        dataset = dataset.set_coords(found)
        if found != dim:
            dataset = dataset.swap_dims({dim: found})
        if found != want:
            dataset = dataset.drop_vars(want, errors="ignore").rename({found: want})
    names: dict[Any, str] = {
        dim: NUMBER for dim in dataset.dims if dim in COORDINATE_ALIASES[NUMBER]
    }
    for want in VARIABLES:
        name = _variable(dataset, want)
        if name is not None and name != want:
            names[name] = want
    return dataset.rename(names)


def _coordinate(dataset: xr.Dataset, want: str) -> Any:
    """The name of the one-dimensional variable that is this coordinate, or None."""
    lines = [name for name, v in dataset.variables.items() if v.ndim == 1]
    # Coordinates of their own dimension come first.
    lines.sort(key=lambda name: (name not in dataset.dims, name not in dataset.coords))
    standard = COORDINATE_ATTRS[want].get("standard_name")
    tests: list[Callable[[Any], bool]] = [
        lambda name: name == want,
        lambda name: name in COORDINATE_ALIASES[want],
        lambda name: bool(dataset[name].attrs.get("standard_name") == standard),
        lambda name: dataset[name].attrs.get("units") in COORDINATE_UNITS.get(want, ()),
    ]
    return next((name for test in tests for name in lines if test(name)), None)


def _variable(dataset: xr.Dataset, want: str) -> Any:
    """The name of the variable that this well-known one goes by, or None."""
    if want in dataset.data_vars:
        return want
    known = VARIABLES[want]
    found: list[Any] = [name for name in dataset.data_vars if name in known.aliases]
    if not found and known.standard_name is not None:
        found = [
            name
            for name, array in dataset.data_vars.items()
            if array.attrs.get("standard_name") == known.standard_name
            and canonical(str(name)) not in VARIABLES
            and not NEAR_SURFACE & set(array.coords)
        ]
    if len(found) > 1:
        logger.info("%s: could be any of %s; none is renamed", want, ", ".join(map(str, found)))
    return found[0] if len(found) == 1 else None


def reorder(dataset: xr.Dataset) -> xr.Dataset:
    """Every variable with dimensions (time, [level], latitude, longitude).

    Raises:
        ValueError: a variable has other dimensions of more than one element.
    """
    order = [TIME, LEVEL, LATITUDE, LONGITUDE]
    for name, array in dataset.data_vars.items():
        if long := [d for d in array.dims if d not in order and array.sizes[d] > 1]:
            sizes = ", ".join(f"{dim!r} of size {array.sizes[dim]}" for dim in long)
            remedy = "choose one with member" if long == [NUMBER] else "select from it with .isel"
            raise ValueError(
                f"{name}: expected the dimensions time, [level], latitude and longitude, got also "
                f"{sizes}; {remedy}"
            )
    others = set(map(str, dataset.dims)) - set(order)
    dataset = dataset.isel(dict.fromkeys(others, 0), drop=True) if others else dataset
    for name, array in dataset.data_vars.items():
        dataset[name] = transpose(array, [dim for dim in order if dim in array.dims])
    return dataset.transpose(*[dim for dim in order if dim in dataset.dims])
