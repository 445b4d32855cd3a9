"""A linear floor is the baseline vector_autoregression, on normalised states."""

import numpy as np
import pytest
import torch
import xarray as xr

from axialcast.baselines import VectorAutoregression, fit_baselines
from axialcast.baselines.choosing import Choice
from axialcast.data import Analysis
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork, dates
from axialcast.model.blend import blended, both
from axialcast.model.boundary import Frame
from axialcast.model.floor import Floor
from axialcast.run.floor import floor_settings, fold_of

DAY = np.timedelta64(86_400_000_000_000, "ns")
HEIGHT, WIDTH = 7, 11
MEAN, STD = np.array([280.0, 5.0]), np.array([9.0, 3.0])


@pytest.fixture(scope="module")
def training():
    """Two years of waves in red noise around a year's cycle, land in one of two channels."""
    rng = np.random.default_rng(5)
    num = 743
    noise = rng.standard_normal((num, 2, HEIGHT, WIDTH))
    for time in range(1, num):
        noise[time] = 0.8 * noise[time - 1] + noise[time]
    day = np.arange(num)[:, None, None]
    wave = np.sin(np.arange(WIDTH) * 4 * np.pi / WIDTH - 0.3 * day)
    values = 280 + 5 * wave[:, None] + noise + 0.5 * np.cos(2 * np.pi * day / 365.2425)[:, None]
    values[:, 1] -= 275
    values[:, 1, 2:4, 5:9] = np.nan
    grid = LatLonGrid.regular(num_latitudes=HEIGHT, num_longitudes=WIDTH, poles=False)
    dims = ("time", "latitude", "longitude")
    coords = {
        "time": np.datetime64("2001-01-01", "ns") + np.arange(num) * DAY,
        "latitude": grid.axes[0],
        "longitude": grid.axes[1],
    }
    fields = {
        "air_temperature": (dims, values[:, 0].astype(np.float32), {"units": "K"}),
        "sea_surface_temperature": (dims, values[:, 1].astype(np.float32), {"units": "K"}),
    }
    return xr.Dataset(fields, coords)


def baseline(training, factor=1, choice=None):
    climatology, _ = fit_baselines(training, [], lead_times=DAY[None], harmonics=1)
    return VectorAutoregression.fit(training, climatology, factor=factor, choice=choice)


def normalised(training):
    states = Analysis(training).read(slice(None))
    return ((states - MEAN[:, None, None]) / STD[:, None, None]).astype(np.float32)


def floor_of(model):
    """As `axialcast.run.floor` fills it in, with the climatology's own phase of the year."""
    departures = {"hours": [0.0], "harmonics": 1, "step_days": 1.0}
    floor = Floor(2, (HEIGHT, WIDTH), **floor_settings(model), departures=departures)
    size = len(model.patterns) // 2
    floor.set(
        {
            "patterns": model.patterns,
            "scale": (model.scale.reshape(2, size) * STD[:, None]).ravel(),
            "weights": model.weights,
            "rest": model.rest,
            **(model.coarsening.matrices if model.factor > 1 else {}),
        }
    )
    coefficients = model.climatology.channels.stack(
        model.climatology.coefficients.isel(hour=0)
    ).astype(np.float64)
    coefficients[0] -= MEAN[:, None, None]
    coefficients /= STD[:, None, None]
    floor.departures.set(coefficients[None].astype(np.float32), np.ones(2))
    return floor


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("choice", [Choice(2, 0.1), Choice(3, 0.1, 10.0)])
def test_it_forecasts_what_the_baseline_does(training, factor, choice):
    model = baseline(training, factor, choice)
    floor, values = floor_of(model), normalised(training)
    rows = np.array([[9, 10, 11], [400, 401, 402]])
    times = training.time.values[rows]
    states = torch.from_numpy(values[rows]).nan_to_num(0.0)
    steps = list(floor.steps(states, times, DAY, 5, None))
    leads = np.arange(1, 6) * DAY
    expected = model.values(
        lambda at: Analysis(training).read(Analysis(training).rows(at)),
        times[:, -1],
        leads,
        model.climatology.normal(times[:, -1], leads),
    )
    got = torch.stack(steps, 1).numpy() * STD[:, None, None] + MEAN[:, None, None]
    known = np.isfinite(expected)
    # The phase of the year is the calendar's, which is within a day of the climatology's.
    np.testing.assert_allclose(got[known], expected[known], atol=0.02)
    # One step of states is the first of the steps of amplitudes.
    told = dates(times)
    torch.testing.assert_close(floor.following(states, told, None), steps[0], atol=1e-4, rtol=0)


def test_gradients_pass_and_what_is_missing_says_nothing(training):
    floor, values = floor_of(baseline(training)), normalised(training)
    times = training.time.values[[[9, 10, 11]]]
    states = torch.from_numpy(values[[[9, 10, 11]]]).nan_to_num(0.0).requires_grad_()
    following = floor.following(states, dates(times), None)
    following.square().sum().backward()
    assert torch.isfinite(following).all()
    assert (states.grad[states == 0] == 0).all()
    assert (states.grad[:, -1][states[:, -1] != 0] != 0).any()


