"""Every kind of store gives the same analysis, or one line that says why not."""

import importlib.util
import os
import pickle
import shutil

import numpy as np
import obstore
import pytest
import xarray as xr
import zarr

from axialcast.data import Analysis, cadence, open_analysis
from axialcast.data.arrays.lazy import part_of
from axialcast.data.arrays.zarrs import ZarrArray


@pytest.fixture
def written(analysis, tmp_path):
    """A function that writes the analysis as a Zarr store and returns its folder."""

    def write(zarr_format=2, consolidated=True):
        store = tmp_path / f"a{zarr_format}.zarr"
        analysis.chunk(time=7).to_zarr(store, zarr_format=zarr_format, consolidated=consolidated)
        return store

    return write


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("kind", ["folder", "zip", "file url", "LocalStore", "obstore"])
def test_a_zarr_store(analysis, written, tmp_path, zarr_format, kind):
    folder = written(zarr_format, consolidated=zarr_format == 2)
    store = {
        "folder": lambda: folder,
        "zip": lambda: shutil.make_archive(str(tmp_path / "a.zarr"), "zip", folder),
        "file url": lambda: f"file://{folder}",
        "LocalStore": lambda: zarr.storage.LocalStore(folder, read_only=True),
        "obstore": lambda: zarr.storage.ObjectStore(
            obstore.store.LocalStore(str(folder)), read_only=True
        ),
    }[kind]()
    opened = open_analysis(store)
    assert list(opened) == ["geopotential", "mean_sea_level_pressure"]
    assert part_of(opened.geopotential) is not None
    xr.testing.assert_equal(opened.load(), analysis)


def test_a_store_that_vanishes_gives_no_numbers(written):
    folder = written(3, consolidated=False)
    opened = open_analysis(folder)
    shutil.rmtree(folder)
    with pytest.raises((OSError, ValueError), match="is missing"):
        opened.load()


def test_an_icechunk_repository_by_its_path_and_by_a_session(analysis, tmp_path):
    icechunk = pytest.importorskip("icechunk")
    repository = icechunk.Repository.create(
        icechunk.local_filesystem_storage(str(tmp_path / "repository"))
    )
    session = repository.writable_session("main")
    analysis.chunk(time=7).to_zarr(session.store, consolidated=False)
    session.commit("written")
    for store in (tmp_path / "repository", repository.readonly_session("main").store):
        opened = open_analysis(store)
        assert part_of(opened.geopotential) is not None
        xr.testing.assert_equal(opened.load(), analysis)


def test_an_optional_package_that_is_absent_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (tmp_path / "a.grib").write_bytes(b"GRIB")
    with pytest.raises(ValueError, match=r"needs cfgrib.*pip install 'axialcast\[grib\]'$"):
        open_analysis(tmp_path / "a.grib")
    for folder in ("refs", "snapshots"):
        (tmp_path / "repository" / folder).mkdir(parents=True)
    with pytest.raises(ValueError, match=r"needs icechunk.*pip install 'axialcast\[icechunk\]'$"):
        open_analysis(tmp_path / "repository")


# Several files


def test_files_of_consecutive_times_or_of_other_variables_are_one_analysis(analysis, tmp_path):
    for part, times in enumerate((slice(0, 17), slice(17, 30), slice(30, None))):
        analysis.isel(time=times).to_netcdf(tmp_path / f"a_{part}.nc")
    opened = open_analysis(tmp_path / "a_*.nc")
    assert part_of(opened.geopotential) is not None
    xr.testing.assert_equal(opened.load(), analysis)
    for name in analysis:
        analysis[[name]].to_netcdf(tmp_path / f"{name}.nc")
    opened = open_analysis([tmp_path / f"{name}.nc" for name in analysis])
    xr.testing.assert_equal(opened.load(), analysis)


def test_files_of_single_levels_and_of_times_are_joined_along_both(analysis, tmp_path):
    for level in (500, 850):
        for part, times in enumerate((slice(0, 23), slice(23, None))):
            piece = analysis.sel(level=[level]).isel(time=times)
            piece.to_netcdf(tmp_path / f"a_{level}_{part}.nc")
    opened = open_analysis(tmp_path / "a_*.nc")
    assert part_of(opened.geopotential) is not None
    again = pickle.loads(pickle.dumps(opened))
    assert part_of(again.geopotential) is not None
    xr.testing.assert_equal(again.load(), analysis)
    (tmp_path / "a_500_1.nc").unlink()
    with pytest.raises(ValueError, match=r"none holds time .* at level 500; give"):
        open_analysis(tmp_path / "a_*.nc")


def test_only_the_files_that_are_needed_are_read(analysis, tmp_path):
    for part, times in enumerate((slice(0, 17), slice(17, 30), slice(30, None))):
        analysis.isel(time=times).to_netcdf(tmp_path / f"a_{part}.nc")
    opened = open_analysis(tmp_path / "a_*.nc")
    with xr.set_options(file_cache_maxsize=1):
        (tmp_path / "a_0.nc").unlink()
        opened.isel(time=[39]).load()
        np.testing.assert_array_equal(
            Analysis(opened).read([35, 20])[:, 2], analysis.mean_sea_level_pressure[[35, 20]]
        )
        with pytest.raises(OSError, match=r"a_0\.nc"):
            Analysis(opened).read([16])


