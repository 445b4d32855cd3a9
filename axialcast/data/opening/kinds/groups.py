"""A group of Zarr, in whatever kind of store, as a raw, lazy Dataset."""

import json
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr
import zarr
from zarr.abc.store import Store
from zarr.storage import LocalStore, ObjectStore, ZipStore

from axialcast.data.arrays.chunks import quiet
from axialcast.data.arrays.failures import reason
from axialcast.data.arrays.fetching import is_remote, refuse_fork
from axialcast.data.arrays.zarrs import MissingChunks, direct
from axialcast.data.opening.kinds.anemoi import from_anemoi, is_anemoi
from axialcast.data.opening.kinds.fill_values import with_marks
from axialcast.data.opening.kinds.netcdf import REFERENCES
from axialcast.data.opening.kinds.packages import require
from axialcast.data.opening.kinds.packing import unpacked
from axialcast.data.opening.kinds.remote import can_list, unreadable
from axialcast.data.opening.kinds.stacked import is_prepared, to_variables

__all__ = ["icechunk_store", "is_icechunk", "open_group"]

METADATA = ("zarr.json", ".zgroup", ".zmetadata", ".zarray", ".zattrs")
"""Files of a group or an array that are JSON."""
NO_LISTING = (
    "no variable found; if its server cannot list files, write the store with consolidated "
    "metadata (zarr.consolidate_metadata)"
)
MOST_NAMED = 5
"""Groups that a message names."""


def open_group(
    store: Store,
    name: str,
    *,
    variables: Sequence[str] | None = None,
    levels: Sequence[float] | None = None,
    missing_chunks: MissingChunks = "refuse",
) -> xr.Dataset:
    """The group at the root of a store, in its own names and units.

    Args:
        store: what holds it.
        name: what errors call it.
        variables, levels: of an anemoi dataset.
        missing_chunks: see `axialcast.data.arrays.zarrs.direct`.

    Raises:
        OSError: it is absent, out of reach, or not ours to read.
        ValueError: it is no group of labelled arrays, or its metadata are damaged.
    """
    if isinstance(store, ObjectStore):
        refuse_fork()
    try:
        with quiet():
            group = zarr.open_group(store, mode="r")
            if is_anemoi(group):
                return from_anemoi(
                    group, variables=variables, levels=levels, missing_chunks=missing_chunks
                )
            stored = partial(direct, group=group, missing_chunks=missing_chunks)
            dataset = unpacked(with_marks(_plain(group, store), group), stored)
            return to_variables(dataset) if is_prepared(dataset) else dataset
    except MemoryError:
        raise
    except (FileNotFoundError, zarr.errors.ContainsArrayError) as error:
        raise FileNotFoundError(f"{name}: {_absent(store, error)}") from None
    except Exception as error:  # every kind of store has errors of its own
        raise _refusal(store, name, error) from None


def _plain(group: zarr.Group, store: Store) -> xr.Dataset:
    """The group as xarray opens it, lazily, not decoded."""
    if not can_list(store) and group.metadata.consolidated_metadata is None:
        raise ValueError(NO_LISTING)
    with warnings.catch_warnings():
        # Consolidated metadata is optional; without it xarray warns and lists the store.
        warnings.simplefilter("ignore", RuntimeWarning)
        # Of version 3, open_zarr itself refuses a _FillValue that is a plain number.
        opened = xr.backends.ZarrStore.open_group(
            store, mode="r", consolidated=None, use_zarr_fill_value_as_mask=True
        )
    plain = xr.open_dataset(opened, decode_cf=False)
    if not plain.data_vars:
        raise ValueError(_without_variables(group, store))
    # A store without consolidated metadata lists its arrays in an order of the moment.
    ordered: xr.Dataset = plain[sorted(map(str, plain.data_vars))]
    return ordered


def _without_variables(group: zarr.Group, store: Store) -> str:
    if not can_list(store):
        return NO_LISTING
    below = sorted(path for path, _ in group.groups())
    if not below:
        return "no variable found; the store is empty"
    names = ", ".join(below[:MOST_NAMED])
    return f"no variable found, but the groups {names}; let data.store end in /{below[0]}, say"


