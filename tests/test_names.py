from itertools import combinations

import pint
import pytest

from axialcast import names
from axialcast.names import COORDINATE_ALIASES, COORDINATE_ATTRS, VARIABLES, require_storable


def test_an_alias_means_one_variable_only() -> None:
    for (one, a), (other, b) in combinations(VARIABLES.items(), 2):
        assert not {one, *a.aliases} & {other, *b.aliases}, (one, other)


def test_an_alias_means_one_coordinate_only() -> None:
    for (one, a), (other, b) in combinations(COORDINATE_ALIASES.items(), 2):
        assert not {one, *a} & {other, *b}, (one, other)


def test_a_standard_name_means_one_variable_only() -> None:
    standard = [v.standard_name for v in VARIABLES.values() if v.standard_name]
    assert len(standard) == len(set(standard))


@pytest.mark.parametrize("name", VARIABLES)
def test_variables_carry_cf_attributes(name: str) -> None:
    attrs = VARIABLES[name].attrs
    assert set(attrs) - {"standard_name", "units_metadata"} == {"units", "long_name"}
    assert all(attrs.values())


@pytest.mark.parametrize("units", sorted({v.units for v in VARIABLES.values()}))
def test_units_are_units(units: str) -> None:
    import cf_xarray.units  # noqa: F401  (teaches pint the CF spelling of units)

    assert pint.get_application_registry().Unit(units) is not None


def test_every_dimension_of_an_analysis_and_a_forecast_has_cf_attributes() -> None:
    dimensions = {names.TIME, names.INIT_TIME, names.LEAD_TIME, names.VALID_TIME, names.NUMBER}
    dimensions |= {names.LEVEL, names.LATITUDE, names.LONGITUDE}
    assert dimensions == set(COORDINATE_ATTRS)
    axes = {name: attrs.get("axis") for name, attrs in COORDINATE_ATTRS.items()}
    assert (axes["time"], axes["level"], axes["latitude"], axes["longitude"]) == (*"TZYX",)


@pytest.mark.parametrize(
    ("name", "besides", "found"),
    [
        ("tp", (), "total_precipitation"),
        ("total_precipitation", (), "total_precipitation"),
        ("tp", ("tp",), "tp"),
        ("snowfall", ("snowfall",), "snowfall"),
        ("msl", ("mean_sea_level_pressure",), "mean_sea_level_pressure"),
    ],
)
def test_a_variable_goes_by_any_of_its_names(name, besides, found) -> None:
    assert names.known_variable(name, besides) == found


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("total_precip", "did you mean total_precipitation?"),
        ("Total Precipitation", "did you mean total_precipitation?"),
        ("TP", "did you mean total_precipitation?"),
        ("precipitation", "did you mean total_precipitation?"),
        ("snow_fall", "did you mean snowfall?"),
        ("xyzzy", "leave it out"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest(name, remedy) -> None:
    with pytest.raises(ValueError) as error:
        names.known_variable(name, ["snowfall"])
    assert str(error.value) == f"unknown variable {name!r}; {remedy}"


@pytest.mark.parametrize(
    "name",
    [
        *("a/b", "../../x", "..", ".", "/tmp/x", "a\x00b", ".inventory", "zarr.json", "__x", ""),
        *("x" * 151, "a\\b", "a\x1b[31mb", " a"),
    ],
)
def test_names_that_lead_out_of_a_store_are_refused(name):
    with pytest.raises(ValueError, match="no name that can be stored; rename it"):
        require_storable(["geopotential", name])


def test_names_of_the_field_can_be_stored():
    require_storable([*VARIABLES, "2t", "10m_u_component_of_wind", "t2m (K)", "température", "x.y"])
