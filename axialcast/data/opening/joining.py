"""Stores of different variables as one analysis: on one grid, at the same levels and times."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from axialcast.data.opening.cadences import on_one_axis
from axialcast.data.opening.points import on_points
from axialcast.grid import coords_of, grid_of
from axialcast.names import LEVEL, PLANET

__all__ = ["join_stores"]

Stores = Mapping[str, xr.Dataset]
"""What each store holds, standardised, by its name."""

OF_A_PART = "it has a part of its points: put it first, or choose what both hold with data.region"
REGRID = (
    "regrid one of them, for instance with: cdo remapcon,one.nc other.nc out.nc, or all with "
    "prepare.regrid"
)
"""What to do about grids that differ."""


def join_stores(stores: Stores) -> xr.Dataset:
    """The variables of all stores, on the grid of the first, at the times that all have; lazy.

    Raises:
        ValueError: their grids, levels, calendars or cadences do not fit together.
    """
    stores = on_one_axis(_on_one_grid(stores))
    joined = xr.merge(
        list(stores.values()), join="exact", compat="override", combine_attrs="override"
    )
    # What one store says of itself is not so of all.
    planets = {dataset.attrs.get(PLANET) for dataset in stores.values()}
    kept = {PLANET: planets.pop()} if len(planets) == 1 and None not in planets else {}
    return joined.drop_attrs(deep=False).assign_attrs(kept)


def _on_one_grid(stores: Stores) -> dict[str, xr.Dataset]:
    """The stores on the points, and at the levels, of the first that has such."""
    (one, first), *_ = stores.items()
    grid = grid_of(first)
    places = coords_of(first)
    levelled = next(((n, d) for n, d in stores.items() if LEVEL in d.indexes), None)
    found = {}
    for name, dataset in stores.items():
        if dataset is not first:
            try:
                dataset = on_points(dataset, grid).assign_coords(places)
            except ValueError as error:
                is_part = grid_of(dataset).among(grid) is not None
                raise ValueError(
                    f"{name}: lies on another grid than {one}: {error}; "
                    f"{OF_A_PART if is_part else REGRID}"
                ) from None
        if levelled is not None:
            dataset = _at_levels(name, dataset, *levelled)
        found[name] = dataset
    return found


def _at_levels(name: str, dataset: xr.Dataset, other: str, wanted: xr.Dataset) -> xr.Dataset:
    """The dataset with the levels of another store, if it has them in whatever order."""
    if LEVEL not in dataset.indexes:
        return dataset
    have, want = dataset[LEVEL].values, wanted[LEVEL].values
    apart = np.abs(want[:, None] - have[None, :])
    rows = apart.argmin(1)
    if len(have) != len(want) or (apart[np.arange(len(want)), rows] > 1e-5 * want).any():
        texts = [", ".join(f"{level:g}" for level in levels) for levels in (want, have)]
        raise ValueError(
            f"{other} and {name}: are on different levels, {texts[0]} hPa and {texts[1]} hPa; "
            "choose some that both hold with data.levels"
        )
    if not np.array_equal(rows, np.arange(len(have))):
        dataset = dataset.isel({LEVEL: rows})
    return dataset.assign_coords({LEVEL: wanted[LEVEL].variable})
