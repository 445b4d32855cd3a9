"""One store, or one file of several, in the project's names, order and units.

Everything foreign stops here, before files are joined: so they may differ in how they say a thing,
and what they cannot say alike is refused by name.
"""

import logging
from collections.abc import Collection, Mapping, Sequence

import xarray as xr

from axialcast.data.opening.standard.cells import with_cells
from axialcast.data.opening.standard.coordinates import (
    projection_of,
    refuse_curves,
    refuse_projections,
)
from axialcast.data.opening.standard.dimensions import reorder, select_member
from axialcast.data.opening.standard.levels import is_level, with_levels
from axialcast.data.opening.standard.naming import rename
from axialcast.data.opening.standard.projection import is_on_map, on_map
from axialcast.data.opening.standard.units import in_canonical_units
from axialcast.data.opening.standard.validity import at_valid_times
from axialcast.grid import dims_of, grid_of
from axialcast.names import (
    COORDINATE_ALIASES,
    TIME,
    canonical,
)
from axialcast.times.calendars import check_times
from axialcast.times.decoding import decoded

__all__ = ["standardise"]

logger = logging.getLogger(__name__)

CYCLES = {"dayofyear", "month", "season", "hour"}
"""Dimensions of a climatology."""

CONSTANT = "; leave out of data.store what has no time, or say which of data.static it gives there"
"""What to do about a store without times."""

KINDS_OF_VALUES = {
    "c": "complex numbers",
    "b": "true or false",
    "M": "dates",
    "m": "time spans",
}
"""What a variable holds that holds no numbers, by the kind of its dtype; else text."""


def standardise(
    raw: xr.Dataset,
    *,
    variables: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    member: int | str | None = None,
    round_times_seconds: int | None = None,
    grid_mapping: str | None = None,
    curved: bool = False,
) -> xr.Dataset:
    """The variables on the grid, with dimensions (time, [level], latitude, longitude), or y and x.

    Args:
        raw: as its backend opens it.
        variables: whose units must be known; None: all.
        units: by variable, those that the store does not state, or states wrongly.
        member: the one to keep of an ensemble.
        round_times_seconds: to the multiples of which times are rounded; None: where they are off
            by no more than the type of their numbers.
        grid_mapping: the projection of `x` and `y`, as PROJ calls it; None: what the store says.
        curved: whether places of two dimensions and no projection will do.

    Raises:
        ValueError: coordinates are no times or no grid in degrees, or units are absent or foreign.
    """
    raw = on_map(raw, grid_mapping=grid_mapping, units=units, curved=curved)
    if not is_on_map(raw):
        refuse_curves(raw)
    dated = decoded(raw, round_times_seconds)
    raw = at_valid_times(with_cells(dated, raw))
    named = _with_coordinates(rename(raw, variables))
    wanted = None if variables is None else {*variables, *map(canonical, variables)}
    fields = _fields(named, wanted)
    if not is_on_map(raw):
        refuse_projections(fields, raw)
    analysis = with_levels(select_member(fields, member), wanted=wanted, units=units)
    analysis = in_canonical_units(reorder(analysis, wanted), units, wanted=wanted)
    return analysis.drop_encoding()


def _with_coordinates(analysis: xr.Dataset) -> xr.Dataset:
    """The dataset with times, and latitudes and longitudes that are a grid in degrees."""
    for coordinate in (TIME, *dims_of(analysis.dims)):
        if coordinate in analysis.indexes:
            continue
        projection = None if coordinate == TIME else projection_of(analysis)
        if projection is not None:
            raise ValueError(f"no dimension {coordinate!r}; {projection}")
        names = ", ".join(COORDINATE_ALIASES[coordinate])
        constant = CONSTANT if coordinate == TIME else ""
        lines = [str(name) for name, coord in analysis.coords.items() if coord.ndim == 1]
        if coordinate == TIME and CYCLES & {*map(str, analysis.dims)}:
            cycles = " and ".join(sorted(CYCLES & {*map(str, analysis.dims)}))
            raise ValueError(
                f"no dimension {TIME!r}, but {cycles}, as climatologies have: set data.store to "
                "fields at dates; baselines fit their own climatology"
            )
        raise ValueError(
            f"no dimension {coordinate!r} with a coordinate among {sorted(lines)}; name it one of "
            f"{names}, and write a single value as a dimension of length one{constant}"
        )
    analysis = check_times(analysis)
    analysis = analysis.copy()
    for name, (_, _, attrs) in grid_of(analysis).labels.items():
        analysis[name].attrs = dict(attrs)
    return analysis


def _fields(dataset: xr.Dataset, wanted: Collection[str] | None) -> xr.Dataset:
    """The variables on the grid that hold numbers, with all that may say which levels they are on.

    What does not depend on time or place is no part of an analysis, and files may disagree on it.

    Raises:
        ValueError: a variable that is asked for by name holds no numbers.
    """
    fields, lines = [], []
    for name, array in dataset.data_vars.items():
        if array.ndim == 1 or (array.ndim == 0 and is_level(name)):
            lines.append(name)
        if not {TIME, *dims_of(dataset.dims)} <= set(array.dims):
            continue
        if array.dtype.kind in "fiu":
            fields.append(name)
            continue
        holds = f"{name}: holds {KINDS_OF_VALUES.get(array.dtype.kind, 'text')}, no real numbers"
        if wanted is not None and name in wanted:
            raise ValueError(f"{holds}; leave it out of data.variables, or store it as numbers")
        logger.info("%s; left out", holds)
    return dataset.set_coords(lines)[fields]
