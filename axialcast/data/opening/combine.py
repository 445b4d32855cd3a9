"""Several files as one Dataset, by their coordinates; refused where their times overlap."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

__all__ = ["combine"]


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
    # What does not depend on time is no part of an analysis, and files may disagree on it.
    moving = [
        dataset.drop_vars([v for v in dataset.data_vars if time not in dataset[v].dims])
        for dataset in datasets
    ]
    try:
        combined = xr.combine_by_coords(
            moving,
            data_vars="minimal",
            coords="minimal",
            compat="override",
            join="exact",
            combine_attrs="override",
        )
    except (ValueError, TypeError) as error:
        message = " ".join(str(error).split())
        raise ValueError(
            f"{names[0]} to {names[-1]}: do not fit together ({message}); give files of the same "
            "grid and the same variables at consecutive times"
        ) from None
    assert isinstance(combined, xr.Dataset)
    return combined


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
