"""Members of one network that is given noise: each by seed, initial time and number alone."""

import dataclasses

import numpy as np
import pytest
import torch

from axialcast.forecast import Forecaster
from axialcast.model import dates
from axialcast.model.hearing import hearing

LEADS = ["24h", "48h", "72h"]


@pytest.fixture
def checkpoint(forecaster):
    """That of the forecaster, told two fields of noise besides."""
    known = forecaster.checkpoint
    torch.manual_seed(2)
    wanted = dataclasses.replace(known, network={**known.network, "noise": 2})
    network = wanted.untrained()
    with torch.no_grad():
        network.body.head.project.weight.normal_(std=0.3)
    return dataclasses.replace(wanted, weights=network.state_dict())


def predicted(checkpoint, analysis, inits=slice(5, 9), batch_size=16, **settings):
    forecaster = Forecaster(checkpoint, device="cpu", **settings)
    return forecaster.predict(
        analysis,
        init_times=analysis.time.values[inits],
        lead_times=LEADS,
        batch_size=batch_size,
    )


def test_members_differ_and_follow_from_seed_time_and_number(checkpoint, analysis):
    """Few are the first of many; alone or with others; and there are eight unless told."""
    many = predicted(checkpoint, analysis)
    assert many.sizes["number"] == 8
    values = many.geopotential.values
    assert (values.std(1) > 0).all()
    few = predicted(checkpoint, analysis, members=3, batch_size=1)
    np.testing.assert_allclose(few.geopotential, values[:, :3], rtol=1e-5)
    later = predicted(checkpoint, analysis, inits=slice(7, 9), members=2)
    np.testing.assert_allclose(later.geopotential, values[2:, :2], rtol=1e-5)
    other = predicted(checkpoint, analysis, members=3, seed=1)
    assert (abs(other.geopotential - few.geopotential).max(("latitude", "longitude")) > 0).all()
    one = predicted(checkpoint, analysis, members=1)
    assert "number" not in one.dims
    np.testing.assert_allclose(one.geopotential, values[:, 0], rtol=1e-5)


def test_a_network_that_wants_noise_is_not_silent_without(checkpoint):
    network = checkpoint.build()
    states = torch.zeros(1, network.input_steps, network.num_channels, *network.shape)
    when = dates(np.array([["2001-01-01", "2001-01-02"]], "datetime64[ns]"))
    with pytest.raises(ValueError, match="noise: got 0 fields, the network is conditioned on 2"):
        network(states, when)
    with pytest.raises(ValueError, match="noise: got 3 fields"):
        network(states, when, noise=torch.zeros(1, 3, *network.shape))


def test_hearing_tells_of_noise(checkpoint):
    network = checkpoint.build()
    heard = hearing(network, step=checkpoint.step)
    assert len(heard) == 2
    assert all(moved > 0 for moved in heard)
