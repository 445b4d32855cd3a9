"""The loss against sums by hand: means over what is valid, and nothing from the rest."""

import numpy as np
import pytest
import torch

from axialcast.grid import LatLonGrid
from axialcast.model import area_weighted_mse

SHAPE = (2, 3, 5, 7, 11)


@pytest.fixture
def fields():
    torch.manual_seed(0)
    grid = LatLonGrid.regular(7, 11, poles=True)
    return {
        "prediction": torch.randn(SHAPE, requires_grad=True),
        "target": torch.randn(SHAPE),
        "area_weights": torch.tensor(grid.area_weights, dtype=torch.float32),
        "scale": torch.rand(5, 1, 1) + 0.5,
    }


def test_only_valid_cells_count(fields):
    valid = torch.rand(SHAPE) < 0.6
    valid[:, :, 1, 2:4] = False
    total = weight = 0.0
    for cell in np.ndindex(SHAPE):
        if valid[cell]:
            error = fields["prediction"][cell].item() - fields["target"][cell].item()
            area = fields["area_weights"][cell[-2:]].item()
            total += area * (error / fields["scale"][cell[2], 0, 0].item()) ** 2
            weight += area
    got = area_weighted_mse(**fields, valid=valid)
    assert got.item() == pytest.approx(total / weight, rel=1e-5)


def test_what_is_not_valid_is_never_seen(fields):
    """Whatever stands there, loss and gradient are the same, and its own gradient is zero."""
    valid = torch.rand(SHAPE) < 0.6
    results = []
    for filling in (0.0, 1e30, float("nan")):
        prediction = fields["prediction"].detach().where(valid, filling).requires_grad_()
        target = fields["target"].where(valid, -filling)
        loss = area_weighted_mse(
            **{**fields, "prediction": prediction, "target": target}, valid=valid
        )
        loss.backward()
        assert (prediction.grad[~valid] == 0).all()
        assert (prediction.grad[valid] != 0).all()
        results.append((loss.detach(), prediction.grad))
    for loss, gradient in results[1:]:
        assert torch.equal(loss, results[0][0])
        assert torch.equal(gradient, results[0][1])


def test_a_full_mask_is_no_mask(fields):
    full = area_weighted_mse(**fields, valid=torch.ones(SHAPE, dtype=torch.bool))
    assert torch.equal(full, area_weighted_mse(**fields))


def test_nothing_valid_is_no_loss(fields):
    loss = area_weighted_mse(**fields, valid=torch.zeros(SHAPE, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert (fields["prediction"].grad == 0).all()
