"""Several files as one Dataset, by their coordinates; refused where their times overlap."""

import math
from collections.abc import Mapping
from itertools import chain, pairwise
from typing import Any

import pandas as pd
import xarray as xr

from axialcast.data.arrays.backed import stored_of
from axialcast.data.arrays.joined import join
from axialcast.data.arrays.lazy import lazily
from axialcast.data.arrays.stored import Stored
from axialcast.names import TIME

__all__ = ["combine"]

Labels = tuple[Any, ...]
"""Of one dimension, in order."""


def combine(parts: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Files of consecutive times, or of different variables or levels, as one lazy Dataset.

    Args:
        parts: what each file holds, by its name, standardised; coordinates other than time and
            level must be equal.

    Raises:
        ValueError: two files hold the same variables at overlapping times, or do not fit together.
    """
    names, datasets = list(parts), list(parts.values())
    if len(datasets) == 1:
        return datasets[0]
    _refuse_overlaps(parts)
    groups: dict[tuple[str, ...], dict[str, xr.Dataset]] = {}
    for name, dataset in parts.items():
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
        return join(joined, first[name].dims.index(dim))

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


def _refuse_overlaps(parts: Mapping[str, xr.Dataset]) -> None:
    kinds: dict[Any, list[str]] = {}
    for name, dataset in parts.items():
        places = [dataset.indexes[dim] for dim in dataset.dims if dim in dataset.indexes]
        fixed = tuple(tuple(index) for index in places if index.name != TIME)
        for variable in dataset.data_vars:
            kinds.setdefault((variable, fixed), []).append(name)
    for names in kinds.values():
        ordered = sorted(names, key=lambda name: parts[name].indexes[TIME][0])
        for before, after in pairwise(ordered):
            first, last = parts[after].indexes[TIME][0], parts[before].indexes[TIME][-1]
            if first <= last:
                raise ValueError(f"{before} and {after}: both hold {first}; give each time once")
