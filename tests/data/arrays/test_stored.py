"""Stored arrays: every layout gives what xarray gives, bit for bit, and damage never a number."""

import itertools
import pickle

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numcodecs import (
    CRC32,
    LZ4,
    AsType,
    BitRound,
    Blosc,
    Delta,
    FixedScaleOffset,
    GZip,
    Quantize,
    Shuffle,
    Zlib,
    Zstd,
)
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)

from axialcast.data import Channels, States, Statistics
from axialcast.data.arrays import chunks as chunks_module
from axialcast.data.arrays.chunks import Chunks
from axialcast.data.arrays.lazy import convert_linear, lazily, part_of, transpose
from axialcast.data.arrays.stored import Stored
from axialcast.data.arrays.zarrs import direct
from axialcast.data.reader import Analysis
from axialcast.data.sources import Source

SHAPE = (23, 3, 5, 7)
DIMS = ("time", "level", "latitude", "longitude")
CHUNKS = (4, 2, 5, 7)

LAYOUTS = {
    "v3": {},
    "v3 zstd": {"compressors": [ZstdCodec()]},
    "v3 blosc lz4": {"compressors": [BloscCodec(cname="lz4", shuffle="shuffle")]},
    "v3 blosc zstd bits": {"compressors": [BloscCodec(cname="zstd", shuffle="bitshuffle")]},
    "v3 gzip": {"compressors": [GzipCodec()]},
    "v3 none": {"compressors": []},
    "v3 checked": {"compressors": [ZstdCodec(), Crc32cCodec()]},
    "v3 sharded": {"shards": (8, 4, 5, 7), "compressors": [BloscCodec(cname="lz4")]},
    "v3 sharded none": {"shards": (8, 4, 5, 7), "compressors": []},
    "v3 sharded, index first": {"shards": {"shape": (8, 4, 5, 7), "index_location": "start"}},
    "v2": {"zarr_format": 2},
    "v2 blosc": {"zarr_format": 2, "compressors": Blosc("lz4", shuffle=1)},
    "v2 zlib": {"zarr_format": 2, "compressors": Zlib()},
    "v2 gzip": {"zarr_format": 2, "compressors": GZip()},
    "v2 lz4": {"zarr_format": 2, "compressors": LZ4()},
    "v2 zstd": {"zarr_format": 2, "compressors": Zstd()},
    "v2 none": {"zarr_format": 2, "compressors": None},
}
FOREIGN = {
    "v3 big-endian": {"serializer": BytesCodec(endian="big")},
    "v3 transposed": {"filters": [TransposeCodec(order=(3, 2, 1, 0))]},
    "v3 sharded transposed": {
        "shards": (8, 4, 5, 7),
        "filters": [TransposeCodec(order=(3, 2, 1, 0))],
    },
    "v3 shards, plain index": {
        "chunks": (8, 4, 5, 7),
        "serializer": ShardingCodec(chunk_shape=CHUNKS, index_codecs=[BytesCodec()]),
        "compressors": [],
    },
    "v2 big-endian": {"zarr_format": 2, "dtype": ">f4"},
    "v2 rounded": {"zarr_format": 2, "filters": [BitRound(7)], "compressors": Zlib()},
    "v2 filtered": {"zarr_format": 2, "filters": [Delta(dtype="f4")], "compressors": None},
    "v2 Fortran": {"zarr_format": 2, "order": "F"},
    "v2 larger": {"zarr_format": 2, "filters": [AsType("f8", "f4")], "compressors": None},
    "v2 larger, blosc": {
        "zarr_format": 2,
        "filters": [AsType("f8", "f4")],
        "compressors": Blosc("lz4", shuffle=1),
    },
    "v2 smaller": {
        "zarr_format": 2,
        "filters": [FixedScaleOffset(0, 100, "f4", "i2")],
        "compressors": Blosc("lz4", shuffle=1),
    },
    "v2 quantised": {"zarr_format": 2, "filters": [Quantize(3, "f4")], "compressors": Zstd()},
    "v2 shuffled, checked": {
        "zarr_format": 2,
        "filters": [Shuffle(4), CRC32()],
        "compressors": Zlib(),
    },
}
PACKED = {
    "floats": ("f4", {}),
    "doubles": ("f8", {}),
    "int16": ("i2", {"scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32767}),
    "int16 scaled": ("i2", {"scale_factor": np.float32(0.01)}),
    "uint8": ("u1", {"missing_value": 7}),
    "float with a number for NaN": ("f4", {"missing_value": 9999.0}),
}


def make_store(folder, layout, packing="floats", shape=SHAPE, chunks=CHUNKS):
    """A store of one variable, written by zarr alone."""
    dtype, attributes = PACKED[packing]
    options = dict(layout)
    format_, dtype = options.pop("zarr_format", 3), options.pop("dtype", dtype)
    chunks = options.pop("chunks", chunks)
    group = zarr.open_group(folder, mode="w", zarr_format=format_)
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        values = rng.standard_normal(shape).cumsum(0).astype(dtype)
    else:
        values = rng.integers(0, 200, shape).astype(dtype)
    for mark in ("_FillValue", "missing_value"):
        if mark in attributes:
            values.flat[::11] = attributes[mark]
    fill = attributes.get("_FillValue", attributes.get("missing_value", 0))
    if format_ == 3:
        options["dimension_names"] = DIMS[: len(shape)]
    array = group.create_array(
        "t", shape=shape, chunks=chunks, dtype=dtype, fill_value=fill, **options
    )
    array[:] = values
    plain = {key: getattr(value, "item", lambda v=value: v)() for key, value in attributes.items()}
    array.attrs.update(
        plain if format_ == 3 else {**plain, "_ARRAY_DIMENSIONS": DIMS[: len(shape)]}
    )
    return folder


def open_both(folder, **options):
    """The same store through xarray alone and decoded directly."""
    group = zarr.open_group(folder, mode="r")
    plain = xr.open_zarr(folder, chunks={}, consolidated=False)
    coords = {dim: np.arange(float(size)) for dim, size in plain.sizes.items()}
    coords["time"] = np.datetime64("2001-01-01", "ns") + np.arange(
        plain.sizes["time"]
    ) * np.timedelta64(1, "D")
    return plain.assign_coords(coords), direct(plain, group, **options).assign_coords(coords)


def states_of(dataset, start, stop):
    """What a loader reads, in physical units."""
    channels = Channels.of(dataset)
    ones = np.ones(len(channels))
    states = States(dataset, channels, Statistics(0 * ones, ones, ones, 0.5 * ones))
    out, valid = states.empty(stop - start)
    states.read(start, stop, out, valid)
    return np.where(valid, out, np.nan), states


def num_stored(analysis):
    """Stored arrays that an analysis is read from."""
    return sum(isinstance(part, Source) for part in analysis._parts)


CASES = [
    ("v3 big-endian", "int16"),
    *((name, "floats") for name in (*LAYOUTS, *FOREIGN)),
    *((name, packing) for name in ("v3 sharded", "v2 blosc") for packing in PACKED),
]


@pytest.mark.parametrize(("name", "packing"), dict.fromkeys(CASES))
def test_every_layout_gives_what_xarray_gives(tmp_path, monkeypatch, name, packing):
    foreign = []
    by_zarr = chunks_module._by_zarr
    monkeypatch.setattr(
        chunks_module, "_by_zarr", lambda *args: foreign.append(args) or by_zarr(*args)
    )
    layout = {**LAYOUTS, **FOREIGN}[name]
    plain, decoded = open_both(make_store(tmp_path / "store", layout, packing))
    assert decoded.t.dtype == plain.t.dtype
    np.testing.assert_array_equal(decoded.t.values, plain.t.values)
    assert bool(foreign) == (name in FOREIGN)
    part = {"time": slice(3, 19), "level": [2, 0], "latitude": slice(1, 4)}
    want = plain.isel(part)
    got, states = states_of(decoded.isel(part), 2, 13)
    assert num_stored(states.analysis) == 1
    want = want.t.isel(time=slice(2, 13)).values.astype(np.float32)
    np.testing.assert_array_equal(got, want)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_slicing_reads_the_same(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "sliced"
    if not folder.exists():
        make_store(folder, LAYOUTS["v3 sharded"], "int16")
    plain, decoded = open_both(folder)
    for _ in range(data.draw(st.integers(1, 3))):
        dim = data.draw(st.sampled_from(DIMS))
        if dim not in plain.dims:
            continue
        size = plain.sizes[dim]
        index = data.draw(
            st.one_of(
                st.slices(size),
                st.integers(0, size - 1),
                st.lists(st.integers(0, size - 1), min_size=1),
            )
            if size
            else st.just(slice(None))
        )
        plain, decoded = plain.isel({dim: index}), decoded.isel({dim: index})
    np.testing.assert_array_equal(decoded.t.values, plain.t.values)
    found = part_of(decoded.t)
    if found is not None:
        whole = found.stored[tuple(slice(None) for _ in SHAPE)]
        chosen = whole[np.ix_(*found.positions)].reshape(decoded.t.shape)
        np.testing.assert_array_equal(chosen, plain.t.values)


def test_what_is_selected_is_known_and_what_is_computed_is_not(tmp_path):
    plain, decoded = open_both(make_store(tmp_path / "store", LAYOUTS["v3"]))
    lazy = decoded.t
    for known in (lazy, lazy[3:], lazy[:, 1], lazy[2:9][1:, [2, 0]], lazy[::-1], lazy[..., 2:5]):
        part = part_of(known)
        np.testing.assert_array_equal(part.stored[part.index], known.values)
    for unknown in (lazy + 0, lazy.copy().load(), lazy.chunk(time=3), plain.t, lazy[:0]):
        assert part_of(unknown) is None


@pytest.mark.parametrize("layout", ["v3 sharded", "v2 blosc"])
def test_another_process_reads_as_fast(tmp_path, layout):
    plain, decoded = open_both(make_store(tmp_path / "store", LAYOUTS[layout], "int16"))
    part = {"time": slice(3, 19), "level": [2, 0], "latitude": slice(1, 4)}
    decoded.t.values  # noqa: B018 - what reading leaves behind is not pickled
    again = pickle.loads(pickle.dumps(decoded.isel(part)))
    assert part_of(again.t) is not None
    np.testing.assert_array_equal(again.t.values, plain.isel(part).t.values)
    analysis = pickle.loads(pickle.dumps(Analysis(decoded.isel(part))))
    assert num_stored(analysis) == 1
    want = plain.isel(part).t.values.astype(np.float32)
    np.testing.assert_array_equal(analysis.read([5, 2])[:, 0], want[[5, 2], 0])


def test_a_stacked_array_is_decoded_once_for_all_of_its_variables(tmp_path, monkeypatch):
    _, stacked = open_both(make_store(tmp_path / "store", LAYOUTS["v3 blosc lz4"]))
    split = xr.Dataset({"a": stacked.t.isel(level=2, drop=True), "b": stacked.t.isel(level=[0, 1])})
    want = np.concatenate([stacked.t.values[:, 2:], stacked.t.values[:, :2]], 1)
    reads = []
    read = Chunks.read
    monkeypatch.setattr(Chunks, "read", lambda *args: reads.append(args[1]) or read(*args))
    got, states = states_of(split, 0, 23)
    np.testing.assert_array_equal(got, want)
    assert num_stored(states.analysis) == 1
    assert sorted(reads) == sorted(itertools.product(range(6), range(2), [0], [0]))


def test_what_lies_between_chosen_chunks_is_not_read(tmp_path, monkeypatch):
    plain, decoded = open_both(make_store(tmp_path / "store", LAYOUTS["v3"], chunks=(4, 1, 5, 7)))
    reads, read = [], Chunks.read
    monkeypatch.setattr(Chunks, "read", lambda *args: reads.append(args[1]) or read(*args))
    chosen = {"time": [21, 0, 14, 20, 0], "level": [2, 0]}
    got = decoded.t.isel(chosen).values
    assert sorted(reads) == [(t, level, 0, 0) for t in (0, 3, 5) for level in (0, 2)]
    np.testing.assert_array_equal(got, plain.t.isel(chosen).values)


def test_derived_variables_are_computed_by_dask(tmp_path):
    plain, decoded = open_both(make_store(tmp_path / "store", LAYOUTS["v3"]))
    derived = decoded.assign(speed=np.sqrt(decoded.t**2 + 1).isel(level=1, drop=True))
    got, states = states_of(derived[["speed", "t"]], 5, 17)
    assert num_stored(states.analysis) == 1
    assert len(states.analysis._parts) == 2
    want = plain.t.values[5:17]
    np.testing.assert_array_equal(got[:, 0], np.sqrt(want[:, 1] ** 2 + 1))
    np.testing.assert_array_equal(got[:, 1:], want)


def test_units_and_order_of_dimensions_are_folded_in(tmp_path):
    plain, decoded = open_both(make_store(tmp_path / "store", LAYOUTS["v3 sharded"]))
    order = ("time", "level", "longitude", "latitude")
    turned = transpose(convert_linear(decoded.t, 2.5, -3.0), order)
    want = plain.t.transpose(*order).values * np.float32(2.5) + np.float32(-3.0)
    np.testing.assert_array_equal(turned.values, want)
    np.testing.assert_array_equal(turned[3:9, :, 2].values, want[3:9, :, 2])
    assert part_of(turned[2:]) is not None
    eager = xr.DataArray(plain.t.values, dims=DIMS)
    np.testing.assert_array_equal(transpose(convert_linear(eager, 2.5, -3.0), order).values, want)


@pytest.mark.parametrize("name", [n for n in (*LAYOUTS, *FOREIGN) if n != "v3"])
def test_a_truncated_chunk_is_an_error(tmp_path, name):
    folder = make_store(tmp_path / "store", {**LAYOUTS, **FOREIGN}[name])
    key = "t/1.0.0.0" if name.startswith("v2") else "t/c/1/0/0/0"
    file = folder / key
    whole = file.read_bytes()
    _, decoded = open_both(folder)
    for length in (0, 3, 20, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises((ValueError, RuntimeError), match=r"1[./]0[./]0[./]0"):
            states_of(decoded, 0, 23)
        with pytest.raises((ValueError, RuntimeError), match=r"1[./]0[./]0[./]0"):
            decoded.t.values  # noqa: B018


@pytest.mark.parametrize("name", ["v3 blosc lz4", "v3 sharded", "v2 zlib", *FOREIGN])
def test_a_missing_chunk_is_refused_or_filled_as_asked(tmp_path, name):
    folder = make_store(tmp_path / "store", {**LAYOUTS, **FOREIGN}[name])
    (folder / ("t/1.0.0.0" if name.startswith("v2") else "t/c/1/0/0/0")).unlink()
    plain, decoded = open_both(folder)
    with pytest.raises(ValueError, match=r'is missing.*missing_chunks="fill"'):
        decoded.t.values  # noqa: B018
    plain, filled = open_both(folder, missing_chunks="fill")
    np.testing.assert_array_equal(filled.t.values, plain.t.values)


@pytest.mark.parametrize("name", [n for n in (*LAYOUTS, *FOREIGN) if "sharded" in n])
def test_an_inner_chunk_that_was_never_written_is_missing(tmp_path, name):
    folder = make_store(tmp_path / "store", {**LAYOUTS, **FOREIGN}[name])
    zarr.open_group(folder)["t"][4:8] = 0
    _, decoded = open_both(folder)
    with pytest.raises(ValueError, match="lacks the inner chunk"):
        decoded.t.values  # noqa: B018


def test_chunks_that_are_not_wanted_are_not_decoded(tmp_path, monkeypatch):
    folder = make_store(tmp_path / "store", {"compressors": []}, chunks=(4, 1, 2, 3))
    _, decoded = open_both(folder)
    reads = []
    read = Chunks.read
    monkeypatch.setattr(Chunks, "read", lambda *args: reads.append(args[1]) or read(*args))
    part = decoded.isel(time=[21, 1], level=[2, 0], latitude=slice(2, 3), longitude=[6, 0])
    want = zarr.open_group(folder)["t"][:][[21, 1]][:, [2, 0]][:, :, 2:3][..., [6, 0]]
    np.testing.assert_array_equal(part.t.values, want)
    places = list(itertools.product([0, 5], [0, 2], [1], [0, 2]))
    assert sorted(reads) == places
    reads.clear()
    analysis = Analysis(part.isel(time=[1, 0]))
    np.testing.assert_array_equal(analysis.read([1, 0]), want)
    assert sorted(reads) == places


def test_a_store_that_vanishes_is_an_error(tmp_path):
    folder = make_store(tmp_path / "store", LAYOUTS["v3 blosc lz4"])
    _, decoded = open_both(folder)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="is missing"):
        decoded.t.values  # noqa: B018


def test_what_is_more_than_a_selection_fills_no_memory():
    """A transposed lazy array is found out by one value, not by making all 2^50 of them."""

    class Vast(Stored):
        shape, chunk_shape, dtype = (2**20, 2**20, 2**10), (1, 1, 1), np.dtype(np.float32)

        def pieces(self, box):
            raise AssertionError("nothing is read")

    vast = xr.Variable(("time", "latitude", "longitude"), lazily(Vast()))
    assert part_of(vast[:, ::-1]) is not None
    assert part_of(vast.transpose("time", "longitude", "latitude")) is None
