"""Values in the units of `axialcast.names.VARIABLES`. Conversions are logged."""

import logging
from collections.abc import Collection, Mapping
from typing import Any

import cf_xarray.units
import numpy as np
import xarray as xr

from axialcast.data.arrays.lazy import convert_linear
from axialcast.names import VARIABLES, canonical

__all__ = ["in_canonical_units", "linear_conversion"]

logger = logging.getLogger(__name__)


def in_canonical_units(
    dataset: xr.Dataset,
    units: Mapping[str, str] | None = None,
    *,
    wanted: Collection[str] | None = None,
) -> xr.Dataset:
    """The dataset in the units of VARIABLES; variables that the table lacks pass as they are.

    Args:
        dataset: in the project's names.
        units: by variable, those that the store does not state, or states wrongly.
        wanted: variables to convert, canonical; others pass as they are. None: all.

    Raises:
        ValueError: units are neither stated nor given, or cannot be converted.
    """
    given = {canonical(name): text for name, text in (units or {}).items()}
    if unknown := sorted(set(given) - set(VARIABLES)):
        raise ValueError(
            f"units: {', '.join(unknown)}: expected well-known variables: {', '.join(VARIABLES)}"
        )
    names = [str(name) for name in dataset.data_vars if wanted is None or name in wanted]
    known = [name for name in names if name in VARIABLES]
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
        factor, offset = linear_conversion(units, wanted)
    except ValueError as error:
        raise ValueError(
            f"{array.name}: cannot convert {units!r} to {wanted!r}: {error}; "
            f"state the right ones with units={{{str(array.name)!r}: {wanted!r}}}"
        ) from None
    if (factor, offset) == (1.0, 0.0):
        return array
    logger.info("%s: converted from %s to %s", array.name, units, wanted)
    return convert_linear(array, factor, offset)


def linear_conversion(units: str, wanted: str) -> tuple[float, float]:
    """(factor, offset) that take values from one unit to another, by pint."""
    registry: Any = cf_xarray.units.units
    try:
        given = registry.Quantity(np.array([0.0, 1.0]), registry.Unit(units))
        zero, one = given.to(registry.Unit(wanted)).magnitude
    except Exception as error:  # pint raises many unrelated types for text that is no unit
        raise ValueError(" ".join(str(error).split())) from None
    return float(one - zero), float(zero)
