"""Training stores: layout, what xarray and open_analysis make of them, checksums."""

import json
import shutil

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st

from axialcast.data import Channels, open_analysis, statistics
from axialcast.data.opening.kinds import stacked
from axialcast.data.opening.kinds.stacked import Layout, is_prepared, to_variables
from axialcast.data.preparing.preparation import Preparation
from axialcast.data.preparing.prepared import (
    broken_shards,
    read_manifest,
    stored_statistics,
    write_manifest,
)
from axialcast.data.preparing.recipe import Recipe
from axialcast.data.preparing.shards import write_shards

TRAIN = ("2001-01-04", "2001-03-02")


@pytest.fixture
def source(make_analysis, tmp_path):
    """An analysis of 83 times with a few NaN."""
    analysis = make_analysis(num_times=83)
    analysis.geopotential[11:31, 1, 2:4] = np.nan
    analysis.mean_sea_level_pressure[:] = analysis.mean_sea_level_pressure.round(-1)
    # All zeros, so that chunks of one number are met, but for one field that makes a statistic.
    analysis["specific_humidity"] = 0 * analysis.geopotential.fillna(0)
    analysis.specific_humidity[17, :, 3] = 1.0
    analysis.specific_humidity.attrs = {"units": "kg kg-1"}
    analysis.assign_attrs(planet="Mars").to_zarr(tmp_path / "source.zarr", zarr_format=2)
    return analysis


@pytest.fixture
def recipe(source, tmp_path):
    return Recipe(store=str(tmp_path / "source.zarr"), train=TRAIN)


@pytest.fixture
def store(recipe, tmp_path, monkeypatch):
    """A training store with shards of 12 times, in chunks of 4 times and 3 of 5 channels."""
    monkeypatch.setattr(stacked, "CHUNK_BYTES", 3 * 4 * 7 * 12)
    monkeypatch.setattr(stacked, "SHARD_TIMES", 12)
    preparation = Preparation(recipe, tmp_path / "training.zarr")
    for number in reversed(preparation.missing()):
        write_shards(str(preparation.work), [number])
    preparation.finish()
    return tmp_path / "training.zarr"


def test_layout_on_disk(store, source):
    states = zarr.open_array(store / "states", mode="r")
    assert (states.shape, states.dtype) == ((83, 5, 7, 12), np.float32)
    assert (states.chunks, states.shards) == ((1, 3, 7, 12), (12, 6, 7, 12))
    assert type(states.compressors[0]).__name__ == "BloscCodec"
    how = states.compressors[0].to_dict()["configuration"]
    assert (how["cname"], how["shuffle"]) == ("lz4", "shuffle")
    # Every shard is there, though some hold nothing but zeros in most chunks.
    files = sorted(
        str(p.relative_to(store)) for p in (store / "states/c").rglob("*") if p.is_file()
    )
    assert files == sorted(shard["file"] for shard in read_manifest(store)["shards"])
    assert len(files) == 7
    np.testing.assert_array_equal(states[:, 3:5], source.specific_humidity)


def test_opens_in_xarray_and_turns_back(store, source):
    stored = xr.open_zarr(store, chunks={})
    assert is_prepared(stored)
    assert not is_prepared(source)
    assert stored.attrs["planet"] == open_analysis(store).attrs["planet"] == "Mars"
    assert stored.states.dims == ("time", "channel", "latitude", "longitude")
    assert stored.channel.values[1] == "geopotential 850 hPa"
    np.testing.assert_array_equal(
        stored.states.sel(channel="mean_sea_level_pressure"), source.mean_sea_level_pressure
    )
    analysis = to_variables(stored)
    xr.testing.assert_equal(analysis, source)
    assert list(analysis.data_vars) == list(source.data_vars)
    assert Channels.of(analysis) == Channels.of(source)
    for name in analysis.data_vars:
        assert analysis[name].dtype == np.float32
        layers = analysis[name].data.dask.layers
        assert sum("getitem" in layer for layer in layers) == 1  # a plain slice of the one array
    source = source.assign_attrs(planet="Mars")
    xr.testing.assert_identical(open_analysis(analysis), open_analysis(source))


def test_statistics_are_those_of_the_training_period(store, source):
    channels = Channels.of(source)
    expected = statistics(source.sel(time=slice(*TRAIN)), channels, step=1)
    stored = stored_statistics(store, channels, train=TRAIN, step=1)
    for name, values in expected.to_dict().items():
        np.testing.assert_allclose(getattr(stored, name), values, rtol=1e-12)
    some = Channels([channels[4], channels[1]])
    np.testing.assert_array_equal(
        stored_statistics(store, some, train=TRAIN, step=1).mean, stored.mean[[4, 1]]
    )
    assert stored_statistics(store, channels, train=("2001", "2001"), step=1) is None
    assert stored_statistics(store, channels, train=TRAIN, step=2) is None
    assert stored_statistics("gs://bucket/other.zarr", channels, train=TRAIN, step=1) is None


def test_manifest_says_what_is_missing(store, source):
    manifest = read_manifest(store)
    nan = np.isnan(Channels.of(source).stack(source))
    assert manifest["missing"] == nan.sum((0, 2, 3)).tolist()
    for number, shard in enumerate(manifest["shards"]):
        assert shard["missing"] == nan[12 * number : 12 * number + 12].sum((0, 2, 3)).tolist()
    assert manifest["versions"]["zarr"] == zarr.__version__
    assert manifest["plan"]["recipe"]["train"] == list(TRAIN)
    assert "NaN" not in json.dumps(manifest)


