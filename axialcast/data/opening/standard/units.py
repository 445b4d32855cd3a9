"""Values in the units of `axialcast.names.VARIABLES`. Conversions are logged."""

import logging
from collections.abc import Collection, Mapping
from typing import Any

import xarray as xr

from axialcast.data.arrays.lazy import convert_linear
from axialcast.data.spellings import choices, find_unit, is_stated, linear_conversion
from axialcast.names import COORDINATE_ALIASES, LEVEL, VARIABLES, canonical, known_variable

__all__ = ["in_canonical_units", "linear_conversion", "require_known"]

logger = logging.getLogger(__name__)

OF_OTHER_UNITS = ("valid_range", "valid_min", "valid_max", "actual_range", "GRIB_units")
"""Attributes that are in the units of a file, or say them."""


def in_canonical_units(
    dataset: xr.Dataset,
    units: Mapping[str, str] | None = None,
    *,
    wanted: Collection[str] | None = None,
) -> xr.Dataset:
    """The dataset in the units of VARIABLES; variables that the table lacks pass as they are.

    Args:
        dataset: in the project's names.
        units: by variable, those that the store does not state, or states wrongly. Of variables
            that the table lacks, what they are labelled with.
        wanted: variables to convert, canonical; others pass as they are. None: all.

    Raises:
        ValueError: units are neither stated nor given, or are none of the variable's.
    """
    given = {canonical(name): str(text) for name, text in (units or {}).items()}
    names = [str(name) for name in dataset.data_vars if wanted is None or name in wanted]
    known = [name for name in names if name in VARIABLES]
    silent = [n for n in known if not is_stated(dataset[n].attrs.get("units")) and n not in given]
    if silent:
        require_known(units, set(map(str, dataset.data_vars)))
        raise ValueError(f"{', '.join(silent)}: has no units attribute; {_remedy(silent)}")
    for name in given.keys() & set(names):
        stated = dataset[name].attrs.get("units")
        if stated != given[name]:
            says = "nothing" if stated is None else repr(stated)
            logger.info("%s: units taken as %s, the store says %s", name, given[name], says)
        dataset[name] = dataset[name].assign_attrs(units=given[name])
    converted = {n: _converted(dataset[n], is_given=n in given).variable for n in known}
    return dataset.assign(converted)


def require_known(units: Mapping[str, str] | None, names: Collection[str]) -> None:
    """Raises where units are given for a variable, or for levels, that are not among these.

    Raises:
        ValueError: says which is nearest.
    """
    levels = (LEVEL, *COORDINATE_ALIASES[LEVEL])
    for name in units or {}:
        if name in levels:
            if LEVEL in names:
                continue
            raise ValueError(f"data.units: {name}: the store has no levels; leave it out")
        try:
            known_variable(name, names)
        except ValueError as error:
            raise ValueError(f"data.units: {error}") from None


def _remedy(names: Collection[str]) -> str:
    """What to do where the units of variables are not known: never which ones they are."""
    keys = ", ".join(f"{name}: …" for name in names)
    kinds = ", ".join(f"{name} in {choices(name)}" for name in names)
    return f"say what the numbers are in with data.units: {{{keys}}}, {kinds}"


def _converted(array: xr.DataArray, *, is_given: bool) -> xr.DataArray:
    name, text = str(array.name), _text(array.attrs["units"])
    wanted = VARIABLES[name].units
    try:
        unit = find_unit(name, text)
    except ValueError as error:
        if is_given:
            raise ValueError(f"data.units: {name}: {error}") from None
        raise ValueError(
            f"{name}: cannot convert its units to {wanted}: {error}; if the file states them "
            f"wrongly, set data.units: {{{name}: …}} to those that the numbers are in; or leave it "
            "out of data.variables"
        ) from None
    if (unit.factor, unit.offset) == (1.0, 0.0):
        return array.assign_attrs(VARIABLES[name].attrs)
    because = f" ({unit.because})" if unit.because else ""
    logger.info("%s: converted from %s to %s%s", name, text, wanted, because)
    found = convert_linear(array, unit.factor, unit.offset).assign_attrs(VARIABLES[name].attrs)
    found.attrs = {key: of for key, of in found.attrs.items() if key not in OF_OTHER_UNITS}
    return found


def _text(units: Any) -> str:
    return units.decode("utf-8", "replace") if isinstance(units, bytes) else str(units)
