"""Chunks that we encode are what zarr reads, and what zarr itself would have written."""

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from axialcast.forecast.encoding import CODEC, write_chunks


def make(folder, shape, chunks):
    return zarr.create_array(
        folder,
        name="t",
        shape=shape,
        chunks=chunks,
        dtype="f4",
        compressors=[CODEC],
        overwrite=True,
    )


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 7), st.integers(1, 5), st.just(11), st.just(13)),
    chunks=st.tuples(st.integers(1, 3), st.integers(1, 5), st.just(11), st.integers(5, 13)),
    per_block=st.integers(1, 3),
)
def test_zarr_reads_and_would_write_the_same(tmp_path_factory, shape, chunks, per_block):
    folder = tmp_path_factory.mktemp("encoding")
    chunks = tuple(map(min, chunks, shape))
    values = np.random.default_rng(0).standard_normal(shape).astype("f4")
    ours, theirs = (make(folder / name, shape, chunks) for name in ("ours", "theirs"))
    block = per_block * chunks[0]
    for first in range(0, shape[0], block):
        write_chunks(ours, first, values[first : first + block])
    theirs[:] = values
    np.testing.assert_array_equal(zarr.open_group(folder / "ours")["t"][:], values)
    assert files(folder / "ours") == files(folder / "theirs")


def test_values_of_another_shape_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected values of shape \(3, 5\).*got \(3, 4\)"):
        write_chunks(make(tmp_path, (2, 3, 5), (1, 3, 5)), 0, np.zeros((1, 3, 4), "f4"))
