"""Several files as one Dataset, by their coordinates; refused where their times overlap."""

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

import pandas as pd
import xarray as xr

from axialcast.data.arrays.backed import stored_of
from axialcast.data.arrays.joined import join
from axialcast.data.arrays.lazy import lazily
from axialcast.data.arrays.stored import Stored
from axialcast.data.opening.alike import (
    Parts,
    on_one_grid,
    refuse_differences,
    refuse_holes,
    refuse_other_times,
)
from axialcast.data.opening.selection import chosen_variables
from axialcast.names import TIME
from axialcast.times.calendars import time_text

__all__ = ["combine"]

Labels = tuple[Any, ...]
"""Of one dimension, in order."""


def combine(parts: Parts, variables: Sequence[str] | None = None) -> xr.Dataset:
    """Files of consecutive times, or of different variables or levels, as one lazy Dataset.

    Args:
        parts: what each file holds, by its name, standardised.
        variables: that are wanted; in others, files may differ. None: all.

    Raises:
        ValueError: two files hold the same variables at overlapping times, or do not fit together;
            or none holds a variable on the grid.
    """
    wanted = _wanted(parts, variables)
    parts = {name: dataset[[v for v in wanted if v in dataset]] for name, dataset in parts.items()}
    parts = {name: dataset for name, dataset in parts.items() if dataset.data_vars}
    if len(parts) == 1:
        return next(iter(parts.values()))
    refuse_other_times(parts)
    parts = on_one_grid(parts)
    groups: dict[tuple[str, ...], dict[str, xr.Dataset]] = {}
    for name, dataset in parts.items():
        groups.setdefault(tuple(sorted(map(str, dataset.data_vars))), {})[name] = dataset
    refuse_holes(list(groups.values()))
    joined = [_join(group) for _, group in sorted(groups.items())]
    try:
        merged = xr.merge(joined, join="exact", compat="override", combine_attrs="override")
    except (ValueError, TypeError) as error:
        message = " ".join(str(error).split())
        raise ValueError(
            f"{_told(parts)}: do not fit together ({message}); give files of the same grid, levels "
            "and times for all variables"
        ) from None
    return merged[wanted]


def _wanted(parts: Parts, variables: Sequence[str] | None) -> list[str]:
    """Names of the variables that are wanted, in order."""
    held = [str(name) for dataset in parts.values() for name in dataset.data_vars]
    on_grid = list(dict.fromkeys(held))
    if not on_grid:
        raise ValueError(
            f"{_told(parts)}: no variable of numbers over time, latitude and longitude; set "
            "data.store to a store of such fields"
        )
    try:
        return on_grid if variables is None else chosen_variables(variables, on_grid)
    except ValueError as error:
        raise ValueError(f"{_told(parts)}: {error}") from None


def _told(names: Iterable[str]) -> str:
    first, *others = names
    rest = others if len(others) == 1 else [f"{len(others)} more"]
    return f"{first} and {rest[0]}" if others else first


def _join(parts: Parts) -> xr.Dataset:
    """Files of the same variables, joined along each dimension in which their labels differ."""
    refuse_differences(parts)
    first = next(iter(parts.values()))
    lines = {dim: _follow(str(dim), parts) for dim in first.dims}
    lines = {dim: line for dim, line in lines.items() if len(line) > 1}
    ranks = {dim: {labels: rank for rank, labels in enumerate(line)} for dim, line in lines.items()}
    tiles = {
        tuple(rank[_labels(dataset, dim)] for dim, rank in ranks.items()): dataset
        for dataset in parts.values()
    }
    if len(tiles) < math.prod(map(len, lines.values())) or len(tiles) < len(parts):
        raise ValueError(f"{_told(parts)}: {_lacking(lines, tiles)}")

    def stored(name: Any, place: tuple[int, ...]) -> Stored:
        """A variable in the files at a place, joined along the dimensions that it leaves open."""
        if len(place) == len(lines):
            return stored_of(tiles[place][name].variable)
        dim = list(lines)[len(place)]
        if dim not in first[name].dims:
            return stored(name, (*place, 0))
        joined = [stored(name, (*place, number)) for number in range(len(lines[dim]))]
        return join(joined, first[name].dims.index(dim))

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


def _lacking(lines: Mapping[Any, list[Labels]], tiles: Collection[tuple[int, ...]]) -> str:
    """What no file holds, though others hold each of its labels."""
    every = itertools.product(*(range(len(line)) for line in lines.values()))
    place = next((place for place in every if place not in tiles), None)
    if place is None:
        return "two hold the same times and levels; give each once"
    labels = [
        f"{dim} {_text(dim, line[rank])}"
        for (dim, line), rank in zip(lines.items(), place, strict=True)
    ]
    return f"none holds {' at '.join(labels)}; give files of all levels at all times"


def _text(dim: Any, labels: Labels) -> str:
    """Times from the first to the last, other labels one by one."""
    if dim == TIME:
        return " to ".join(dict.fromkeys(time_text(end) for end in (labels[0], labels[-1])))
    return ", ".join(f"{label:g}" if isinstance(label, float) else str(label) for label in labels)


def _labels(dataset: xr.Dataset, dim: Any) -> Labels:
    """The labels along a dimension, or, without any, its positions."""
    if dim not in dataset.indexes:
        return tuple(range(dataset.sizes[dim]))
    return tuple(dataset.indexes[dim])


def _index(parts: Parts, dim: Any, line: list[Labels]) -> pd.Index:
    found = {_labels(dataset, dim): dataset.indexes[dim] for dataset in parts.values()}
    return found[line[0]].append([found[labels] for labels in line[1:]])


def _follow(dim: str, parts: Parts) -> list[Labels]:
    """The labels along a dimension that files have, each once, one after another.

    Raises:
        ValueError: they do not follow one another.
    """
    found = {_labels(dataset, dim): name for name, dataset in parts.items()}
    falling = any(len(labels) > 1 and labels[0] > labels[-1] for labels in found)
    line = sorted(found, reverse=falling)
    steps = [(b > a) != falling for a, b in pairwise(chain.from_iterable(line))]
    if len(line) > 1 and not all(steps):
        (one, name), (other, another), *_ = found.items()
        raise ValueError(
            f"{name} and {another}: hold {dim} {_text(dim, one)}, and {_text(dim, other)}; give "
            f"files of the same {dim}, or of others that follow one another"
        )
    return line
