"""Values that cannot be what they are called are told, with their likely cause and the remedy that
mends them; those of Earth, Mars and a nature run are not."""

import logging

import numpy as np
import pytest
import xarray as xr

from axialcast.data import Channels, open_analysis, statistics
from axialcast.data.channels import Channel
from axialcast.data.plausible import implausible
from axialcast.data.spellings import find_unit
from axialcast.names import VARIABLES
from axialcast.planet.nature_run import nature_run

EARTH = {
    "geopotential": (-6_000, 320_000),
    "temperature": (180, 325),
    "u_component_of_wind": (-90, 140),
    "v_component_of_wind": (-110, 110),
    "specific_humidity": (-1e-5, 0.025),
    "vertical_velocity": (-15, 10),
    "2m_temperature": (190, 325),
    "10m_u_component_of_wind": (-45, 45),
    "10m_v_component_of_wind": (-45, 45),
    "mean_sea_level_pressure": (88_000, 108_500),
    "surface_pressure": (48_000, 108_000),
    "sea_surface_temperature": (271, 309),
    "total_precipitation": (-1e-9, 0.4),
    "rainfall_rate": (0, 300),
    "2m_dewpoint_temperature": (185, 305),
    "total_column_water_vapour": (0, 85),
    "geopotential_height": (-600, 32_000),
    "relative_humidity": (-2, 165),
    "geopotential_at_surface": (-1_300, 58_000),
    "land_sea_mask": (0, 1),
}
MARS = {
    "temperature": (110, 310),
    "u_component_of_wind": (-220, 220),
    "surface_pressure": (70, 1_350),
    "geopotential": (-28_000, 400_000),
    "geopotential_at_surface": (-28_000, 79_000),
}


def lines(variable, low, high, *, units=None, level=None):
    units = VARIABLES[variable].units if units is None else units
    channels = Channels([Channel(variable, level, units)])
    return implausible(channels, np.array([float(low)]), np.array([float(high)]))


def test_the_table_knows_what_every_variable_may_be():
    assert EARTH.keys() == VARIABLES.keys()
    for variable, known in VARIABLES.items():
        low, high = known.limits
        assert low < EARTH[variable][0] < EARTH[variable][1] < high


@pytest.mark.parametrize("planet", [EARTH, MARS])
def test_a_planet_is_plausible(planet):
    for variable, ends in planet.items():
        assert lines(variable, *ends) == []


def test_a_nature_run_and_real_data_are_plausible(real_data, caplog):
    block = next(nature_run(start="2000-01-01", end="2000-01-10", spinup_days=2))
    for variable, array in block.data_vars.items():
        assert lines(variable, array.min(), array.max()) == []
    for name in ("ncep_slp_natlantic_daily_2001_2010.nc", "fnoc_winds_global_monthly_1982_1992.nc"):
        analysis = open_analysis(
            real_data(name), period=("2001", "2003") if "slp" in name else None
        )
        statistics(analysis, Channels.of(analysis), step=1)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("variable", "numbers"),
    [
        ("mean_sea_level_pressure", "hPa"),
        ("mean_sea_level_pressure", "kPa"),
        ("surface_pressure", "hPa"),
        ("temperature", "degC"),
        ("2m_temperature", "degC"),
        ("2m_dewpoint_temperature", "degC"),
        ("sea_surface_temperature", "degC"),
        ("specific_humidity", "g kg-1"),
        ("relative_humidity", "1"),
        ("total_precipitation", "mm"),
    ],
)
def test_numbers_in_units_that_the_file_does_not_state(variable, numbers):
    """As they are taken for canonical; and the other way round, where that can be told."""
    unit = find_unit(variable, numbers)
    (line,) = lines(variable, *[(v - unit.offset) / unit.factor for v in EARTH[variable]])
    assert f"set data.units: {{{variable}: {unit.name}}}" in line
    assert line.startswith(f"{variable}: holds ")
    low, high = VARIABLES[variable].limits
    assert f"{low:g} to {high:g} is possible" in line or "is expected" in line


