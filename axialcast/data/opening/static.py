"""Opens static fields from any store, in the project's names and units."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from axialcast.data.opening.kinds.backends import Reading, open_raw
from axialcast.data.opening.points import on_points
from axialcast.data.opening.renaming import named_there, renamed
from axialcast.data.opening.selection import chosen_variables
from axialcast.data.opening.standard.naming import rename
from axialcast.data.opening.store import open_analysis
from axialcast.disclosure import shown
from axialcast.grid import Grid, dims_of
from axialcast.names import TIME

__all__ = ["open_static"]

ANY_TIME = np.datetime64("2000-01-01", "ns")


def open_static(
    store: str | Path | Sequence[str | Path] | xr.Dataset,
    variables: Sequence[str],
    grid: Grid | None = None,
    *,
    rename: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Fields (h, w) in the project's names and units.

    Args:
        store: as of `open_analysis`; its fields may have times, if they are the same at all.
        variables: which, in this order; foreign names are accepted.
        grid: whose points are taken; the store may hold more, in another order. None: the store's.
        rename: as of `open_analysis`, but for names that are not there, as of another store.
        units: by variable, those that the store does not state, or states wrongly.
        storage_options: for a URL, as of `open_analysis`.

    Raises:
        FileNotFoundError, ConnectionError: there is no such store, or it cannot be reached.
        ValueError: a field is not there, changes in time, or lies on other points.
    """
    name = "static store" if isinstance(store, xr.Dataset) else shown(str(store))
    try:
        names = named_there(variables, rename)
        reading = Reading(storage_options, variables=names)
        parts = {name: store} if isinstance(store, xr.Dataset) else open_raw(store, reading)
        there = {str(name) for raw in parts.values() for name in {*raw.variables, *raw.dims}}
        names_here = {old: new for old, new in (rename or {}).items() if old in there}
        fields = _fields(renamed(parts, names_here).values(), variables)
        opened = open_analysis(fields, variables=variables, units=units)
        found = opened.isel({TIME: 0}, drop=True)
        return found if grid is None else _on_points(found, grid)
    except ValueError as error:
        text = str(error).removeprefix("analysis: ")
        raise ValueError(f"{text}" if text.startswith(name) else f"{name}: {text}") from None


def _fields(parts: Iterable[xr.Dataset], variables: Sequence[str]) -> xr.Dataset:
    """The variables, whichever files they are in, each at one time."""
    found: dict[str, list[xr.DataArray]] = defaultdict(list)
    for raw in parts:
        named = rename(raw, variables)
        for name, array in named.data_vars.items():
            if {*dims_of(array.dims)} <= set(array.dims):
                found[str(name)].append(array)
    wanted = chosen_variables(variables, list(found))
    return xr.Dataset({name: _at_one_time(found[name]) for name in wanted})


def _at_one_time(arrays: Sequence[xr.DataArray]) -> xr.DataArray:
    """The field with one time, of all files that have it.

    Raises:
        ValueError: the first of its times, or files, has another field than the last.
    """
    first, last = (
        array.isel({TIME: place}) if TIME in array.dims else array
        for array, place in ((arrays[0], 0), (arrays[-1], -1))
    )
    if not np.array_equal(first.values, last.values, equal_nan=True):
        raise ValueError(
            f"{first.name}: changes in time or from file to file, so it is no static field"
        )
    field = first.reset_coords(drop=True)
    return field.expand_dims({TIME: [ANY_TIME]}).assign_attrs(field.attrs)


def _on_points(fields: xr.Dataset, grid: Grid) -> xr.Dataset:
    """The fields at the points of a grid, read.

    Raises:
        ValueError: they are not given at one of them.
    """
    try:
        return on_points(fields, grid, thinned=True).compute()
    except ValueError as error:
        raise ValueError(
            f"lies on another grid than the analysis: {error}; regrid it, for instance with: "
            "cdo remapcon,analysis.nc in.nc out.nc, or both with prepare.regrid"
        ) from None
