"""Dates in tensors are those of numpy."""

import numpy as np
import pytest
import torch

from axialcast.exporting.clock import dates_at, months_later
from axialcast.model import dates
from axialcast.times.dates import later

EDGES = [
    *("1696-02-29T23:59:59", "1899-12-31T23:59:59", "1900-01-01", "1900-03-01", "1969-12-31T06"),
    *("1970-01-01", "2000-02-29", "2000-12-31T23:59:59", "2001-01-01", "2100-12-31", "2261-12-31"),
]


def moments() -> np.ndarray:
    drawn = np.random.default_rng(0).integers(-(9 * 10**9), 9 * 10**9, 2_000)
    return np.concatenate([np.array(EDGES, "M8[s]"), drawn.astype("M8[s]")])


def test_they_are_what_a_network_is_told():
    times = moments()
    told = dates_at(torch.from_numpy(times.astype(np.int64)))
    # Sines of torch and of numpy may differ in their last digit.
    np.testing.assert_allclose(told, dates(times.astype("M8[ns]")), rtol=0, atol=1e-6)


@pytest.mark.parametrize("months", [-25, -1, 0, 1, 2, 12, 37])
def test_months_are_counted_as_elsewhere(months):
    times = moments()
    moved = months_later(torch.from_numpy(times.astype(np.int64)), months)
    want = later(times, np.timedelta64(months, "M"))
    np.testing.assert_array_equal(moved.numpy().astype("M8[s]"), want)
