"""Spellings of units stand for what the field means by them; what is no unit of a variable does not
pass as one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axialcast.data.spellings import find_unit, is_stated, linear_conversion, units_of
from axialcast.names import VARIABLES

G0 = 9.80665
MEANT = {
    "2m_temperature": {
        (1.0, 0.0): ["K", "k", "Kelvin", "kelvins", "deg K", "degrees K", "deg_K", "degK", "[K]"],
        (1.0, 273.15): [
            *("degC", "deg C", "degrees C", "degree Celsius", "degree_C", "deg_c", "DegC", "C"),
            *("Celsius", "celsius", "degrees Celsius", "degrees_celsius", "°C", "º C", "\u2103"),
        ],
        (5 / 9, 459.67 * 5 / 9): ["degF", "F", "Fahrenheit", "degrees F", "°F"],
    },
    "mean_sea_level_pressure": {
        (1.0, 0.0): ["Pa", "PA", "pa", "Pascals", "pascal", "N m-2", "kg m-1 s-2", "0.01 hPa"],
        (100.0, 0.0): ["hPa", "HPA", "hpa", "mb", "mbar", "MB", "millibar", "millibars", "mbars"],
        (1000.0, 0.0): ["kPa", "KPA", "kilopascal"],
        (10.0, 0.0): ["10 Pa", "daPa"],
    },
    "specific_humidity": {
        (1.0, 0.0): ["kg kg-1", "kg/kg", "kg kg**-1", "kg.kg-1", "1", "kg kg^-1", "Kg/Kg", "g/g"],
        (1e-3, 0.0): [
            "g/kg",
            "gr/kg",
            "g kg**-1",
            "gr kg-1",
            "grams/kg",
            "g kg^-1",
            "gm/kg",
            "1e-3",
        ],
        (1e-6, 0.0): ["mg/kg", "mg kg-1"],
    },
    "relative_humidity": {
        (1.0, 0.0): ["%", "percent", "Percent", "0 - 100"],
        (100.0, 0.0): ["1", "(0 - 1)", "0-1", "fraction"],
    },
    "10m_u_component_of_wind": {
        (1.0, 0.0): [
            *("m s-1", "m/s", "m s**-1", "m s^-1", "m.s-1", "ms-1", "M/S", "m·s⁻¹", "m*s**-1"),
            *("meter second-1", "metres per second", "m sec-1", "meters/second"),
        ],
        (1852 / 3600, 0.0): ["knots", "knot", "kt", "kts", "KT"],
        (1 / 3.6, 0.0): ["km/h", "km h-1", "km/hr", "km h**-1", "kph"],
        (0.01, 0.0): ["cm/s", "cm s-1"],
    },
    "geopotential": {
        (1.0, 0.0): ["m2 s-2", "m**2 s**-2", "m2/s2", "m^2/s^2", "J kg-1", "J/kg", "(m/s)^2"],
        (G0, 0.0): ["m", "gpm", "metres", "geopotential meters", "meter"],
        (10 * G0, 0.0): ["dam", "gpdm", "gpdam"],
        (1000 * G0, 0.0): ["km"],
    },
    "geopotential_at_surface": {(1.0, 0.0): ["m**2 s**-2"], (G0, 0.0): ["m", "gpm"]},
    "geopotential_height": {
        (1.0, 0.0): ["m", "gpm", "meters"],
        (10.0, 0.0): ["dam", "gpdam", "gpdm", "decameter"],
        (1 / G0, 0.0): ["m2 s-2", "m**2 s**-2", "m2/s2"],
        (0.3048, 0.0): ["ft", "feet"],
    },
    "total_precipitation": {
        (1.0, 0.0): ["m", "m of water equivalent", "metres", "Mg m-2"],
        (1e-3, 0.0): ["mm", "kg m-2", "kg m**-2", "kg/m^2", "kg/m2", "MM", "mm of water"],
        (0.0254, 0.0): ["inches", "in", "inch"],
        (1e-6, 0.0): ["g m-2"],
    },
    "total_column_water_vapour": {
        (1.0, 0.0): ["kg m-2", "kg m**-2", "kg/m^2", "mm"],
        (10.0, 0.0): ["cm", "g cm-2"],
    },
    "vertical_velocity": {
        (1.0, 0.0): ["Pa s-1", "Pa s**-1", "Pa/s"],
        (100.0, 0.0): ["hPa/s", "mb s-1"],
        (100 / 3600, 0.0): ["hPa/h", "hPa h-1", "mb/hr"],
        (100 / 86400, 0.0): ["hPa/day", "mbar day-1"],
    },
}


@pytest.mark.parametrize(
    ("variable", "text", "factor", "offset"),
    [
        (variable, text, *conversion)
        for variable, kinds in MEANT.items()
        for conversion, texts in kinds.items()
        for text in texts
    ],
)
def test_a_spelling_stands_for_what_is_meant_by_it(variable, text, factor, offset):
    unit = find_unit(variable, text)
    assert (unit.factor, unit.offset) == pytest.approx((factor, offset), rel=1e-12)


ANGLES = ["degree", "degrees", "deg", "radian", "rad", "degrees_north", "degrees C K", "degree s-1"]
FOREIGN = {
    "2m_temperature": ["delta_degC", "K m s-1", "Pa", "1", "%", "degC d", "K day-1", "coulomb"],
    "mean_sea_level_pressure": [
        "m",
        "M/S",
        "Pa s-1",
        "furlong",
        "megabit",
        "hPa degree",
        "K",
        "dm",
    ],
    "specific_humidity": ["%", "percent", "m3 m-3", "kg m-3", "s s-1", "ppm", "grain/kg"],
    "relative_humidity": ["kg kg-1", "g/kg", "K"],
    "10m_u_component_of_wind": ["m", "s", "Pa s-1", "m s-2", "m2 s-2"],
    "geopotential": ["K", "m s-2", "m s-1", "Pa", "J", "dm"],
    "geopotential_height": ["m s-1", "Pa", "dm", "J"],
    "total_precipitation": [
        "mm/day",
        "mm h-1",
        "kg m-2 s-1",
        "m s-1",
        "kg",
        "1",
        "gr m-2",
        "mm/6h",
    ],
    "total_column_water_vapour": ["kg m-2 s-1", "kg kg-1", "kg m-3", "gr m-2"],
    "vertical_velocity": ["m s-1", "cm/s", "Pa", "Pa s", "hPa"],
    "surface_pressure": ["-100 Pa", "0 Pa", "0 N m-2"],
}


@pytest.mark.parametrize(
    ("variable", "text"),
    [(v, text) for v in MEANT for text in ANGLES]
    + [(v, text) for v, texts in FOREIGN.items() for text in texts],
)
def test_units_of_another_quantity_are_refused(variable, text):
    with pytest.raises(ValueError, match="is none of"):
        find_unit(variable, text)


def test_every_variable_knows_its_own_units_first():
    for variable, known in VARIABLES.items():
        first = units_of(variable)[0]
        assert (first.name, first.factor, first.offset) == (known.units, 1.0, 0.0)
        for unit in units_of(variable):
            for text in (unit.name, *unit.spellings):
                found = find_unit(variable, text)
                assert (found.factor, found.offset) == (unit.factor, unit.offset), (variable, text)


@given(st.sampled_from(sorted(VARIABLES)), st.text(max_size=12) | st.sampled_from(["9**9**9**9"]))
def test_any_text_is_a_unit_or_refused(variable, text):
    try:
        unit = find_unit(variable, text)
    except ValueError:
        return
    assert unit.factor > 0


def test_what_says_nothing_is_no_unit():
    assert not any(map(is_stated, [None, "", "  ", "-", "unknown", "None", "~", "n/a"]))
    assert all(map(is_stated, ["1", "K", 1, "%"]))


def test_conversion_between_two_units():
    assert linear_conversion("mb", "hPa") == (1.0, 0.0)
    assert linear_conversion("Pa", "hPa") == (0.01, 0.0)
    assert linear_conversion("kPa", "millibars") == (10.0, 0.0)
    assert linear_conversion("N m-2", "hPa") == (0.01, 0.0)
    assert linear_conversion("K", "degC") == (1.0, -273.15)
    for text in ("m", "degrees", "1", "furlong", "K"):
        with pytest.raises(ValueError, match="cannot be converted to hPa"):
            linear_conversion(text, "hPa")
