"""Weights of a blend: least squares in [0, 1], for each lead time and channel."""

from types import SimpleNamespace

import numpy as np
import pytest

from axialcast.model import ForecastNetwork
from axialcast.training import Judging
from axialcast.training.blending import Blending, _blended


def sums(own, floor, truth):
    """As `Blending` gathers them, of arrays (n, l, c)."""
    apart, beyond = own - floor, truth - floor
    terms = (np.ones_like(own), apart * beyond, apart**2, beyond**2, (truth - own) ** 2)
    return np.stack([term.sum(0) for term in terms])


def test_no_other_weight_has_a_smaller_error():
    rng = np.random.default_rng(3)
    truth = rng.standard_normal((53, 3, 2))
    own = truth + rng.standard_normal((53, 3, 2)) * [[0.5, 2.0]]
    floor = truth + rng.standard_normal((53, 3, 2)) * [[1.0], [0.3], [3.0]]
    own[:, 2, 0], floor[:, 1, 1] = truth[:, 2, 0] * 0.9, truth[:, 1, 1] + 0.01
    found = _blended(sums(own, floor, truth))
    tried = np.linspace(0, 1, 101)[:, None, None, None]
    errors = np.sqrt(((tried * own + (1 - tried) * floor - truth) ** 2).mean(1))
    assert ((found.weights >= 0) & (found.weights <= 1)).all()
    assert (found.blend <= errors.min(0) + 1e-12).all()
    np.testing.assert_allclose(found.weights, np.linspace(0, 1, 101)[errors.argmin(0)], atol=0.006)
    np.testing.assert_allclose(found.network, errors[-1])
    np.testing.assert_allclose(found.floor, errors[0])


@pytest.mark.parametrize(("own", "weight"), [(np.nan, 0.0), (np.inf, 0.0), (1.0, 1.0)])
def test_a_network_that_is_not_finite_counts_nothing(own, weight):
    floor, truth = np.ones((5, 1, 1)), np.zeros((5, 1, 1))
    with np.errstate(invalid="ignore"):
        found = _blended(sums(np.full((5, 1, 1), own), floor, truth))
    assert found.weights.item() == weight


def test_weights_are_judged_by_the_blend(monkeypatch):
    """What will be forecast is what must be good: a network that knows what its floor does not."""
    rng = np.random.default_rng(5)
    truth = rng.standard_normal((41, 2, 3))
    floor, own = (truth + rng.standard_normal(truth.shape) for _ in range(2))
    gathered = sums(own, floor, truth)
    monkeypatch.setattr(Blending, "_gathered", lambda *_: gathered)
    judging = Judging(SimpleNamespace(loss=SimpleNamespace(samples=1)), None, None, Blending(0, 0))
    network = ForecastNetwork.__new__(ForecastNetwork)
    expected = np.exp(np.log(_blended(gathered).blend).mean())
    assert judging.rmse(network) == pytest.approx(expected)
    assert expected < np.exp(np.log(_blended(gathered).network).mean())
