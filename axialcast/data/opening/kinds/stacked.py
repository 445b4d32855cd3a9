"""Training stores as Zarr: all channels in one sharded array `states`, and how to read it.

Inner chunks hold whole fields, about 1 MB of them, so that a decoded chunk gives whole states;
shards hold tens of states, so that there are few files.
"""

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec

from axialcast.conventions import described
from axialcast.data.channels import Channel, Channels
from axialcast.grid import coords_of, dims_of, grid_of
from axialcast.names import CHANNEL, COORDINATE_ATTRS, GRID_MAPPING, LEVEL, PLANET, TIME
from axialcast.times.cells import Cell

__all__ = ["Layout", "is_prepared", "open_states", "shard_path", "to_variables", "write_template"]

STATES = "states"
LABELS = ("variable", LEVEL, "units")
"""Coordinates along channel, from which open_analysis makes variables again."""

CELLS = "cells"
"""Attribute of states: which interval variables are of, as JSON."""

CHUNK_BYTES = 2**20
"""Decoded size of an inner chunk: small enough to shuffle, large enough to decode at full speed."""
CHUNK_TIMES = 40
SHARD_TIMES = 80
SHARD_BYTES = 2**27
"""Decoded size of a shard where many large fields would make more: a task holds a few times this.
Otherwise a shard has 41 to 80 times."""


@dataclass(frozen=True)
class Layout:
    """How many (times, channels) an inner chunk and a shard hold; fields are always whole."""

    chunk: tuple[int, int]
    shard: tuple[int, int]

    @classmethod
    def of(cls, num_channels: int, num_cells: int) -> "Layout":
        """The layout for states of so many channels of so many cells.

        Example:
            >>> Layout.of(num_channels=4, num_cells=64 * 128)
            Layout(chunk=(8, 4), shard=(80, 4))
        """
        num_fields = max(CHUNK_BYTES // (4 * num_cells), 1)
        groups = -(-num_channels // num_fields)
        channels = -(-num_channels // groups)
        times = min(max(num_fields // num_channels, 1), CHUNK_TIMES)
        most = max(SHARD_BYTES // (4 * num_cells * num_channels), 1)
        chunks = max(min(SHARD_TIMES, most) // times, 1)
        return cls((times, channels), (times * chunks, channels * groups))


def write_template(
    store: Path,
    coordinates: xr.Dataset,
    channels: Channels,
    attrs: Mapping[str, str] | None = None,
) -> None:
    """Writes a training store without states: metadata and coordinates.

    Args:
        store: folder that does not exist.
        coordinates: a dataset with the coordinates time, and those of its grid.
        channels: in the order of the states.
        attrs: more of the dataset's.
    """
    places = coords_of(coordinates)
    if GRID_MAPPING in places:
        places[GRID_MAPPING] = grid_of(coordinates).labels[GRID_MAPPING]
    dims = dims_of(coordinates.dims)
    shape = (coordinates.sizes[TIME], len(channels), *(coordinates.sizes[dim] for dim in dims))
    layout = Layout.of(len(channels), shape[2] * shape[3])
    shards = (*layout.shard, *shape[2:])
    levels = [np.nan if channel.level is None else channel.level for channel in channels]
    labels = {
        CHANNEL: [str(channel) for channel in channels],
        "variable": [channel.variable for channel in channels],
        "units": [channel.units for channel in channels],
    }
    template = xr.Dataset(
        {
            STATES: (
                (TIME, CHANNEL, *dims),
                dask.array.zeros(shape, dtype="f4", chunks=shards),
                {"long_name": "states, in the units of each channel"},
            )
        },
        {TIME: (TIME, coordinates[TIME].values, COORDINATE_ATTRS[TIME]), **places}
        | {
            name: (CHANNEL, np.array(text, object), {"long_name": f"{name} of a channel"})
            for name, text in labels.items()
        }
        | {LEVEL: (CHANNEL, np.array(levels, np.float64), COORDINATE_ATTRS[LEVEL])},
        described("training store of axialcast", "prepare") | dict(attrs or {}),
    )
    if GRID_MAPPING in places:
        template[STATES].attrs["grid_mapping"] = GRID_MAPPING
        template[STATES].encoding["grid_mapping"] = GRID_MAPPING  # and is no coordinate of its own
    if cells := {c.variable: asdict(c.cell) for c in channels if c.cell is not None}:
        template[STATES].attrs[CELLS] = json.dumps(cells)
    first = coordinates[TIME].dt.strftime("%Y-%m-%d %H:%M:%S").item(0)
    encoding = {
        # A shard that got lost reads as NaN, not as weather of zero pascals.
        STATES: {"chunks": (*layout.chunk, *shape[2:]), "shards": shards, "fill_value": np.nan}
        | {"compressors": BloscCodec(cname="lz4", shuffle="shuffle", typesize=4)}
        | {"_FillValue": None},
        TIME: {"units": f"seconds since {first}", "dtype": "int64"},
        **{name: {"_FillValue": None} for name in (*dims, LEVEL)},
    }
    with warnings.catch_warnings():
        # Zarr warns that version 3 has not standardised consolidated metadata; xarray reads both.
        warnings.filterwarnings("ignore", "Consolidated metadata")
        template.to_zarr(store, mode="w-", compute=False, zarr_format=3, encoding=encoding)


def is_prepared(dataset: xr.Dataset) -> bool:
    """Whether this is a training store as xarray opens it."""
    dims = (TIME, CHANNEL, *dims_of(dataset.dims))
    return STATES in dataset.data_vars and dataset[STATES].dims == dims


def to_variables(dataset: xr.Dataset) -> xr.Dataset:
    """The analysis in a training store as xarray opens it, nothing read.

    Every variable is a slice of the one array: `states[:, i]` for a field without levels,
    `states[:, i:j]` for one with levels.
    """
    if GRID_MAPPING in dataset.data_vars:  # xarray takes it for a variable
        dataset = dataset.set_coords(GRID_MAPPING)
    states = dataset.drop_vars([CHANNEL, *LABELS])[STATES]
    fields = _channels_of(dataset).fields(states)
    for field in fields.data_vars.values():
        field.attrs.pop(CELLS, None)
    planet = {name: dataset.attrs[name] for name in (PLANET,) if name in dataset.attrs}
    return fields.assign_attrs(planet)


def open_states(store: Path) -> zarr.Array[Any]:
    """The array of states, for writing; chunks that hold one number throughout are written too."""
    return zarr.open_array(store / STATES, mode="r+", config={"write_empty_chunks": True})


def shard_path(states: zarr.Array[Any], index: int) -> str:
    """File of the shard with a number along time, relative to the store."""
    return f"{STATES}/{states.metadata.encode_chunk_key((index, 0, 0, 0))}"


def _channels_of(dataset: xr.Dataset) -> Channels:
    labels = zip(*(dataset[name].values.tolist() for name in LABELS), strict=True)
    said = json.loads(dataset[STATES].attrs.get(CELLS, "{}"))
    cells = {name: Cell.from_dict(cell) for name, cell in said.items()}
    return Channels(
        [
            Channel(
                *(str(variable), None if np.isnan(level) else level, str(units)),
                cell=cells.get(str(variable)),
            )
            for variable, level, units in labels
        ]
    )
