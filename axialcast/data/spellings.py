"""Units of the well-known variables, as files of the field spell them. A table, and how it is read.

A spelling is looked up among those of its variable alone, without case, blanks and signs of powers:
so «C» is Celsius, «gr/kg» grams, «M/S» metres per second, and nothing is an angle. What the table
lacks is read by pint if it is made of the words in STEMS only.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np

from axialcast.names import STANDARD_GRAVITY, VARIABLES

__all__ = ["Unit", "choices", "find_unit", "is_stated", "linear_conversion", "units_of"]


@dataclass(frozen=True)
class Unit:
    """A unit: values in it times `factor` plus `offset` are in the canonical one.

    Args:
        name: as it is shown.
        spellings: as `_key` leaves them, besides the name.
        factor, offset: see above.
        because: what a conversion rests on that the units alone do not say.
    """

    name: str
    spellings: tuple[str, ...] = ()
    factor: float = 1.0
    offset: float = 0.0
    because: str = ""


def _degrees(*scales: str) -> tuple[str, ...]:
    """A scale of temperature, alone and after the word for a degree."""
    words = ("", "deg", "degs", "degree", "degrees")
    return tuple(f"{word}{scale}" for word in words for scale in scales)


_METRES = ("metre", "metres", "meter", "meters", "mtr")
_GPM = ("gpm", *(f"geopotential{metre}" for metre in ("metre", "metres", "meter", "meters")))
_DAM = ("dam", "dagpm", "gpdm", "gpdam", "dekametre", "dekameter")
_MM = ("millimetre", "millimetres", "millimeter", "millimeters", "mmh2o", "l/m2", "lm-2")
_PER_AREA = ("kg/m2", "kgm-2")
_WATER = "1 kg m-2 of liquid water is 1 mm"
_HEIGHT = f"geopotential height times {STANDARD_GRAVITY} m s-2"

UNITS: dict[str, tuple[Unit, ...]] = {
    "K": (
        Unit("K", _degrees("k", "kelvin", "kelvins")),
        Unit("degC", _degrees("c", "celsius", "celcius", "centigrade"), 1.0, 273.15),
        Unit("degF", _degrees("f", "fahrenheit"), 5 / 9, 459.67 * 5 / 9),
    ),
    "Pa": (
        Unit("Pa", ("pascal", "pascals")),
        Unit(
            "hPa",
            ("hectopascal", "hectopascals", "mb", "mbs", "mbar", "mbars", "millibar", "millibars"),
            100.0,
        ),
        Unit("kPa", ("kilopascal", "kilopascals"), 1000.0),
        Unit("mmHg", ("torr",), 101325 / 760),
        Unit("inHg", (), 3386.389),
    ),
    "m s-1": (
        Unit("m s-1", ("m/s", "m/sec", "msec-1", "mps", "meterspersecond", "metrespersecond")),
        Unit("knots", ("knot", "kt", "kts", "kn"), 1852 / 3600),
        Unit("km h-1", ("km/h", "km/hr", "kmhr-1", "kmh", "kmph", "kph"), 1 / 3.6),
        Unit("mph", ("mi/h", "mi/hr"), 0.44704),
    ),
    "kg kg-1": (
        Unit(
            "kg kg-1",
            ("kg/kg", "kilogram/kilogram", "g/g", "gg-1", "1", "dimensionless", "unitless"),
        ),
        Unit(
            "g kg-1",
            (
                *("g/kg", "gr/kg", "grkg-1", "gm/kg", "gmkg-1", "gram/kg", "grams/kg"),
                *("gram/kilogram", "grams/kilogram", "gramsperkilogram"),
            ),
            1e-3,
        ),
        Unit("mg kg-1", ("mg/kg",), 1e-6),
    ),
    "percent": (
        Unit("percent", ("%", "percentage", "pct", "0-100")),
        Unit("1", ("0-1", "fraction", "ratio", "dimensionless", "unitless"), 100.0),
    ),
    "1": (
        Unit("1", ("0-1", "fraction", "ratio", "proportion", "dimensionless", "unitless")),
        Unit("percent", ("%", "percentage", "pct", "0-100"), 1e-2),
    ),
    "Pa s-1": (
        Unit("Pa s-1", ("pa/s", "pa/sec")),
        Unit("hPa s-1", ("hpa/s", "mb/s", "mbs-1", "mbar/s", "mbars-1"), 100.0),
        Unit("hPa h-1", ("hpa/h", "hpa/hr", "mb/h", "mb/hr", "mbh-1"), 100 / 3600),
    ),
    "m2 s-2": (
        Unit("m2 s-2", ("m2/s2", "m2/sec2", "j/kg", "jkg-1")),
        Unit("gpm", ("m", *_METRES, *_GPM), STANDARD_GRAVITY, because=_HEIGHT),
        Unit("gpdam", _DAM, 10 * STANDARD_GRAVITY, because=_HEIGHT),
    ),
    "m": (Unit("m", _METRES),),
    "kg m-2": (Unit("kg m-2", _PER_AREA),),
    "mm h-1": (
        Unit("mm h-1", ("mm/h", "mm/hr", "mmhr-1", "mmperhour", "mmh")),
        Unit("kg m-2 h-1", ("kg/m2/h", "kgm-2hr-1"), because=_WATER),
        Unit("kg m-2 s-1", ("kg/m2/s", "mm/s", "mms-1"), 3600.0, because=_WATER),
        Unit("mm min-1", ("mm/min",), 60.0),
        Unit("mm d-1", ("mm/d", "mm/day", "mmday-1"), 1 / 24),
        Unit("m s-1", ("m/s",), 3.6e6),
        Unit("in h-1", ("in/h", "in/hr", "inhr-1", "inches/hour"), 25.4),
    ),
}
"""By canonical unit: that one first, then others."""

PARTICULAR: dict[str, tuple[Unit, ...]] = {
    "geopotential_height": (
        Unit("gpm", _GPM),
        Unit("gpdam", _DAM, 10.0),
        Unit("m2 s-2", ("m2/s2", "m2/sec2", "j/kg", "jkg-1"), 1 / STANDARD_GRAVITY, 0.0, _HEIGHT),
    ),
    "total_precipitation": (
        Unit("m", ("mofwater", "mofwaterequivalent", "mwe", "mowe")),
        Unit("mm", (*_MM, "mmofwater", "mmofwaterequivalent", "mmwe"), 1e-3),
        Unit("cm", (), 1e-2),
        Unit("inches", ("inch", "in"), 0.0254),
        Unit("kg m-2", _PER_AREA, 1e-3, because=_WATER),
    ),
    "total_column_water_vapour": (
        Unit("mm", _MM, 1.0, because=_WATER),
        Unit("cm", (), 10.0, because=_WATER),
    ),
}
"""Further ones of a variable."""

REFUSED: dict[str, dict[str, str]] = {
    "total_precipitation": dict.fromkeys(
        ("m s-1", "kg m-2 s-1"),
        "a rate, where the amount between two times is expected; multiply it by the interval in "
        "the file",
    ),
    "rainfall_rate": dict.fromkeys(
        ("m", "kg m-2"),
        "an amount, where the rate is expected; divide it in the file by the interval that it fell "
        "in",
    ),
    "vertical_velocity": {
        "m s-1": "the speed of rising air, where the change of its pressure is expected; give the "
        "variable another name in the file, such as upward_velocity"
    },
}
"""Of a variable, units of another quantity, in words."""

STEMS = (
    *("gram", "meter", "second", "minute", "hour", "day", "pascal", "bar", "newton", "joule"),
    *("kelvin", "foot", "inch", "liter", "dimensionless"),
)
"""How the words may end, in pint's long forms, of which other units are made: no angle, no grain,
no temperature difference is among them."""

NO_UNITS = {"", "-", "--", "?", "~", "none", "unknown", "undefined", "n/a", "na", "missing"}
"""What files say in the place of units that nobody knew."""


def is_stated(units: Any) -> bool:
    """Whether a `units` attribute, or None, says anything."""
    return units is not None and _key(str(units)) not in NO_UNITS


def units_of(variable: str) -> tuple[Unit, ...]:
    """The units that a well-known variable is recognised in; the canonical one first."""
    return (*UNITS[VARIABLES[variable].units], *PARTICULAR.get(variable, ()))


def choices(variable: str) -> str:
    """Their names, as text."""
    names = list(dict.fromkeys(unit.name for unit in units_of(variable)))
    return ", ".join(names[:-1]) + f" or {names[-1]}" if len(names) > 1 else names[0]


def find_unit(variable: str, text: str) -> Unit:
    """The unit that a text stands for as the unit of a well-known variable.

    Raises:
        ValueError: it is none of the variable's; says what it is, where that can be told.
    """
    known = units_of(variable)
    for unit in known:
        if _key(text) in (_key(unit.name), *unit.spellings):
            return unit
    words = REFUSED.get(variable, {})
    for other in words:
        if _scale(text, other) is not None:
            raise ValueError(f"{text!r} is none of {choices(variable)}, but {words[other]}")
    for unit in known:
        scale = None if unit.offset else _scale(text, unit.name)
        if scale is not None:
            return Unit(text, (), scale * unit.factor, 0.0, unit.because)
    raise ValueError(f"{text!r} is none of {choices(variable)}")


def linear_conversion(units: str, wanted: str) -> tuple[float, float]:
    """(factor, offset) that take values from one unit to another of the same quantity.

    Raises:
        ValueError: the first is unknown, or of another quantity.
    """
    for known in UNITS.values():
        found = {spelt: u for u in reversed(known) for spelt in (_key(u.name), *u.spellings)}
        if _key(units) in found and _key(wanted) in found:
            have, want = found[_key(units)], found[_key(wanted)]
            return have.factor / want.factor, (have.offset - want.offset) / want.factor
    scale = _scale(units, wanted)
    if scale is None:
        raise ValueError(f"{units!r} cannot be converted to {wanted}")
    return scale, 0.0


def _key(text: str) -> str:
    """A spelling without case, blanks, brackets, signs of products and powers."""
    plain = unicodedata.normalize("NFKC", text.replace("\N{MASCULINE ORDINAL INDICATOR}", "°"))
    plain = plain.replace("°", "deg").replace("\N{MINUS SIGN}", "-").casefold()
    return re.sub(r"[\s_.·*^()\[\]]", "", plain)


def _scale(text: str, wanted: str) -> float | None:
    """How many of the wanted unit a text stands for, if it is made of STEMS; by pint."""
    if len(text) > 60 or re.search(r"\d\s*(\*\*|\^)", text):  # no towers of powers
        return None
    import cf_xarray.units

    registry: Any = cf_xarray.units.units
    try:
        if registry.Unit(wanted).dimensionless:  # pint would take kg/kg, m3/m3 and 1 for the same
            part = float(text) * (100 if wanted == "percent" else 1)  # «0.01» is a percent
            return _positive(part)
        given = registry.Quantity(registry.parse_expression(text))
        words = re.findall(r"[A-Za-z_]+", f"{given.units:D}")
        if not all(word.endswith(STEMS) and not word.startswith("deci") for word in words):
            return None
        return _positive(float(given.to(registry.Unit(wanted)).magnitude))
    except Exception:  # pint raises many unrelated types for text that is no unit
        return None


def _positive(scale: float) -> float | None:
    return float(f"{scale:.13g}") if np.isfinite(scale) and scale > 0 else None
