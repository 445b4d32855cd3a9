"""How each kind of store becomes a raw, lazy Dataset: Zarr, Icechunk, anemoi, NetCDF, GRIB.

Names and units are still the store's own; arrays are xarray's lazy ones of stored ones.
"""

import glob
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
from zarr.abc.store import Store
from zarr.storage import LocalStore, ZipStore

from axialcast.data.arrays.failures import reason
from axialcast.data.arrays.zarrs import MissingChunks
from axialcast.data.opening.kinds.grib import open_grib
from axialcast.data.opening.kinds.groups import icechunk_store, is_icechunk, open_group
from axialcast.data.opening.kinds.netcdf import open_netcdf
from axialcast.data.opening.kinds.remote import open_url
from axialcast.disclosure import shown

__all__ = ["Reading", "open_raw"]

NETCDF_SUFFIXES = (".nc", ".nc4", ".cdf", ".netcdf")
GRIB_SUFFIXES = (".grib", ".grib1", ".grib2", ".grb", ".grb2")
NETCDF_STARTS = (b"CDF", b"\x89HDF")
"""What NetCDF files begin with, whatever they are called."""
LONGEST = 80
"""Letters of what is no store that an error shows."""
GRIB_PACKAGES = ("cfgrib", "eccodes", "gribapi")


@dataclass(frozen=True)
class Reading:
    """How to read a store.

    Args:
        storage_options: for a store behind a URL, see `remote.open_url`.
        timeout_seconds: how long to wait for a server's answer.
        missing_chunks: of Zarr stores, see `axialcast.data.arrays.zarrs.direct`.
        variables, levels: that are wanted, where a store has to be cut before it is a Dataset.
    """

    storage_options: Mapping[str, Any] | None = None
    timeout_seconds: float = 60.0
    missing_chunks: MissingChunks = "refuse"
    variables: Sequence[str] | None = None
    levels: Sequence[float] | None = None


def open_raw(store: Any, reading: Reading) -> dict[str, xr.Dataset]:
    """Each file of the store as a lazy Dataset in its own names and units, by its name.

    Args:
        store: path, URL, glob pattern, sequence of paths, or a zarr Store.
        reading: how.

    Raises:
        OSError: it is absent, out of reach or not ours to read.
        ValueError: it is no such store, damaged, or given twice.
    """
    if isinstance(store, Store):
        return {str(store): _open_zarr(store, str(store), reading)}
    if isinstance(store, str | Path):
        text = str(store).removeprefix("file://")
        if "://" in text:
            return {shown(text): _open_url(text, reading)}
        paths = _matching(text)
    elif isinstance(store, Sequence) and store:
        paths = [path for text in store for path in _matching(str(text))]
    else:
        raise ValueError(
            "store: expected a path, URL, several paths, zarr Store or Dataset, got "
            f"{type(store).__name__} {' '.join(repr(store).split())[:LONGEST]}"
        )
    _refuse_repeats(paths)
    return {path: _open_path(Path(path), reading) for path in paths}


def _matching(text: str) -> list[str]:
    """The files that a path or a pattern names."""
    text = os.path.expanduser(text)
    if Path(text).exists() or not glob.has_magic(text):
        return [text]
    paths = sorted(glob.glob(text, recursive=True))
    if not paths:
        raise FileNotFoundError(f"{text}: no file matches; check the pattern in data.store")
    return paths


def _refuse_repeats(paths: Sequence[str]) -> None:
    """Refuses a file that is given twice, by another name or a link."""
    known: dict[Path, str] = {}
    for path in paths:
        before = known.setdefault(Path(path).resolve(), path)
        if before is not path:
            other = "" if before == path else f", as {before} as well"
            raise ValueError(f"store: {path} is given twice{other}; give each file once")


def _open_path(path: Path, reading: Reading) -> xr.Dataset:
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no such file or folder; set data.store to a NetCDF file or a Zarr store"
        )
    if path.is_dir():
        store = icechunk_store(path) if is_icechunk(path) else LocalStore(path, read_only=True)
        return _open_zarr(store, str(path), reading)
    if not path.is_file():  # reading a pipe would never end
        raise ValueError(f"{path}: neither a file nor a folder; set data.store to one of these")
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except PermissionError:
        raise PermissionError(f"{path}: no permission to read it; ask its owner") from None
    if path.suffix == ".zip":
        if not zipfile.is_zipfile(path):
            raise ValueError(f"{path}: not a whole zip archive; download or write it again")
        return _open_zarr(ZipStore(path, mode="r"), str(path), reading)
    if start.startswith(NETCDF_STARTS):
        return open_netcdf(path)
    if path.suffix.lower() in GRIB_SUFFIXES or start == b"GRIB":
        return _open_grib(path, reading)
    return open_netcdf(path)


def _open_grib(path: Path, reading: Reading) -> xr.Dataset:
    try:
        return open_grib(path, variables=reading.variables, levels=reading.levels)
    except Exception as error:
        of_library = type(error).__module__.partition(".")[0] in GRIB_PACKAGES
        if not of_library and not isinstance(error, EOFError):
            raise
        raise ValueError(
            f"{path}: not a readable GRIB file ({reason(error)}); download it again"
        ) from None


def _open_url(url: str, reading: Reading) -> xr.Dataset:
    if url.lower().endswith((*NETCDF_SUFFIXES, *GRIB_SUFFIXES)):
        raise ValueError(
            f"{shown(url)}: only Zarr is read over the network; download the file first"
        )
    store = open_url(url, reading.storage_options or {}, reading.timeout_seconds)
    return _open_zarr(store, shown(url), reading)


def _open_zarr(store: Store, name: str, reading: Reading) -> xr.Dataset:
    return open_group(
        store,
        name,
        variables=reading.variables,
        levels=reading.levels,
        missing_chunks=reading.missing_chunks,
    )
