"""How a forecast lies on disk: names, chunks and the encoding of times."""

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import dask.array
import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec

from axialcast.forecast.cells import lead_units, renamed_cells
from axialcast.forecast.packing import kept
from axialcast.grid import Grid, LatLonGrid, grid_of
from axialcast.names import GRID_MAPPING, INIT_TIME, LEAD_TIME, NUMBER, VALID_TIME, require_storable

__all__ = [
    "LAYOUTS",
    "Chunking",
    "Layout",
    "arranged",
    "canonical",
    "check_layout",
    "chunking",
    "chunkings",
    "init_dim",
    "lead_axis",
    "leads_together",
    "with_mapping",
    "write_template",
]

Layout = Literal["axialcast", "weatherbench2"]
LAYOUTS: dict[str, dict[str, str]] = {
    "axialcast": {},
    "weatherbench2": {INIT_TIME: "time", LEAD_TIME: "prediction_timedelta"},
}
"""What dimensions are called where it is not what we call them (Rasp et al. 2024)."""

CHUNK_BYTES = 2**24
"""Largest chunk, decoded: Blosc and those who read one field want no more."""

FIELD_BYTES = 2**16
"""Most that a field takes in a chunk of several lead times: what shares a chunk is held until the
last of it is there, for every field of every initial time of a batch."""

SHARD_BYTES = 2**30
"""Most that members share a file of, decoded, unless one has more."""

TIMES_PER_CHUNK = 2**16
"""Of init_time: a store grows for years before its times need a second chunk."""

SINCE = "seconds since 1970-01-01"
"""Units of every date, whatever the dates: none that is added later needs others."""

CODEC = BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")


def arranged(template: xr.Dataset, layout: Layout) -> xr.Dataset:
    """A forecast with the names of a layout.

    Raises:
        ValueError: the layout does not allow the longitudes, or a name cannot be stored.
    """
    require_storable(map(str, template.data_vars))
    check_layout(layout, grid_of(template))
    if layout == "axialcast":
        return template
    renamed = template.drop_vars(VALID_TIME, errors="ignore").rename(LAYOUTS[layout])
    return renamed_cells(renamed, LAYOUTS[layout][LEAD_TIME])


def check_layout(layout: Layout, grid: Grid) -> None:
    """Refuses a grid that a layout does not allow.

    Raises:
        ValueError: WeatherBench 2 knows latitudes and longitudes alone, which begin at 0.
    """
    if layout != "weatherbench2":
        return
    if not isinstance(grid, LatLonGrid):
        raise ValueError(
            f"layout: weatherbench2 wants latitudes and longitudes, the forecast's grid is {grid}; "
            "take the layout axialcast"
        )
    longitude = grid.longitude
    if longitude.min() < 0 or longitude.max() >= 360:
        raise ValueError(
            f"layout: weatherbench2 wants longitudes from 0 to 360, the forecast's run from "
            f"{longitude.min():g} to {longitude.max():g}; take the layout axialcast"
        )


def canonical(forecast: xr.Dataset) -> xr.Dataset:
    """A forecast of any layout with our names."""
    for names in LAYOUTS.values():
        if names and set(names.values()) <= set(forecast.dims):
            renamed = forecast.rename({theirs: ours for ours, theirs in names.items()})
            return renamed_cells(renamed, LEAD_TIME)
    return forecast


def init_dim(forecast: xr.Dataset) -> str:
    """What the initial time is called in a forecast of any layout."""
    return INIT_TIME if INIT_TIME in forecast.dims else LAYOUTS["weatherbench2"][INIT_TIME]


class Chunking(NamedTuple):
    """How a variable is cut along (init_time, [number], lead_time, [level], latitude, longitude).

    Args:
        chunks: what is encoded at once, of one member of one initial time: no two share a chunk.
        shards: what shares a file: all chunks of an initial time, or of some of its members; None:
            each has its own.
        leads: lead times in a chunk.
    """

    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None
    leads: int


