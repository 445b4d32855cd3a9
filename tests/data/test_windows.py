"""Windows: the right states, every window once, in an order that is a function of the seed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from axialcast.data import Channels, States, Statistics, WindowLoader


def make_states(analysis, buffer_bytes=2**30):
    channels = Channels.of(analysis)
    unit = Statistics(np.zeros(3), np.ones(3), np.ones(3))
    return States(analysis, channels, unit, buffer_bytes=buffer_bytes)


def starts_of(loader, epoch):
    """Times of the first states of the windows, in the order delivered."""
    return np.concatenate([batch.times[:, 0] for batch in loader.epoch(epoch)])


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(1, 5),
    step=st.integers(1, 3),
    batch_size=st.integers(1, 7),
    world_size=st.integers(1, 3),
    held=st.booleans(),
    states_in_buffer=st.integers(1, 60),
    seed=st.integers(0, 5),
)
def test_every_window_once_and_right(
    make_analysis, length, step, batch_size, world_size, held, states_in_buffer, seed
):
    analysis = make_analysis(num_times=31)
    buffer = 2**30 if held else min(states_in_buffer, 30) * 3 * 7 * 12 * 4
    states = make_states(analysis, buffer)
    assert states.in_memory == held
    values, times = Channels.of(analysis).stack(analysis), analysis.time.values
    num_windows = 31 - (length - 1) * step
    seen = []
    for rank in range(world_size):
        loader = WindowLoader(
            states,
            length=length,
            step=step,
            batch_size=batch_size,
            seed=seed,
            rank=rank,
            world_size=world_size,
        )
        batches = list(loader.epoch(0))
        assert len(batches) == len(loader) == num_windows // (batch_size * world_size)
        for batch in batches:
            start = np.searchsorted(times, batch.times[:, 0])
            rows = start[:, None] + np.arange(length) * step
            np.testing.assert_array_equal(batch.times, times[rows])
            np.testing.assert_array_equal(batch.states.numpy(), values[rows])
            seen += start.tolist()
    assert (
        len(seen)
        == len(set(seen))
        == num_windows // (batch_size * world_size) * (batch_size * world_size)
    )


@pytest.mark.parametrize("buffer_bytes", [2**30, 20 * 1008])
def test_order_depends_on_seed_and_epoch_alone(analysis, buffer_bytes):
    def loader(seed):
        states = make_states(analysis, buffer_bytes)
        return WindowLoader(states, length=3, batch_size=5, seed=seed)

    first = starts_of(loader(1), 4)
    np.testing.assert_array_equal(first, starts_of(loader(1), 4))
    assert (first != starts_of(loader(1), 5)).any()
    assert (first != starts_of(loader(2), 4)).any()
    later = np.concatenate([b.times[:, 0] for b in loader(1).epoch(4, first_batch=3)])
    np.testing.assert_array_equal(first[15:], later)


@pytest.mark.parametrize("buffer_bytes", [2**30, 20 * 1008])
def test_unshuffled_windows_come_in_order_of_time_all_of_them(analysis, buffer_bytes):
    states = make_states(analysis, buffer_bytes)
    loader = WindowLoader(states, length=2, batch_size=7, shuffle=False)
    np.testing.assert_array_equal(starts_of(loader, 0), analysis.time.values[:-1])


def test_too_few_times_and_nan(analysis):
    with pytest.raises(
        ValueError, match=r"40 times .* too few for one window of 21 states 2 apart"
    ):
        WindowLoader(make_states(analysis), length=21, step=2, batch_size=1)
    with pytest.raises(ValueError, match="39 windows are too few for a batch of 64 on 1 ranks"):
        WindowLoader(make_states(analysis), length=2, batch_size=64)
    analysis.mean_sea_level_pressure[5, 0, 0] = np.nan
    with pytest.raises(ValueError, match="mean_sea_level_pressure: NaN at 2001-01-06T00:00"):
        list(WindowLoader(make_states(analysis), length=2, batch_size=4).epoch(0))


def test_states_are_normalised(analysis):
    channels = Channels.of(analysis)
    stats = Statistics(np.array([5e4, 1e4, 1e5]), np.array([900.0, 500.0, 700.0]), np.ones(3))
    states = States(analysis, channels, stats).read(3, 5)
    want = (analysis.mean_sea_level_pressure.values[3:5].astype(np.float64) - 1e5) / 700
    torch.testing.assert_close(states[:, 2], torch.tensor(want).float(), rtol=1e-5, atol=1e-5)
