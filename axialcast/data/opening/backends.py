"""How each kind of store becomes a raw, lazy Dataset: Zarr, Icechunk, anemoi, NetCDF, GRIB.

Names and units are still the store's own; arrays are xarray's lazy ones of stored ones.
"""

import glob
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
import zarr
from zarr.abc.store import Store
from zarr.storage import LocalStore, ObjectStore, ZipStore

from axialcast.data.arrays.backed import backed
from axialcast.data.arrays.failures import reason
from axialcast.data.arrays.fetching import refuse_fork
from axialcast.data.arrays.zarrs import MissingChunks, direct
from axialcast.data.opening.anemoi import from_anemoi, is_anemoi
from axialcast.data.opening.grib import open_grib
from axialcast.data.opening.packages import require
from axialcast.data.opening.remote import can_list, open_url, shown, unreadable
from axialcast.data.opening.stacked import is_prepared, to_variables

__all__ = ["Reading", "open_raw"]

NETCDF_SUFFIXES = (".nc", ".nc4", ".cdf", ".netcdf")
GRIB_SUFFIXES = (".grib", ".grib1", ".grib2", ".grb", ".grb2")
NO_VARIABLE = (
    "no variable found; if its server cannot list files, write the store with consolidated "
    "metadata (zarr.consolidate_metadata)"
)


@dataclass(frozen=True)
class Reading:
    """How to read a store.

    Args:
        storage_options: for a store behind a URL, see `axialcast.data.opening.remote.open_url`.
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
        FileNotFoundError, ConnectionError, ValueError: it is absent, out of reach or no such store.
    """
    if isinstance(store, Store):
        return {str(store): _open_zarr(store, str(store), reading)}
    if isinstance(store, str | Path):
        text = str(store).removeprefix("file://")
        if "://" in text:
            return {shown(text): _open_url(text, reading)}
        if Path(text).exists() or not glob.has_magic(text):
            return {text: _open_path(Path(text), reading)}
        paths = sorted(glob.glob(text, recursive=True))
        if not paths:
            raise FileNotFoundError(f"{text}: no file matches; check the pattern in data.store")
    elif isinstance(store, Sequence) and store:
        paths = [str(path) for path in store]
        path, count = Counter(paths).most_common(1)[0]
        if count > 1:
            raise ValueError(f"store: {path} is given twice; give each file once")
    else:
        raise ValueError(
            f"store: expected a path, URL, several paths, zarr Store or Dataset, got {store!r}"
        )
    return {path: _open_path(Path(path), reading) for path in paths}


def _open_path(path: Path, reading: Reading) -> xr.Dataset:
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no such file or folder; set data.store to a NetCDF file or a Zarr store"
        )
    if path.is_dir():
        store = _icechunk(path) if _is_icechunk(path) else LocalStore(path, read_only=True)
        return _open_zarr(store, str(path), reading)
    if path.suffix == ".zip":
        return _open_zarr(ZipStore(path, mode="r"), str(path), reading)
    with path.open("rb") as file:
        is_grib = path.suffix.lower() in GRIB_SUFFIXES or file.read(4) == b"GRIB"
    if is_grib:
        return open_grib(path)
    try:
        return backed(xr.open_dataset(path, engine="netcdf4", cache=False))
    except OSError as error:
        raise ValueError(f"{path}: not a readable NetCDF file ({error})") from None


def _open_url(url: str, reading: Reading) -> xr.Dataset:
    if url.lower().endswith((*NETCDF_SUFFIXES, *GRIB_SUFFIXES)):
        raise ValueError(
            f"{shown(url)}: only Zarr is read over the network; download the file first"
        )
    store = open_url(url, reading.storage_options or {}, reading.timeout_seconds)
    return _open_zarr(store, shown(url), reading)


def _open_zarr(store: Store, name: str, reading: Reading) -> xr.Dataset:
    if isinstance(store, ObjectStore):
        refuse_fork()
    try:
        group = zarr.open_group(store, mode="r")
        if is_anemoi(group):
            return from_anemoi(
                group,
                variables=reading.variables,
                levels=reading.levels,
                missing_chunks=reading.missing_chunks,
            )
        if not can_list(store) and group.metadata.consolidated_metadata is None:
            raise ValueError(NO_VARIABLE)
        with warnings.catch_warnings():
            # Consolidated metadata is optional; without it xarray warns and lists the store.
            warnings.simplefilter("ignore", RuntimeWarning)
            dataset = xr.open_zarr(store, chunks=None)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{name}: no Zarr store there ({reason(error)})") from None
    except ValueError as error:
        raise ValueError(f"{name}: {reason(error)}") from None
    except Exception as error:  # every kind of store has errors of its own
        raise unreadable(name, error) from None
    if not dataset.data_vars:
        raise ValueError(f"{name}: {NO_VARIABLE}")
    # A store without consolidated metadata lists its arrays in an order of the moment.
    dataset = dataset[sorted(map(str, dataset.data_vars))]
    dataset = direct(dataset, group, missing_chunks=reading.missing_chunks)
    return to_variables(dataset) if is_prepared(dataset) else dataset


def _is_icechunk(path: Path) -> bool:
    """Whether a folder is laid out as an Icechunk repository."""
    has_branches = (path / "refs").is_dir() or (path / "repo").is_file()
    return (path / "snapshots").is_dir() and has_branches


def _icechunk(path: Path) -> Store:
    """The newest snapshot of the branch main, read-only."""
    require("icechunk", path, "an Icechunk repository")
    import icechunk

    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(path)))
    store: Store = repository.readonly_session("main").store
    return store
