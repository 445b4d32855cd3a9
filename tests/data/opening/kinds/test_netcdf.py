"""Files that are no NetCDF, are cut off or damaged: one line with their name, never a number."""

import bz2
import gzip
import lzma
import os
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from axialcast.data import Analysis, open_analysis
from axialcast.data.opening.kinds import netcdf3

CLASSIC = ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]


def write(analysis, path, kind="NETCDF4"):
    """The analysis, times along the record dimension."""
    plain = analysis.transpose("time", ...).astype("f4")
    plain.to_netcdf(path, format=kind, engine="netcdf4", unlimited_dims=["time"])
    return path.read_bytes()


def refusal(path, kinds=(ValueError, OSError), read=False):
    with pytest.raises(kinds) as raised:
        Analysis(open_analysis(path)).read([3]) if read else open_analysis(path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("kind", CLASSIC)
def test_a_classic_file_is_as_long_as_its_header_says(analysis, tmp_path, kind):
    content = write(analysis, tmp_path / "a.nc", kind)
    assert netcdf3.required_bytes(tmp_path / "a.nc") in range(len(content) - 3, len(content) + 1)
    xr.testing.assert_equal(open_analysis(tmp_path / "a.nc").load(), analysis)
    for length in (1, 50, len(content) // 2, len(content) - 4):
        (tmp_path / "a.nc").write_bytes(content[:length])
        line = refusal(tmp_path / "a.nc")
        assert "download it again" in line or "write it again" in line


@pytest.mark.parametrize("shape", [(), (3,), (5, 3), (0, 3)])
@pytest.mark.parametrize("num_records", [0, 1, 7])
@pytest.mark.parametrize("kind", CLASSIC)
def test_the_length_of_odd_layouts(tmp_path, kind, shape, num_records):
    """One record variable alone is not padded, several are; bytes are."""
    for dtypes in (["i1"], ["i2", "i1"], ["f8", "i1", "f4"], ["S1"]):
        with netCDF4.Dataset(tmp_path / "a.nc", "w", format=kind) as file:
            file.title = "odd"
            file.createDimension("record", None)
            file.createDimension("longitude", 5)
            for axis, length in enumerate(shape):
                file.createDimension(f"x{axis}", max(length, 1))
            inner = tuple(f"x{axis}" for axis in range(len(shape)))
            for number, dtype in enumerate(dtypes):
                variable = file.createVariable(f"v{number}", dtype, ("record", *inner))
                variable.note = "abcde"
                if num_records:
                    variable[0:num_records] = np.zeros((num_records, *(max(n, 1) for n in shape)))
        found = (tmp_path / "a.nc").stat().st_size
        assert netcdf3.required_bytes(tmp_path / "a.nc") in range(found - 3, found + 1)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_a_file_of_hdf5_that_is_cut_off(analysis, tmp_path, share):
    content = write(analysis, tmp_path / "a.nc")
    (tmp_path / "a.nc").write_bytes(content[: int(len(content) * share)])
    assert "not a readable NetCDF file" in refusal(tmp_path / "a.nc")


def test_damage_and_loss_are_told_when_they_are_met(analysis, tmp_path):
    path = tmp_path / "a.nc"
    encoding = {
        name: {"zlib": True, "chunksizes": (1, *a.shape[1:])} for name, a in analysis.items()
    }
    analysis.to_netcdf(path, encoding=encoding)
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 3, 2 * len(content) // 3):
        content[place] ^= 0x5A
    path.write_bytes(content)
    with pytest.raises((ValueError, OSError), match=r"a\.nc") as raised:
        open_analysis(path).load()
    assert "\n" not in str(raised.value)
    analysis.to_netcdf(path)
    opened = open_analysis(path)
    path.unlink()
    analysis.to_netcdf(tmp_path / "other.nc")
    with xr.set_options(file_cache_maxsize=1):
        open_analysis(tmp_path / "other.nc")
        with pytest.raises(OSError, match=r"a\.nc: cannot be read .*moved since it was opened"):
            Analysis(opened).read([3])


FOREIGN = {
    "gzip": (gzip.compress, "unpack it with gunzip"),
    "bzip2": (bz2.compress, "unpack it with bunzip2"),
    "xz": (lzma.compress, "unpack it with unxz"),
    "page": (lambda content: b"<!DOCTYPE html><html>log in", "a page of HTML"),
    "nothing": (lambda content: b"", "is empty"),
    "text": (lambda content: b"time,latitude\n1,2\n", "not a readable NetCDF file"),
    "zeros": (lambda content: b"\0" * 4096, "not a readable NetCDF file"),
    "hdf": (lambda content: b"\x89HDF\r\n\x1a\n" + b"\0" * 400, "not a readable NetCDF file"),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("name", ["a.nc", "a.dat"])
def test_a_file_of_another_kind_is_called_what_it_is(analysis, tmp_path, kind, name):
    content = write(analysis, tmp_path / name)
    make, message = FOREIGN[kind]
    (tmp_path / name).write_bytes(make(content))
    assert message in refusal(tmp_path / name)


def test_archives_folders_and_links_that_lead_nowhere(analysis, tmp_path):
    write(analysis, tmp_path / "a.nc")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "a.nc", "a.nc")
    assert "is a tar archive; unpack it" in refusal(tmp_path / "a.tar")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.write(tmp_path / "a.nc", "a.nc")
    assert "no Zarr store" in refusal(tmp_path / "b.zip")
    (tmp_path / "c.zip").write_bytes((tmp_path / "b.zip").read_bytes()[:99])
    assert "not a whole zip archive" in refusal(tmp_path / "c.zip")
    (tmp_path / "link.nc").symlink_to(tmp_path / "nowhere.nc")
    assert "no such file" in refusal(tmp_path / "link.nc")
    (tmp_path / "files").mkdir()
    (tmp_path / "a.nc").rename(tmp_path / "files" / "a.nc")
    assert "a folder, but no Zarr store; for its files set data.store to" in refusal(
        tmp_path / "files"
    )


def test_variables_in_groups_are_found_and_the_way_to_them_told(analysis, tmp_path):
    analysis.to_netcdf(tmp_path / "a.nc", group="fields")
    assert "in groups (fields)" in refusal(tmp_path / "a.nc")
    with netCDF4.Dataset(tmp_path / "b.nc", "w") as file:
        file.createDimension("x", 3)
    assert "holds no variable" in refusal(tmp_path / "b.nc")


def test_a_file_that_is_not_ours_to_read(analysis, tmp_path, monkeypatch):
    write(analysis, tmp_path / "a.nc")
    opening = Path.open

    def refused(path, *args, **kwargs):
        if path.name == "a.nc":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return opening(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refused)
    assert "no permission to read it; ask its owner" in refusal(tmp_path / "a.nc", PermissionError)


@pytest.mark.parametrize("content", [b"", b"hello", b"GRIB\0\0\0\2" + b"\0" * 100])
def test_a_file_that_is_called_grib_and_is_none(tmp_path, content):
    pytest.importorskip("cfgrib", exc_type=(ImportError, RuntimeError))
    (tmp_path / "a.grib").write_bytes(content)
    refusal(tmp_path / "a.grib")


def test_threads_may_open_read_and_forget_at_once(analysis, tmp_path):
    """The C library crashes where two threads are in it."""
    for part in range(4):
        analysis.isel(time=slice(10 * part, 10 * part + 10)).to_netcdf(tmp_path / f"a_{part}.nc")
    want = analysis.mean_sea_level_pressure[::7].sum().item()

    def one(_: int) -> float:
        opened = open_analysis(tmp_path / "a_*.nc")
        return opened.mean_sea_level_pressure[::7].sum().item()

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(one, range(64))) == {want}
