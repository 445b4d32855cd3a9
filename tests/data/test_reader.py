"""The one reader gives what xarray gives, and decodes each chunk once, whatever the layout."""

import math
import pickle
from collections import Counter

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from axialcast.data import Analysis, Channels, open_analysis
from axialcast.data.arrays.chunks import Chunks

SIZES = {"time": 23, "level": 3, "latitude": 5, "longitude": 7}
START = np.datetime64("2001-01-01", "ns")


def make(folder, *, chunk=(4, 2, 5, 7), surface_chunk=None, shards=None, times=None):
    """A store of temperature on levels and of pressure at the surface."""
    rng = np.random.default_rng(0)
    shape = tuple(SIZES.values())
    fields = {
        "temperature": (tuple(SIZES), rng.standard_normal(shape).astype("f4"), {"units": "degC"}),
        "mean_sea_level_pressure": (
            ("time", "latitude", "longitude"),
            rng.standard_normal((shape[0], *shape[2:])).astype("f4"),
            {"units": "Pa"},
        ),
    }
    steps = np.arange(shape[0]) if times is None else np.asarray(times)
    coords = {
        "time": START + steps * np.timedelta64(6, "h"),
        "level": ("level", [850.0, 500.0, 300.0], {"units": "hPa"}),
        "latitude": np.linspace(60.0, -60.0, shape[2]),
        "longitude": np.arange(shape[3]) * 360 / 7,
    }
    plain = xr.Dataset(fields, coords)
    encoding = {
        "temperature": {"chunks": chunk} | ({"shards": shards} if shards else {}),
        "mean_sea_level_pressure": {"chunks": surface_chunk or (chunk[0], *chunk[2:])},
    }
    plain.to_zarr(folder, encoding=encoding, consolidated=False, zarr_format=3)
    return folder


@pytest.fixture(scope="session")
def stores(tmp_path_factory):
    """A store of every layout, at times with gaps."""
    folder, times = tmp_path_factory.mktemp("layouts"), np.delete(np.arange(25), [4, 17])
    return {name: make(folder / name, **kind, times=times) for name, kind in LAYOUTS.items()}


@pytest.fixture
def decoded(monkeypatch):
    """How often each chunk was decoded since the last `clear`."""
    counts = Counter()
    read = Chunks.read

    def counted(self, where, out):
        counts[self.array.path, where] += 1
        read(self, where, out)

    monkeypatch.setattr(Chunks, "read", counted)
    return counts


