"""Statistics and metrics against sums by hand."""

import numpy as np
import pytest

from axialcast.scores.metrics import METRICS
from axialcast.scores.sums import PairSums

FORECAST = np.array([[3.0, 5.0], [np.nan, 1.0]], np.float32)
TRUTH = np.array([[1.0, 6.0], [2.0, 1.0]], np.float32)
CLIMATE = np.array([[2.0, 2.0], [2.0, 3.0]], np.float32)


def pair_sums(weights, *forecasts, truth=TRUTH, normal=CLIMATE):
    """Sums of one pair of each forecast."""
    fields = [np.asarray(field, np.float32)[None, None, None] for field in forecasts]
    sums = PairSums({}, np.array(weights, dtype=float), len(fields), (1, 1, 1))
    one = slice(0, 1)
    sums.add(one, one, one, fields, truth[None, None, None], normal[None, None, None])
    return sums


def means(weights):
    return {name: mean[0, 0, 0, 0] for name, mean in pair_sums([weights], FORECAST).means().items()}


def test_one_pair_by_hand():
    # Errors 2, -1, (missing), 0; f' = 1, 3, -2; o' = -1, 4, -2; weights 1, 2, (1), 2.
    got = means([[1, 2], [1, 2]])
    assert METRICS["rmse"](got) == pytest.approx(np.sqrt((4 + 2 * 1 + 0) / 5))
    assert METRICS["mae"](got) == pytest.approx((2 + 2 * 1) / 5)
    assert METRICS["bias"](got) == pytest.approx((2 - 2 * 1) / 5)
    correlation = (-1 + 2 * 12 + 2 * 4) / np.sqrt((1 + 2 * 9 + 2 * 4) * (1 + 2 * 16 + 2 * 4))
    assert METRICS["acc"](got) == pytest.approx(correlation)


def test_acc_of_the_truth_is_one_and_of_climatology_undefined():
    forecasts = TRUTH, 2 * CLIMATE - TRUTH, CLIMATE
    found = METRICS["acc"](pair_sums(np.ones((1, 2, 2)), *forecasts).means())
    np.testing.assert_allclose(found[:, 0, 0, 0], [1.0, -1.0, np.nan])


@pytest.mark.parametrize("width", [7, 1999, 3301])
@pytest.mark.parametrize("lost", [0.0, 0.3])
def test_area_sums_of_several_regions(width, lost):
    """Also of grids whose sums are parted, with and without missing points."""
    rng = np.random.default_rng(0)
    forecast, truth, normal = rng.standard_normal((3, 5, width)).astype(np.float32)
    forecast[rng.random(forecast.shape) < lost] = np.nan
    weights = rng.random((3, 5, width))
    found = pair_sums(weights, forecast, truth=truth, normal=normal).means()
    known = np.isfinite(forecast)
    f, o, n = (np.where(known, x, 0).astype(float) for x in (forecast, truth, normal))
    fields = [f - o, (f - o) ** 2, abs(f - o), (f - n) * (o - n), (f - n) ** 2, (o - n) ** 2]
    for got, field in zip(found.values(), fields, strict=True):
        expected = (weights * field).sum((1, 2)) / (weights * known).sum((1, 2))
        np.testing.assert_allclose(got[0, 0, 0], expected, rtol=1e-9, atol=1e-12)
