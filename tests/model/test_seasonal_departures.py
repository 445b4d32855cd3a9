"""A network of departures from harmonics of the year, against the climatology of the baselines."""

import copy

import numpy as np
import pytest
import torch
import xarray as xr

from axialcast.baselines import Climatology
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork, rollout
from axialcast.model.calendar import dates
from axialcast.model.departures import SeasonalDepartures

GRID = LatLonGrid(np.linspace(-60, 60, 5), np.arange(0, 360, 360 / 7))
STEP = np.timedelta64(6, "h")
HOURS = [0.0, 6.0, 12.0, 18.0]
SPREAD = np.array([0.5, 0.2])
SETTINGS = {"hours": HOURS, "harmonics": 3, "step_days": 0.25}
USUAL = np.random.default_rng(0).standard_normal((4, 7, 2, 5, 7)).astype(np.float32)


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = ForecastNetwork(
        num_channels=2,
        num_diagnostic=1,
        grid=GRID,
        increment_scale=[0.3, 0.1],
        dim=8,
        depth=1,
        heads=2,
        departures=SETTINGS,
    )
    network.set_usual(USUAL, SPREAD)
    return network.eval()


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
def test_it_is_the_climatology_of_the_baselines(calendar):
    """Within a day: there the year has 365.2425 of them, here as many as it has."""
    chosen = {"freq": "6h", "calendar": calendar, "use_cftime": calendar != "standard"}
    times = xr.date_range("2001-03-01", periods=3 * 1460, **chosen)
    rng = np.random.default_rng(1)
    year = np.arange(len(times))[:, None, None] / 4 / 365.0
    wave = (
        np.cos(2 * np.pi * (year + rng.random((2, 3)))) + np.arange(len(times))[:, None, None] % 4
    )
    analysis = xr.Dataset(
        {"pressure": (("time", "latitude", "longitude"), wave.astype(np.float32), {"units": "Pa"})},
        {"time": times, "latitude": [10.0, -10.0], "longitude": [0.0, 120.0, 240.0]},
    )
    climatology = Climatology.fit(analysis)
    coefficients = climatology.coefficients.pressure.values[:, :, None]
    module = SeasonalDepartures(1, (2, 3), **SETTINGS)
    module.usual.copy_(torch.from_numpy(coefficients))
    some = times.values[[0, 101, 1502, 3003, 4379]]
    found = module.usual_at(dates(some[None]))[0]
    np.testing.assert_allclose(found, climatology.values_at(some), atol=0.03)
    later = module.usual_at(dates(some[:4]), later=1)
    np.testing.assert_allclose(
        later, module.usual_at(dates(times.values[[1, 102, 1503, 3004]])), atol=1e-4
    )


def test_an_untrained_network_lets_departures_persist(network):
    times = np.datetime64("2003-12-30", "ns") + STEP * np.arange(16)
    normal = network.departures.usual_at(dates(times[None]))[0]
    departure = 0.3 * torch.randn(2, 5, 7)
    states = (normal[:2] + departure)[None]
    with torch.inference_mode():
        coming = list(rollout(network, states, times[None, :2], step=STEP, num_steps=14))
    for usual, state in zip(normal[2:], coming, strict=True):
        np.testing.assert_allclose(
            state[0, :2], usual + departure, atol=5e-4
        )  # years are not of equal length


def test_a_change_is_counted_in_that_of_a_step_whatever_is_usual(network):
    """The body's change is the state's, but for that of the climatology."""
    for parameter in network.body.head.parameters():
        torch.nn.init.normal_(parameter)
    told = dates(np.array([["2001-01-01T18", "2001-01-02T00"]], "M8[ns]"))
    usual = network.departures.usual_at(told)
    coming = network.departures.usual_at(told[:, -1], later=1)
    states = usual + torch.randn(1, 2, 2, 5, 7)
    spread = torch.from_numpy(SPREAD).float()[:, None, None]
    with torch.inference_mode():
        body = network.body((states - usual) / spread, told)
        found = network(states, told)
    scale = torch.tensor([0.3, 0.1])[:, None, None]
    want = states[:, -1] - usual[:, -1] + coming + scale * body[:, :2]
    np.testing.assert_allclose(found[:, :2], want, atol=1e-4)
    np.testing.assert_allclose(found[:, 2:], body[:, 2:], atol=1e-5)


def test_half_precision_subtracts_what_it_adds(network):
    told = dates(np.array([["2001-01-01T18", "2001-01-02T00"]], "M8[ns]"))
    whole = network.departures.usual_at(told)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network.departures.usual_at(told), whole)


def test_what_is_missing_departs_from_nothing_and_gradients_pass(network):
    told = dates(np.array([["2001-01-01T18", "2001-01-02T00"]], "M8[ns]"))
    states = torch.randn(1, 2, 2, 5, 7)
    states[..., 1, 3] = 0.0
    states.requires_grad_()
    departures = network.departures.of(states, told)
    assert (departures[..., 1, 3] == 0).all()
    assert torch.isfinite(departures).all()
    departures.sum().backward()
    want = 1 / torch.from_numpy(SPREAD).float()[:, None, None].expand(2, 5, 7)
    np.testing.assert_allclose(states.grad[0, 1, :, 0], want[:, 0], rtol=1e-6)


def test_other_hours_are_taken_as_the_nearest(network):
    module = network.departures
    day = np.datetime64("2001-07-01", "ns")
    hour = np.timedelta64(1, "h")
    near = module.usual_at(dates(day + hour * np.array([0, 2, 7, 22, 23])))
    assert torch.isfinite(near).all()
    exact = module._basis(torch.zeros(3), torch.tensor([2 / 24, 7 / 24, 22.9 / 24]))
    assert exact.reshape(3, 4, 7)[..., 0].argmax(-1).tolist() == [0, 1, 0]


def test_copies_share_what_is_usual_and_files_hold_it(network):
    other = copy.deepcopy(network)
    assert other.departures is network.departures
    assert other.body.head is not network.body.head
    assert torch.equal(network.state_dict()["departures.usual"], torch.from_numpy(USUAL))
