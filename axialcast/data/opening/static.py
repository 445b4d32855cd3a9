"""Static fields from any store, or whichever of several holds them, in the words of the project."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from axialcast.data.opening.entries import Entry, Stores, entries_of, given_by
from axialcast.data.opening.opened import open_files
from axialcast.data.opening.points import on_points
from axialcast.data.opening.selection import chosen_variables
from axialcast.data.opening.standard.naming import rename
from axialcast.data.opening.standard.projection import on_map
from axialcast.data.opening.store import open_analysis
from axialcast.grid import Grid, coords_of, dims_of, grid_of
from axialcast.names import TIME, canonical

__all__ = ["open_static"]

ANY_TIME = np.datetime64("2000-01-01", "ns")


def open_static(
    store: Stores,
    variables: Sequence[str],
    grid: Grid | None = None,
    *,
    rename: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    grid_mapping: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Fields (h, w) in the project's names and units.

    Args:
        store: as of `open_analysis`; its fields may have times, if they are the same at all.
        variables: which, in this order; foreign names are accepted.
        grid: whose points are taken; the store may hold more, in another order. None: the store's.
        rename: as of `open_analysis`, but for names that are not there, as of another store.
        units: by variable, those that the store does not state, or states wrongly; also of others.
        grid_mapping: as of `open_analysis`.
        storage_options: for a URL, as of `open_analysis`.

    Raises:
        FileNotFoundError, ConnectionError: there is no such store, or it cannot be reached.
        ValueError: a field is not there, changes in time, or lies on other points.
    """
    shared = {"rename": rename, "units": units, "grid_mapping": grid_mapping}
    entries = entries_of(store, storage_options=storage_options, **shared)
    asked = [entry for entry in entries if entry.asked(variables) != []] or entries
    curved = grid is None  # they are to be regridded
    held = [_on_grid(entry, variables, curved) for entry in asked]
    if len(held) == 1:
        with _naming(asked[0]):
            given = [chosen_variables(variables, list(held[0]))]
    else:
        given = given_by(asked, [list(fields) for fields in held], variables)
    found = xr.Dataset()
    for entry, fields, names in zip(asked, held, given, strict=True):
        if not names:
            continue
        with _naming(entry):
            one = {name: _at_one_time(fields[name]) for name in names}
            part = _standardised(entry, one, curved)
            # Of several stores without a grid to lie on, that of the first.
            wanted = grid or (grid_of(found) if found else None)
            found = found.merge(part if wanted is None else _on_points(part, wanted), join="exact")
    return found[[name if name in found else canonical(name) for name in variables]]


@contextmanager
def _naming(entry: Entry) -> Iterator[None]:
    """What is wrong with a store names it."""
    name = "static store" if isinstance(entry.store, xr.Dataset) else entry.name
    try:
        yield
    except ValueError as error:
        text = str(error).removeprefix("analysis: ")
        raise ValueError(text if text.startswith(name) else f"{name}: {text}") from None


def _on_grid(entry: Entry, variables: Sequence[str], curved: bool) -> dict[str, list[xr.DataArray]]:
    """The fields of a store by name, of each file that has them."""
    found: dict[str, list[xr.DataArray]] = defaultdict(list)
    with _naming(entry):
        # Names to change may be those of another store.
        files = open_files(replace(entry, own=frozenset()), entry.asked(variables))
        for raw in files.values():
            raw = on_map(raw, grid_mapping=entry.grid_mapping, units=entry.units, curved=curved)
            for name, array in rename(raw, variables).data_vars.items():
                if {*dims_of(array.dims)} <= set(array.dims):
                    found[str(name)].append(array)
    return found


def _standardised(entry: Entry, fields: Mapping[str, xr.DataArray], curved: bool) -> xr.Dataset:
    units = {n: text for n, text in (entry.units or {}).items() if {n, canonical(n)} & set(fields)}
    opened = open_analysis(xr.Dataset(fields), variables=list(fields), units=units, curved=curved)
    return opened.isel({TIME: 0}, drop=True)


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
    field = first.reset_coords(drop=True).assign_coords(coords_of(first))
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
