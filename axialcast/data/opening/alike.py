"""Whether files of one analysis fit together, and by name which do not."""

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

import pandas as pd
import xarray as xr

from axialcast.grid import coords_of, grid_of
from axialcast.names import LEVEL, TIME
from axialcast.times.calendars import time_text

__all__ = [
    "Parts",
    "calendar_of",
    "on_one_grid",
    "refuse_differences",
    "refuse_holes",
    "refuse_other_times",
]

Parts = Mapping[str, xr.Dataset]
"""What each file holds, standardised, by its name."""


def refuse_other_times(parts: Parts) -> None:
    """Refuses files without times, of other calendars, or of the same fields at the same times."""
    calendars: dict[str, str] = {}
    for name, dataset in parts.items():
        if not dataset.sizes[TIME]:
            raise ValueError(f"{name}: holds no times; leave it out of data.store")
        calendars.setdefault(calendar_of(dataset.indexes[TIME]), name)
    if len(calendars) > 1:
        (kind, one), (other_kind, other), *_ = calendars.items()
        raise ValueError(
            f"{one} and {other}: their calendars differ, {kind} and {other_kind}; give files of "
            "one calendar, for instance by: cdo setcalendar,standard in.nc out.nc"
        )
    _refuse_overlaps(parts)


def calendar_of(times: pd.Index) -> str:
    """The name of the calendar that times are of."""
    return str(times.calendar) if isinstance(times, xr.CFTimeIndex) else "standard"


def _refuse_overlaps(parts: Parts) -> None:
    kinds: dict[Any, list[str]] = {}
    for name, dataset in parts.items():
        levels = tuple(dataset.indexes[LEVEL]) if LEVEL in dataset.indexes else ()
        for variable in dataset.data_vars:
            kinds.setdefault((variable, levels), []).append(name)
    for names in kinds.values():
        ordered = sorted(names, key=lambda name: parts[name].indexes[TIME][0])
        for before, after in pairwise(ordered):
            first, last = parts[after].indexes[TIME][0], parts[before].indexes[TIME][-1]
            if first <= last:
                raise ValueError(
                    f"{before} and {after}: both hold {time_text(first)}; give each time once"
                )


def on_one_grid(parts: Parts) -> Parts:
    """The files with the coordinates of the first one, where they are equal but for rounding.

    Levels in another order are put in that of the first one.
    """
    (one, first), *_ = parts.items()
    grid, places = grid_of(first), coords_of(first)
    alike = {}
    for name, dataset in parts.items():
        own = coords_of(dataset)
        same = own.keys() == places.keys() and all(
            place.identical(own[name]) for name, place in places.items()
        )
        if not same:
            if difference := grid.difference(grid_of(dataset)):
                raise ValueError(
                    f"{one} and {name}: are on different grids: {difference}; {_regrid(difference)}"
                )
            dataset = dataset.assign_coords(places)
        alike[name] = _in_order(dataset, first)
    return alike


def _in_order(dataset: xr.Dataset, first: xr.Dataset) -> xr.Dataset:
    """The dataset with its levels in the order of another's, if they are the same."""
    if LEVEL not in dataset.indexes or LEVEL not in first.indexes:
        return dataset
    have, want = dataset.indexes[LEVEL], first.indexes[LEVEL]
    if have.equals(want) or set(have) != set(want):
        return dataset
    return dataset.isel({LEVEL: have.get_indexer(want)})


def _regrid(difference: str) -> str:
    if "order is reversed" in difference:
        return "turn the latitudes of one, for instance with: cdo invertlat in.nc out.nc"
    if "origin differs" in difference:
        return "for instance with: cdo sellonlatbox,0,360,-90,90 in.nc out.nc"
    return "give files of one grid in data.store"


def refuse_holes(groups: Sequence[Parts]) -> None:
    """Refuses files of different variables that share some, or do not hold the same times."""
    held = [set(map(str, next(iter(group.values())).data_vars)) for group in groups]
    times = [_times(group) for group in groups]
    for i, j in combinations(range(len(groups)), 2):
        one, other = next(iter(groups[i])), next(iter(groups[j]))
        if held[i] & held[j]:
            has, lacks, beyond = one, other, held[i] - held[j]
            if not beyond:
                has, lacks, beyond = other, one, held[j] - held[i]
            raise ValueError(
                f"{lacks}: lacks {', '.join(sorted(beyond))}, which {has} holds; give files of the "
                "same variables, or name in data.variables those that all hold"
            )
        if not times[i].equals(times[j]):
            odd = times[i].symmetric_difference(times[j])[0]
            lacks, has = (other, one) if odd in times[i] else (one, other)
            raise ValueError(
                f"{has} and {lacks}: {', '.join(sorted(held[i]))} and {', '.join(sorted(held[j]))} "
                f"do not share their times: files such as {lacks} lack {time_text(odd)}; give "
                "files of the same times for all variables"
            )


def _times(parts: Parts) -> pd.Index:
    """All times of some files, each once, in order."""
    indexes = [dataset.indexes[TIME] for dataset in parts.values()]
    return indexes[0].append(indexes[1:]).unique().sort_values()


def refuse_differences(parts: Parts) -> None:
    """Refuses files whose variables of one name differ in dimensions or units."""
    (one, first), *others = parts.items()
    for name, dataset in others:
        for variable, array in first.variables.items():
            other = dataset.variables.get(variable)
            if variable not in first.data_vars or other is None:
                continue
            if other.dims != array.dims:
                dims = ["/".join(map(str, part.dims)) for part in (array, other)]
                raise ValueError(
                    f"{one} and {name}: {variable} has the dimensions {dims[0]}, and {dims[1]}; "
                    "give files of one kind in data.store"
                )
            units = [str(part.attrs.get("units", "")).split() for part in (array, other)]
            if units[0] != units[1]:
                stated = [" ".join(unit) or "no units" for unit in units]
                raise ValueError(
                    f"{one} and {name}: {variable} is in {stated[0]}, and in {stated[1]}; convert "
                    "one of them, or leave it out of data.variables"
                )
