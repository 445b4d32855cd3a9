"""Convolutions beside the patches: near, around the globe, and nothing at first."""

import pytest
import torch

from axialcast.grid import LatLonGrid
from axialcast.model.axial import AxialBody
from axialcast.model.local import num_halvings

GLOBE = LatLonGrid.regular(9, 14, poles=False)
PART = GLOBE.part(slice(2, 9), slice(3, 11))


def body(grid, *, local, seed=0, **settings):
    torch.manual_seed(seed)
    made = AxialBody(
        3,
        grid,
        num_outputs=2,
        input_steps=2,
        **({"dim": 16, "depth": 2, "heads": 2, "patch": (1, 2, 4), "local": local} | settings),
    )
    return made.eval()


def fields(grid, num=2):
    torch.manual_seed(1)
    return torch.randn(num, 2, 3, *grid.shape), torch.rand(num, 2, 5)


def awake(network):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("grid", [GLOBE, PART])
def test_nothing_is_said_at_first(grid):
    given, dates = fields(grid)
    outputs = body(grid, local=5)(given, dates)
    assert outputs.shape == (2, 2, *grid.shape)
    assert not outputs.any()


def test_what_is_finer_than_a_patch_is_told_from_its_neighbours():
    """A point moves those next to it, also in other patches, before any attention."""
    network = awake(body(GLOBE, local=5))
    given, _ = fields(GLOBE, 1)
    with torch.no_grad():
        points = network.local.points(given)[0]
        other = given.clone()
        other[0, 1, 0, 1, 3] += 1.0  # the last row and column of a patch
        moved = (network.local.points(other)[0] - points).abs().sum((0, 1))
    # Convolutions of three and the means of their group norms: strong nearby.
    assert moved[2, 4] > 10 * moved[8, 10]


def test_it_goes_around_the_globe():
    network = awake(body(GLOBE, local=8, position="none"))
    given, _ = fields(GLOBE)
    with torch.no_grad():
        plain, rolled = (network.local.points(f) for f in (given, given.roll(4, -1)))
    for level, (here, there) in enumerate(zip(plain, rolled, strict=True)):
        torch.testing.assert_close(there.roll(-4 >> level, -1), here)


@pytest.mark.parametrize(
    ("patch", "halvings"), [((1, 4), 0), ((2, 4), 1), ((4, 4), 2), ((12, 8), 2), ((3, 3), 0)]
)
def test_levels_halve_both_sides_of_a_patch(patch, halvings):
    assert num_halvings(patch) == halvings
    made = body(GLOBE, local=3, patch=(1, *patch))
    given, dates = fields(GLOBE)
    shapes = [tuple(level.shape[1:]) for level in made.local.points(given)]
    assert shapes == [(3, 9, 14), (6, 5, 7), (12, 3, 4)][: halvings + 1]
    assert made(given, dates).shape == (2, 2, 9, 14)


def test_processes_cannot_share_it():
    with pytest.raises(ValueError, match=r"beyond a band of latitudes; set model\.local: 0"):
        body(GLOBE, local=5).share(None)


def test_none_is_as_before():
    assert not [name for name in body(GLOBE, local=0).state_dict() if "local" in name]
