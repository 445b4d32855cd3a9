"""Several files as one Dataset, by their coordinates; refused where their times overlap."""

import math
from collections.abc import Mapping
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from axialcast.data.arrays.backed import stored_of
from axialcast.data.arrays.joined import Joined
from axialcast.data.arrays.lazy import lazily
from axialcast.data.arrays.stored import Stored

__all__ = ["combine"]

Labels = tuple[Any, ...]
"""Of one dimension, in order."""


def combine(parts: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Files of consecutive times, or of different variables or levels, as one lazy Dataset.

    Args:
        parts: what each file holds, by its name; coordinates other than time must be equal.

    Raises:
        ValueError: two files hold the same variables at overlapping times, or do not fit together.
    """
    names, datasets = list(parts), list(parts.values())
    if len(datasets) == 1:
        return datasets[0]
    time = _time_dimension(names[0], datasets[0])
    for name, dataset in parts.items():
        if time not in dataset.dims:
            raise ValueError(f"{name}: has no dimension {time!r}, as {names[0]} has")
        if not (np.diff(dataset.indexes[time]) > np.array(0).astype("m8[ns]")).all():
            raise ValueError(
                f"{name}: its times are not sorted and unique; sort and write it again"
            )
    _refuse_overlaps(parts, time)
    groups: dict[tuple[str, ...], dict[str, xr.Dataset]] = {}
    for name, dataset in parts.items():
        # What does not depend on time is no part of an analysis, and files may disagree on it.
        fixed = [v for v in dataset.data_vars if time not in dataset[v].dims]
        dataset = dataset.drop_vars(fixed)
        groups.setdefault(tuple(sorted(map(str, dataset.data_vars))), {})[name] = dataset
    try:
        joined = [_join(group) for _, group in sorted(groups.items())]
        return xr.merge(joined, join="exact", compat="override", combine_attrs="override")
    except (ValueError, TypeError) as error:
        message = " ".join(str(error).split())
        raise ValueError(
            f"{names[0]} to {names[-1]}: do not fit together ({message}); give files of the same "
            "grid and the same variables at consecutive times"
        ) from None


def _join(parts: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Files of the same variables, joined along each dimension in which their labels differ."""
    first = next(iter(parts.values()))
    lines = {dim: _follow(str(dim), parts) for dim in first.dims}
    lines = {dim: line for dim, line in lines.items() if len(line) > 1}
    ranks = {dim: {labels: rank for rank, labels in enumerate(line)} for dim, line in lines.items()}
    tiles = {
        tuple(rank[_labels(dataset, dim)] for dim, rank in ranks.items()): dataset
        for dataset in parts.values()
    }
    if len(tiles) < math.prod(map(len, lines.values())) or len(tiles) < len(parts):
        raise ValueError(f"some files lack a part of {', '.join(map(str, lines))}")

    def stored(name: Any, place: tuple[int, ...]) -> Stored:
        """A variable in the files at a place, joined along the dimensions that it leaves open."""
        if len(place) == len(lines):
            return stored_of(tiles[place][name].variable)
        dim = list(lines)[len(place)]
        if dim not in first[name].dims:
            return stored(name, (*place, 0))
        joined = [stored(name, (*place, number)) for number in range(len(lines[dim]))]
        return Joined(joined, first[name].dims.index(dim))

    for name, dataset in parts.items():
        for variable, array in first.data_vars.items():
            if dataset[variable].dims != array.dims:
                raise ValueError(f"{name}: {variable} has the dimensions {dataset[variable].dims}")
    first = tiles[(0,) * len(lines)]
    variables = {
        name: xr.Variable(array.dims, lazily(stored(name, ())), array.attrs, array.encoding)
        for name, array in first.data_vars.items()
    }
    kept = [name for name, coord in first.coords.items() if not set(coord.dims) & set(lines)]
    along = {dim: (dim, _index(parts, dim, line), first[dim].attrs) for dim, line in lines.items()}
    return xr.Dataset(variables, {name: first[name] for name in kept}, first.attrs).assign_coords(
        along
    )


def _labels(dataset: xr.Dataset, dim: Any) -> Labels:
    """The labels along a dimension, or, without any, its positions."""
    if dim not in dataset.indexes:
        return tuple(range(dataset.sizes[dim]))
    return tuple(dataset.indexes[dim])


def _index(parts: Mapping[str, xr.Dataset], dim: Any, line: list[Labels]) -> pd.Index:
    found = {_labels(dataset, dim): dataset.indexes[dim] for dataset in parts.values()}
    return found[line[0]].append([found[labels] for labels in line[1:]])


def _follow(dim: str, parts: Mapping[str, xr.Dataset]) -> list[Labels]:
    """The labels along a dimension that files have, each once, one after another.

    Raises:
        ValueError: they do not follow one another.
    """
    found = {_labels(dataset, dim) for dataset in parts.values()}
    falling = any(len(labels) > 1 and labels[0] > labels[-1] for labels in found)
    line = sorted(found, reverse=falling)
    steps = [(b > a) != falling for a, b in pairwise(chain.from_iterable(line))]
    if len(line) > 1 and not all(steps):
        raise ValueError(f"{dim}: some files have other labels than others")
    return line


def _time_dimension(name: str, dataset: xr.Dataset) -> str:
    for dim in dataset.dims:
        if dim in dataset.indexes:
            index = dataset.indexes[dim]
            if isinstance(index, xr.CFTimeIndex) or index.dtype.kind == "M":
                return str(dim)
    raise ValueError(f"{name}: no dimension of dates among {sorted(map(str, dataset.dims))}")


def _refuse_overlaps(parts: Mapping[str, xr.Dataset], time: str) -> None:
    kinds: dict[Any, list[str]] = {}
    for name, dataset in parts.items():
        places = [dataset.indexes[dim] for dim in dataset.dims if dim in dataset.indexes]
        fixed = tuple(tuple(index) for index in places if index.name != time)
        for variable in dataset.data_vars:
            if time in dataset[variable].dims:
                kinds.setdefault((variable, fixed), []).append(name)
    for names in kinds.values():
        ordered = sorted(names, key=lambda name: parts[name].indexes[time][0])
        for before, after in pairwise(ordered):
            first, last = parts[after].indexes[time][0], parts[before].indexes[time][-1]
            if first <= last:
                raise ValueError(f"{before} and {after}: both hold {first}; give each time once")
