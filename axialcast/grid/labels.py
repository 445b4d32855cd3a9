"""From datasets and descriptions to grids."""

import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from axialcast.grid.curvilinear import CurvilinearGrid
from axialcast.grid.latlon import LatLonGrid
from axialcast.grid.projected import ProjectedGrid
from axialcast.grid.protocol import Grid
from axialcast.names import GRID_MAPPING, LATITUDE, LONGITUDE, X, Y

__all__ = ["coords_of", "dims_of", "grid_from_dict", "grid_of", "is_curved"]


def dims_of(names: Collection[Any]) -> tuple[str, str]:
    """The horizontal dimensions, rows first, among names of dimensions or coordinates."""
    return (Y, X) if Y in names and X in names else (LATITUDE, LONGITUDE)


def coords_of(dataset: Any) -> dict[str, Any]:
    """The coordinates of an xarray Dataset or DataArray that say on which grid it is, by name."""
    names = [*dims_of(dataset.dims), GRID_MAPPING]
    names += [LATITUDE, LONGITUDE] if is_curved(dataset) else []
    return {name: dataset.coords[name].variable for name in names if name in dataset.coords}


def is_curved(dataset: Any) -> bool:
    """Whether places of two dimensions are all that says on which grid a dataset is."""
    places = [dataset.coords[n] for n in (LATITUDE, LONGITUDE) if n in dataset.coords]
    flat = len(places) == 2 and all({*place.dims} == {Y, X} for place in places)
    return flat and GRID_MAPPING not in dataset.coords


def grid_of(dataset: Any) -> Grid:
    """The grid of an xarray Dataset or DataArray, checked.

    Raises:
        ValueError: its coordinates are none.
    """
    if is_curved(dataset):
        return CurvilinearGrid(*(dataset[n].transpose(Y, X).values for n in (LATITUDE, LONGITUDE)))
    rows, columns = (dataset[dim].values for dim in dims_of(dataset.dims))
    if Y not in dataset.dims or X not in dataset.dims:
        return LatLonGrid(rows, columns)
    if GRID_MAPPING not in dataset.coords:
        raise ValueError(
            f"{Y}, {X}: are places on a map, and nothing says of which projection; name it in "
            "data.grid_mapping, such as EPSG:3413"
        )
    mapping = json.dumps({k: _plain(v) for k, v in dataset.coords[GRID_MAPPING].attrs.items()})
    return _projected(
        *(np.asarray(axis, np.float64).tobytes() for axis in (rows, columns)), mapping
    )


def grid_from_dict(value: Mapping[str, Any]) -> Grid:
    """The grid that `to_dict` describes."""
    if "grid_mapping" in value:
        return ProjectedGrid(value[Y], value[X], value["grid_mapping"])
    return LatLonGrid.from_dict(value)


@lru_cache(8)
def _projected(rows: bytes, columns: bytes, mapping: str) -> ProjectedGrid:
    """Kept, as places and areas of many cells take a while."""
    y, x = (np.frombuffer(axis, np.float64) for axis in (rows, columns))
    return ProjectedGrid(y, x, json.loads(mapping))


def _plain(value: Any) -> Any:
    """Numbers, lists and text of an attribute."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
