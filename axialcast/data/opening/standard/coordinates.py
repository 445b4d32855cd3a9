"""Whether a coordinate is what its name says: by its units, `standard_name`, axis and values.

A name such as `x` or `lat` is believed only where nothing in the file contradicts it: kilometres of
a projection, degrees of a rotated pole and radians are no latitudes.
"""

import re
from collections.abc import Mapping
from typing import Any

import xarray as xr

from axialcast.names import COORDINATE_ALIASES, COORDINATE_ATTRS, LATITUDE, LONGITUDE, TIME

__all__ = ["contradiction", "projection_of", "refuse_curves", "refuse_projections", "said", "tells"]

REMAP = (
    "say which projection it is in data.grid_mapping, such as EPSG:3413, or interpolate to "
    "latitudes and longitudes, for instance with: cdo remapbil,r360x180 in.nc out.nc"
)
PROJECTED = re.compile(r"projection_[xy]_|grid_(latitude|longitude)|_angular_coordinate$")
"""Standard names of coordinates that are no latitudes and longitudes of the Earth."""

DEGREES = re.compile(r"(?:deg(?:ree)?s?|°)_?(north|east|south|west|[nesw])?")
"""Units of a coordinate in degrees, and which way they are counted."""

WAYS = {LATITUDE: "n", LONGITUDE: "e"}
"""Which way degrees are counted here, by its first letter."""

LENGTHS = re.compile(r"(kilo|deca|hecto)?met(er|re)s?|[kd]?m")
"""Units of a projection's coordinates."""

SILENT = ("", "none", "unknown")
"""Units that say nothing."""

LETTERS = ("x", "X", "y", "Y", "t", "T")
"""Names that are those of a projection's coordinates, and of temperature, as well."""

LATLON_MAPPINGS = ("latitude_longitude",)
"""Names of CF grid mappings whose coordinates are latitudes and longitudes."""

LATLON_GRIB_TYPES = ("regular_ll", "regular_gg", "reduced_gg", "reduced_ll")
"""`gridType` of GRIB messages whose rows are circles of latitude; cfgrib keeps it in attributes."""


def said(attrs: Mapping[str, Any], key: str) -> str:
    """What an attribute says, as text; nothing where it is absent."""
    text = attrs.get(key, "")
    return (text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)).strip()


def contradiction(array: xr.DataArray, want: str) -> str | None:
    """Why an array is not the coordinate `want` that it is named or labelled as; None if it is."""
    if want == TIME and array.name in LETTERS:
        remedy = "a coordinate of times has units such as 'hours since 2001-01-01'"
        return f"holds numbers, no dates; {remedy}" if array.dtype.kind in "iuf" else None
    return _no_degrees(array, want) if want in (LATITUDE, LONGITUDE) else None


def _no_degrees(array: xr.DataArray, want: str) -> str | None:
    if array.dtype.kind not in "iuf":
        return f"expected degrees as real numbers, got values of type {array.dtype}"
    standard = said(array.attrs, "standard_name").lower()
    if PROJECTED.search(standard):
        return f"is no {want} of the Earth: its standard_name is {standard!r}; {REMAP}"
    others = {attrs["standard_name"] for name, attrs in COORDINATE_ATTRS.items() if name != want}
    if standard in others:
        return f"is named a {want}, but its standard_name is {standard!r}; {_rename(want)}"
    units = said(array.attrs, "units")
    if units and (reason := _foreign_units(units, want)):
        return reason
    if array.name in LETTERS and standard != want and _one_word(units) in SILENT:
        return (
            f"may be a {want} or a place on a map: it has no units; if it is in degrees, rename it "
            f"to {want}, for instance with: ncrename -d {array.name},{want} "
            f"-v {array.name},{want} in.nc out.nc"
        )
    axis = said(array.attrs, "axis").upper()
    if axis and axis != COORDINATE_ATTRS[want]["axis"]:
        return f"is named a {want}, but its axis is {axis!r}; {_rename(want)}"
    return None


def tells(units: str, want: str) -> bool:
    """Whether units say of which coordinate they are (CF conventions, sections 4.1 and 4.2)."""
    found = DEGREES.fullmatch(_one_word(units))
    return found is not None and (found[1] or "")[:1] == WAYS.get(want)


