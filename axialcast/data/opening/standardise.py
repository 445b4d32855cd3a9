"""Foreign names, order and units become the project's, once.

A name is recognised by itself, by its aliases, by `standard_name` or by its units, in this order.
Where two candidates are equally good, neither is renamed. Conversions are logged.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import cf_xarray.units
import numpy as np
import xarray as xr

from axialcast.data.arrays.lazy import convert_linear, transpose
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
)

__all__ = ["canonical", "in_canonical_units", "level_in_hpa", "rename", "reorder"]

logger = logging.getLogger(__name__)

NEAR_SURFACE = {"height", "heightAboveGround"}
"""Scalar coordinates of a field near the surface, which `standard_name` does not tell apart."""
HIGHEST_PRESSURE = 1100.0
"""No air pressure is above (hPa)."""


def canonical(name: str) -> str:
    """The project's name of a variable; itself if it has none."""
    return next((want for want, v in VARIABLES.items() if name in v.aliases), name)


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


def level_in_hpa(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with its levels, if any, in hPa; without units they are taken as hPa."""
    if LEVEL not in dataset.dims:
        return dataset
    values, units = dataset[LEVEL].values.astype(np.float64), dataset[LEVEL].attrs.get("units")
    if units is None:
        if values.max() > HIGHEST_PRESSURE:
            raise ValueError(
                f"{LEVEL}: has no units, and {values.max():g} is no pressure in hPa; state them, "
                f"for instance ds[{LEVEL!r}].attrs['units'] = 'Pa'"
            )
        logger.info("%s: has no units; taken as hPa", LEVEL)
    else:
        try:
            factor, offset = _linear(str(units), "hPa")
        except ValueError as error:
            raise ValueError(
                f"{LEVEL}: expected units of pressure such as hPa or Pa, got {units!r} ({error})"
            ) from None
        values = np.round(values * factor + offset, 6)
        if factor != 1.0:
            logger.info("%s: converted from %s to hPa", LEVEL, units)
    if len(set(values.tolist())) < len(values):
        raise ValueError(f"{LEVEL}: expected every level once, got {values.tolist()}")
    return dataset.assign_coords({LEVEL: (LEVEL, values, COORDINATE_ATTRS[LEVEL])})


def in_canonical_units(dataset: xr.Dataset, units: Mapping[str, str] | None = None) -> xr.Dataset:
    """The dataset in the units of VARIABLES; variables that the table lacks pass as they are.

    Args:
        dataset: in the project's names.
        units: by variable, those that the store does not state, or states wrongly.

    Raises:
        ValueError: units are neither stated nor given, or cannot be converted.
    """
    given = {canonical(name): text for name, text in (units or {}).items()}
    if unknown := sorted(set(given) - set(VARIABLES)):
        raise ValueError(
            f"units: {', '.join(unknown)}: expected well-known variables: {', '.join(VARIABLES)}"
        )
    known = [str(name) for name in dataset.data_vars if name in VARIABLES]
    silent = [name for name in known if "units" not in dataset[name].attrs and name not in given]
    if silent:
        remedy = {name: VARIABLES[name].units for name in silent}
        raise ValueError(
            f"{', '.join(silent)}: has no units attribute; state them, for instance units={remedy}"
        )
    for name in given.keys() & set(known):
        text = given[name]
        logger.info("%s: units taken as %s, the store says %s", name, text, _stated(dataset[name]))
        dataset[name] = dataset[name].assign_attrs(units=text)
    for name in known:
        dataset[name] = _converted(dataset[name], VARIABLES[name].units).assign_attrs(
            VARIABLES[name].attrs
        )
    return dataset


def _stated(array: xr.DataArray) -> str:
    return repr(array.attrs["units"]) if "units" in array.attrs else "nothing"


def _converted(array: xr.DataArray, wanted: str) -> xr.DataArray:
    units = str(array.attrs["units"])
    if units == wanted:
        return array
    try:
        factor, offset = _linear(units, wanted)
    except ValueError as error:
        raise ValueError(
            f"{array.name}: cannot convert {units!r} to {wanted!r}: {error}; "
            f"state the right ones with units={{{str(array.name)!r}: {wanted!r}}}"
        ) from None
    if (factor, offset) == (1.0, 0.0):
        return array
    logger.info("%s: converted from %s to %s", array.name, units, wanted)
    return convert_linear(array, factor, offset)


def _linear(units: str, wanted: str) -> tuple[float, float]:
    """(factor, offset) that take values from one unit to another, by pint."""
    registry: Any = cf_xarray.units.units
    try:
        given = registry.Quantity(np.array([0.0, 1.0]), registry.Unit(units))
        zero, one = given.to(registry.Unit(wanted)).magnitude
    except Exception as error:  # pint raises many unrelated types for text that is no unit
        raise ValueError(" ".join(str(error).split())) from None
    return float(one - zero), float(zero)