def chunking(shape: Sequence[int], num_members: int | None = None) -> Chunking:
    """Chunks of few lead times and all levels, of fewer levels if that is large, of whole fields;
    those of an initial time share a file, in order, so that it can be written as they come.

    Args:
        shape: (init_time, lead_time, [level], latitude, longitude).
        num_members: of the dimension between the first two; None: there is none.
    """
    leads, *levels, height, width = shape[1:]
    field = 4 * height * width
    chunks = [_even(leads, FIELD_BYTES // field)]
    chunks += [_even(length, CHUNK_BYTES // (field * chunks[0])) for length in levels]
    chunks += [height, width]
    whole = [-(-n // c) * c for n, c in zip(shape[1:], chunks, strict=True)]
    members, together = [], []
    if num_members is not None:
        members, together = [1], [_even(num_members, SHARD_BYTES // (4 * math.prod(whole)))]
    is_one = [*together, *whole] == [*members, *chunks]
    shards = None if is_one else (1, *together, *whole)
    return Chunking((1, *members, *chunks), shards, chunks[0])


def lead_axis(dims: Sequence[Any]) -> int:
    """Which dimension of a variable of a forecast, of any layout, is the lead time."""
    return 2 if NUMBER in dims else 1


def chunkings(template: xr.Dataset, store: Path | None = None) -> dict[str, Chunking]:
    """How each variable of a forecast is cut, or is cut already in a store of such forecasts."""
    found = {}
    for name, array in template.data_vars.items():
        axis = lead_axis(array.dims)
        shape = (array.shape[0], *array.shape[axis:])
        found[str(name)] = chunking(shape, array.shape[1] if axis == 2 else None)
        if store is not None and (store / str(name)).is_dir():
            # Metadata that are damaged are written anew.
            with suppress(ValueError, KeyError, OSError):
                there = zarr.open_array(store / str(name), mode="r")
                found[str(name)] = Chunking(there.chunks, there.shards, there.chunks[axis])
    return found


def leads_together(cut: Iterable[Chunking], num_leads: int) -> int:
    """So many lead times make whole chunks of every variable, or are all that there are."""
    return min(math.lcm(*(of.leads for of in cut)), num_leads)


def write_template(path: Path, template: xr.Dataset, cut: Mapping[str, Chunking]) -> None:
    """Writes a store of a forecast's labels, every value absent: NaN to all who read it.

    Equal labels give equal files.
    """
    lazy = with_mapping(template)
    encoding = _time_encoding(template)
    for variable, array in template.data_vars.items():
        absent = dask.array.zeros(array.shape, dtype=np.float32, chunks=-1)
        lazy[variable] = lazy[variable].copy(data=absent)
        encoding[str(variable)] = {
            "chunks": cut[str(variable)].chunks,
            "shards": cut[str(variable)].shards,
            "compressors": [CODEC],
            "fill_value": np.float32(np.nan),
            "_FillValue": None,
        }
        if packed := kept(array):
            encoding[str(variable)] |= packed | {"fill_value": packed["_FillValue"]}
    with warnings.catch_warnings():
        # Zarr warns that version 3 has not standardised consolidated metadata; xarray reads
        # stores with and without.
        warnings.filterwarnings("ignore", "Consolidated metadata")
        lazy.to_zarr(path, mode="w-", compute=False, zarr_format=3, encoding=encoding)


def with_mapping(forecast: xr.Dataset) -> xr.Dataset:
    """The forecast, ready to be written: its grid mapping is named by its variables, and is none of
    their coordinates."""
    forecast = forecast.copy()
    if GRID_MAPPING in forecast.coords:
        for array in forecast.data_vars.values():
            array.encoding["grid_mapping"] = GRID_MAPPING
    return forecast


def _even(length: int, most: int) -> int:
    """The length of parts of an axis that are as long as one another, and at most so long."""
    return -(-length // -(-length // max(1, most)))


def _time_encoding(template: xr.Dataset) -> dict[str, Any]:
    """Dates are integers of seconds in their own calendar, lead times of hours if whole."""
    encoding: dict[str, Any] = {}
    first = init_dim(template)
    for name, array in template.coords.items():
        chosen: dict[str, Any] = {"dtype": "int64"}
        if np.issubdtype(array.dtype, np.timedelta64):
            chosen["units"] = lead_units(array)
        elif np.issubdtype(array.dtype, np.datetime64) or array.dtype == object:
            chosen |= {"units": SINCE, "calendar": array.dt.calendar}
        else:
            continue
        if array.dims[0] == first:
            rest = array.shape[1:]
            chosen["chunks"] = (max(1, TIMES_PER_CHUNK // math.prod(rest)), *rest)
        encoding[str(name)] = chosen
    return encoding
