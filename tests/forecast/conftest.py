"""A small network, stirred so that its forecasts depend on everything."""

import numpy as np
import pytest
import torch

from axialcast.data import Channels, grid_of, statistics
from axialcast.forecast import Checkpoint, Forecaster
from axialcast.model import ForecastNetwork
from axialcast.names import PROGNOSTIC

DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")


def make_checkpoint(analysis, input_steps=2, roles=None, boundary=None):
    torch.manual_seed(1)
    channels = Channels.of(analysis, roles)
    stats = statistics(analysis, channels, step=1)
    settings = {"input_steps": input_steps, "dim": 8, "depth": 1, "heads": 2, "patch": [1, 2, 2]}
    settings |= {} if boundary is None else {"boundary": boundary}
    network = ForecastNetwork(
        **channels.numbers,
        grid=grid_of(analysis),
        increment_scale=stats[channels.where(PROGNOSTIC)].increment_scale.tolist(),
        **settings,
    )
    with torch.no_grad():
        network.body.head.project.weight.normal_(std=0.3)
    return Checkpoint(
        weights=network.state_dict(),
        network=settings,
        channels=channels,
        statistics=stats,
        grid=grid_of(analysis),
        step=DAY,
        provenance={"train": ["2001", "2001"]},
    )


@pytest.fixture
def make_forecaster():
    """A function that makes a forecaster of an analysis that it was, so to speak, trained on."""
    return lambda analysis, **settings: Forecaster(
        make_checkpoint(analysis, **settings), device="cpu"
    )


@pytest.fixture
def forecaster(analysis, make_forecaster):
    return make_forecaster(analysis)
