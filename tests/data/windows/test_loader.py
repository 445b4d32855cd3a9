"""Windows: the right states, every one once, in an order that is a function of the seed."""

import json
import re
import shutil
import threading

import cftime
import numpy as np
import pytest
import torch
import xarray as xr
import zarr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from axialcast.data import Channels, States, Statistics, WindowLoader, open_analysis
from axialcast.data.arrays.chunks import Chunks
from axialcast.names import FORCING

STATE_BYTES = 3 * 7 * 12 * 4


def states_of(analysis, buffer_bytes=2**30, missing=0.0, roles=None):
    channels = Channels.of(analysis, roles)
    ones = np.ones(len(channels))
    return States(
        analysis,
        channels,
        Statistics(0 * ones, ones, ones, missing * ones),
        buffer_bytes=buffer_bytes,
    )


def loaders(states, world_size=1, **options):
    return [
        WindowLoader(states, rank=rank, world_size=world_size, **options)
        for rank in range(world_size)
    ]


def starts_of(loader, epoch=0):
    """Times of the first states of the windows, in the order delivered."""
    return np.concatenate([batch.times[:, 0] for batch in loader.epoch(epoch)])


@pytest.fixture(scope="module")
def store(make_analysis, tmp_path_factory):
    """91 states in chunks of 4, decoded directly."""
    path = tmp_path_factory.mktemp("windows") / "analysis.zarr"
    write(make_analysis(num_times=91), path)
    return path


