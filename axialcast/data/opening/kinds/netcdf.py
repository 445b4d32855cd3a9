"""A NetCDF file as a raw, lazy Dataset."""

from pathlib import Path

import netCDF4
import xarray as xr

from axialcast.data.arrays.backed import backed
from axialcast.data.arrays.failures import reason
from axialcast.data.opening.kinds import netcdf3
from axialcast.data.opening.kinds.packing import unpacked
from axialcast.data.opening.kinds.uncached import NETCDF, uncached

__all__ = ["open_netcdf"]

REFERENCES = (
    "set data.store to the files that they refer to, or write them to an Icechunk repository with "
    "VirtualiZarr"
)
"""What to do about references of kerchunk."""
FOREIGN = {
    b"\x1f\x8b": "is compressed by gzip; unpack it with gunzip",
    b"BZh": "is compressed by bzip2; unpack it with bunzip2",
    b"\xfd7zXZ": "is compressed by xz; unpack it with unxz",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd; unpack it with unzstd",
    b"PK": "is a zip archive; unpack it",
    b"\x0e\x03\x13\x01": "is a file of HDF4; convert it to NetCDF",
    b"{": f"is JSON, as references of kerchunk are; {REFERENCES}",
    b"<": "is a page of HTML or XML, as a server sends in place of a file; download it again",
}
"""What a file is by its first bytes, and what to do."""
TAR = (257, b"ustar")
"""Where a tar archive says what it is, and how."""


def open_netcdf(path: Path) -> xr.Dataset:
    """All variables of the file's root, in its own names and units.

    Raises:
        ValueError: it is no NetCDF file, is damaged or cut off, or keeps its variables in groups.
        OSError: it cannot be read.
    """
    _check_kind(path)
    with NETCDF:
        return _opened(path)


def _opened(path: Path) -> xr.Dataset:
    try:
        opened = xr.open_dataset(uncached(path), cache=False, decode_cf=False)
    except PermissionError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise ValueError(
            f"{path}: not a readable NetCDF file ({reason(error)}); download or write it again"
        ) from None
    try:
        dataset = unpacked(opened, backed)
    except MemoryError:
        raise
    except Exception as error:  # xarray's decoding raises many types for attributes that are wrong
        opened.close()
        raise ValueError(f"{path}: {reason(error)}") from None
    if not dataset.data_vars:
        dataset.close()
        raise ValueError(f"{path}: {_without_variables(path)}")
    return dataset


def _check_kind(path: Path) -> None:
    """Refuses what is no NetCDF file by its first bytes, and classic files that end too early."""
    with path.open("rb") as file:
        start = file.read(512)
    if start[:4] in netcdf3.MAGIC:
        _check_length(path)
    for magic, what in FOREIGN.items():
        if start.startswith(magic):
            raise ValueError(f"{path}: {what}")
    if start[TAR[0] :].startswith(TAR[1]):
        raise ValueError(f"{path}: is a tar archive; unpack it")
    if not start:
        raise ValueError(f"{path}: is empty; download it again")


def _check_length(path: Path) -> None:
    try:
        wanted = netcdf3.required_bytes(path)
    except ValueError as error:
        raise ValueError(
            f"{path}: not a readable NetCDF file ({error}); download it again"
        ) from None
    found = path.stat().st_size
    if found < wanted:
        raise ValueError(
            f"{path}: is cut off: {found} bytes, its header promises {wanted}; download it again"
        )


def _without_variables(path: Path) -> str:
    with netCDF4.Dataset(path) as file:
        below = list(file.groups)
    if not below:
        return "holds no variable; give files of fields over time, latitude and longitude"
    return (
        f"keeps its variables in groups ({', '.join(below)}); write one of them to a file of its "
        f"own, for instance with: ncks -G : -g {below[0]} in.nc out.nc"
    )