@pytest.mark.parametrize(
    ("variable", "stated"),
    [
        ("mean_sea_level_pressure", "hPa"),
        ("surface_pressure", "hPa"),
        ("2m_temperature", "degC"),
        ("sea_surface_temperature", "degC"),
        ("relative_humidity", "1"),
        ("total_column_water_vapour", "cm"),
    ],
)
def test_numbers_that_were_canonical_already(variable, stated):
    unit, canonical = find_unit(variable, stated), VARIABLES[variable].units
    (line,) = lines(variable, *[v * unit.factor + unit.offset for v in EARTH[variable]])
    assert f"set data.units: {{{variable}: {canonical}}}" in line


@pytest.mark.parametrize("fill", [-9999.0, -999.0, 9.96921e36, 1e20, -32767.0, -9.99e33, 1e30])
@pytest.mark.parametrize("variable", VARIABLES)
def test_marks_of_missing_data_that_nobody_marked(variable, fill):
    low, high = np.mean(EARTH[variable]), EARTH[variable][1]
    for unit in ("K", "degC") if VARIABLES[variable].units == "K" else (VARIABLES[variable].units,):
        one = find_unit(variable, unit)
        value = float(np.float32(fill * one.factor + one.offset))
        (line,) = lines(variable, min(low, value), max(high, value))
        assert f"{fill:g} is what many files hold where there is no value" in line
        assert "_FillValue" in line


def test_variables_that_are_not_known_have_no_limits_but_marks():
    assert lines("ozone", -1e5, 1e9, units="Dobson") == []
    (line,) = lines("ozone", -9999, 300, units="Dobson")
    assert line.startswith("ozone: holds -9999 to 300 Dobson; -9999 is what many files hold")
    # Nor have known ones in units of their own, in memory.
    assert lines("mean_sea_level_pressure", 950, 1040, units="hPa") == []
    assert lines("mean_sea_level_pressure", np.nan, np.nan) == []


def test_a_part_in_other_units_is_told():
    (line,) = lines("mean_sea_level_pressure", 950, 104_000)
    assert "a part of them seems to be in hPa: look for files of other units" in line
    (line,) = lines("2m_temperature", -30, 310)
    assert "a part of them seems to be in degC" in line


def test_what_cannot_be_told_asks_for_both():
    (line,) = lines("10m_u_component_of_wind", -5, 12345, level=None)
    assert "look for missing values that the file does not mark" in line
    assert "data.units: {10m_u_component_of_wind: …}" in line


def test_a_variable_is_judged_by_all_its_levels():
    """Relative humidity is below 1.7 % all over the stratosphere."""
    channels = Channels([Channel("relative_humidity", level, "percent") for level in (10.0, 850.0)])
    assert implausible(channels, np.array([0.0, 0.5]), np.array([0.9, 104.0])) == []
    found = implausible(channels, np.array([0.0, 0.01]), np.array([0.009, 1.04]))
    assert [line.split(":")[0] for line in found] == [
        "relative_humidity 10 hPa",
        "relative_humidity 850 hPa",
    ]


@pytest.mark.parametrize("factor", [0.01, 1.0])
def test_statistics_warn_by_the_log(analysis, caplog, factor):
    wrong = analysis.copy()
    wrong["mean_sea_level_pressure"] = (analysis.mean_sea_level_pressure * factor).assign_attrs(
        analysis.mean_sea_level_pressure.attrs
    )
    found = statistics(open_analysis(wrong), Channels.of(wrong), step=1)
    values = wrong.mean_sea_level_pressure.values
    assert (found.lowest[-1], found.highest[-1]) == (values.min(), values.max())
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    if factor == 1:
        assert said == []
    else:
        (line,) = said
        assert "set data.units: {mean_sea_level_pressure: hPa}" in line
        mended = open_analysis(wrong, units={"mean_sea_level_pressure": "hPa"})
        xr.testing.assert_allclose(mended, analysis, rtol=1e-6)
