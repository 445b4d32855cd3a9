"""The loss that a config asks for; what does not fit is refused where it is said."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from axialcast.data import Channels, grid_of, statistics
from axialcast.model.loss import Amplitudes, Blocks, Cells, Waves
from axialcast.run.config import ConfigError, load_config
from axialcast.run.loss import check_loss, loss_of

ROOT = Path(__file__).parents[2]


def config_of(*overrides):
    return load_config(ROOT / "configs" / "smallest.yaml", list(overrides))


@pytest.mark.parametrize(
    ("overrides", "kinds", "weights", "samples"),
    [
        ((), [Cells], (1.0,), 1),
        (("train.loss=mse",), [Cells], (1.0,), 1),
        (("train.loss.spectral=0.5",), [Cells, Amplitudes], (1.0, 0.5), 1),
        (("model.noise=2",), [Cells], (1.0,), 2),
        (
            ("model.noise=2", "train.loss={kind: crps, samples: 3, spectral: 2, blocks: [2, 4]}"),
            [Cells, Waves, Blocks, Blocks],
            (1.0, 2.0, 1.0, 1.0),
            3,
        ),
    ],
)
def test_terms_are_those_that_were_asked_for(analysis, overrides, kinds, weights, samples):
    loss = loss_of(config_of(*overrides), grid_of(analysis))
    assert [type(term) for term in loss.terms] == kinds
    assert (loss.weights, loss.samples) == (weights, samples)
    assert all(term.is_periodic for term in loss.terms if hasattr(term, "is_periodic"))


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["train.loss=crps"], "train.loss: crps judges members of a network that is given noise;"),
        (["train.loss=mse", "model.noise=2"], "train.loss: with mse a network learns to ignore"),
    ],
)
def test_losses_of_members_that_there_are_not(overrides, line):
    with pytest.raises(ConfigError) as error:
        config_of(*overrides)
    assert line in str(error.value)


def test_spectra_of_rows_with_holes_are_refused(analysis):
    channels = Channels.of(analysis)
    stats = statistics(analysis, channels, step=1)
    holes = replace(stats, missing=np.array([*[0.0] * (len(channels) - 1), 0.25]))
    config = config_of("train.loss.spectral=0.1")
    check_loss(config, channels, stats, slice(None), 8)
    with pytest.raises(ValueError, match="is NaN on 25 % of the area, and spectra need whole rows"):
        check_loss(config, channels, holes, slice(None), 8)


@pytest.mark.parametrize(
    ("rows", "fits"),
    [
        (slice(None), True),
        (slice(0, 4), True),
        (slice(4, 7), True),
        (slice(0, 3), False),
        (slice(3, 7), False),
    ],
)
def test_bands_of_latitudes_end_where_blocks_do(analysis, rows, fits):
    """7 rows; the last block may be cut off."""
    channels = Channels.of(analysis)
    stats = statistics(analysis, channels, step=1)
    given = config_of("train.loss.blocks=[2]"), channels, stats, rows, 7
    if fits:
        check_loss(*given)
        return
    with pytest.raises(ValueError, match=r"train.loss.blocks: 2 rows of a block do not divide"):
        check_loss(*given)
