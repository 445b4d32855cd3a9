"""What the levels of a file are: air pressures, or what else, by what the file says of them.

Never by a number in a name or on an axis: model level 137 and a height of 100 m are no pressures.
"""

import logging
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.data.opening.standard.coordinates import said
from axialcast.data.opening.standard.units import linear_conversion
from axialcast.names import COORDINATE_ALIASES, LEVEL

__all__ = [
    "HIDING_KINDS",
    "PRESSURE_TYPES",
    "conversion_to_hpa",
    "in_hpa",
    "is_pressure",
    "is_vertical",
    "listed",
    "other_kind",
]

logger = logging.getLogger(__name__)

KINDS = {
    "hybrid": "hybrid model levels",
    "sigma": "sigma levels",
    "modellevel": "model levels",
    "bottomtop": "model levels",
    "pfull": "model levels",
    "phalf": "model levels",
    "potentialtemperature": "levels of potential temperature",
    "theta": "levels of potential temperature",
    "isentropic": "levels of potential temperature",
    "potentialvorticity": "levels of potential vorticity",
    "depth": "depths",
    "soil": "depths",
    "height": "heights",
    "altitude": "heights",
}
"""Words in standard names, types of level and names, without spaces and underscores."""

MODEL_KINDS = ("hybrid model levels", "sigma levels", "model levels")
"""Kinds that nobody writes beside pressures by mistake, as some tools write «altitude»."""

HIDING_KINDS = (*MODEL_KINDS, "levels of potential", "levels of a formula")
"""Beginnings of kinds whose single level a variable's name must not hide."""

PRESSURE_TYPES = ("isobaricInhPa", "isobaricInPa")
"""GRIB's types of level that are pressures."""

PRESSURE_NAMES = ("pressure_level", "isobaricInhPa", "isobaricInPa", "plev", "pressure", "p")
"""Names that say that levels are pressures, as `level` and `lev` do not."""

STANDARD_NAME = "air_pressure"

HIGHEST_PRESSURE = 1100.0
"""No air pressure of a level is above (hPa)."""


def other_kind(name: Any, attrs: Mapping[str, Any], grib_type: Any = None) -> str | None:
    """What levels are, in words, if the file says that they are no air pressures; else None.

    Args:
        name: of their dimension or coordinate.
        attrs: of the coordinate.
        grib_type: `GRIB_typeOfLevel` of the variable on these levels, as cfgrib keeps it.
    """
    standard = said(attrs, "standard_name")
    if "formula_terms" in attrs:
        return f"{_kind(standard) or 'levels of a formula'} (formula_terms)"
    if standard and standard != STANDARD_NAME:
        is_formula = standard.endswith("_coordinate") or standard.startswith("sea_water")
        if kind := _kind(standard) or ("levels of a formula" if is_formula else None):
            return f"{kind} (standard_name {standard!r})"
    if grib_type is not None and grib_type not in PRESSURE_TYPES:
        return f"{_kind(grib_type) or 'no pressure levels'} (GRIB_typeOfLevel {grib_type!r})"
    if kind := _kind(name):
        return f"{kind} (by the name {name!r})"
    units, long = _units(attrs), said(attrs, "long_name")
    kind = _kind(long)
    if kind in MODEL_KINDS or (kind and units is None and standard != STANDARD_NAME):
        return f"{kind} (long_name {long!r})"
    if units is not None and not _of_pressure(units):
        return f"levels in {units!r}"
    return None


def is_pressure(name: Any, attrs: Mapping[str, Any]) -> bool:
    """Whether a coordinate may be one of pressure levels, by its name or its attributes."""
    names = (LEVEL, *COORDINATE_ALIASES[LEVEL])
    units = _units(attrs)
    by_units = units is not None and _of_pressure(units)
    return name in names or said(attrs, "standard_name") == STANDARD_NAME or by_units


def is_vertical(name: Any, attrs: Mapping[str, Any]) -> bool:
    """Whether a dimension or coordinate is one of levels, of whatever kind."""
    by_attributes = "positive" in attrs or said(attrs, "axis") == "Z" or "formula_terms" in attrs
    by_words = _kind(name) or _kind(said(attrs, "standard_name"))
    return is_pressure(name, attrs) or by_attributes or by_words is not None