def network_of(model, **settings):
    departures = {"hours": [0.0], "harmonics": 1, "step_days": 1.0}
    linear = {**floor_settings(model), "departures": departures, "leads": 2}
    network = ForecastNetwork(
        num_channels=2,
        grid=model.climatology.grid,
        increment_scale=[0.3, 0.2],
        dim=8,
        depth=1,
        heads=2,
        patch=(1, 3, 3),
        floor=linear,
        **settings,
    )
    of = floor_of(model)
    network.floor.load_state_dict(of.state_dict())
    return network.eval()


def test_a_blend_is_of_both_by_lead_time_and_channel(training):
    network = network_of(baseline(training, choice=Choice(3, 0.1)), input_steps=2)
    assert network.input_steps == 3
    rows = np.array([[9, 10, 11], [400, 401, 402]])
    states = torch.from_numpy(normalised(training)[rows]).nan_to_num(0.0)
    settings = {"states": states, "times": training.time.values[rows], "step": DAY, "num_steps": 3}
    weights = torch.tensor([[1.0, 0.25], [0.0, 0.5]])
    network.blend.copy_(weights)
    valid = states[:, -1] != 0
    pairs = list(both(network, **settings, valid=valid))
    steps = list(blended(network, **settings, valid=valid))
    for step, (own, linear), weight in zip(steps, pairs, weights[[0, 1, 1]], strict=True):
        expected = weight[:, None, None] * own + (1 - weight[:, None, None]) * linear
        torch.testing.assert_close(step, torch.where(valid, expected, 0.0))
    # What is blended is not fed back: the network's own forecast is the same as without.
    network.blend.fill_(1.0)
    alone = list(blended(network, **settings, valid=valid))
    torch.testing.assert_close(alone[2], pairs[2][0])


def test_both_are_led_to_the_boundary_of_a_region(training):
    network = network_of(baseline(training, choice=Choice(2, 0.1)), input_steps=2)
    region = LatLonGrid(np.linspace(60, 30, HEIGHT), np.linspace(0, 50, WIDTH))
    network.frame = Frame(region, width=2, relaxation="davies")
    network.told = lambda *given: []  # of an embedding without room for it
    network.blend.fill_(0.25)
    rows = np.array([[9, 10, 11]])
    states = torch.from_numpy(normalised(training)[rows]).nan_to_num(0.0)
    coming = [torch.full((1, 2, HEIGHT, WIDTH), 5.0 + n) for n in range(3)]
    settings = {"states": states, "times": training.time.values[rows], "step": DAY, "num_steps": 3}
    free = list(blended(network, **settings, boundary=iter([c * torch.nan for c in coming])))
    led = list(blended(network, **settings, boundary=iter(coming)))
    weights = network.frame.weights
    for step, boundary in zip(led, coming, strict=True):
        edge = weights == 1
        torch.testing.assert_close(step[..., edge], boundary[..., edge])
    first = free[0] + weights * (coming[0] - free[0])
    torch.testing.assert_close(led[0], first)


def test_states_of_a_network_with_a_floor_cannot_be_shared(training):
    network = network_of(baseline(training))
    with pytest.raises(ValueError, match="needs whole states"):
        network.share(None)


@pytest.mark.parametrize("departures", [False, True])
def test_a_network_builds_on_a_share_of_its_floor(training, departures):
    """next = last + s · (floor - last) + its own change, in whichever world it lives."""
    model = baseline(training, choice=Choice(3, 0.1))
    season = {"hours": [0.0], "harmonics": 1, "step_days": 1.0}
    network = network_of(model, input_steps=2, departures=season if departures else False)
    if departures:
        network.departures.load_state_dict(network.floor.departures.state_dict())
    rows = np.array([[9, 10, 11], [400, 401, 402]])
    states = torch.from_numpy(normalised(training)[rows]).nan_to_num(0.0)
    known, told = states[:, -1] != 0, dates(training.time.values[rows])
    network.learn_share(0.0)
    without = network(states, told)
    network.learn_share(0.3)
    following = network(states, told)
    linear = network.floor.following(states, told, network.departures)
    last = states[:, -1]
    if departures:
        usual = [network.departures.usual_at(told[:, -1], later=later) for later in (0, 1)]
        last = last - usual[0] + usual[1]
    expected = without + 0.3 * (linear - last)
    torch.testing.assert_close(following[known], expected[known], atol=1e-5, rtol=1e-5)
    following[known].square().sum().backward()
    assert (network.floor_share.grad != 0).all()


def test_while_it_is_trained_a_window_is_forecast_without_its_own_fold(training):
    model = baseline(training, choice=Choice(2, 0.1))
    floor, times = floor_of(model), training.time.values
    floor.set_folds(model.folds, fold_of(times))
    rows = np.array([[10, 11], [740, 741]])
    states = torch.from_numpy(normalised(training)[rows]).nan_to_num(0.0)
    told = dates(times[rows])
    whole = floor.following(states, told, None)
    with floor.crossed(times[rows][:, -1]):
        crossed = floor.following(states, told, None)
    folds = fold_of(times)(times[rows][:, -1])
    assert folds.tolist() == [0, len(model.folds) - 1]
    for number, fold in enumerate(folds):
        floor.weights.copy_(torch.from_numpy(model.folds[fold]))
        alone = floor.following(states, told, None)
        torch.testing.assert_close(crossed[number], alone[number])
        assert not torch.allclose(crossed[number], whole[number])
