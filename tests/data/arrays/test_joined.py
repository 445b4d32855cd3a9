"""Arrays of files, joined and unfolded: what numpy gives, and nothing else is read."""

import pickle
from itertools import pairwise

import numpy as np
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from axialcast.data.arrays.backed import Backed, backed, stored_of
from axialcast.data.arrays.joined import Joined
from axialcast.data.arrays.lazy import lazily, part_of
from axialcast.data.arrays.stored import Stored, boxes, moved
from axialcast.data.arrays.unfolded import Unfolded


class Counted(Stored):
    """An array in memory whose chunks are counted when they are decoded."""

    def __init__(self, values, chunk_shape):
        self.values, self.chunk_shape = values, chunk_shape
        self.shape, self.dtype, self.decoded = values.shape, values.dtype, []

    def pieces(self, box):
        for chunk, where, _ in boxes(box, self.chunk_shape):
            place = tuple(moved(w, b.start) for w, b in zip(where, box, strict=True))
            self.decoded.append(chunk)
            yield where, self.values[place].copy()


def numbered(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def drawn_index(data, shape):
    """One integer, slice or list of positions for every axis."""
    return tuple(
        data.draw(
            st.one_of(
                st.integers(0, size - 1),
                st.builds(slice, st.integers(0, size), st.integers(0, size)),
                st.lists(st.integers(0, size - 1), min_size=1).map(np.array),
            )
        )
        for size in shape
    )


def outer(values, index):
    for axis in reversed(range(values.ndim)):
        values = values[(*[slice(None)] * axis, index[axis])]
    return values


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_joined_arrays_are_one(data):
    lengths = data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=5))
    chunk = data.draw(st.integers(1, 4))
    values = numbered(3, sum(lengths), 5)
    edges = np.cumsum([0, *lengths])
    parts = [Counted(values[:, a:b], (2, chunk, 5)) for a, b in pairwise(edges)]
    joined = pickle.loads(pickle.dumps(Joined(parts, axis=1)))
    index = drawn_index(data, joined.shape)
    np.testing.assert_array_equal(joined[index], outer(values, index))
    wanted = np.unique(np.arange(sum(lengths))[index[1]])
    for part, a, b in zip(joined.parts, edges[:-1], edges[1:], strict=True):
        assert len(set(part.decoded)) == len(part.decoded)
        read = {number for _, number, _ in part.decoded}
        touched = {(w - a) // chunk for w in wanted if a <= w < b}
        assert read <= touched
    chunks = [(n, k // chunk) for n, length in enumerate(lengths) for k in range(length)]
    ranks = [sorted(set(chunks)).index(number) for number in chunks]
    np.testing.assert_array_equal(joined.numbers(1, np.arange(sum(lengths))), ranks)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_cells_unfold_to_rows_and_columns(data):
    height, width = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 7)))
    cells = numbered(4, 3, height * width)
    chunk = data.draw(st.integers(1, height * width))
    unfolded = Unfolded(Counted(cells, (2, 3, chunk)), width)
    index = drawn_index(data, unfolded.shape)
    want = outer(cells.reshape(4, 3, height, width), index)
    np.testing.assert_array_equal(unfolded[index], want)


def test_every_variable_of_unfolded_cells_is_decoded_together():
    cells = numbered(6, 3, 35)
    array = Counted(cells, (1, 3, 35))
    data = xr.Variable(("time", "variable", "latitude", "longitude"), lazily(Unfolded(array, 7)))
    assert part_of(data[:, 1]).stored is part_of(data[:, [2, 0]]).stored
    np.testing.assert_array_equal(data[4:, [2, 0]].values, cells[4:, [2, 0]].reshape(2, 2, 5, 7))
    assert array.decoded == [(4, 0, 0), (5, 0, 0)]


def test_a_file_is_read_in_whole_chunks(tmp_path, monkeypatch):
    values = numbered(23, 3, 5, 7)
    dims = ("time", "level", "latitude", "longitude")
    packed = {"dtype": "i2", "scale_factor": 0.5, "add_offset": 900.0, "_FillValue": -1}
    encoding = {"t": {"chunksizes": (4, 2, 3, 7), "zlib": True, **packed}}
    xr.Dataset({"t": (dims, values)}).to_netcdf(tmp_path / "a.nc", encoding=encoding)
    opened = backed(xr.open_dataset(tmp_path / "a.nc", cache=False)).t
    stored = part_of(opened.variable).stored
    assert stored.chunk_shape == (4, 2, 3, 7)
    np.testing.assert_allclose(opened.values, np.round(values * 2) / 2)
    again = pickle.loads(pickle.dumps(stored))
    np.testing.assert_array_equal(again[5:9, [2, 0], 1], opened.values[5:9][:, [2, 0], 1])
    monkeypatch.setattr("axialcast.data.arrays.backed.PIECE_BYTES", 1)
    small = Backed(stored.variable, stored.chunk_shape)
    box = (slice(2, 9), slice(0, 3), slice(1, 5), slice(0, 7))
    places = [where for where, _ in small.pieces(box)]
    lines = [sorted({(w[a].start, w[a].stop) for w in places}) for a in range(4)]
    assert lines == [[(0, 2), (2, 6), (6, 7)], [(0, 2), (2, 3)], [(0, 2), (2, 4)], [(0, 7)]]
    np.testing.assert_array_equal(small[box], opened.values[box])


def test_whole_variables_are_their_stored_arrays_and_parts_are_read_through_xarray():
    array = Counted(numbered(5, 3, 7), (2, 3, 7))
    variable = xr.Variable(("time", "latitude", "longitude"), lazily(array))
    assert stored_of(variable) is array
    for part in (variable[1:], variable[:, [2, 0]], variable.copy().load()):
        np.testing.assert_array_equal(stored_of(part)[:, 1:], part.values[:, 1:])