LAYOUTS = {
    "one time a chunk": {"chunk": (1, 3, 5, 7)},
    "single levels": {"chunk": (4, 1, 5, 7)},
    "levels apart": {"chunk": (5, 2, 5, 7), "surface_chunk": (3, 5, 7)},
    "one chunk": {"chunk": (23, 3, 5, 7)},
    "long and tiled": {"chunk": (20, 1, 2, 3)},
    "tiled unevenly": {"chunk": (6, 3, 2, 7), "surface_chunk": (4, 5, 3)},
    "sharded": {"chunk": (2, 3, 5, 7), "shards": (8, 3, 5, 7)},
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("num_bytes", [1, 3000, 10**6])
@pytest.mark.parametrize("overlap", [0, 3])
def test_blocks_are_all_states_and_decode_each_chunk_once(
    stores, decoded, name, num_bytes, overlap
):
    dataset = open_analysis(stores[name], gaps="keep")
    want = channels_of(dataset.load(), Channels.of(dataset))
    dataset = open_analysis(stores[name], gaps="keep")
    decoded.clear()
    analysis, seen = Analysis(dataset), 0
    for block in analysis.blocks(num_bytes, overlap=overlap):
        assert block.start == seen
        assert block.overlap == min(overlap, seen)
        first = seen - block.overlap
        np.testing.assert_array_equal(block.values, want[first : block.stop])
        np.testing.assert_array_equal(block.new, want[seen : block.stop])
        np.testing.assert_array_equal(block.times, dataset.time[first : block.stop])
        seen = block.stop
    assert seen == len(analysis)
    mixed = len({part.chunk for part in analysis._parts}) > 1
    assert max(decoded.values()) == 1 or (mixed and num_bytes < 10**6)
    assert len(decoded) == num_chunks(stores[name])


def num_chunks(folder):
    group = zarr.open_group(folder, mode="r")
    names = ("temperature", "mean_sea_level_pressure")
    return sum(math.prod(map(math.ceil, np.divide(group[n].shape, group[n].chunks))) for n in names)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("by_cells", [False, True])
@pytest.mark.parametrize("num_bytes", [1, 9000, 10**6])
def test_groups_are_the_whole_and_decode_each_chunk_once(
    stores, decoded, name, by_cells, num_bytes
):
    dataset = open_analysis(stores[name], gaps="keep")
    want = channels_of(dataset.load(), Channels.of(dataset))
    dataset = open_analysis(stores[name], gaps="keep")
    decoded.clear()
    analysis = Analysis(dataset)
    out, times = np.zeros(analysis.shape), np.zeros(analysis.shape, int)
    groups = analysis.groups(num_bytes, by_cells=by_cells)
    for group in groups:
        assert group.channels == Channels([analysis.channels[c] for c in group.place[0]])
        for block in group.blocks(num_bytes):
            out[group.place] += block.new.sum(0, dtype=np.float64)
            times[group.place] += len(block.new)
            held = 3 * block.values.nbytes
            assert held <= num_bytes or len(group.groups(num_bytes, by_cells=by_cells)) == 1
    np.testing.assert_allclose(out, want.sum(0, dtype=np.float64), rtol=1e-12)
    assert (times == len(analysis)).all()
    mixed = [g for g in groups if len({part.chunk for part in g._parts}) > 1]
    assert max(decoded.values()) == 1 or mixed
    assert len(groups) == 1 or num_bytes < 10**6
    if by_cells and name == "long and tiled" and num_bytes == 1:
        assert {group.shape for group in groups} == {(1, h, w) for h in (2, 1) for w in (3, 1)}


@pytest.mark.parametrize("name", LAYOUTS)
def test_scattered_and_thinned_times_decode_each_chunk_once(stores, decoded, name):
    dataset = open_analysis(stores[name], gaps="keep")
    analysis = Analysis(dataset)
    rows = [20, 3, 21, 3, -1, 2, 9, 0]
    analysis.read(rows)
    assert max(decoded.values()) == 1
    lengths = dict(
        zip(("temperature", "mean_sea_level_pressure"), chunk_lengths(name), strict=True)
    )
    read = {(path, where[0]) for path, where in decoded}
    wanted = {(path, row // n) for path, n in lengths.items() for row in rows if row >= 0}
    assert read == wanted
    decoded.clear()
    thinned = Analysis(dataset.isel(time=slice(1, None, 2)))
    blocks = list(thinned.blocks(10**6))
    assert max(decoded.values()) == 1
    np.testing.assert_array_equal(blocks[0].values, analysis.read(slice(1, None, 2)))
    decoded.clear()
    edges = [block.stop for block in Analysis(thinned.dataset[["temperature"]]).blocks(1)]
    assert max(decoded.values()) == 1
    chunk = lengths["temperature"]
    assert edges == [*np.flatnonzero(np.diff(np.arange(1, 23, 2) // chunk)) + 1, 11]


def chunk_lengths(name):
    """Times in the chunks of both variables."""
    layout = LAYOUTS[name]
    return layout["chunk"][0], layout.get("surface_chunk", layout["chunk"])[0]


def test_memory_of_a_block_that_is_held_is_not_filled_again(stores):
    analysis = Analysis(open_analysis(stores["one time a chunk"], gaps="keep"))
    want = analysis.read(slice(None))
    parts = [block.values[:, 1:][:, ::2] for block in analysis.blocks(1, overlap=1)]
    assert len(parts) == 23
    for number, part in enumerate(parts):
        np.testing.assert_array_equal(part, want[max(number - 1, 0) : number + 1, 1:][:, ::2])
    places = set()
    for block in analysis.blocks(1):
        places.add(block.values.ctypes.data)
        del block
    assert len(places) <= 3


def test_datasets_in_memory_of_dask_and_computed_are_read_alike(stores):
    stored = open_analysis(stores["tiled unevenly"], gaps="keep")
    plain = open_analysis(stores["tiled unevenly"], gaps="keep").load()
    want = channels_of(plain, Channels.of(plain))
    chunked = stored.chunk(time=5, latitude=2)
    computed = chunked.map(lambda array: array * 2 / 2, keep_attrs=True)
    for dataset in (plain, chunked, computed, chunked.isel(time=slice(3, None))):
        analysis = Analysis(dataset)
        values = np.concatenate([block.new for block in analysis.blocks(1)])
        np.testing.assert_array_equal(values, want[len(want) - len(values) :])
    edges = [block.stop for block in Analysis(chunked.isel(time=slice(3, None))).blocks(1)]
    assert edges == [2, 7, 12, 17, 20]
    groups = Analysis(chunked).groups(1, by_cells=True)
    assert [(len(group.channels), group.shape[1]) for group in groups] == [
        (num, rows) for num in (1, 3) for rows in (2, 2, 1)
    ]


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_selection_is_read_as_xarray_reads_it(stores, data):
    dataset = open_analysis(stores[data.draw(st.sampled_from(list(LAYOUTS)))], gaps="keep")
    line = lambda size: st.lists(st.integers(0, size - 1), min_size=1, unique=True)  # noqa: E731
    steps = {
        "time": st.one_of(line(23).map(sorted), st.builds(slice, st.integers(0, 9), st.just(20))),
        "level": line(3),
        "latitude": st.sampled_from([slice(None), slice(1, 4), slice(None, None, -1), [0, 3]]),
        "longitude": st.one_of(line(7), st.just(slice(2, 5))),
    }
    for dim in data.draw(st.lists(st.sampled_from(list(steps)), unique=True)):
        dataset = dataset.isel({dim: data.draw(steps[dim])})
    dataset = dataset[data.draw(st.permutations(list(dataset)))]
    if data.draw(st.booleans()):
        dataset = dataset.transpose("longitude", "latitude", "level", "time")
        dataset = dataset.transpose("time", "level", "latitude", "longitude")
    channels = Channels(data.draw(st.permutations(list(Channels.of(dataset)))))
    want = channels_of(dataset.load(), channels)
    analysis = Analysis(dataset, channels)
    if data.draw(st.booleans()):
        analysis = pickle.loads(pickle.dumps(analysis))
    rows = data.draw(st.lists(st.integers(-1, len(want) - 1), max_size=40))
    threads = data.draw(st.sampled_from([None, 3]))
    got = analysis.read(rows, num_threads=threads)
    padded = np.concatenate([want, np.full_like(want[:1], np.nan)])
    np.testing.assert_array_equal(got, padded[rows])
    blocks = list(analysis.blocks(data.draw(st.integers(1, 30_000)), overlap=2))
    np.testing.assert_array_equal(np.concatenate([block.new for block in blocks]), want)


def channels_of(dataset, channels):
    """(n, c, h, w) of channels in any order, of a dataset in memory."""
    fields = [
        dataset[c.variable] if c.level is None else dataset[c.variable].sel(level=c.level)
        for c in channels
    ]
    return np.stack([field.values for field in fields], 1)


def test_what_is_no_analysis_is_refused(stores):
    dataset = open_analysis(stores["one chunk"], gaps="keep")
    for wrong, name in [
        (dataset.rename(latitude="lat"), "latitude"),
        (dataset.isel(time=0), "time"),
        (dataset.drop_vars("longitude"), "longitude"),
    ]:
        with pytest.raises(ValueError, match=f"analysis: has no {name} among .*; open it with op"):
            Analysis(wrong)
