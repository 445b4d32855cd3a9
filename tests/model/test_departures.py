"""A network of departures from calendar months: what it does not learn, it is given and gives."""

import numpy as np
import pytest
import torch
import xarray as xr

from axialcast.data import Channels, statistics
from axialcast.data.monthly import usual_months
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork, rollout
from axialcast.model.calendar import dates
from axialcast.times.steps import MONTH

GRID = LatLonGrid(np.linspace(-60, 60, 5), np.arange(0, 360, 360 / 7))
USUAL = np.random.default_rng(0).standard_normal((12, 2, 5, 7)).astype(np.float32)
SPREAD = np.array([0.1, 0.3])


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = ForecastNetwork(
        num_channels=2,
        num_diagnostic=1,
        grid=GRID,
        increment_scale=[1.0, 1.0],
        dim=8,
        depth=1,
        heads=2,
        departures=True,
    )
    network.set_usual(USUAL, SPREAD)
    return network.eval()


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day", "all_leap"])
def test_an_untrained_network_lets_departures_persist(network, calendar):
    chosen = {"freq": "MS", "calendar": calendar, "use_cftime": calendar != "standard"}
    times = xr.date_range("1999-11-01", periods=30, **chosen).values
    months = np.array([int(str(time)[5:7]) - 1 for time in times])
    departure = 0.3 * np.random.default_rng(1).standard_normal((2, 5, 7)).astype(np.float32)
    states = torch.from_numpy(USUAL[months[:2]] + departure)[None]
    with torch.inference_mode():
        coming = list(rollout(network, states, times[None, :2], step=MONTH, num_steps=28))
    for month, state in zip(months[2:], coming, strict=True):
        np.testing.assert_allclose(state[0, :2], USUAL[month] + departure, atol=1e-5)


def test_it_is_given_departures_and_gives_them(network):
    """What is usual cancels, whatever it is; the spread is what a change is counted in."""
    for parameter in network.body.head.parameters():
        torch.nn.init.normal_(parameter)
    times = np.array([["2001-01-01", "2001-02-01"]], "M8[ns]")
    told = dates(times)
    departures = torch.from_numpy(
        np.random.default_rng(2).standard_normal((1, 2, 2, 5, 7)).astype("f4")
    )
    scale = torch.from_numpy(SPREAD).float()[:, None, None]

    def forecast(usual):
        network.set_usual(usual, SPREAD)
        states = torch.from_numpy(usual[:2])[None] + scale * departures
        return (network(states, told)[:, :2] - torch.from_numpy(usual[2])) / scale

    with torch.inference_mode():
        np.testing.assert_allclose(forecast(USUAL), forecast(USUAL[::-1].copy() + 1), atol=1e-4)


def test_what_is_missing_departs_from_nothing(network):
    times = np.array([["2001-01-01", "2001-02-01"]], "M8[ns]")
    states = torch.from_numpy(USUAL[:2])[None].clone()
    states[..., 1, 3] = 0.0
    assert (network.departures.of(states, dates(times)) == 0).all()


def test_the_means_and_the_spread_are_those_of_xarray(analysis_of):
    rng = np.random.default_rng(3)
    values = (280 + 5 * rng.standard_normal((62, 5, 7))).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:, 0, 0] = np.nan
    times = xr.date_range("2000-03-01", periods=62, freq="MS")
    analysis = analysis_of(values).assign_coords(time=times)
    found = statistics(analysis, Channels.of(analysis), step=1)
    usual, spread = usual_months(analysis, Channels.of(analysis), found)
    normal = (analysis.pressure - found.mean[0]) / found.std[0]
    want = normal.groupby("time.month").mean("time")
    np.testing.assert_allclose(usual[:, 0], want, rtol=1e-4, atol=1e-5)
    squares = (normal.groupby("time.month") - want) ** 2
    weights = np.cos(np.deg2rad(analysis.latitude))
    np.testing.assert_allclose(spread, np.sqrt(squares.weighted(weights).mean()), rtol=1e-2)
    with pytest.raises(ValueError, match=r"data.train has no month 1 of any year"):
        usual_months(analysis.isel(time=slice(5)), Channels.of(analysis), found)
