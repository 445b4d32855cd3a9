"""Zarr stores whose metadata are damaged or elsewhere: one line that says which file, and what."""

import json
import shutil
import warnings

import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.codecs.numcodecs import FixedScaleOffset, Shuffle, Zlib

from axialcast.data import open_analysis

VARIABLE = "mean_sea_level_pressure"


@pytest.fixture
def store(analysis, tmp_path):
    """A function that writes the analysis as a Zarr store and returns its folder."""

    def write(zarr_format=2, consolidated=False, group=None):
        folder = tmp_path / "a.zarr"
        shutil.rmtree(folder, ignore_errors=True)
        analysis.to_zarr(folder, zarr_format=zarr_format, consolidated=consolidated, group=group)
        return folder

    return write


def refusal(folder, kinds=(ValueError, OSError)):
    with pytest.raises(kinds) as raised:
        open_analysis(folder)
    assert "\n" not in str(raised.value)
    assert "network" not in str(raised.value)
    assert str(folder) in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("content", [b"\0\xff{", b"", b"<html>", b"null", b"[]", b'"text"', b"{"])
@pytest.mark.parametrize(
    ("zarr_format", "file"),
    [
        (2, ".zmetadata"),
        (2, ".zgroup"),
        (2, f"{VARIABLE}/.zarray"),
        (2, f"{VARIABLE}/.zattrs"),
        (3, "zarr.json"),
        (3, f"{VARIABLE}/zarr.json"),
    ],
)
def test_metadata_that_are_damaged_are_named(store, zarr_format, file, content):
    folder = store(zarr_format, consolidated=file == ".zmetadata")
    (folder / file).write_bytes(content)
    assert f"{file} is damaged: expected a JSON object" in refusal(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dtype", "nonsense"),
        ("chunks", [0, 0, 0]),
        ("chunks", [2]),
        ("shape", [-1, 7, 12]),
        ("shape", [10**6, 10**6, 10**6]),
        ("compressor", {"id": "unheard-of"}),
        ("filters", [{"id": "unheard-of"}]),
        ("fill_value", "much"),
        ("order", "Q"),
        ("zarr_format", 7),
    ],
)
def test_metadata_that_make_no_sense_are_refused_in_one_line(store, key, value):
    folder = store()
    file = folder / VARIABLE / ".zarray"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    refusal(folder)


@pytest.mark.parametrize("dims", [[], ["time"], None, "x", 3])
def test_names_of_dimensions_that_do_not_fit_are_told(store, dims):
    folder = store()
    file = folder / VARIABLE / ".zattrs"
    file.write_text(json.dumps({"units": "Pa", "_ARRAY_DIMENSIONS": dims}))
    assert f"{VARIABLE}: expected _ARRAY_DIMENSIONS with 3 names" in refusal(folder)


@pytest.mark.parametrize("content", [b"", b"garbage" * 20])
@pytest.mark.parametrize("coordinate", ["time", "latitude", "longitude"])
def test_a_coordinate_that_cannot_be_decoded_is_named(store, coordinate, content):
    folder = store()
    (folder / coordinate / "0").write_bytes(content)
    assert f"{coordinate}: cannot be decoded" in refusal(folder)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_groups_further_down_are_told_and_can_be_opened(analysis, store, tmp_path, zarr_format):
    folder = store(zarr_format, group="fields/era5")
    assert "the groups fields" in refusal(folder)
    assert "the groups era5; let data.store end in /era5" in refusal(folder / "fields")
    xr.testing.assert_equal(open_analysis(folder / "fields" / "era5").load(), analysis)
    zarr.open_group(tmp_path / "empty.zarr", mode="w", zarr_format=zarr_format)
    assert "the store is empty" in refusal(tmp_path / "empty.zarr")
    zarr.create_array(tmp_path / "one.zarr", shape=(3,), dtype="f4", zarr_format=zarr_format)
    assert "is one array of Zarr; set data.store to the folder above" in refusal(
        tmp_path / "one.zarr"
    )
    (tmp_path / "nothing").mkdir()
    assert "no Zarr store there" in refusal(tmp_path / "nothing", FileNotFoundError)


def test_consolidated_metadata_of_arrays_that_are_gone(store):
    folder = store(consolidated=True)
    shutil.rmtree(folder / VARIABLE)
    with pytest.raises(ValueError, match=rf"{VARIABLE}/0.0.0 is missing"):
        open_analysis(folder).load()
    folder = store(consolidated=True)
    shutil.rmtree(folder / "latitude")
    assert "latitude" in refusal(folder)


def test_an_archive_whose_bytes_changed_is_told_once_and_not_blamed_on_the_network(store, tmp_path):
    folder = store()
    archive = tmp_path / "a.zip"
    shutil.make_archive(str(archive.with_suffix("")), "zip", folder)
    content = bytearray(archive.read_bytes())
    start = content.find(f"{VARIABLE}/0.0.0".encode()) + 60
    for place in range(start, start + 200):
        content[place] ^= 0x55
    archive.write_bytes(content)
    with pytest.raises((ValueError, OSError), match=rf"{VARIABLE}/0.0.0") as raised:
        open_analysis(archive).load()
    assert "network" not in str(raised.value)


def test_codecs_beyond_the_standard_are_read_without_a_warning(analysis, tmp_path):
    """Warnings are errors here, but zarr warns whoever writes such codecs."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Numcodecs codecs are not in")
        scaled = FixedScaleOffset(offset=1e5, scale=10, dtype="f4", astype="i4")
        codecs = {"filters": [scaled], "compressors": [Shuffle(elementsize=4), Zlib()]}
        analysis[[VARIABLE]].to_zarr(
            tmp_path / "a", zarr_format=3, encoding={VARIABLE: codecs}, consolidated=False
        )
    got = open_analysis(tmp_path / "a")[VARIABLE]
    np.testing.assert_allclose(got, analysis[VARIABLE], atol=0.1)


@pytest.mark.parametrize("kind", ["text", "objects", "records"])
def test_what_holds_no_numbers_is_left_out_or_refused(analysis, tmp_path, kind):
    values = {
        "text": np.full((40, 7, 12), "warm"),
        "objects": np.full((40, 7, 12), "warm", object),
        "records": np.zeros((40, 7, 12), [("a", "f4"), ("b", "i4")]),
    }[kind]
    folder = tmp_path / "a"
    analysis.to_zarr(folder, zarr_format=2, consolidated=False)
    group = zarr.open_group(folder)
    if kind != "objects":
        odd = group.create_array("odd", shape=values.shape, dtype=values.dtype)
        odd[...] = values
        odd.attrs["_ARRAY_DIMENSIONS"] = ["time", "latitude", "longitude"]
    else:
        dims = ("time", "latitude", "longitude")
        xr.Dataset({"odd": (dims, values)}).to_zarr(folder, mode="a", consolidated=False)
    xr.testing.assert_equal(open_analysis(folder).load(), analysis)
    with pytest.raises(ValueError, match="odd"):
        open_analysis(folder, variables=["odd"])
