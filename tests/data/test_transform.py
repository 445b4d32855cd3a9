"""Logarithms of what is mostly near zero: in statistics, windows and forecasts."""

import dataclasses

import numpy as np
import pytest
import torch

from axialcast.data import Channels, States, Statistics, normalize_, statistics, unnormalize
from axialcast.data.transform import log_scales
from axialcast.forecast import Checkpoint, Forecaster
from axialcast.grid import grid_of
from axialcast.model import ForecastNetwork

SCALE = 0.25


@pytest.fixture
def rain(analysis):
    """The analysis with a field that is mostly zero in the place of pressure."""
    random = np.random.default_rng(3)
    shape = analysis["mean_sea_level_pressure"].shape
    wet = np.where(random.random(shape) < 0.8, 0, random.gamma(0.5, 20.0, shape))
    rain = analysis["mean_sea_level_pressure"].copy(data=wet.astype(np.float32))
    rain[4, 2, 3] = np.nan
    fields = analysis.drop_vars("mean_sea_level_pressure")
    return fields.assign(total_precipitation=rain.assign_attrs(units="m"))


@pytest.fixture
def scales(rain):
    return log_scales(Channels.of(rain), {"tp": {"log1p": SCALE}})


def transformed(rain):
    """The same, with logarithms by numpy in double precision."""
    wet = rain["total_precipitation"]
    return rain.assign(total_precipitation=np.log1p(wet.astype(np.float64) / SCALE))


@pytest.mark.parametrize("block", [1, 7, 256])
def test_statistics_are_of_the_logarithms_and_ends_of_the_values(rain, scales, block):
    channels = Channels.of(rain)
    memory = block * 4 * len(channels) * 7 * 12 / 2**30
    found = statistics(rain, channels, step=2, memory_gib=memory, log1p=scales)
    # Areas by the grid; the reference sees logarithms as if they were in the store.
    values = transformed(rain)["total_precipitation"].values
    weights = np.where(np.isnan(values), 0, np.broadcast_to(grid_of(rain).areas, values.shape))
    mean = np.average(np.nan_to_num(values), weights=weights)
    std = np.sqrt(np.average(np.nan_to_num(values - mean) ** 2, weights=weights))
    change = np.nan_to_num(values[2:] - values[:-2])
    both = np.where(weights[:-2] > 0, weights[2:], 0)
    changes = np.sqrt(np.average(change**2, weights=both))
    np.testing.assert_allclose(
        [found.mean[-1], found.std[-1], found.increment_std[-1]], [mean, std, changes], rtol=1e-10
    )
    wet = rain["total_precipitation"]
    assert (found.lowest[-1], found.highest[-1]) == (float(wet.min()), float(wet.max()))
    plain = statistics(rain, channels, step=2)
    np.testing.assert_allclose(found.mean[:-1], plain.mean[:-1], rtol=1e-12)
    assert Statistics.from_dict(found.to_dict()).to_dict() == found.to_dict()
    assert "log1p" not in plain.to_dict()


@pytest.mark.parametrize("buffer_bytes", [1, 2**30])
def test_windows_hold_normalised_logarithms(rain, scales, buffer_bytes):
    channels = Channels.of(rain)
    known = statistics(rain, channels, step=1, log1p=scales)
    states = States(rain, channels, known, buffer_bytes=buffer_bytes)
    out, valid = states.empty(len(states))
    states.read(0, len(states), out, valid)
    wanted = (channels.stack(transformed(rain)) - known.mean[:, None, None]) / known.std[
        :, None, None
    ]
    np.testing.assert_allclose(out, np.nan_to_num(wanted), atol=1e-5)
    assert not valid[4, -1, 2, 3]
    given = torch.from_numpy(channels.stack(rain))
    normalised = normalize_(given.clone(), known)
    np.testing.assert_allclose(normalised.nan_to_num(), out, atol=1e-5)
    np.testing.assert_allclose(unnormalize(normalised, known), given, rtol=1e-5, atol=1e-5)


