"""One store, or one file of several, in the project's names, order and units.

Everything foreign stops here, before files are joined: so they may differ in how they say a thing,
and what they cannot say alike is refused by name.
"""

from collections.abc import Mapping, Sequence

import xarray as xr

from axialcast.data.opening.levels import level_in_hpa
from axialcast.data.opening.naming import rename, reorder
from axialcast.data.opening.selection import select_member
from axialcast.data.opening.units import in_canonical_units
from axialcast.grid import grid_of
from axialcast.names import COORDINATE_ALIASES, LATITUDE, LONGITUDE, TIME, canonical
from axialcast.times.calendars import check_times

__all__ = ["standardise"]


def standardise(
    raw: xr.Dataset,
    *,
    variables: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    member: int | None = None,
) -> xr.Dataset:
    """The variables on the grid, with dimensions (time, [level], latitude, longitude).

    Args:
        raw: as its backend opens it.
        variables: whose units must be known; None: all.
        units: by variable, those that the store does not state, or states wrongly.
        member: the one to keep of an ensemble.

    Raises:
        ValueError: coordinates are no times or no grid in degrees, or units are absent or foreign.
    """
    named = _with_coordinates(raw)
    on_grid = {TIME, LATITUDE, LONGITUDE}
    # What does not depend on time or place is no part of an analysis, and files may disagree on it.
    analysis = named[[name for name, v in named.data_vars.items() if on_grid <= set(v.dims)]]
    wanted = None if variables is None else {*variables, *map(canonical, variables)}
    analysis = level_in_hpa(select_member(analysis, member))
    return reorder(in_canonical_units(analysis, units, wanted=wanted))


def _with_coordinates(raw: xr.Dataset) -> xr.Dataset:
    """The raw Dataset in the project's names, with times, latitudes and longitudes in degrees."""
    for coordinate in (LATITUDE, LONGITUDE):
        names = {coordinate, *COORDINATE_ALIASES[coordinate]}
        if curved := [name for name in names & set(raw.variables) if raw[name].ndim == 2]:
            raise ValueError(
                f"{curved[0]}: has two dimensions; interpolate to a latitude-longitude grid"
            )
    analysis = rename(raw)
    for coordinate in (TIME, LATITUDE, LONGITUDE):
        if coordinate not in analysis.indexes:
            raise ValueError(
                f"no dimension {coordinate!r} with a coordinate among "
                f"{sorted(map(str, analysis.coords))}; name it one of "
                f"{', '.join(COORDINATE_ALIASES[coordinate])}"
            )
        if str(analysis[coordinate].attrs.get("units", "")).startswith("rad"):
            raise ValueError(f"{coordinate}: is in radians; convert with np.degrees")
    analysis = check_times(analysis)
    grid_of(analysis)
    return analysis
