"""Parts of an analysis: variables, levels, a region."""

import difflib
import re
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from axialcast.grid import TOLERANCE_DEGREES, Grid, LatLonGrid, cells_within, grid_of
from axialcast.names import (
    LATITUDE,
    LEVEL,
    LONGITUDE,
    ON_LEVELS,
    canonical,
    require_storable,
)

__all__ = ["chosen_variables", "select_levels", "select_region"]

LEVEL_TOLERANCE = 1e-5
"""Two levels that differ by less than this part of themselves are the same."""


def chosen_variables(variables: Sequence[str], on_grid: Sequence[str]) -> list[str]:
    """Which of those on the grid these are, in this order; foreign names are accepted.

    Raises:
        ValueError: there is no such variable, or its name cannot be stored again.
    """
    require_storable(variables)
    wanted = [name if name in on_grid else canonical(name) for name in variables]
    if missing := [name for name in wanted if name not in on_grid]:
        raise ValueError(
            f"no variable {', '.join(name + _instead(name, on_grid) for name in missing)}; "
            f"the store has {', '.join(sorted(on_grid))}"
        )
    return wanted


def _instead(name: str, on_grid: Sequence[str]) -> str:
    """What may have been meant by a variable that is not there, in words; nothing: who knows."""
    on_level = re.fullmatch(r"([a-z_]+?)_?(\d{2,4})(hpa)?", name.lower())
    if on_level and canonical(on_level[1]) in on_grid:
        return f" (for {canonical(on_level[1])}, name its level in data.levels: [{on_level[2]}])"
    spelt = {known.lower(): known for known in on_grid}
    alike = canonical(name.lower())
    near = difflib.get_close_matches(alike, spelt, n=1, cutoff=0.8)
    return f" (did you mean {spelt[near[0]]}?)" if near else ""


def select_levels(dataset: xr.Dataset, levels: Sequence[float] | None) -> xr.Dataset:
    """These levels (hPa), in this order. None: all.

    Raises:
        ValueError: a level is absent or asked for twice, or variables are not known to be on levels
            though they are such at every level.
    """
    if levels is None:
        return dataset
    wanted = list(map(float, levels))
    if not wanted or len(set(wanted)) < len(wanted):
        raise ValueError(f"levels: expected one or more, each once, got {wanted}")
    flat = [str(name) for name, array in dataset.data_vars.items() if LEVEL not in array.dims]
    if unknown := [name for name in flat if name in ON_LEVELS]:
        raise ValueError(
            f"levels: {wanted} hPa were asked for, but the store does not say at which level "
            f"{', '.join(unknown)} is; leave data.levels out, or give files with a coordinate of "
            "levels"
        )
    if len(flat) == len(dataset.data_vars):
        raise ValueError(
            f"levels: {wanted} hPa were asked for, but {', '.join(flat)} is on no levels; leave "
            "data.levels out"
        )
    have = dataset[LEVEL].values
    places = [int(np.argmin(np.abs(have - level))) for level in wanted]
    close = [
        np.isclose(have[i], v, LEVEL_TOLERANCE, 0) for i, v in zip(places, wanted, strict=True)
    ]
    if missing := sorted(v for v, is_close in zip(wanted, close, strict=True) if not is_close):
        raise ValueError(f"no level {missing} hPa; the store has {have.tolist()}")
    return dataset if places == list(range(len(have))) else dataset.isel({LEVEL: places})


def select_region(dataset: xr.Dataset, region: Mapping[str, tuple[float, float]]) -> xr.Dataset:
    """The cells whose centres lie within the region, bounds included.

    Longitudes are counted eastward from `west`, in the turn it is given in: from 350 to 10 they
    become 350 … 370 (degrees east), whatever the origin of the store. On a map it is the smallest
    rectangle of rows and columns with all cells whose centres lie in the box.

    Args:
        dataset: on a latitude-longitude grid.
        region: "latitude": (south, north) and "longitude": (west, east), or one of them; an east
            below west is reached across the meridian of 0° or 180°.

    Raises:
        ValueError: the bounds are no region, or the dataset does not cover it.
    """
    if unknown := sorted(set(region) - {LATITUDE, LONGITUDE}):
        raise ValueError(f"region: expected the keys latitude and longitude, got {unknown}")
    for name, bounds in region.items():
        if len(bounds) != 2 or not np.isfinite(np.asarray(bounds, np.float64)).all():
            raise ValueError(f"region: expected two numbers for {name}, got {bounds!r}")
    grid = grid_of(dataset)
    if not isinstance(grid, LatLonGrid):
        return _around(dataset, grid, region)
    if LATITUDE in region:
        dataset = _between(dataset, grid, *region[LATITUDE])
    return _eastward(dataset, grid, *region[LONGITUDE]) if LONGITUDE in region else dataset


