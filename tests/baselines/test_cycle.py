"""Normal equations, cell by cell, against numpy's least squares."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axialcast.baselines import cycle
from axialcast.baselines.cycle import HOUR, Equations, annual_basis, part_of

TIMES = np.datetime64("2001-03-01", "ns") + np.arange(37) * np.timedelta64(53, "h")


@settings(deadline=None)
@given(
    parts=st.lists(st.integers(1, 19), min_size=1, max_size=6),
    share=st.sampled_from([0.0, 0.2, 0.7]),
    seed=st.integers(0, 99),
)
def test_every_cell_has_the_least_squares_of_what_was_seen(parts, share, seed):
    """Whatever the blocks; cells may be seen always, never, first or later, or now and then."""
    rng = np.random.default_rng(seed)
    edges = np.cumsum([0, *parts]).clip(0, len(TIMES))
    num = edges[-1]
    values = rng.standard_normal((num, 11)).astype(np.float32) + 250
    values[rng.random((num, 11)) < share] = np.nan
    values[:, 2] = 3.0
    values[:, 5] = np.nan
    values[: num // 2, 7] = np.nan
    values[num // 2 :, 3] = np.inf  # an infinity is no value either
    design = annual_basis(TIMES, 1)
    equations = Equations(3, 11)
    for start, stop in pairwise(edges):
        equations.add(design[start:stop], values[start:stop])
    solved = equations.solve()
    for cell in range(11):
        seen = np.isfinite(values[:, cell])
        if seen.sum() < 6:
            assert np.isnan(solved[:, cell]).all()
            continue
        fit, *_ = np.linalg.lstsq(design[:num][seen], values[seen, cell].astype(np.float64))
        # The fields they make, for coefficients of short periods are poorly known.
        np.testing.assert_allclose(
            design[:num][seen] @ solved[:, cell], design[:num][seen] @ fit, rtol=1e-6
        )


def test_tiles_do_not_change_a_bit(monkeypatch):
    values = np.random.default_rng(0).standard_normal((37, 13)).astype(np.float32)
    values[5:9, 4] = np.nan
    design = annual_basis(TIMES, 2)

    def solved():
        equations = Equations(5, 13)
        equations.add(design, values)
        return equations.solve()

    whole = solved()
    monkeypatch.setattr(cycle, "TILE", 3)
    np.testing.assert_allclose(solved(), whole, rtol=1e-10)


@pytest.mark.parametrize(
    ("times", "hours"),
    [
        (["1987-02-03T17:00:59", "1987-02-04T00:00"], [17, 0]),
        (["2001-01-01T00:30", "1999-12-31T23:45", "2001-01-01T06:00"], [0.5, 23.75, 6]),
    ],
)
def test_hour_of_the_day(times, hours):
    assert part_of(np.array(times, "datetime64[ns]"), HOUR).tolist() == hours
