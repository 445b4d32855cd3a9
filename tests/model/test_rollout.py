"""The generator over lead times."""

import numpy as np
import torch

from axialcast.model import rollout

DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")


def test_rollout_feeds_forecasts_and_their_times_back():
    """A network that adds the last two states and the day of the year: Fibonacci, on a clock."""
    seen = []

    def network(states, calendar):
        seen.append(calendar[0, :, 0] * 365)
        return states[:, 0] + states[:, 1]

    states = torch.ones(1, 2, 1, 1, 1)
    times = np.array([["2001-01-01", "2001-01-02"]], "datetime64[ns]")
    steps = list(rollout(network, states, times, step=DAY, num_steps=5))
    assert [step.item() for step in steps] == [2, 3, 5, 8, 13]
    torch.testing.assert_close(torch.stack(seen)[:, 1], torch.arange(1.0, 6.0))


def test_what_is_not_known_at_first_is_never_fed_back():
    valid = torch.tensor([True, False]).view(1, 1, 1, 2)
    states = torch.ones(1, 2, 1, 1, 2) * valid
    seen = []

    def network(states, calendar):
        seen.append(states[0, -1].flatten().tolist())
        return states[:, 0] + states[:, 1] + 7

    times = np.array([["2001-01-01", "2001-01-02"]], "datetime64[ns]")
    steps = list(rollout(network, states, times, step=DAY, num_steps=3, valid=valid))
    assert [step.flatten().tolist() for step in steps] == [[9, 0], [17, 0], [33, 0]]
    assert seen == [[1, 0], [9, 0], [17, 0]]
