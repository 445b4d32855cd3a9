"""Each position of an axis several times in a row, as numpy repeats it, read once."""

import numpy as np
import pytest
import xarray as xr

from axialcast.data.arrays.backed import Backed
from axialcast.data.arrays.joined import Joined
from axialcast.data.arrays.lazy import lazily, part_of, repeat, transpose
from axialcast.data.arrays.repeated import repeated

DIMS = ("time", "latitude", "longitude")


def array(seed, length=11):
    return np.random.default_rng(seed).standard_normal((length, 3, 5)).astype("f4")


@pytest.mark.parametrize("seed", range(40))
def test_any_part_is_what_numpy_repeats(seed):
    rng = np.random.default_rng(seed)
    axis, count = int(rng.integers(3)), int(rng.integers(1, 6))
    chunks = tuple(int(n) for n in rng.integers(1, (5, 4, 6)))
    parts = [Backed(xr.Variable(DIMS, array(seed + n)), chunks) for n in range(2)]
    stored = Joined(parts, 0).converted(2.0, -1.0)
    whole = np.repeat(np.concatenate([array(seed), array(seed + 1)]) * 2 - 1, count, axis)
    held = repeated(stored, axis, count)
    assert held.shape == whole.shape
    for _ in range(5):
        ends = [np.sort(rng.choice(n + 1, 2, replace=False)) for n in held.shape]
        box = tuple(slice(int(a), int(b)) for a, b in ends)
        found = np.full([s.stop - s.start for s in box], np.nan, "f4")
        for where, values in held.pieces(box):
            assert np.isnan(found[where]).all()
            found[where] = values
        np.testing.assert_allclose(found, whole[box], rtol=1e-6)
        rows = rng.integers(0, held.shape[axis], 4)
        index = tuple(rows if a == axis else slice(None) for a in range(3))
        np.testing.assert_allclose(held[index], whole[index], rtol=1e-6)


def test_chunks_are_those_of_the_array_that_is_repeated():
    stored = Backed(xr.Variable(DIMS, array(0)), (4, 3, 5))
    held = repeated(stored, 0, 3)
    assert held.chunk_shape == (12, 3, 5)
    assert held.numbers(0, np.array([0, 11, 12, 32])).tolist() == [0, 0, 1, 2]


def test_a_lazy_variable_is_repeated_whatever_was_selected_of_it():
    data = xr.DataArray(xr.Variable(DIMS, lazily(Backed(xr.Variable(DIMS, array(0)), (4, 3, 5)))))
    turned = transpose(data.isel(latitude=1, longitude=[4, 0]), ("longitude", "time"))
    part = turned.isel(time=slice(2, 9)).variable
    rows, nth = np.array([0, 0, 1, 3, 3]), np.array([1, 2, 0, 0, 1])
    held = repeat(part, "time", rows, nth, 3)
    assert held.dims == ("longitude", "time")
    assert part_of(held) is not None
    expected = array(0)[2:9, 1][:, [4, 0]].T[:, rows]
    np.testing.assert_array_equal(held, expected)
    in_memory = xr.Variable(DIMS, array(0))
    np.testing.assert_array_equal(repeat(in_memory, "time", rows, nth, 3), array(0)[rows])
