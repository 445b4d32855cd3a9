"""Stores of different cadences at the times of the finest, where that is right.

A store of a coarser cadence is held: its value stands from its own time until the next one's. That
is right for what is known at that time, and for means of a day labelled with its beginning; so a
store may be held for a day at most, no value for longer than until the next was due, and what says
that it is a mean only from the beginning of what it is a mean of.
"""

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.arrays.lazy import repeat
from axialcast.data.opening.alike import calendar_of
from axialcast.names import HELD, STORED_TIME, TIME
from axialcast.times.calendars import cadence, spans, time_text
from axialcast.times.cells import methods_of
from axialcast.times.dates import microseconds
from axialcast.times.steps import in_months, multiple, step_text

__all__ = ["on_one_axis"]

logger = logging.getLogger(__name__)

Stores = Mapping[str, xr.Dataset]
"""What each store holds, standardised, by its name."""

LONGEST, ZERO = np.timedelta64(1, "D"), np.timedelta64(0, "ns")
"""That a value may be held; and no time at all."""


def on_one_axis(stores: Stores) -> dict[str, xr.Dataset]:
    """The stores at the times of the finest ones that all of them have; lazy.

    Raises:
        ValueError: their calendars differ, they have no time in common, or one cannot be held.
    """
    _refuse_other_calendars(stores)
    # Each store may have dated its months in a way of its own.
    stores = {n: d.drop_vars(STORED_TIME, errors="ignore") for n, d in stores.items()}
    times = next(iter(stores.values())).indexes[TIME]
    if all(dataset.indexes[TIME].equals(times) for dataset in stores.values()):
        return dict(stores)
    one, every = _cadences(stores)
    finest, times = every[one], stores[one].indexes[TIME]
    places = {n: _places(times, d.indexes[TIME], every[n], finest) for n, d in stores.items()}
    for name, (rows, _) in places.items():
        if (rows < 0).all():
            _refuse_apart(one, stores[one], name, stores[name])
    kept = np.logical_and.reduce([rows >= 0 for rows, _ in places.values()])
    if not kept.any():
        spans = ", ".join(f"{name} {_span(dataset)}" for name, dataset in stores.items())
        raise ValueError(f"data.store: no time is in all of them: {spans}")
    _tell_cut(stores, times[kept])
    return {
        name: _held(name, stores[name], times[kept], rows[kept], nth[kept], every[name], finest)
        for name, (rows, nth) in places.items()
    }


def _refuse_apart(one: str, first: xr.Dataset, name: str, dataset: xr.Dataset) -> None:
    """Refuses stores that have no time in common."""
    if dataset.sizes[TIME] == 1:
        raise ValueError(
            f"{name}: holds one time, {_span(dataset)}, so that it is not told for how long it "
            f"stands beside {one} of {_span(first)}; give it the time before or after it as well"
        )
    raise ValueError(
        f"{one} and {name}: have no time in common, {_span(first)} and {_span(dataset)}; give "
        "stores of the same years and hours, or shift one, for instance with: "
        "cdo shifttime,-12hours in.nc out.nc"
    )


def _refuse_other_calendars(stores: Stores) -> None:
    (one, first), *others = stores.items()
    for name, dataset in others:
        kinds = [calendar_of(of.indexes[TIME]) for of in (first, dataset)]
        if kinds[0] != kinds[1]:
            raise ValueError(
                f"{one} and {name}: their calendars differ, {kinds[0]} and {kinds[1]}; give stores "
                "of one calendar, for instance by: cdo setcalendar,standard in.nc out.nc"
            )


