"""Regions that scores are averaged over: boxes of latitude and longitude, and masks."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from axialcast.grid import KNOWN_REGIONS, Grid, cells_within
from axialcast.names import LATITUDE, LONGITUDE

__all__ = ["Box", "Region", "cells_of", "known_region", "region_weights"]

Box = Mapping[str, Sequence[float]]
"""{"latitude": [south, north], "longitude": [west, east]} in degrees, edges included."""

Region = Box | Sequence[Box] | NDArray[np.bool_]
"""A box, several, or which cells (h, w) belong."""


def known_region(name: str) -> Sequence[Box]:
    """The boxes of a region by its name.

    Raises:
        ValueError: none is called so.
    """
    if name not in KNOWN_REGIONS:
        raise ValueError(
            f"regions: {name!r} is none of those known, {', '.join(KNOWN_REGIONS)}; give its "
            "latitude and longitude, or a mask"
        )
    return [{LATITUDE: rows, LONGITUDE: columns} for rows, columns in KNOWN_REGIONS[name]]


def region_weights(grid: Grid, regions: Mapping[str, Region]) -> dict[str, NDArray[np.float64]]:
    """(h, w) cell areas of each region, zero outside; cells belong by their centres, which stores
    keep in single precision.

    Raises:
        ValueError: a region is called `all`, or holds no cell.
    """
    weights = {"all": np.array(grid.areas)}
    for name, region in regions.items():
        if name == "all":
            raise ValueError("regions: the name 'all' is the whole grid; choose another")
        inside = cells_of(grid, region)
        if not (inside & (grid.areas > 0)).any():
            raise ValueError(f"regions: {name!r}{_in_words(region, grid)}")
        weights[name] = np.where(inside, grid.areas, 0.0)
    return weights


def cells_of(grid: Grid, region: Region) -> NDArray[np.bool_]:
    """(h, w) which cells belong to a region."""
    if isinstance(region, np.ndarray):
        assert region.shape == grid.shape, (region.shape, grid.shape)
        return region
    inside = np.zeros(grid.shape, np.bool_)
    for box in [region] if isinstance(region, Mapping) else region:
        (south, north), (west, east) = box[LATITUDE], box[LONGITUDE]
        inside |= cells_within(grid, (south, north), (west, east))
    return inside


def _in_words(region: Region, grid: Grid) -> str:
    """What is wrong with a region without a cell."""
    if isinstance(region, np.ndarray):
        return f" has no cell of the grid, {grid}; take another mask, or leave the region out"
    boxes = [region] if isinstance(region, Mapping) else region
    where = " and ".join(
        f"latitude {box[LATITUDE][0]:g} to {box[LATITUDE][1]:g}, longitude "
        f"{box[LONGITUDE][0]:g} to {box[LONGITUDE][1]:g}"
        for box in boxes
    )
    return (
        f", {where}, holds no point of the grid, {grid}; expected [south, north] and [west, east] "
        "that hold one or more"
    )
