"""NetCDF files that keep no decoded chunks.

We read whole chunks, each once, so keeping them is of no use, and HDF5 would keep up to 64 MiB for
each variable of each open file: gigabytes where there are many files.

The C library is not safe for threads, and xarray opens files and reads attributes without a lock:
ours is held while a file is opened or closed, and whenever it is read.
"""

import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any

import netCDF4
from xarray.backends import CachingFileManager, NetCDF4DataStore

__all__ = ["NETCDF", "uncached"]

WAITING: "deque[_File]" = deque()
"""Files to be closed as soon as nobody reads."""


class _Lock:
    """One lock in every process, which a thread may take again; files pickle with it."""

    own = threading.RLock()

    def __enter__(self) -> None:
        self.own.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None
    ) -> None:
        self.own.release()
        _close_waiting()


NETCDF = _Lock()


def uncached(path: Path) -> NetCDF4DataStore:
    """The file, for `xarray.open_dataset`; it is opened again where it is unpickled."""
    manager: Any = CachingFileManager(_open, str(path), mode="r")
    return NetCDF4DataStore(manager, lock=NETCDF)  # type: ignore[no-untyped-call]


class _File(netCDF4.Dataset):
    """A file that is closed under the lock: xarray closes what is garbage, in any thread.

    Whoever closes may hold the lock of xarray's cache of files, which the reader waits for: so
    nobody waits, and a file that cannot be closed at once is closed by the reader who is done.
    """

    def close(self) -> None:  # type: ignore[override]
        WAITING.append(self)
        _close_waiting()


def _close_waiting() -> None:
    while WAITING and _Lock.own.acquire(blocking=False):
        try:
            file = WAITING.popleft() if WAITING else None  # another thread was here
            if file is not None and file.isopen():
                netCDF4.Dataset.close(file)
        finally:
            _Lock.own.release()


def _open(path: str, mode: Any) -> netCDF4.Dataset:
    file = _File(path, mode)
    for variable in file.variables.values():
        if isinstance(variable.chunking(), list):
            variable.set_var_chunk_cache(size=0, nelems=1, preemption=0.0)
    return file
