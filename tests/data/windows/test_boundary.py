"""What a batch holds of the states along the edges of a region."""

import numpy as np
import pytest
import torch

from axialcast.data import Batch, Channels
from axialcast.data.channels import Channel
from axialcast.names import BOUNDARY, DIAGNOSTIC, FORCING, PROGNOSTIC

ROLES = [PROGNOSTIC, PROGNOSTIC, DIAGNOSTIC, FORCING]


@pytest.mark.parametrize("has_store", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_it_is_the_states_to_come_nan_where_missing(has_store, masked):
    roles = [*ROLES, *([BOUNDARY, BOUNDARY] if has_store else [])]
    channels = Channels([Channel(f"v{n}", None, "1", role) for n, role in enumerate(roles)])
    states = torch.arange(3 * 5 * len(roles) * 7 * 11.0).reshape(3, 5, len(roles), 7, 11)
    valid = torch.ones(states.shape, dtype=torch.bool) if masked else None
    first = 4 if has_store else 0
    if valid is not None:
        valid[1, 3, first + 1, 2, 4] = False
    batch = Batch(states, np.zeros((3, 5), "M8[ns]"), valid, 2, channels)
    found = torch.stack(list(batch.boundary), 1)
    expected = states[:, 2:, first : first + 2].clone()
    if masked:
        expected[1, 1, 1, 2, 4] = torch.nan
    torch.testing.assert_close(found, expected, equal_nan=True)
    assert batch.inputs.shape[2] == 2
    assert batch.targets.shape[2] == 3
