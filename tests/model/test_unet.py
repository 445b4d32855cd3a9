"""The U-Net knows its globe: it rolls with its input, and keeps every cell of odd grids."""

import pytest
import torch

from axialcast.grid import LatLonGrid
from axialcast.model.unet import UNet

GLOBE = LatLonGrid.regular(num_latitudes=7, num_longitudes=24, poles=False)
REGION = GLOBE.part(slice(1, 6), slice(3, 14))


def network_of(grid, **settings) -> UNet:
    torch.manual_seed(3)
    network = UNet(5, grid, num_outputs=3, input_steps=2, **{"dim": 8, "depth": 2, **settings})
    torch.nn.init.normal_(network.leave.weight)
    return network.double()


def test_zero_at_first_and_so_is_every_gradient_but_the_last() -> None:
    network = UNet(5, GLOBE, num_outputs=3, input_steps=2, dim=8)
    out = network(torch.randn(2, 2, 5, 7, 24))
    assert out.shape == (2, 3, 7, 24)
    assert not out.any()


def test_it_rolls_by_whole_cells_of_its_coarsest_level() -> None:
    network, fields = network_of(GLOBE), torch.randn(2, 2, 5, 7, 24, dtype=torch.float64)
    rolled = network(fields.roll(4, -1))
    torch.testing.assert_close(rolled, network(fields).roll(4, -1))
    region = network_of(REGION)
    fields = fields[..., 1:6, 3:14]
    assert not torch.allclose(region(fields.roll(4, -1)), region(fields).roll(4, -1))


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_every_cell_of_an_odd_grid_is_heard_and_answered(depth: int) -> None:
    network = network_of(REGION, depth=depth)
    fields = torch.randn(1, 2, 5, 5, 11, dtype=torch.float64, requires_grad=True)
    out = network(fields)
    assert (out.abs() > 0).all()
    out.square().sum().backward()
    assert fields.grad is not None
    assert (fields.grad.abs() > 0).all()


def test_a_grid_can_be_halved_so_often() -> None:
    assert network_of(REGION, depth=2)(torch.zeros(1, 2, 5, 5, 11).double()).shape[-2:] == (5, 11)
    with pytest.raises(ValueError, match=r"depth: 3 halvings leave one of 5 .* choose 2 or less"):
        network_of(REGION, depth=3)