def _foreign_units(units: str, want: str) -> str | None:
    """Why units are not those of this coordinate; None if they are, or say nothing."""
    word, expected = _one_word(units), COORDINATE_ATTRS[want]["units"]
    if word in SILENT:
        return None
    if found := DEGREES.fullmatch(word):
        way = (found[1] or "")[:1]
        if way in ("", WAYS[want]):
            return None
        if way in {LATITUDE: "s", LONGITUDE: "w"}[want]:
            return (
                f"is in {units!r}, counted the other way; expected {expected}: change the sign of "
                "the values in the file, and its units"
            )
        return f"is named a {want}, but its units are {units!r}; {_rename(want)}"
    if word.startswith("rad"):
        return (
            f"is in radians; expected {expected}: multiply the values in the file by 180 / pi "
            "and correct its units"
        )
    if LENGTHS.fullmatch(word):
        return f"is in {units!r}, no {expected}; {REMAP}"
    return f"is in {units!r}; expected {expected}: correct the units, or the values, in the file"


def _one_word(units: str) -> str:
    return re.sub(r"\s+", "_", units).lower()


def _rename(want: str) -> str:
    return (
        f"correct the file: a {want} has the standard_name {want!r} and the units "
        f"{COORDINATE_ATTRS[want]['units']!r}"
    )


def refuse_curves(raw: xr.Dataset) -> None:
    """Refuses places that are no rows and columns: of a curved grid, or a list of cells."""
    lines: dict[str, dict[Any, xr.DataArray]] = {}
    for coordinate in (LATITUDE, LONGITUDE):
        names = {coordinate, *COORDINATE_ALIASES[coordinate]} - set(LETTERS)
        found = {
            name: raw[name]
            for name in sorted(map(str, raw.variables))
            if name in names or said(raw[name].attrs, "standard_name") == coordinate
        }
        lines[coordinate] = {name: line for name, line in found.items() if line.ndim == 1}
        if found and not lines[coordinate]:
            name, line = max(found.items(), key=lambda item: item[1].ndim)
            if not line.ndim:
                continue
            counts = {2: "two", 3: "three"}.get(line.ndim, "many")
            raise ValueError(
                f"{name}: has {counts} dimensions; say of which projection rows and columns are in "
                "data.grid_mapping, such as EPSG:3413, or interpolate to a latitude-longitude "
                "grid, with prepare.regrid or for instance with: cdo remapbil,r360x180 in.nc out.nc"
            )
    rows, columns = ({line.dims for line in found.values()} for found in lines.values())
    if len(rows) == 1 and rows == columns:
        names_of_both = " and ".join(next(iter(found)) for found in lines.values())
        raise ValueError(
            f"{names_of_both}: run along one dimension, {next(iter(rows))[0]!r}, a list of cells; "
            "interpolate to a latitude-longitude grid, for instance with: "
            "cdo remapnn,r360x180 in.nc out.nc"
        )


def refuse_projections(dataset: xr.Dataset, raw: xr.Dataset) -> None:
    """Refuses fields whose grid mapping is a projection or a rotated pole.

    Args:
        dataset: the fields on the grid.
        raw: the file, which holds what their attribute `grid_mapping` names.
    """
    for name, array in dataset.data_vars.items():
        mapping = array.attrs.get("grid_mapping", array.encoding.get("grid_mapping", ""))
        for word in re.split(r"[:\s]+", str(mapping)):
            kind = _mapping_name(raw, word)
            if kind and kind not in LATLON_MAPPINGS:
                raise ValueError(
                    f"{name}: is on the grid mapping {kind!r} ({word}), but runs along no "
                    "coordinates of it: those have the standard_name projection_x_coordinate, or "
                    "grid_longitude, and such of y; correct the file"
                )
        grib = array.attrs.get("GRIB_gridType")
        if grib is not None and grib not in LATLON_GRIB_TYPES:
            raise ValueError(f"{name}: its GRIB_gridType is {grib!r}; {REMAP}")


def _mapping_name(raw: xr.Dataset, name: str) -> Any:
    return raw[name].attrs.get("grid_mapping_name") if name and name in raw.variables else None


def projection_of(dataset: xr.Dataset) -> str | None:
    """Which coordinate says that the grid is projected or rotated, in words; None if none does."""
    for name, coord in dataset.variables.items():
        standard = said(coord.attrs, "standard_name")
        if PROJECTED.search(standard):
            return f"{name} has the standard_name {standard!r}; {REMAP}"
    return None
