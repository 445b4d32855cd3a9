"""The network: what it starts as, what it is symmetric to, what it refuses."""

import numpy as np
import pytest
import torch

from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork, area_weighted_mse, dates

SIZES = {"dim": 16, "depth": 2, "heads": 2}


def make_network(grid=None, **overrides):
    torch.manual_seed(0)
    settings = {"num_channels": 3, "increment_scale": [0.1, 0.2, 0.3], "input_steps": 2, **SIZES}
    grid = grid or LatLonGrid.regular(5, 8, poles=True)
    return ForecastNetwork(grid=grid, **{**settings, **overrides})


def test_before_training_it_is_persistence():
    states, calendar = torch.randn(2, 2, 3, 5, 8), torch.rand(2, 2, 2)
    torch.testing.assert_close(make_network()(states, calendar), states[:, -1])


@pytest.mark.parametrize("shape", [(5, 7), (17, 33), (8, 10)])
@pytest.mark.parametrize("patch", [(1, 2, 2), (2, 3, 4)])
def test_any_grid_size(shape, patch):
    regional = LatLonGrid(np.linspace(70, 30, shape[0]), np.linspace(-70, 10, shape[1]))
    network = _stirred(make_network(regional, patch=patch))
    states = torch.randn(2, 2, 3, *shape)
    out = network(states, torch.rand(2, 2, 2))
    assert out.shape == (2, 3, *shape)
    assert not torch.isclose(out, states[:, -1]).any(0).all()


def test_increments_are_in_units_of_their_scale():
    network = make_network()
    with torch.no_grad():
        network.body.head.project.bias.fill_(1.0)
    states = torch.zeros(1, 2, 3, 5, 8)
    out = network(states, torch.rand(1, 2, 2))
    torch.testing.assert_close(out[0, :, 2, 3], torch.tensor([0.1, 0.2, 0.3]))


def test_rolling_the_globe_with_its_clock_rolls_the_forecast():
    """With rotary positions and no features of place, a patch east is no different."""
    network = _stirred(make_network(position="rotary", patch=(1, 1, 2)).double())
    with torch.no_grad():
        network.body.features.project.weight.zero_()
    states = torch.randn(1, 2, 3, 5, 8, dtype=torch.float64)
    calendar = torch.rand(1, 2, 2, dtype=torch.float64)
    rolled = network(states.roll(4, -1), calendar)
    torch.testing.assert_close(rolled, network(states, calendar).roll(4, -1))


def test_reversible_and_plain_are_one_function():
    states, calendar = torch.randn(2, 2, 3, 5, 8).double(), torch.rand(2, 2, 2).double()
    gradients = []
    for reversible in (True, False):
        network = _stirred(make_network(reversible=reversible).double())
        network(states, calendar).square().mean().backward()
        gradients.append([p.grad for p in network.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_patch_must_divide_input_steps():
    with pytest.raises(ValueError, match="2 times do not divide input_steps=3; choose 1 or 3"):
        make_network(input_steps=3, patch=(2, 2, 2))


def test_loss_by_hand():
    prediction = torch.tensor([[[[[1.0, 2.0]], [[0.0, 0.0]]]]])
    target = torch.tensor([[[[[0.0, 0.0]], [[3.0, 0.0]]]]])
    loss = area_weighted_mse(
        prediction,
        target,
        area_weights=torch.tensor([[0.5, 1.5]]),
        scale=torch.tensor([[[1.0]], [[3.0]]]),
    )
    assert loss.item() == pytest.approx((0.5 * 1 + 1.5 * 4 + 0.5 * 1 + 0) / 4)


def _stirred(network):
    """The network with a head that is not zero, so that its output depends on everything."""
    with torch.no_grad():
        network.body.head.project.weight.normal_()
    return network


def test_it_listens_to_static_fields_and_the_sun():
    """Each changes the forecast: the field where it is changed, the sun where its angle is."""
    network = _stirred(
        make_network(num_static=2, forcings=["cosine_of_solar_zenith_angle"], position="none")
    )
    states = torch.randn(1, 2, 3, 5, 8)
    noon = dates(np.array([["2001-03-20T12", "2001-03-20T12"]], "datetime64[ns]"))
    first = network(states, noon)
    network.set_static(np.random.default_rng(0).standard_normal((2, 5, 8)))
    second = network(states, noon)
    assert not torch.isclose(first, second).any()
    noon[..., 3] += 0.25  # a quarter of a turn
    assert not torch.isclose(second, network(states, noon)).all()
    again = make_network(num_static=2, forcings=["cosine_of_solar_zenith_angle"], position="none")
    again.load_state_dict(network.state_dict())
    torch.testing.assert_close(again(states, noon), network(states, noon))


def test_forcings_that_are_not_known_are_refused():
    with pytest.raises(ValueError, match="forcings: moonlight is not computed here, expected some"):
        make_network(forcings=["moonlight"])