def test_broken_shards_are_named_and_made_again(store, recipe):
    assert broken_shards(store) == []
    whole = {path: path.read_bytes() for path in (store / "states/c").rglob("*") if path.is_file()}
    changed, shorter, lost = (store / f"states/c/{n}/0/0/0" for n in (1, 3, 6))
    content = bytearray(changed.read_bytes())
    content[100] ^= 1
    changed.write_bytes(content)
    shorter.write_bytes(shorter.read_bytes()[:-5])
    lost.unlink()
    first, second, third = broken_shards(store)
    assert first == (
        f"{changed} (2001-01-13T00:00:00 to 2001-01-24T00:00:00): "
        "its bytes changed (SHA-256 differs)"
    )
    assert f"{shorter} " in second
    assert "bytes instead of" in second
    assert third.endswith("missing")
    preparation = Preparation(recipe, store)
    assert preparation.missing() == [1, 3, 6]
    for number in preparation.missing():
        write_shards(str(preparation.work), [number])
    preparation.finish()
    assert broken_shards(store) == []
    assert whole == {path: path.read_bytes() for path in whole}
    assert Preparation(recipe, store).missing() == []


def test_a_recipe_that_said_more_is_refused_by_what_it_said(store, recipe):
    known = read_manifest(store)
    known["plan"]["recipe"]["member"] = 3
    write_manifest(store, known)
    with pytest.raises(ValueError, match=r"recipe\.member 3, but now it is None"):
        Preparation(recipe, store)


def test_stores_of_something_else_are_refused(store, recipe, source, tmp_path):
    other = Recipe(**{**vars(recipe), "levels": [850.0]})
    with pytest.raises(ValueError, match=r"training\.zarr: was made with recipe\.levels None, but"):
        Preparation(other, store)
    with pytest.raises(ValueError, match=r"recipe\.train \['2001-01-04', '2001-03-02'\], but now"):
        Preparation(Recipe(**{**vars(recipe), "train": ("2001-01", "2001-02")}), store)
    shutil.rmtree(tmp_path / "source.zarr")
    (source + 1).assign_attrs(source.attrs).map(
        lambda a: a.assign_attrs(source[a.name].attrs)
    ).to_zarr(tmp_path / "source.zarr", zarr_format=2)
    with pytest.raises(ValueError, match=r"source\.sample .* run with --force to start"):
        Preparation(recipe, store)
    shutil.move(store, tmp_path / "moved.zarr")
    store.mkdir()
    (store / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"training\.zarr: is a folder with mine\.txt that"):
        Preparation(recipe, store)


def test_damaged_manifests_are_not_read(store):
    path = store.with_name("training.zarr.json")
    text = path.read_text()
    place = text.index('"mean": [') + 20
    path.write_text(text[:place] + "1" + text[place + 1 :])
    with pytest.raises(ValueError, match=r"zarr\.json: damaged, its checksum differs; remove"):
        stored_statistics(store, Channels([]), train=TRAIN, step=1)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda m: m.pop("plan"), "damaged, it lacks plan; remove it and prepare again"),
        (lambda m: m.pop("channels"), "damaged, it lacks channels"),
        (lambda m: m["plan"].pop("recipe"), "its plan, channels and statistics do not fit"),
        (lambda m: m["channels"][0].pop("units"), "its plan, channels and statistics do not fit"),
        (lambda m: m["statistics"]["std"].pop(), "its plan, channels and statistics do not fit"),
        (lambda m: m.update(statistics=[1]), "its plan, channels and statistics do not fit"),
    ],
)
def test_manifests_that_lack_something_are_refused(store, change, problem):
    """Without a checksum, as version 0.1.0 wrote them."""
    path = store.with_name("training.zarr.json")
    manifest = json.loads(path.read_text())
    channels = Channels.from_list(manifest["channels"])
    assert stored_statistics(store, channels, train=TRAIN, step=1) is not None
    del manifest["sha256"]
    change(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=problem) as caught:
        stored_statistics(store, channels, train=TRAIN, step=1)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("text", ["", "garbage", "[1]", "{}"])
def test_a_plan_or_a_record_that_is_none_is_made_again(recipe, tmp_path, text):
    begun = Preparation(recipe, tmp_path / "training.zarr")
    write_shards(str(begun.work), begun.missing())
    (begun.work / "shards" / "0.json").write_text(text)
    assert begun.missing() == [0]
    (begun.work / "plan.json").write_text(text)
    again = Preparation(recipe, tmp_path / "training.zarr")
    write_shards(str(again.work), again.missing())
    again.finish()
    assert broken_shards(tmp_path / "training.zarr") == []


def test_a_training_period_without_times_is_refused(recipe, tmp_path):
    other = Recipe(**{**vars(recipe), "train": ("1999", "1999")})
    with pytest.raises(ValueError, match=r"data\.train: 1999 to 1999 holds no time"):
        Preparation(other, tmp_path / "training.zarr")
    with pytest.raises(ValueError, match=r"step: 36 h is not a multiple of the cadence, 24 h"):
        Preparation(Recipe(**{**vars(recipe), "step_hours": 36}), tmp_path / "training.zarr")


@given(num_channels=st.integers(1, 300), num_cells=st.integers(1, 2_000_000))
def test_layouts_are_within_bounds(num_channels, num_cells):
    layout = Layout.of(num_channels, num_cells)
    (times, channels), (shard_times, shard_channels) = layout.chunk, layout.shard
    assert shard_times % times == 0
    assert shard_channels % channels == 0
    assert 0 <= shard_channels - num_channels < -(-num_channels // channels)
    assert 4 * times * channels * num_cells <= max(2**20, 4 * num_cells)
    few = 4 * num_channels * num_cells * 41 <= 2**27
    assert (41 if few else 1) <= shard_times <= 80 or shard_times == 40
    assert 4 * num_channels * num_cells * shard_times <= max(2**27, 4 * num_channels * num_cells)
