"""Statistics and metrics against sums by hand."""

import numpy as np
import pytest

from axialcast.scores.metrics import METRICS, STATISTICS, area_sums, pair_statistics

FORECAST = np.array([[3.0, 5.0], [np.nan, 1.0]])
TRUTH = np.array([[1.0, 6.0], [2.0, 1.0]])
CLIMATE = np.array([[2.0, 2.0], [2.0, 3.0]])
VALID = np.isfinite(FORECAST)


def means(weights):
    weights = np.array([weights], dtype=float)
    sums = area_sums(pair_statistics(FORECAST, TRUTH, CLIMATE, VALID), weights)[:, 0]
    return dict(zip(STATISTICS, sums / area_sums(VALID.astype(float), weights)[0], strict=True))


def test_one_pair_by_hand():
    # Errors 2, -1, (missing), 0; f' = 1, 3, -2; o' = -1, 4, -2; weights 1, 2, (1), 2.
    got = means([[1, 2], [1, 2]])
    assert METRICS["rmse"](got) == pytest.approx(np.sqrt((4 + 2 * 1 + 0) / 5))
    assert METRICS["mae"](got) == pytest.approx((2 + 2 * 1) / 5)
    assert METRICS["bias"](got) == pytest.approx((2 - 2 * 1) / 5)
    correlation = (-1 + 2 * 12 + 2 * 4) / np.sqrt((1 + 2 * 9 + 2 * 4) * (1 + 2 * 16 + 2 * 4))
    assert METRICS["acc"](got) == pytest.approx(correlation)


def test_acc_of_the_truth_is_one_and_of_climatology_undefined():
    valid = np.ones((2, 2), bool)
    weights = np.ones((1, 2, 2))
    for forecast, expected in ((TRUTH, 1.0), (2 * CLIMATE - TRUTH, -1.0), (CLIMATE, np.nan)):
        sums = area_sums(pair_statistics(forecast, TRUTH, CLIMATE, valid), weights)[:, 0]
        acc = METRICS["acc"](dict(zip(STATISTICS, np.array(sums), strict=True)))
        assert acc == pytest.approx(expected, nan_ok=True)


def test_area_sums_of_several_regions_keep_leading_axes():
    field = np.random.default_rng(0).random((2, 3, 5, 7))
    weights = np.random.default_rng(1).random((11, 5, 7))
    expected = np.einsum("abhw,rhw->abr", field, weights)
    np.testing.assert_allclose(area_sums(field, weights), expected, rtol=1e-12)
