"""Pieces hold every pair once, and end where the chunks of a forecast do."""

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from axialcast.data.arrays.zarrs import direct
from axialcast.scores.blocks import blocks_of
from axialcast.scores.pieces import Pieces

DAY = np.timedelta64(86_400_000_000_000, "ns")
INITS, LEADS, LEVELS, GRID = 11, 7, 3, (5, 2)


@pytest.fixture(scope="module")
def forecast():
    """Two variables with levels and one without, each value its own number."""
    dims = ("init_time", "lead_time", "level", "latitude", "longitude")
    values = np.arange(INITS * LEADS * LEVELS * 10, dtype=np.float32)
    values = values.reshape(INITS, LEADS, LEVELS, *GRID)
    coords = {
        "init_time": np.datetime64("2001-03-05", "ns") + np.arange(INITS) * DAY,
        "lead_time": np.arange(1, LEADS + 1) * DAY,
        "level": [200.0, 500.0, 850.0],
    }
    surface = (dims[:2] + dims[3:], -1 - values[:, :, 0])
    fields = {"wind": (dims, values), "pressure": surface, "height": (dims, values + 0.5)}
    return xr.Dataset(fields, coords)


def stacked(forecast):
    parts = [forecast.wind.values, forecast.pressure.values[:, :, None], forecast.height.values]
    return np.concatenate(parts, axis=2)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 4000),
    st.booleans(),
    st.fixed_dictionaries(
        {
            "init_time": st.integers(1, INITS),
            "lead_time": st.integers(1, LEADS),
            "level": st.integers(1, LEVELS),
        }
    )
    | st.none(),
    st.permutations(range(INITS)),
)
def test_pieces_hold_every_value_once(forecast, values, whole, chunks, order):
    shuffled = forecast.isel(init_time=list(order))
    pieces = Pieces(shuffled.chunk(chunks) if chunks else shuffled, values, whole=whole)
    expected = stacked(shuffled)
    assert not whole or all(cut.channels == slice(0, 7) for cut in pieces.cuts)
    met = np.zeros(expected.shape, int)
    for block in blocks_of(shuffled):
        for cut in pieces.cuts:
            for cases in pieces.stretches(cut, block):
                positions = block.positions[cases]
                read = pieces.read(cut, positions)
                np.testing.assert_array_equal(read, expected[positions, cut.leads, cut.channels])
                met[positions, cut.leads, cut.channels] += 1
                if chunks is None:
                    channels = 7 if whole else 1
                    assert read.size <= max(values, 10 * channels)
    assert (met == 1).all()


@pytest.mark.parametrize(("leads", "levels"), [(7, 3), (3, 3), (1, 2), (2, 1)])
@pytest.mark.parametrize("values", [1, 60, 10**6])
def test_cuts_end_where_chunks_do(forecast, tmp_path, leads, levels, values):
    chunks = dict.fromkeys(("wind", "height"), (1, leads, levels, *GRID))
    encoding = {name: {"chunks": chunk} for name, chunk in chunks.items()}
    encoding["pressure"] = {"chunks": (1, LEADS, *GRID)}
    forecast.drop_encoding().to_zarr(tmp_path / "f.zarr", encoding=encoding, zarr_format=2)
    group = zarr.open_group(tmp_path / "f.zarr", mode="r")
    stored = direct(xr.open_zarr(tmp_path / "f.zarr", chunks=None, consolidated=False), group)
    # Another order and a part of the levels, as of a scored forecast.
    chosen = stored[["height", "wind", "pressure"]].isel(level=[0, 2])
    for cut in Pieces(chosen, values).cuts:
        for place in range(cut.channels.start, cut.channels.stop):
            length = LEADS if place == 4 else leads
            assert cut.leads.start % length == 0
            assert cut.leads.stop % length == 0 or cut.leads.stop == LEADS
        if levels == 3:  # both levels are in one chunk
            assert not {cut.channels.start, cut.channels.stop} & {1, 3}


@pytest.mark.parametrize("length", [1, 3, 11])
def test_blocks_that_share_a_chunk_are_read_together(forecast, monkeypatch, length):
    monkeypatch.setattr("axialcast.scores.blocks.LONGEST_DAYS", 2)
    pieces = Pieces(forecast.chunk(init_time=length), 10**6)
    together = pieces.groups(blocks_of(forecast))
    for first, second in pairwise(together):
        before, after = first[-1].positions[-1], second[0].positions[0]
        assert before // length != after // length
    assert [b.day for group in together for b in group] == [b.day for b in blocks_of(forecast)]
    assert len(together) == {1: 6, 3: 3, 11: 1}[length]


@pytest.mark.parametrize(("length", "num_inits"), [(3, 331), (31, 997), (1, 331)])
def test_chunks_and_blocks_without_common_ends_are_not_all_read_at_once(length, num_inits):
    inits = np.datetime64("2001-03-05", "ns") + np.arange(num_inits) * DAY
    dims = ("init_time", "lead_time", "latitude", "longitude")
    values = np.broadcast_to(np.float32(0), (num_inits, 5, 211, 307))  # blocks of eight days
    coords = {"init_time": inits, "lead_time": np.arange(1, 6) * DAY}
    forecast = xr.Dataset({"pressure": (dims, values)}, coords)
    chunks = {"init_time": length, "lead_time": 1, "latitude": -1}
    pieces = Pieces(forecast.chunk(chunks), 10**6)
    together = pieces.groups(blocks_of(forecast))
    lengths = [sum(len(block.positions) for block in group) for group in together]
    assert sum(lengths) == num_inits
    assert max(lengths) < 8 * length + 8
    numbers = [np.concatenate([b.positions for b in group]) // length for group in together]
    decoded = sum(len(np.unique(chunk)) for chunk in numbers)
    assert decoded <= 1.15 * -(-num_inits // length)
    # A chunk of several initial times counts as large as it is.
    assert {cut.leads.stop - cut.leads.start for cut in pieces.cuts} == {1 if length == 31 else 5}
