"""How a forecast lies on disk: names, chunks, the encoding of times, and chunks as bytes."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import dask.array
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore

from axialcast.names import INIT_TIME, LEAD_TIME, LONGITUDE, VALID_TIME

__all__ = ["LAYOUTS", "Layout", "arranged", "canonical", "encoded", "init_dim", "write_template"]

Layout = Literal["axialcast", "weatherbench2"]
LAYOUTS: dict[str, dict[str, str]] = {
    "axialcast": {},
    "weatherbench2": {INIT_TIME: "time", LEAD_TIME: "prediction_timedelta"},
}
"""What dimensions are called where it is not what we call them (Rasp et al. 2024)."""

CHUNK_BYTES = 2**24
"""Largest chunk, decoded: Blosc and those who read one field want no more."""

TIMES_PER_CHUNK = 2**16
"""Of init_time: a store grows for years before its times need a second chunk."""

SINCE = "seconds since 1970-01-01"
"""Units of every date, whatever the dates: none that is added later needs others."""

CODEC = BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")


def arranged(template: xr.Dataset, layout: Layout) -> xr.Dataset:
    """A forecast with the names of a layout.

    Raises:
        ValueError: the layout does not allow the longitudes.
    """
    if layout == "axialcast":
        return template
    longitude = template[LONGITUDE].values
    if longitude.min() < 0 or longitude.max() >= 360:
        raise ValueError(
            f"layout: weatherbench2 wants longitudes from 0 to 360, the forecast's run from "
            f"{longitude.min():g} to {longitude.max():g}; take layout='axialcast'"
        )
    return template.drop_vars(VALID_TIME, errors="ignore").rename(LAYOUTS[layout])


def canonical(forecast: xr.Dataset) -> xr.Dataset:
    """A forecast of any layout with our names."""
    for names in LAYOUTS.values():
        if names and set(names.values()) <= set(forecast.dims):
            return forecast.rename({theirs: ours for ours, theirs in names.items()})
    return forecast


def init_dim(forecast: xr.Dataset) -> str:
    """What the initial time is called in a forecast of any layout."""
    return INIT_TIME if INIT_TIME in forecast.dims else LAYOUTS["weatherbench2"][INIT_TIME]


def write_template(path: Path, template: xr.Dataset) -> None:
    """Writes a store of a forecast's labels, every value absent: NaN to all who read it.

    Equal labels give equal files.
    """
    lazy = template.copy()
    encoding = _time_encoding(template)
    for variable, array in template.data_vars.items():
        chunks = chunk_lengths(array.shape)
        absent = dask.array.zeros(array.shape, dtype=np.float32, chunks=-1)
        lazy[variable] = (array.dims, absent, array.attrs)
        encoding[str(variable)] = {
            "chunks": chunks,
            "compressors": [CODEC],
            "fill_value": np.float32(np.nan),
            "_FillValue": None,
        }
    with warnings.catch_warnings():
        # Zarr warns that version 3 has not standardised consolidated metadata; xarray reads
        # stores with and without.
        warnings.filterwarnings("ignore", "Consolidated metadata")
        lazy.to_zarr(path, mode="w-", compute=False, zarr_format=3, encoding=encoding)


def encoded(values: NDArray[Any]) -> list[dict[str, bytes]]:
    """The chunks of each initial time, as zarr writes them.

    Args:
        values: (i, lead times, [levels], h, w).

    Returns:
        For each of the i initial times, bytes by key: `0/0/0/0` of `c/<number>/0/0/0/0`.
    """
    kept: dict[str, Any] = {}
    chunks = chunk_lengths(values.shape)
    array = zarr.create_array(
        MemoryStore(kept),
        shape=values.shape,
        chunks=chunks,
        dtype=np.float32,
        compressors=[CODEC],
        filters=None,
        fill_value=np.float32(np.nan),
        config={"write_empty_chunks": True},
    )
    array[:] = values
    found: list[dict[str, bytes]] = [{} for _ in range(len(values))]
    for key, value in kept.items():
        if key.startswith("c/"):
            number, _, rest = key.removeprefix("c/").partition("/")
            found[int(number)][rest] = value.to_bytes()
    return found


def chunk_lengths(shape: Sequence[int]) -> tuple[int, ...]:
    """Chunk lengths along (init_time, lead_time, [level], latitude, longitude).

    One initial time, so that no two share a chunk; all lead times and levels if that is small,
    else fewer lead times, then fewer levels; the grid stays whole.
    """
    chunks = [1, *shape[1:]]
    for axis in range(1, len(shape) - 2):
        per_unit = 4 * math.prod(chunks) // chunks[axis]
        most = max(1, CHUNK_BYTES // per_unit)
        chunks[axis] = -(-chunks[axis] // -(-chunks[axis] // most))
    return tuple(chunks)


def _time_encoding(template: xr.Dataset) -> dict[str, Any]:
    """Dates are integers of seconds in their own calendar, lead times of hours if whole."""
    encoding: dict[str, Any] = {}
    first = init_dim(template)
    for name, array in template.coords.items():
        chosen: dict[str, Any] = {"dtype": "int64"}
        if np.issubdtype(array.dtype, np.timedelta64):
            chosen["units"] = "seconds" if (array.dt.seconds % 3600).any() else "hours"
        elif np.issubdtype(array.dtype, np.datetime64) or array.dtype == object:
            chosen |= {"units": SINCE, "calendar": array.dt.calendar}
        else:
            continue
        if array.dims[0] == first:
            rest = array.shape[1:]
            chosen["chunks"] = (max(1, TIMES_PER_CHUNK // math.prod(rest)), *rest)
        encoding[str(name)] = chosen
    return encoding