def _around(
    dataset: xr.Dataset, grid: Grid, region: Mapping[str, tuple[float, float]]
) -> xr.Dataset:
    """The rows and columns of a map that hold every cell whose centre lies in the box."""
    latitude, longitude = region.get(LATITUDE, (-90.0, 90.0)), region.get(LONGITUDE, (0.0, 360.0))
    inside = cells_within(grid, latitude, longitude)
    if not inside.any():
        places = (grid.latitudes, grid.longitudes)
        (south, north), (west, east) = ((np.nanmin(of), np.nanmax(of)) for of in places)
        raise ValueError(
            f"region: no cell of the store lies within latitudes {latitude[0]:g} to "
            f"{latitude[1]:g} and longitudes {longitude[0]:g} to {longitude[1]:g}; they lie within "
            f"{south:.4g} to {north:.4g} and {west:.4g} to {east:.4g}"
        )
    for axis, dim in enumerate(grid.dims):
        (there,) = np.nonzero(inside.any(1 - axis))
        dataset = dataset.isel({dim: slice(there[0], there[-1] + 1)})
    return dataset


def _between(dataset: xr.Dataset, grid: LatLonGrid, south: float, north: float) -> xr.Dataset:
    latitude, edges = grid.latitude, grid.latitude_bounds
    if not -90 <= south < north <= 90:
        raise ValueError(
            f"region: expected latitudes (south, north) within -90 to 90, got ({south}, {north})"
        )
    spare = np.abs(np.diff(edges)).max()
    inside = np.flatnonzero(
        (latitude >= south - TOLERANCE_DEGREES) & (latitude <= north + TOLERANCE_DEGREES)
    )
    if south < edges.min() - spare or north > edges.max() + spare:
        raise ValueError(
            f"region: latitudes {south:g} to {north:g} are not within the store's, "
            f"{latitude.min():g} to {latitude.max():g}; choose some of these, or take another store"
        )
    if not len(inside):
        raise ValueError(
            f"region: latitudes {south:g} to {north:g} lie between two of the store, "
            f"{spare:g} degrees apart; widen them"
        )
    return dataset.isel({LATITUDE: slice(inside[0], inside[-1] + 1)})


def _eastward(dataset: xr.Dataset, grid: LatLonGrid, west: float, east: float) -> xr.Dataset:
    longitude = grid.longitude
    width = east - west + (360 if east < west else 0)
    if not 0 < width <= 360:
        raise ValueError(
            f"region: expected longitudes (west, east) of at most one turn, got ({west}, {east})"
        )
    turns = np.floor((longitude - west + TOLERANCE_DEGREES) / 360)
    moved = longitude - 360 * turns
    order = np.argsort(moved)
    order = order[moved[order] <= west + width + TOLERANCE_DEGREES]
    found = moved[order]
    step = np.diff(longitude).mean() if len(longitude) > 1 else 1.0
    reach = min(width, 360 - step)
    covers = len(found) and found[0] < west + 1.5 * step and found[-1] > west + reach - 1.5 * step
    if not covers or (len(found) > 1 and np.diff(found).max() > 1.5 * step):
        raise ValueError(
            f"region: longitudes {west:g} to {east:g} are not within the store's, "
            f"{longitude[0]:g} to {longitude[-1]:g}"
        )
    runs = np.split(order, np.flatnonzero(np.diff(order) != 1) + 1)
    if len(runs) == 1:
        dataset = dataset.isel({LONGITUDE: slice(order[0], order[-1] + 1)})
    else:
        dataset = dataset.isel({LONGITUDE: order})
    if np.array_equal(found, dataset[LONGITUDE].values):
        return dataset
    return dataset.assign_coords({LONGITUDE: (LONGITUDE, found, dataset[LONGITUDE].attrs)})
