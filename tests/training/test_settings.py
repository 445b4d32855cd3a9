"""What the config says reaches the training, and what was judged best reaches the checkpoint."""

from functools import partial

import numpy as np
import pytest
import torch

from axialcast.data import Channels, States, WindowLoader, grid_of, open_analysis
from axialcast.forecast import load_checkpoint
from axialcast.training import ForecastTask


def weights(output):
    return (output / "checkpoint" / "weights.safetensors").read_bytes()


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "train.schedule=[{steps: 7, rollout_steps: 1}, {steps: 6, rollout_steps: 1}]",
        "train.schedule=[{steps: 6, rollout_steps: 1}, {steps: 7, rollout_steps: 2}]",
        "train.batch_size=7",
        "train.learning_rate=1.1e-2",
        "train.weight_decay=0.06",
        "train.warmup_steps=3",
        "train.ema_decay=0.91",
        "train.gradient_clip=0.5",
        "train.precision=bfloat16",
    ],
)
def test_each_key_changes_what_is_learned(runner, reference, tmp_path, override):
    runner(tmp_path, override)
    assert weights(tmp_path) != weights(reference)


@pytest.mark.parametrize("override", ["train.validate_every=5", "train.precision=float32"])
def test_each_key_that_changes_nothing(runner, reference, tmp_path, override):
    """Whenever it is validated; on the CPU `auto` is float32."""
    runner(tmp_path, override)
    assert weights(tmp_path) == weights(reference)


def test_log_of_each_step(entries, reference):
    log = entries(reference)
    assert [entry["step"] for entry in log] == list(range(1, 14))
    assert [e["step"] for e in log if "validation_loss" in e] == [4, 8, 12, 13]
    # Warm-up over two steps, then a cosine over 7 + 6 · 2 model steps.
    done = np.r_[np.arange(7), 7 + 2 * np.arange(6)]
    rates = 1e-2 * 0.5 * (1 + np.cos(np.pi * done / 19))
    rates[0] *= 0.5
    np.testing.assert_allclose([entry["learning_rate"] for entry in log], rates)


def test_the_checkpoint_is_what_was_validated_last(runner, entries, reference):
    """Its loss over the windows of data.validate, of two steps each, is that in the log."""
    checkpoint = load_checkpoint(reference / "checkpoint")
    analysis = open_analysis(runner.store, variables=list(runner.config(reference).data.variables))
    watched = analysis.sel(time=slice("2001-02-14", "2001-02-20"))
    windows = partial(WindowLoader, input_steps=2, target_steps=2, batch_size=8, shuffle=False)
    task = ForecastTask(
        step=np.timedelta64(1, "D"),
        area_weights=torch.tensor(grid_of(analysis).area_weights, dtype=torch.float32),
        scale=checkpoint.build().increment_scale,
    )
    loader = windows(States(watched, Channels.of(analysis), checkpoint.statistics))
    assert loader.num_windows == 4
    loss = task.mean_loss(checkpoint.build(), loader)
    assert loss == pytest.approx(entries(reference)[-1]["validation_loss"], rel=1e-6)
