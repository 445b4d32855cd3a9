"""What a step holds, counted without memory, against what it holds when it is made."""

import dataclasses

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork
from axialcast.model.footprint import _Live, forecasting_bytes, training_footprint

GRID = LatLonGrid.regular(10, 20, poles=False)


def network(**changes):
    settings = {"dim": 16, "depth": 2, "heads": 2, "patch": (1, 2, 2), **changes}
    return ForecastNetwork(num_channels=3, grid=GRID, increment_scale=[1.0] * 3, **settings)


def counted(shape, *, masked=False, bfloat16=False, **changes):
    return training_footprint(
        lambda: network(**changes), shape, input_steps=2, masked=masked, bfloat16=bfloat16
    )


@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_working_memory_grows_with_windows_by_what_a_window_takes(reversible, masked):
    one, two, five = (
        counted((n, 4, 3, *GRID.shape), reversible=reversible, masked=masked) for n in (1, 2, 5)
    )
    window = two.working - one.working
    assert five.working == pytest.approx(one.working + 4 * window, rel=0.02)
    weights = sum(p.numel() * 4 for p in network().parameters())
    assert one.parameters == two.parameters == weights
    assert one.working > weights, "gradients"


def test_noise_is_counted():
    """Fields that are told, and weights of theirs."""
    shape = (2, 4, 3, *GRID.shape)
    without, with_noise = counted(shape), counted(shape, noise=5)
    assert with_noise.parameters - without.parameters == 4 * 16 * 5 * 4, "of patches of 2 by 2"
    assert with_noise.working > without.working


def test_depth_costs_a_reversible_network_its_weights_alone():
    shape = (4, 3, 3, *GRID.shape)
    found = {
        (depth, kind): counted(shape, depth=depth, reversible=kind)
        for depth in (2, 4)
        for kind in (True, False)
    }
    for kind in (True, False):
        low, high = found[2, kind], found[4, kind]
        assert high.parameters - low.parameters == 2 * low.largest_block
        assert high.rest == low.rest
        # Gradients, and of a reversible one the random states of its branches.
        more = high.working - low.working - 2 * low.largest_block
        assert 0 <= more < 10_000 if kind else more > 1_000_000


def test_what_is_counted_is_what_tensors_take():
    """Of real tensors, on this machine: the same count."""
    settings = {"input_steps": 2, "masked": False, "bfloat16": False}
    shape = (2, 3, 3, *GRID.shape)
    without = training_footprint(network, shape, **settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("axialcast.model.footprint.WITHOUT_MEMORY", False)
        real = training_footprint(network, shape, **settings)
    for name, value in dataclasses.asdict(without).items():
        assert value == pytest.approx(getattr(real, name), rel=0.01), name


def test_bfloat16_takes_less_and_leaves_no_trace():
    shape = (4, 3, 3, *GRID.shape)
    before = torch.get_rng_state()
    assert counted(shape, bfloat16=True).working < 0.8 * counted(shape).working
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.zeros(1).device.type == "cpu"


def test_forecasting_takes_no_gradients():
    shape = (4, 2, 3, *GRID.shape)
    found = forecasting_bytes(network, shape, bfloat16=False)
    training = counted((4, 3, 3, *GRID.shape), reversible=False)
    assert found < (training.parameters + training.working) / 2


def test_storages_are_counted_from_their_first_tensor_to_their_last():
    with FakeTensorMode(), _Live() as live:
        a = torch.zeros(1000)
        view = a[10:].view(2, -1)
        assert live.now == 4000
        del a
        assert live.now == 4000
        b = view + 1
        assert (live.now, live.peak) == (4000 + 3960, 7960)
        del view, b
    assert (live.now, live.peak) == (0, 7960)