def _absent(store: Store, error: Exception) -> str:
    """What is there in place of a group."""
    if isinstance(store, ZipStore):
        with zipfile.ZipFile(store.path) as archive:
            first = next(iter(archive.namelist()), "nothing")
        return f"holds {first} and no Zarr store at its root; unpack it, and set data.store to that"
    if not isinstance(store, LocalStore):
        return f"no Zarr store there ({reason(error)})"
    found = [path for path in Path(store.root).iterdir() if not path.name.startswith(".")]
    if any((Path(store.root) / file).is_file() for file in (".zarray", "zarr.json")):
        return "is one array of Zarr; set data.store to the folder above, which holds all of them"
    files = sorted(path.suffix for path in found if path.is_file() and path.suffix)
    if (Path(store.root) / ".zmetadata").is_file():
        return f"holds references of kerchunk, no Zarr store; {REFERENCES}"
    if files:
        return f"a folder, but no Zarr store; for its files set data.store to .../*{files[0]}"
    return f"no Zarr store there, {'but folders' if found else 'nothing at all'}"


def _refusal(store: Store, name: str, error: Exception) -> Exception:
    """What to raise in the place of an error that came up while a store was opened."""
    if is_remote(store) and not isinstance(error, ValueError | TypeError | KeyError):
        return unreadable(name, error)
    if isinstance(error, PermissionError):
        return PermissionError(f"{name}: no permission to read it; ask its owner")
    culprit = next(_culprits(store), None)
    if culprit is not None:
        return ValueError(f"{name}: {culprit}")
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return ValueError(
            f"{name}: its metadata are no JSON ({reason(error)}); if a server answers so, look at "
            "the address in a browser: it may ask for a login"
        )
    if isinstance(error, ValueError):
        return ValueError(f"{name}: {reason(error)}")
    return ValueError(f"{name}: not a readable Zarr store ({reason(error)}); write it again")


def _culprits(store: Store) -> Iterator[str]:
    """What is wrong with files of metadata, dimensions and coordinates."""
    if isinstance(store, LocalStore):
        root = Path(store.root)
        folders = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
        for path in (folder / file for folder in folders for file in METADATA):
            if path.is_file() and not _is_mapping(path):
                yield f"{path.relative_to(root)} is damaged: expected a JSON object; restore it"
    try:
        group = zarr.open_group(store, mode="r")
        if is_anemoi(group):  # its dimensions have no names
            return
        arrays = sorted(group.arrays())
    except Exception:  # its metadata are what is wrong
        return
    for name, array in arrays:
        yield from _wrong_with(name, array)


def _is_mapping(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except ValueError:
        return False


def _wrong_with(name: str, array: zarr.Array[Any]) -> Iterator[str]:
    three = array.metadata.zarr_format == 3
    where = "dimension_names" if three else "_ARRAY_DIMENSIONS"
    dims = getattr(array.metadata, where, None) if three else array.attrs.get(where)
    if not isinstance(dims, list | tuple) or len(dims) != array.ndim:
        yield (
            f"{name}: expected {where} with {array.ndim} names of dimensions, got {dims!r}; add "
            "them to its metadata"
        )
    elif array.ndim == 1:
        try:
            array[...]
        except Exception as error:  # codecs raise errors of their own
            yield f"{name}: cannot be decoded ({reason(error)}); restore its chunks"


def is_icechunk(path: Path) -> bool:
    """Whether a folder is laid out as an Icechunk repository."""
    has_branches = (path / "refs").is_dir() or (path / "repo").is_file()
    return (path / "snapshots").is_dir() and has_branches


def icechunk_store(path: Path) -> Store:
    """The newest snapshot of the branch main, read-only."""
    require("icechunk", path, "an Icechunk repository")
    import icechunk

    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(path)))
    store: Store = repository.readonly_session("main").store
    return store