def _cadences(stores: Stores) -> tuple[str, dict[str, np.timedelta64]]:
    """The first store of the finest cadence, and the cadences of all.

    Raises:
        ValueError: one is no multiple of the finest, or longer than a value may be held.
    """
    every = {n: cadence(d) for n, d in stores.items() if d.sizes[TIME] > 1}
    if not every:
        (one, first), (other, second), *_ = stores.items()
        raise ValueError(
            f"{one} and {other}: each hold one time, {_span(first)} and {_span(second)}; give "
            "stores of the same times"
        )
    one = next(iter(every))
    for name, step in every.items():
        if in_months(every[one]) == in_months(step) and step < every[one]:
            one = name
    finest = every[one]
    for name, step in every.items():
        if multiple(step, finest) == 1:
            continue
        if not multiple(step, finest) or in_months(step) or step > LONGEST:
            raise ValueError(
                f"{one} and {name}: hold states every {step_text(finest)} and every "
                f"{step_text(step)}; a value is held for a day at most, and for whole steps: "
                f"interpolate {name} to the times of {one}, for instance with cdo inttime, or "
                "leave it out"
            )
    return one, {name: every.get(name, finest) for name in stores}


def _places(
    times: pd.Index, have: pd.Index, step: np.timedelta64, finest: np.timedelta64
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each time the row of a store whose value stands then, -1 for none; and which of the
    finest steps since that row's own time it is, from 0."""
    rows = np.searchsorted(have.values, times.values, side="right") - 1
    ages = spans(have.values[np.maximum(rows, 0)], times.values)
    if step == finest:
        return np.where(ages == ZERO, rows, -1), np.zeros_like(rows)
    stands = (rows >= 0) & (ages < step) & (ages % finest == ZERO)
    return np.where(stands, rows, -1), ages // finest


def _refuse_inner_labels(name: str, dataset: xr.Dataset, step: np.timedelta64) -> None:
    """Refuses means, sums and extremes at times at which no step from midnight begins."""
    begun = microseconds(dataset[TIME].values[:1]) % int(step / np.timedelta64(1, "us"))
    for variable, array in dataset.data_vars.items():
        method = methods_of(str(array.attrs.get("cell_methods", ""))).get(TIME, "point")
        if begun.any() and not method.startswith("point"):
            when = time_text(dataset[TIME].values[0])
            raise ValueError(
                f"{name}: {variable} is a {method} over {step_text(step)} labelled {when}, which "
                "is not where they begin, so that it cannot be held from there; shift its times, "
                "for instance with: cdo shifttime,-12hours in.nc out.nc"
            )


def _held(
    name: str,
    dataset: xr.Dataset,
    times: pd.Index,
    rows: NDArray[np.int64],
    nth: NDArray[np.int64],
    step: np.timedelta64,
    finest: np.timedelta64,
) -> xr.Dataset:
    """The dataset at these times, the values of its rows."""
    if step == finest:
        whole = np.array_equal(rows, np.arange(dataset.sizes[TIME]))
        return dataset if whole else dataset.isel({TIME: rows})
    _refuse_inner_labels(name, dataset, step)
    count = int(step // finest)
    axis = xr.Variable(TIME, times, dataset[TIME].attrs)
    held = {
        variable: repeat(array.variable, TIME, rows, nth, count)
        for variable, array in dataset.data_vars.items()
    }
    for one in held.values():
        one.attrs = {**one.attrs, HELD: step / np.timedelta64(1, "h")}
    others = {name: coord for name, coord in dataset.coords.items() if name != TIME}
    return xr.Dataset(held, {TIME: axis, **others}, dataset.attrs)


def _tell_cut(stores: Stores, kept: pd.Index) -> None:
    """Says which times are left out, if any are, and where they are."""
    longer = [
        f"{name} holds {_span(dataset)}"
        for name, dataset in stores.items()
        if dataset.indexes[TIME][0] < kept[0] or dataset.indexes[TIME][-1] > kept[-1]
    ]
    if longer:
        logger.warning(
            "time: %s to %s is in all of data.store, the rest is left out: %s",
            time_text(kept.values[0]),
            time_text(kept.values[-1]),
            ", ".join(longer),
        )


def _span(dataset: xr.Dataset) -> str:
    times = dataset[TIME].values
    return " to ".join(dict.fromkeys(time_text(time) for time in (times[0], times[-1])))