def in_hpa(
    name: Any, values: NDArray[Any], attrs: Mapping[str, Any], stated: str | None
) -> NDArray[np.float64]:
    """Pressure levels in hPa; without units they are taken as hPa where nothing else is likely.

    Args:
        name: of the coordinate.
        values: (n,) as stored.
        attrs: of the coordinate.
        stated: units that the user states, which come before the file's.

    Raises:
        ValueError: they are no pressures, their units are in doubt, or a level occurs twice.
    """
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise ValueError(
            f"{name}: expected levels as numbers, got {values.tolist()}; write them so in the file"
        )
    values, units = values.astype(np.float64), stated or _units(attrs)
    factor, offset = (1.0, 0.0) if units is None else conversion_to_hpa(str(name), units)
    pressures = np.array([_short(value * factor + offset) for value in values])
    if doubt := None if stated else _doubt(name, values, pressures, attrs):
        likely = "Pa" if values.max() > HIGHEST_PRESSURE else "hPa"
        raise ValueError(
            f"{name}: {doubt}; if they are pressures, state their units, for instance with "
            f"data.units: {{{LEVEL}: {likely}}}"
        )
    if (pressures <= 0).any() or pressures.max() > HIGHEST_PRESSURE:
        raise ValueError(
            f"{name}: {listed(pressures)} hPa (by the units {units or 'hPa'!r}) are no pressures "
            f"of the air, which lie between 0 and {HIGHEST_PRESSURE:g} hPa; state the right units, "
            f"for instance with data.units: {{{LEVEL}: Pa}}"
        )
    if len(set(pressures.tolist())) < len(pressures):
        raise ValueError(f"{name}: expected every level once, got {pressures.tolist()}")
    if units is None:
        logger.info("%s: has no units; taken as hPa", LEVEL)
    elif factor != 1.0:
        logger.info("%s: converted from %s to hPa", LEVEL, units)
    return pressures


def _doubt(
    name: Any, values: NDArray[Any], pressures: NDArray[Any], attrs: Mapping[str, Any]
) -> str | None:
    """Why levels may not be in the units that the file states, or in hPa where it states none."""
    units = _units(attrs)
    if units is not None:
        looks_like_hpa = values.max() <= HIGHEST_PRESSURE and any(map(_only_in_hpa, values))
        if looks_like_hpa and pressures.max() < values.max():
            return f"{listed(values)} {units} look like levels in hPa"
        return None
    if values.max() > HIGHEST_PRESSURE:
        return f"has no units, and {values.max():g} is no pressure in hPa"
    if name in PRESSURE_NAMES or said(attrs, "standard_name") == STANDARD_NAME:
        return None
    upward = said(attrs, "positive").lower() == "up"
    steps = np.abs(np.diff(values))
    counted = len(steps) and (steps == 1).all()
    if upward or counted or values.max() < 10 or any(v >= 10 and v % 5 for v in values):
        return f"has no units, and {listed(values)} may be numbers of model levels or heights"
    return None


def _only_in_hpa(value: float) -> bool:
    """Whether a number is a customary level in hPa, and as Pa, in the stratosphere, is not."""
    return value >= 100 and value % 25 == 0 and value not in (100, 150, 200, 300, 500, 700, 1000)


def _short(value: float) -> float:
    """The value of few digits that is meant by one rounded to float32, such as 49999.996 Pa."""
    short = float(f"{value:.5g}")
    return short if math.isclose(value, short, rel_tol=2.0**-22) else round(value, 6)


def conversion_to_hpa(name: str, units: str) -> tuple[float, float]:
    """(factor, offset) that take levels to hPa.

    Args:
        name: of the coordinate or the key that says the units, for the error.
        units: as they are said.

    Raises:
        ValueError: they are no units of pressure.
    """
    try:
        return linear_conversion(units, "hPa")
    except ValueError as error:
        raise ValueError(
            f"{name}: expected units of pressure such as hPa or Pa, got {units!r} ({error})"
        ) from None


def _of_pressure(units: str) -> bool:
    try:
        linear_conversion(units, "hPa")
    except ValueError:
        return False
    return True


def _units(attrs: Mapping[str, Any]) -> str | None:
    """The units of a coordinate; None if there are none, or an empty text."""
    return said(attrs, "units") or None


def _kind(text: Any) -> str | None:
    """What a name says that levels are, other than pressures."""
    plain = re.sub(r"[\s_]", "", str(text).lower())
    return next((kind for word, kind in KINDS.items() if word in plain), None)


def listed(values: Sequence[float] | NDArray[Any]) -> str:
    """Numbers in a row, for messages."""
    return ", ".join(f"{value:g}" for value in values)
