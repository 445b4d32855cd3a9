"""An anemoi dataset as a latitude-longitude Dataset.

Its layout: one Zarr array `data(time, variable, ensemble, cell)` beside `dates`, `latitudes(cell)`
and `longitudes(cell)`; the attributes `variables`, `field_shape` and `missing_dates`. A variable
such as `t_850` is one level of `t`, unless `variables_metadata` say that its level is no pressure:
100 m above the ground, `t_100` is a variable of its own.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from axialcast.data.arrays.lazy import lazily
from axialcast.data.arrays.unfolded import Unfolded
from axialcast.data.arrays.zarrs import MissingChunks, ZarrArray
from axialcast.grid import TOLERANCE_DEGREES
from axialcast.names import LATITUDE, LEVEL, LONGITUDE, NUMBER, TIME, canonical

__all__ = ["from_anemoi", "is_anemoi"]

ON_LEVEL = re.compile(r"(?P<name>.+)_(?P<level>\d+)")
PRESSURE_TYPE = "pl"
"""MARS' type of levels that are pressures (hPa)."""
SURFACE = {"z": "geopotential_at_surface"}
"""Names that mean another variable where they carry no level."""


def is_anemoi(group: zarr.Group) -> bool:
    """Whether a Zarr group has the arrays and attributes of an anemoi dataset."""
    arrays = {"data", "dates", "latitudes", "longitudes"}
    return "variables" in group.attrs and all(name in group for name in arrays)


def from_anemoi(
    group: zarr.Group,
    *,
    variables: Sequence[str] | None = None,
    levels: Sequence[float] | None = None,
    missing_chunks: MissingChunks = "refuse",
) -> xr.Dataset:
    """The dataset with variables of (time, [level], number, latitude, longitude), lazily.

    Missing dates are left out of the time axis, so that they are gaps.

    Args:
        group: the opened store.
        variables: to keep; None: all.
        levels: to keep (hPa); None: all.

    Raises:
        ValueError: its cells are no latitude-longitude grid, or variables differ in their levels.
    """
    latitude, longitude = _grid(group)
    data = _array(group, len(longitude), missing_chunks)
    dates = np.asarray(group["dates"][...]).astype("datetime64[ns]")  # type: ignore[index]
    absent = np.array(group.attrs.get("missing_dates") or [], "datetime64[ns]")
    present = np.flatnonzero(~np.isin(dates, absent))
    if len(present) < len(dates):
        data = data.isel({TIME: present})
    names = list(map(str, group.attrs["variables"]))  # type: ignore[arg-type]
    types = [_level_type(group, name) for name in names]
    fields = _by_level(names, types)
    wanted = set(map(canonical, variables or fields))
    fields = {name: places for name, places in fields.items() if canonical(name) in wanted}
    chosen = _common_levels(fields, levels)
    attrs = {"units": "hPa"} if PRESSURE_TYPE in types else {}
    dataset = xr.Dataset(
        coords={TIME: dates[present], LATITUDE: latitude, LONGITUDE: longitude}
        | ({LEVEL: (LEVEL, chosen, attrs)} if chosen else {})
    )
    for name, places in fields.items():
        if None in places:
            field = data.isel(variable=places[None])
        else:
            field = data.isel(variable=[places[level] for level in chosen])
            field = field.rename(variable=LEVEL)
        dataset[name] = field.assign_attrs(_units(group, names, places))
    return dataset


def _array(group: zarr.Group, width: int, missing_chunks: MissingChunks) -> xr.DataArray:
    """`data` with dimensions (time, variable, number, latitude, longitude), lazily."""
    dims = (TIME, "variable", NUMBER, "cell")
    source = group["data"]
    assert isinstance(source, zarr.Array)
    if source.ndim != len(dims):
        raise ValueError(f"data: expected the dimensions {dims}, got the shape {source.shape}")
    stored = ZarrArray(source, source.dtype, {}, missing_chunks)
    unfolded = xr.Variable((*dims[:-1], LATITUDE, LONGITUDE), lazily(Unfolded(stored, width)))
    return xr.Dataset({"data": unfolded})["data"]


def _grid(group: zarr.Group) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shape: Any = group.attrs.get("field_shape")
    cells = [np.asarray(group[name][...], np.float64) for name in ("latitudes", "longitudes")]  # type: ignore[index]
    if shape is None or len(shape) != 2 or np.prod(shape) != cells[0].size:
        raise ValueError(
            f"field_shape: expected [latitudes, longitudes] of {cells[0].size} cells, got {shape}; "
            "interpolate the dataset to a latitude-longitude grid"
        )
    latitude, longitude = (cell.reshape(shape) for cell in cells)
    uneven = max(np.ptp(latitude, axis=1).max(), np.ptp(longitude, axis=0).max())
    if uneven > TOLERANCE_DEGREES:
        raise ValueError(
            f"latitudes, longitudes: vary by {uneven:g} degrees along a row or column; "
            "interpolate the dataset to a latitude-longitude grid"
        )
    return latitude[:, 0], longitude[0]


def _level_type(group: zarr.Group, name: str) -> str | None:
    """MARS' type of a variable's level (pl, ml, hl, sfc, …); None: it is not stated."""
    every: Any = group.attrs.get("variables_metadata") or {}
    described = every.get(name) or {}
    found = (described.get("mars") or {}).get("levtype", described.get("levtype"))
    return None if found is None else str(found)


def _by_level(
    names: Sequence[str], types: Sequence[str | None]
) -> dict[str, dict[float | None, int]]:
    """Of every variable, the place in `names` of each of its levels; None: it has no levels."""
    fields: dict[str, dict[float | None, int]] = {}
    alone: dict[str, int] = {}
    for place, (name, level_type) in enumerate(zip(names, types, strict=True)):
        found = ON_LEVEL.fullmatch(name)
        if found and level_type in (None, PRESSURE_TYPE):
            fields.setdefault(found["name"], {})[float(found["level"])] = place
        else:
            alone[name] = place
    for name, place in alone.items():
        other = f"{name}_surface" if name in fields else name
        fields[SURFACE.get(name, other)] = {None: place}
    return fields


def _common_levels(
    fields: dict[str, dict[float | None, int]], levels: Sequence[float] | None
) -> list[float]:
    """The levels to stack, sorted unless they are given; every variable on levels has them all."""
    stacked = {
        name: [level for level in places if level is not None]
        for name, places in fields.items()
        if None not in places
    }
    every = sorted({level for found in stacked.values() for level in found})
    chosen = [float(level) for level in levels] if levels is not None else every
    for name, found in stacked.items():
        if missing := [level for level in chosen if level not in found]:
            raise ValueError(
                f"{name}: no level {missing} hPa; it has {sorted(found)}: choose levels that all "
                "variables have, or leave the variable out"
            )
    return chosen if stacked else []


def _units(group: zarr.Group, names: list[str], places: dict[float | None, int]) -> dict[str, str]:
    """Units, where the dataset states them; most do not."""
    described: Any = group.attrs.get("variables_metadata") or {}
    found = {described.get(names[place], {}).get("units") for place in places.values()} - {None}
    return {"units": found.pop()} if len(found) == 1 else {}
