"""Whether a network listens to what it is told."""

import numpy as np
import pytest
import torch

from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork
from axialcast.model.hearing import hearing

DAY = np.timedelta64(1, "D")
GRID = LatLonGrid.regular(5, 8, poles=True)


def make_network():
    torch.manual_seed(0)
    network = ForecastNetwork(
        num_channels=3,
        grid=GRID,
        increment_scale=[0.1, 0.2, 0.4],
        dim=16,
        depth=1,
        heads=2,
        num_static=2,
        forcings=["cosine_of_solar_zenith_angle"],
        reversible=False,
    ).eval()
    network.set_static(np.random.default_rng(0).standard_normal((2, *GRID.shape)))
    return network


def test_before_training_it_listens_to_nothing():
    assert hearing(make_network(), step=DAY) == [0.0, 0.0, 0.0]


def test_what_has_no_weight_is_not_heard():
    network = make_network()
    torch.nn.init.normal_(network.body.head.project.weight, std=0.3)
    columns = network.body.embed.project.weight.data.view(16, 1, 3 + 3, 2, 2)  # (d, t, c, p, q)
    columns[:, :, 4] = 0.0
    first, second, sun = hearing(network, step=DAY)
    assert second == 0.0
    assert first > 0.01
    assert sun > 0.01


def test_it_counts_in_changes_over_a_step():
    """A channel that moves by its own scale counts as one, whatever the scale."""
    network = make_network()

    def following(states, told, dates):
        return states[:, -1] + network.increment_scale * told[0][:, -1]

    network.following = following
    found = hearing(network, step=DAY)
    assert found == pytest.approx([1.0, 0.0, 0.0], rel=1e-4)


def test_months_are_heard_of_as_days_are():
    network = make_network()
    torch.nn.init.normal_(network.body.head.project.weight, std=0.3)
    assert min(hearing(network, step=np.timedelta64(1, "M"))) > 0.01
