"""NetCDF files that keep no decoded chunks.

We read whole chunks, each once, so keeping them is of no use, and HDF5 would keep up to 64 MiB for
each variable of each open file: gigabytes where there are many files.
"""

from pathlib import Path
from typing import Any

import netCDF4
from xarray.backends import CachingFileManager, NetCDF4DataStore

__all__ = ["uncached"]


def uncached(path: Path) -> NetCDF4DataStore:
    """The file, for `xarray.open_dataset`; it is opened again where it is unpickled."""
    manager: Any = CachingFileManager(_open, str(path), mode="r")
    return NetCDF4DataStore(manager)  # type: ignore[no-untyped-call]


def _open(path: str, mode: Any) -> netCDF4.Dataset:
    file = netCDF4.Dataset(path, mode)
    for variable in file.variables.values():
        if isinstance(variable.chunking(), list):
            variable.set_var_chunk_cache(size=0, nelems=1, preemption=0.0)
    return file