def test_stores_of_zarr_are_joined_and_decode_their_own_chunks(analysis, tmp_path):
    for part, times in enumerate((slice(0, 17), slice(17, None))):
        piece = analysis.isel(time=times).chunk(time=5)
        piece.to_zarr(tmp_path / f"a_{part}.zarr", zarr_format=2, consolidated=True)
    opened = open_analysis([tmp_path / "a_0.zarr", tmp_path / "a_1.zarr"])
    joined = part_of(opened.geopotential).stored
    assert [type(part) for part in joined.parts] == [ZarrArray, ZarrArray]
    edges = [block.stop for block in Analysis(opened).blocks(1)]
    assert edges == [5, 10, 15, 17, 22, 27, 32, 37, 40]
    xr.testing.assert_equal(opened.load(), analysis)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (lambda ds: ds.isel(time=slice(16, None)), r"both hold 2001-01-17"),
        (lambda ds: ds.isel(time=slice(12, 15)), r"both hold 2001-01-13"),
        (lambda ds: ds.isel(time=[20, 19]), "b.nc: time: not sorted at 2001-01-20T00"),
        (lambda ds: ds.isel(time=slice(18, None)), "cadence changes from 24 h to 48 h"),
        (lambda ds: ds.isel(time=slice(17, None), latitude=[0, 1]), "on different grids"),
        (
            lambda ds: ds[["mean_sea_level_pressure"]].isel(time=slice(17, None)),
            "lacks geopotential",
        ),
    ],
)
def test_files_that_overlap_or_do_not_fit_are_refused(analysis, tmp_path, second, message):
    analysis.isel(time=slice(0, 17)).to_netcdf(tmp_path / "a.nc")
    second(analysis).to_netcdf(tmp_path / "b.nc")
    with pytest.raises(ValueError, match=message) as raised:
        open_analysis([tmp_path / "b.nc", tmp_path / "a.nc"])
    assert "\n" not in str(raised.value)


def test_a_pattern_without_files_and_a_file_given_twice(analysis, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none_\*\.nc: no file matches"):
        open_analysis(tmp_path / "none_*.nc")
    analysis.to_netcdf(tmp_path / "a.nc")
    with pytest.raises(ValueError, match=r"a\.nc is given twice"):
        open_analysis([tmp_path / "a.nc", tmp_path / "a.nc"])
    with pytest.raises(ValueError, match="expected a path"):
        open_analysis(7)


# GRIB


@pytest.fixture
def grib(tmp_path):
    """Three days of temperature on two levels, and of three fields near the surface."""
    eccodes = pytest.importorskip("eccodes", exc_type=(ImportError, RuntimeError))
    pytest.importorskip("cfgrib", exc_type=(ImportError, RuntimeError))
    fields = [
        ("t", "isobaricInhPa", 850),
        ("t", "isobaricInhPa", 500),
        ("2t", "heightAboveGround", 2),
        ("10u", "heightAboveGround", 10),
        ("msl", "meanSea", 0),
    ]
    grid = {"Ni": 12, "Nj": 7, "iDirectionIncrementInDegrees": 30}
    grid |= {"latitudeOfFirstGridPointInDegrees": 90, "latitudeOfLastGridPointInDegrees": -90}
    grid |= {"longitudeOfFirstGridPointInDegrees": 0, "longitudeOfLastGridPointInDegrees": 330}
    with (tmp_path / "a.grib").open("wb") as file:
        for day in range(3):
            for name, kind, level in fields:
                message = eccodes.codes_grib_new_from_samples("regular_ll_pl_grib2")
                keys = {"jDirectionIncrementInDegrees": 30, "dataDate": 20200101 + day}
                keys |= {"typeOfLevel": kind, "level": level, "shortName": name}
                for key, value in {**grid, **keys, "bitsPerValue": 24}.items():
                    eccodes.codes_set(message, key, value)
                eccodes.codes_set_values(message, np.arange(84.0) + 100 * day + level)
                eccodes.codes_write(message, file)
                eccodes.codes_release(message)
    return tmp_path / "a.grib"


@pytest.mark.filterwarnings("default::FutureWarning")
def test_grib_levels_and_surfaces_become_one_analysis(grib):
    before = set(grib.parent.iterdir())
    opened = open_analysis(grib, variables=["2t", "10u", "msl", "t"])
    assert list(opened)[:2] == ["2m_temperature", "10m_u_component_of_wind"]
    assert part_of(opened.temperature) is not None
    again = pickle.loads(pickle.dumps(Analysis(opened)))
    assert [block.stop for block in again.blocks(1)] == [1, 2, 3]
    np.testing.assert_array_equal(again.read([2])[0, 0], opened["2m_temperature"][2])
    assert cadence(opened) == np.timedelta64(24, "h")
    field = np.arange(84.0).reshape(7, 12) + 100 * np.arange(3)[:, None, None]
    np.testing.assert_allclose(opened["2m_temperature"], field + 2, atol=1e-3)
    np.testing.assert_allclose(opened["mean_sea_level_pressure"], field, atol=1e-3)
    np.testing.assert_allclose(opened.temperature.sel(level=500), field + 500, atol=1e-3)
    assert set(grib.parent.iterdir()) == before, "no index file is left behind"


def test_what_is_neither_a_file_nor_a_folder_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.nc")
    with pytest.raises(ValueError, match=r"a\.nc: neither a file nor a folder; set data\.store"):
        open_analysis(tmp_path / "a.nc")


def test_errors_of_files_are_told_in_words(tmp_path):
    """Without numbers of errors, and without what other libraries call a place."""
    (tmp_path / "a.nc").write_text("hello")
    with pytest.raises(ValueError, match=r"file \(NetCDF: Unknown file format\); download or"):
        open_analysis(tmp_path / "a.nc")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty: no Zarr store there, nothing at all$"):
        open_analysis(tmp_path / "empty")