def write(analysis, path):
    encoding = {name: {"chunks": (4, *array.shape[1:])} for name, array in analysis.items()}
    analysis.to_zarr(path, encoding=encoding, consolidated=False)


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(1, 5),
    step=st.integers(1, 3),
    stride=st.integers(1, 4),
    batch_size=st.integers(2, 7),
    world_size=st.integers(1, 3),
    first=st.integers(0, 6),
    buffer=st.sampled_from([None, 0, 9]),
    shuffle=st.booleans(),
    lazy=st.booleans(),
    seed=st.integers(0, 5),
)
def test_every_window_once_and_right(
    make_analysis, store, length, step, stride, batch_size, world_size, first, buffer, shuffle,
    lazy, seed,
):  # fmt: skip
    whole = open_analysis(store) if lazy else make_analysis(num_times=91)
    analysis = whole.isel(time=slice(first, None))
    # Room for one block of whole chunks, for ten more, or for everything.
    spare = 6 + -(-batch_size // 4)
    reach = (length - 1) * step
    rows = (spare + (buffer or 0)) * (4 + -(-reach // 4) * 4) + 2 * batch_size * length
    states = states_of(analysis, 2**30 if buffer is None else min(rows, 84) * STATE_BYTES)
    values, times = Channels.of(analysis).stack(analysis), analysis.time.values
    num_windows = len(range(0, len(times) - reach, stride))
    seen = []
    try:
        made = loaders(
            states,
            world_size,
            input_steps=1,
            target_steps=length - 1,
            step=step,
            stride=stride,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
        )
    except ValueError as error:
        assume(not re.search("cannot be shared|buffer_bytes: holds", str(error)))
        raise
    assert len({len(loader) for loader in made}) == 1
    for loader in made:
        batches = list(loader.epoch(0))
        assert len(batches) == len(loader)
        for batch in batches:
            start = np.searchsorted(times, batch.times[:, 0])
            rows = start[:, None] + np.arange(length) * step
            np.testing.assert_array_equal(batch.times, times[rows])
            np.testing.assert_array_equal(batch.states.numpy(), values[rows])
            assert batch.valid is None
            seen += start.tolist()
    assert sorted(seen) == list(range(0, len(times) - reach, stride))
    assert len(seen) == num_windows


def test_batches_name_their_parts(analysis):
    loader = WindowLoader(states_of(analysis), input_steps=2, target_steps=3, batch_size=4)
    batch = next(iter(loader))
    assert batch.inputs.shape == (4, 2, 3, 7, 12)
    assert torch.equal(torch.cat([batch.inputs, batch.targets], 1), batch.states)
    assert np.array_equal(np.concatenate([batch.input_times, batch.target_times], 1), batch.times)
    assert batch.input_valid is None
    assert batch.target_valid is None


@pytest.mark.parametrize("buffer", [2**30, 60 * STATE_BYTES])
def test_order_is_a_function_of_seed_and_epoch_not_of_threads(store, buffer):
    def order(seed, epoch, num_threads):
        loader = WindowLoader(
            states_of(open_analysis(store), buffer),
            input_steps=1,
            target_steps=1,
            batch_size=5,
            seed=seed,
            num_threads=num_threads,
        )
        return starts_of(loader, epoch).tolist()

    assert order(1, 2, 1) == order(1, 2, 2) == order(1, 2, 5)
    assert order(1, 2, 1) != order(1, 3, 1)
    assert order(1, 2, 1) != order(2, 2, 1)


@pytest.mark.parametrize("buffer", [2**30, 60 * STATE_BYTES])
@pytest.mark.parametrize("stop", [0, 1, 7, 17, 18, 25])
def test_a_saved_loader_goes_on_with_what_would_have_come(store, buffer, stop):
    def make():
        states = states_of(open_analysis(store), buffer)
        return WindowLoader(states, input_steps=1, target_steps=1, batch_size=5, seed=3)

    loader = make()
    assert len(loader) == 18
    whole = [batch for _ in range(3) for batch in loader]
    first = make()
    batches = (batch for _ in range(3) for batch in first)
    for _ in range(stop):
        next(batches)
    batches.close()
    second = make()
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    rest = [batch for _ in range(3) for batch in second]
    for got, want in zip(rest, whole[stop:], strict=False):
        assert torch.equal(got.states, want.states)
        assert np.array_equal(got.times, want.times)


@pytest.mark.parametrize("buffer", [2**30, 200 * STATE_BYTES])
def test_a_state_goes_on_with_another_number_of_ranks(store, buffer):
    def make(world_size):
        states = states_of(open_analysis(store), buffer)
        options = {"input_steps": 1, "target_steps": 1, "batch_size": 7, "drop_last": True}
        return loaders(states, world_size, seed=3, **options)

    def rest(made):
        batches = zip(*made, strict=True)
        return [torch.cat([part.states for part in parts]) for parts in batches]

    (whole,) = make(1)
    stream = iter(whole)
    [next(stream) for _ in range(5)]
    stream.close()
    saved = json.loads(json.dumps(whole.state_dict()))
    expected = rest([whole])
    assert len(expected) == len(whole) - 5
    for world_size in (2, 3, 7):
        made = make(world_size)
        for loader in made:
            loader.load_state_dict(saved)
        for got, want in zip(rest(made), expected, strict=True):
            assert torch.equal(got, want)


def test_parts_of_a_batch_are_its_windows_in_order(store):
    loader = WindowLoader(
        states_of(open_analysis(store), missing=0.1),
        input_steps=2,
        target_steps=1,
        batch_size=7,
        drop_last=True,
    )
    batch = next(iter(loader))
    parts = batch.split(3)
    assert [len(part.states) for part in parts] == [2, 2, 3]
    for name in ("states", "valid"):
        whole = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(whole, getattr(batch, name))
    assert (np.concatenate([part.times for part in parts]) == batch.times).all()
    assert {part.input_steps for part in parts} == {2}
    with pytest.raises(ValueError, match="7 windows of a process cannot be taken in 8 parts"):
        batch.split(8)


def test_a_state_of_other_windows_is_refused(analysis):
    def make(**options):
        return WindowLoader(states_of(analysis), input_steps=1, target_steps=1, **options)

    saved = make(batch_size=5).state_dict()
    with pytest.raises(ValueError, match="batch_size: expected 5 as when the state was saved"):
        make(batch_size=4).load_state_dict(saved)
    with pytest.raises(ValueError, match="when the state was saved"):
        make(batch_size=5, step=2, stride=1).load_state_dict(saved)


def test_without_shuffle_windows_come_by_time(store):
    states = states_of(open_analysis(store), 60 * STATE_BYTES)
    loader = WindowLoader(states, input_steps=1, target_steps=1, batch_size=4, shuffle=False)
    starts = starts_of(loader)
    assert len(starts) == 90
    assert (np.diff(starts) == np.timedelta64(1, "D")).all()


@pytest.mark.parametrize("buffer", [2**30, 60 * STATE_BYTES])
def test_windows_never_cross_a_gap(store, buffer):
    kept = np.delete(np.arange(91), [10, 11, 40])
    analysis = open_analysis(store).isel(time=kept)
    loader = WindowLoader(states_of(analysis, buffer), input_steps=2, target_steps=1, batch_size=4)
    batches = list(loader.epoch(0))
    for batch in batches:
        assert (np.diff(batch.times, axis=1) == np.timedelta64(1, "D")).all()
    assert sum(len(batch.states) for batch in batches) == 8 + 26 + 48


@pytest.mark.parametrize("buffer", [2**30, 60 * STATE_BYTES])
def test_missing_targets_are_masked_where_asked(store, buffer):
    whole = open_analysis(store)
    kept = np.delete(np.arange(91), [10, 11, 40])
    loader = WindowLoader(
        states_of(whole.isel(time=kept), buffer),
        input_steps=1,
        target_steps=2,
        batch_size=4,
        missing="mask",
    )
    values, times = Channels.of(whole).stack(whole), whole.time.values
    starts = []
    for batch in loader.epoch(0):
        row = np.searchsorted(times, batch.times)
        assert (times[row] == batch.times).all()
        there = np.isin(row, kept)
        assert there[:, 0].all()
        assert there[:, 1:].any(1).all()
        np.testing.assert_array_equal(
            batch.valid.numpy(), np.broadcast_to(there[:, :, None, None, None], batch.states.shape)
        )
        want = np.where(there[:, :, None, None, None], values[row], 0)
        np.testing.assert_array_equal(batch.states.numpy(), want)
        starts += row[:, 0].tolist()
    # From day 9 both targets are missing; days 10, 11 and 40 are.
    assert sorted(starts) == sorted(set(range(89)) - {9, 10, 11, 40})


@pytest.mark.parametrize("buffer", [2**30, 90 * STATE_BYTES])
def test_nan_become_masks(make_analysis, tmp_path, buffer):
    analysis = make_analysis(num_times=91)
    name = list(analysis)[-1]
    rng = np.random.default_rng(0)
    analysis[name] = analysis[name].where(rng.random(analysis[name].shape) > 0.2)
    write(analysis, tmp_path / "a.zarr")
    states = states_of(open_analysis(tmp_path / "a.zarr"), buffer, missing=0.2)
    values = states.channels.stack(analysis)
    for batch in WindowLoader(states, input_steps=1, target_steps=1, batch_size=6).epoch(0):
        want = values[np.searchsorted(analysis.time.values, batch.times)]
        np.testing.assert_array_equal(batch.valid.numpy(), ~np.isnan(want))
        np.testing.assert_array_equal(batch.states.numpy(), np.nan_to_num(want))


@pytest.mark.parametrize("buffer", [2**30, 90 * STATE_BYTES])
def test_nan_of_forcings_are_zero_and_need_no_masks(make_analysis, tmp_path, buffer):
    """They are judged by nobody."""
    analysis = make_analysis(num_times=91)
    name = list(analysis)[-1]
    analysis[name] = analysis[name].where(analysis[name].latitude < 0)
    write(analysis, tmp_path / "a.zarr")
    missing = np.array([0.0, 0.0, 0.5])
    states = states_of(open_analysis(tmp_path / "a.zarr"), buffer, missing, {name: FORCING})
    values = states.channels.stack(analysis)
    for batch in WindowLoader(states, input_steps=1, target_steps=1, batch_size=6).epoch(0):
        assert batch.valid is None
        want = values[np.searchsorted(analysis.time.values, batch.times)]
        np.testing.assert_array_equal(batch.states.numpy(), np.nan_to_num(want))
        assert batch.targets.shape[2] == batch.inputs.shape[2] == 2


def test_nan_that_training_has_not_seen_are_refused(analysis):
    analysis = analysis.copy(deep=True)
    name = list(analysis)[-1]
    analysis[name][17, 2, 3] = np.nan
    loader = WindowLoader(states_of(analysis), input_steps=1, target_steps=1, batch_size=4)
    with pytest.raises(ValueError, match=rf"{name}: NaN at 2001-01-18.*fill it or leave"):
        list(loader.epoch(0))


def test_other_calendars(make_analysis):
    analysis = make_analysis(num_times=70)
    times = xr.date_range("2001-02-01", periods=70, calendar="noleap", use_cftime=True)
    analysis = analysis.assign_coords(time=times)
    loader = WindowLoader(
        states_of(analysis), input_steps=1, target_steps=2, batch_size=4, shuffle=False
    )
    batch = list(loader.epoch(0))[6]
    assert batch.times[2, 2] == cftime.DatetimeNoLeap(2001, 3, 1)


def test_too_few_times_are_refused(analysis):
    with pytest.raises(ValueError, match="too few for one window of 21 states 2 apart"):
        WindowLoader(states_of(analysis), input_steps=1, target_steps=20, step=2, batch_size=1)
    with pytest.raises(ValueError, match="too few for a batch of 64"):
        WindowLoader(
            states_of(analysis), input_steps=1, target_steps=1, batch_size=64, drop_last=True
        )


def test_a_buffer_that_is_too_small_is_refused(store):
    states = states_of(open_analysis(store), 20 * STATE_BYTES)
    with pytest.raises(ValueError, match="buffer_bytes: holds"):
        WindowLoader(states, input_steps=1, target_steps=1, batch_size=4)


@pytest.mark.parametrize("buffer", [2**30, 60 * STATE_BYTES])
def test_an_error_in_a_thread_reaches_the_caller(store, tmp_path, buffer):
    copy = zarr.storage.LocalStore(store).root
    damaged = tmp_path / "damaged.zarr"

    shutil.copytree(copy, damaged)
    name = "geopotential"
    (damaged / name / "c/13/0/0/0").write_bytes(b"nothing")
    states = states_of(open_analysis(damaged), buffer)
    loader = WindowLoader(states, input_steps=1, target_steps=1, batch_size=4)
    with pytest.raises(ValueError, match=rf"damaged.zarr.*{name}/c/13/0/0/0 is damaged"):
        list(loader.epoch(0))
    assert not reading_threads()


def test_closing_early_leaves_no_thread(store, monkeypatch):
    reads = []
    read = Chunks.read
    monkeypatch.setattr(Chunks, "read", lambda *args: reads.append(args) or read(*args))
    states = states_of(open_analysis(store), 60 * STATE_BYTES)
    loader = WindowLoader(states, input_steps=1, target_steps=1, batch_size=4)
    batches = loader.epoch(0)
    next(batches)
    assert reading_threads()
    batches.close()
    assert not reading_threads()
    for _ in loader:
        break
    assert not reading_threads()


def reading_threads():
    return [t for t in threading.enumerate() if t.name.startswith("axialcast")]


def test_parts_of_batches_that_are_kept_stay_as_they_are(store):
    whole = states_of(open_analysis(store)).held()[0]
    states = states_of(open_analysis(store), 60 * STATE_BYTES)
    loader = WindowLoader(states, input_steps=1, target_steps=2, batch_size=4)
    kept = [(batch.times[0, 2], batch.targets[0, 1]) for batch in loader.epoch(0)]
    for time, state in kept:
        torch.testing.assert_close(state, whole[np.flatnonzero(states.times == time)[0]])


def test_chunks_are_decoded_about_once(store, monkeypatch):
    reads = []
    read = Chunks.read
    monkeypatch.setattr(Chunks, "read", lambda *args: reads.append(args) or read(*args))
    states = states_of(open_analysis(store), 60 * STATE_BYTES)
    list(WindowLoader(states, input_steps=1, target_steps=2, batch_size=4).epoch(0))
    assert len(reads) / (2 * 23) < 1.5