def test_bounds_are_where_they_were(scales, rain):
    known = statistics(rain, Channels.of(rain), step=1, log1p=scales)
    ends = torch.tensor([[-np.inf, -3.0, 0.0, 2.0, np.inf]])
    ends = ends.expand(len(scales), 5).T[:, :, None, None].clone()
    normalised = normalize_(ends, known)[:, -1].flatten()
    assert normalised[0] == normalised[1] == -np.inf
    assert normalised[4] == np.inf
    np.testing.assert_allclose(
        normalised[2:4], (np.log1p(np.array([0, 2.0]) / SCALE) - known.mean[-1]) / known.std[-1],
        rtol=1e-6,
    )  # fmt: skip


def test_what_is_below_zero_is_named_at_the_door(rain, scales):
    channels = Channels.of(rain)
    known = statistics(rain, channels, step=1, log1p=scales)
    rain["total_precipitation"][5, 1, 2] = -1e-3 * SCALE  # rounding of a packed file
    assert statistics(rain, channels, step=1, log1p=scales).lowest[-1] < 0
    rain["total_precipitation"][6, 1, 2] = -0.5
    with pytest.raises(ValueError, match=r"total_precipitation: holds -0\.5 m, and data\.transf"):
        statistics(rain, channels, step=1, log1p=scales)
    states = States(rain, channels, known)
    out, valid = states.empty(5)
    with pytest.raises(ValueError, match=r"total_precipitation: -0\.5 at 2001-01-07T00 is below 0"):
        states.read(3, 8, out, valid)


def test_names_of_what_is_not_there_are_refused(rain):
    with pytest.raises(ValueError, match=r"data\.transform: q is none of geopotential, "):
        log_scales(Channels.of(rain), {"q": {"log1p": 1.0}})
    assert not log_scales(Channels.of(rain), {"tp": "none"}).any()


def test_forecasts_come_back_in_units(rain, scales, make_trained):
    """Of a network that changes nothing a forecast is the state, whatever the transform."""
    forecaster = make_trained(rain, scales)
    forecast = forecaster.predict(rain, init_times="2001-01-15", lead_times="1D")
    np.testing.assert_allclose(
        forecast["total_precipitation"][0, 0],
        rain["total_precipitation"].sel(time="2001-01-15"),
        rtol=1e-4, atol=1e-5,
    )  # fmt: skip
    rain["total_precipitation"][14] = -0.5
    with pytest.raises(ValueError, match=r"total_precipitation: -0\.5 in the analysis of 2001-01-"):
        forecaster.predict(rain, init_times="2001-01-15", lead_times="1D")


def test_bounds_hold_in_units(rain, scales, make_trained):
    """Of what a stirred network says, at the first step, and of what is fed back."""
    free = make_trained(rain, scales, stirred=True)
    bounds = free.checkpoint.channels.bounds({"tp": (0.1, 4.0)})
    kept = Forecaster(dataclasses.replace(free.checkpoint, bounds=bounds), device="cpu")
    where = {"init_times": "2001-01-15", "lead_times": ["1D", "2D"]}
    one, other = (which.predict(rain, **where) for which in (free, kept))
    known = one["total_precipitation"][0, 0]
    assert float(known.min()) < 0.1 < 4 < float(known.max())
    np.testing.assert_allclose(other["total_precipitation"][0, 0], known.clip(0.1, 4), rtol=1e-5)
    assert float(other["total_precipitation"].min()) == np.float32(0.1)
    assert np.abs(other - one)["geopotential"][0, 1].max() > 0


@pytest.fixture
def make_trained():
    def made(analysis, scales, *, stirred=False):
        torch.manual_seed(0)
        channels = Channels.of(analysis)
        known = statistics(analysis, channels, step=1, log1p=scales)
        settings = {"input_steps": 1, "dim": 8, "depth": 1, "heads": 2, "patch": [1, 2, 2]}
        network = ForecastNetwork(
            num_channels=len(channels), grid=grid_of(analysis),
            increment_scale=known.increment_scale.tolist(), **settings,
        )  # fmt: skip
        with torch.no_grad():
            for parameter in network.body.head.parameters():
                parameter.normal_(std=0.3) if stirred else parameter.zero_()
        checkpoint = Checkpoint(
            weights=network.state_dict(), network=settings, channels=channels, statistics=known,
            grid=grid_of(analysis), step=np.timedelta64(86_400_000_000_000, "ns"),
        )  # fmt: skip
        return Forecaster(checkpoint, device="cpu")

    return made
