"""Blocks of initial times: their length against the library arch, what they see against theory."""

import numpy as np
import pytest
import scipy.signal

from axialcast.scores.resampling import (
    block_lengths,
    block_weights,
    memory_of,
    multiples,
    two_sided,
)


def walks(memory, shape, seed=0):
    """AR(1) series with a variance of one."""
    noise = np.random.default_rng(seed).standard_normal((*shape[:-1], shape[-1] + 100))
    return scipy.signal.lfilter([np.sqrt(1 - memory**2)], [1, -memory], noise)[..., 100:]


def test_lengths_are_those_of_arch():
    optimal = pytest.importorskip("arch.bootstrap").optimal_block_length
    series = np.concatenate([walks(memory, (8, 200)) for memory in (0.0, 0.3, 0.6, 0.9)])
    expected = [optimal(one)["circular"].item() for one in series]
    # arch divides by the norms of what overlaps, the paper by the variance: close to the limit of
    # significance one more lag may count.
    same = np.isclose(block_lengths(series), expected, rtol=1e-9)
    assert same.mean() > 0.85


def test_lengths_of_constants_and_of_alternation_are_finite():
    found = block_lengths(np.stack([np.zeros(40), np.arange(40) % 2.0]))
    assert found[0] == 0
    assert np.isfinite(found[1])


def test_blocks_are_stretches_around_the_end():
    weights = block_weights(11, 3, 50, seed=4)
    assert weights.shape == (50, 11)
    assert (weights.sum(-1) == 11).all()
    np.testing.assert_array_equal(weights, block_weights(11, 3, 50, seed=4))
    assert (weights != block_weights(11, 3, 50, seed=5)).any()
    # One block as long as the sample is the sample.
    np.testing.assert_array_equal(block_weights(7, 7, 3, seed=0), np.ones((3, 7)))


def test_variance_between_blocks_is_that_of_a_bartlett_kernel():
    series, length = walks(0.6, (40,)), 4
    means = block_weights(40, length, 40_000, seed=0) @ series / 40
    apart = series - series.mean()
    lags = [np.mean(apart * np.roll(apart, lag)) for lag in range(length)]
    expected = lags[0] + 2 * sum((1 - lag / length) * lags[lag] for lag in range(1, length))
    assert 40 * means.var() == pytest.approx(expected, rel=0.03)


def test_few_blocks_widen_as_kiefer_and_vogelsang_say():
    share = np.array([0.02, 0.05, 0.1, 0.2])
    found = multiples(share * 400, np.zeros(4), np.array(400.0), 0.95)
    expected = 1.96 + 2.9694 * share + 0.4160 * share**2 - 0.5324 * share**3
    np.testing.assert_allclose(found, expected, rtol=0.01)


def test_what_blocks_miss_of_a_memory_is_made_up_for():
    length, memory = 7.0, 0.6
    lags = np.arange(1, 200)
    seen = 1 + 2 * (np.clip(1 - lags / length, 0, 1) * memory**lags).sum()
    of_all = (1 + memory) / (1 - memory)
    plain, found = (
        multiples(np.array(length), np.array(m), np.array(1000.0), 0.95) for m in (0.0, memory)
    )
    assert found / plain == pytest.approx(np.sqrt(of_all / seen))


def test_chance_and_interval_end_together():
    shape = np.array(5.0), np.array(0.4), np.array(60.0)
    reach = multiples(*shape, 0.9)
    assert two_sided(reach, *shape) == pytest.approx(0.1)
    assert two_sided(-reach, *shape) == pytest.approx(0.1)


def test_memory_of_a_long_series():
    assert memory_of(walks(0.7, (5000,))) == pytest.approx(0.7, abs=0.03)
