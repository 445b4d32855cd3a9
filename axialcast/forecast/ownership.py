"""Whose a forecast store is, and which initial times it has room for."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from axialcast.data.arrays.zarrs import direct
from axialcast.files import inventory
from axialcast.forecast import growth
from axialcast.forecast.layout import canonical, init_dim
from axialcast.names import GRID_MAPPING, INIT_TIME, VALID_TIME
from axialcast.times.dates import date_text

__all__ = ["LABELS", "labels_are_damaged", "labels_of", "opened", "refuse_other", "short"]

LABELS = "labels"
"""Name of the inventory of labels."""


def opened(path: Path) -> xr.Dataset:
    """A store as it lies there, lazily.

    A chunk that it lacks is an error to who reads it: of an absent initial time, all are lacking.
    """
    dataset: xr.Dataset = xr.open_zarr(path, chunks=None, decode_timedelta=True)
    if GRID_MAPPING in dataset.data_vars:  # xarray takes it for a variable
        dataset = dataset.set_coords(GRID_MAPPING)
    remedy = "Run the pipeline forecast again: it makes what is damaged anew"
    return direct(dataset, zarr.open_group(path, mode="r"), remedy=remedy)


def labels_of(path: Path) -> tuple[list[str], str]:
    """Initial times of a store in the order of their numbers, and in short whose they are.

    Where the inventory of labels is lost, the labels themselves and the months tell.
    """
    try:
        known = inventory.about(path, LABELS)
        return known["init_times"], short(known["belongs_to"])
    except (FileNotFoundError, ValueError):
        pass
    try:
        times = canonical(opened(path))[INIT_TIME].values
        belongs_to = {inventory.about(path, month)["belongs_to"] for month in growth.months(path)}
    except Exception as error:
        raise ValueError(
            f"{path}: a forecast store without labels ({error}); remove it, or run with --force"
        ) from None
    return [date_text(time) for time in times], belongs_to.pop() if len(belongs_to) == 1 else ""


def labels_are_damaged(path: Path) -> bool:
    """Whether a label, or the inventory of labels, is not as it was written."""
    try:
        return bool(inventory.check(path, inventory.read(path, LABELS), read_all=True))
    except (FileNotFoundError, ValueError):
        return True


def refuse_other(path: Path, known: str, whose: Mapping[str, Any], template: xr.Dataset) -> None:
    """Raises where a store is of other forecasts than those that are to come.

    Args:
        path: of the store.
        known: in short, what decides its values.
        whose: what decides those to come.
        template: their labels.

    Raises:
        ValueError: names what differs.
    """
    remedy = "write to another store, or run with --force to make it anew"
    if known != short(whose):
        raise ValueError(f"{path}: holds forecasts of {_words(path, whose)}; {remedy}")
    if labels_are_damaged(path):
        return
    there = opened(path)
    names = {*there.variables, *template.variables} - {init_dim(template), VALID_TIME}
    for name in sorted(names, key=lambda name: (name in template.data_vars, str(name))):
        if name not in there.variables or name not in template.variables:
            where = "lacks" if name not in there.variables else "has"
            raise ValueError(f"{path}: {where} {name}; {remedy}")
        old, new = there.variables[name], template.variables[name]
        is_label = name in template.coords
        same = old.dims == new.dims and old.attrs.get("units") == new.attrs.get("units")
        if not same or (is_label and not np.array_equal(old.values, new.values)):
            raise ValueError(f"{path}: its {name} is another; {remedy}")


def _words(path: Path, whose: Mapping[str, Any]) -> str:
    """What a store belongs to that `whose` does not say, or says otherwise."""
    try:
        then = inventory.about(path, LABELS)["belongs_to"]
    except (FileNotFoundError, ValueError):
        return "something else"
    names = sorted(k for k in {*then, *whose} if then.get(k) != whose.get(k))
    return f"another {' and '.join(names)}" if names else "something else"


def short(whose: Mapping[str, Any]) -> str:
    """A checksum of what decides a store's values."""
    return hashlib.sha256(json.dumps(whose, sort_keys=True).encode()).hexdigest()[:16]
