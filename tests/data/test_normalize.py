"""Statistics against numpy in double precision, and normalisation."""

import json
import tracemalloc

import dask.array
import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from axialcast.data import Channels, Statistics, grid_of, normalize_, statistics, unnormalize
from axialcast.data.channels import Channel
from axialcast.data.moments import Moments
from axialcast.data.normalize import statistics_of
from axialcast.grid import LatLonGrid


def reference(values, weights, step):
    """Mean, std, rms increment and share of NaN of (n, h, w), all at once."""
    values = values.astype(np.float64)
    weights = np.where(np.isnan(values), 0, np.broadcast_to(weights, values.shape))
    known = np.nan_to_num(values)
    mean = np.average(known, weights=weights)
    std = np.sqrt(np.average((known - mean) ** 2, weights=weights))
    change = known[step:] - known[:-step]
    both = np.where(weights[:-step] > 0, weights[step:], 0)
    change_std = np.sqrt(np.average(change**2, weights=both))
    return mean, std, change_std, np.isnan(values).mean()


def check(stats, analysis, channels, step, area_weighted=True):
    values = channels.stack(analysis)
    weights = grid_of(analysis).area_weights if area_weighted else np.ones(values.shape[2:])
    for c in range(len(channels)):
        got = (stats.mean[c], stats.std[c], stats.increment_std[c], stats.missing[c])
        np.testing.assert_allclose(got, reference(values[:, c], weights, step), rtol=1e-10)


@pytest.mark.parametrize("block", [1, 7, 11, 256])
@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("area_weighted", [True, False])
@pytest.mark.parametrize("chunks", [None, 5])
def test_statistics_are_those_of_the_whole(analysis, block, step, area_weighted, chunks):
    channels = Channels.of(analysis)
    memory = block * 4 * len(channels) * 7 * 12 / 2**30
    analysis.geopotential[3, 1, 2, 5] = np.nan
    analysis.geopotential[7:19, 0, :3] = np.nan
    stored = analysis.chunk(time=chunks) if chunks else analysis
    stats = statistics(stored, channels, step=step, area_weighted=area_weighted, memory_gib=memory)
    check(stats, analysis, channels, step, area_weighted)
    assert Statistics.from_dict(stats.to_dict()).to_dict() == stats.to_dict()


@settings(deadline=None)
@given(
    parts=st.lists(st.integers(1, 13), min_size=1, max_size=6),
    step=st.integers(1, 5),
    offset=st.sampled_from([0.0, 1e9]),
    share=st.sampled_from([0.0, 0.3, 0.97]),
    seed=st.integers(0, 99),
)
def test_merging_blocks_of_any_size_is_one_block(parts, step, offset, share, seed):
    """Also with a mean of 10^9 standard deviations, where sums of squares would keep no digit."""
    rng = np.random.default_rng(seed)
    shape = (sum(parts), 2, 3, 5)
    values = rng.standard_normal(shape)
    # Whole fields are missing now and then, the second channel at most times.
    values[rng.random(shape) < share] = np.nan
    values[:, 1][rng.random(len(values)) < share] = np.nan
    weights = rng.random(shape[2:])
    times = np.datetime64("2001-01-01", "ns") + np.arange(len(values)) * np.timedelta64(1, "D")
    span = np.timedelta64(step, "D")
    merged = Moments.none(2)
    for start, stop in zip(np.cumsum([0, *parts]), np.cumsum(parts), strict=False):
        begin = max(start - step, 0)
        merged = merged.merge(
            Moments.of(
                values[begin:stop] + offset,
                times[begin:stop],
                span=span,
                weights=weights,
                first=start - begin,
            )
        )
    for c in range(2):
        shifted = values[:, c] + offset
        valid = ~np.isnan(shifted)
        mass = np.where(valid, weights, 0)
        np.testing.assert_allclose(merged.weight[c], mass.sum(), atol=1e-12)
        assert merged.missing[c] == (~valid).sum()
        assert merged.cells[c] == valid.size
        if valid.any():
            # The reference subtracts the offset first, which is exact: it sees all digits.
            exact = np.nan_to_num(shifted - offset)
            mean = np.average(exact, weights=mass)
            squares = (mass * (exact - mean) ** 2).sum()
            np.testing.assert_allclose(merged.mean[c] - offset, mean, atol=1e-15 * offset + 1e-12)
            np.testing.assert_allclose(merged.squares[c], squares, rtol=1e-6, atol=1e-6)
        change = np.nan_to_num(shifted[step:] - shifted[:-step])
        both = mass[step:] * valid[:-step]
        np.testing.assert_allclose(merged.change_weight[c], both.sum(), atol=1e-12)
        np.testing.assert_allclose(merged.change_squares[c], (both * change**2).sum(), atol=1e-12)
    assert Moments.from_dict(merged.to_dict()).to_dict() == merged.to_dict()


@pytest.mark.parametrize("step", [1, 2])
def test_no_increment_across_a_gap(step):
    values = np.random.default_rng(0).standard_normal((9, 1, 2, 3))
    days = np.array([0, 1, 2, 3, 7, 8, 9, 11, 12])
    times = np.datetime64("2001-01-01", "ns") + days * np.timedelta64(1, "D")
    span = np.timedelta64(step, "D")
    moments = Moments.of(values, times, span=span, weights=np.ones((2, 3)))
    pairs = [(i, j) for i in range(9) for j in range(9) if days[j] - days[i] == step]
    assert {(6, 7)} & set(pairs) == ({(6, 7)} if step == 2 else set())
    expected = sum(((values[j] - values[i]) ** 2).sum() for i, j in pairs)
    np.testing.assert_allclose(moments.change_squares, expected)
    np.testing.assert_allclose(moments.change_weight, 6 * len(pairs))


def test_channels_without_statistics_are_refused(analysis):
    channels = Channels.of(analysis)
    empty = analysis.copy(deep=True)
    empty.geopotential[:, 1] = np.nan
    with pytest.raises(ValueError, match="geopotential 850 hPa: is NaN throughout"):
        statistics(empty, channels, step=1)
    flat = analysis.copy(deep=True)
    flat.mean_sea_level_pressure[:] = 1e5
    with pytest.raises(ValueError, match="mean_sea_level_pressure: is constant"):
        statistics(flat, channels, step=1)
    endless = analysis.copy(deep=True)
    endless.geopotential[7, 1, 3, 5] = np.inf
    with pytest.raises(ValueError, match="geopotential 850 hPa: is infinite somewhere"):
        statistics(endless, channels, step=1)
    lonely = analysis.copy(deep=True)
    lonely.geopotential[1::2] = np.nan
    with pytest.raises(ValueError, match="geopotential 500 hPa: no two times"):
        statistics(lonely, channels, step=1)


@pytest.mark.parametrize("values", [[1e38, -1e38, 3e38, 0.0], [np.inf, -np.inf, 1.0, 2.0]])
def test_ends_of_values_and_what_they_decide(values):
    block = np.array([np.nan, *values], np.float32).reshape(5, 1, 1, 1)
    times = np.datetime64("2001-01-01", "ns") + np.arange(5) * np.timedelta64(1, "D")
    settings = {"span": np.timedelta64(1, "D"), "weights": np.ones((1, 1))}
    whole = Moments.of(block, times, **settings)
    parts = [Moments.of(block[i : i + 1], times[i : i + 1], **settings) for i in range(5)]
    merged = Moments.none(1)
    for part in parts:
        merged = merged.merge(Moments.from_dict(json.loads(json.dumps(part.to_dict()))))
    for moments in (whole, merged):
        assert (moments.lowest, moments.highest) == (block[1:].min(), block[1:].max())
        assert moments.infinite == np.isinf(values).any()
    if not whole.infinite:
        exact = np.float32(values).astype(np.float64)
        np.testing.assert_allclose(merged.squares, 4 * exact.var(), rtol=1e-12)
        np.testing.assert_allclose(whole.squares, 4 * exact.var(), rtol=1e-12)
    assert json.loads(json.dumps(whole.to_dict(), allow_nan=False)) == whole.to_dict()


def test_moments_of_before_ends_were_looked_for():
    moments = Moments.of(
        np.arange(12.0).reshape(3, 2, 1, 2),
        np.datetime64("2001-01-01", "ns") + np.arange(3) * np.timedelta64(1, "D"),
        span=np.timedelta64(1, "D"),
        weights=np.ones((1, 2)),
    )
    old = {name: of for name, of in moments.to_dict().items() if name not in ("lowest", "highest")}
    assert np.isnan(Moments.from_dict(old).lowest).all()
    np.testing.assert_array_equal(Moments.from_dict(old).merge(moments).highest, [9.0, 11.0])
    channels = Channels([Channel(name, None, "1") for name in "ab"])
    stats = statistics_of(Moments.from_dict(old), channels)
    assert stats.to_dict().keys() == {"mean", "std", "increment_std", "missing"}
    assert np.isnan(Statistics.from_dict(stats.to_dict()).lowest).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda field, noise: 0 * field + 101325.7, r"is constant \(101326 Pa\)"),
        (lambda field, noise: (0 * field + 0.1).where(noise < 0.5), r"is constant \(0.1 Pa\)"),
        (lambda field, noise: field[0] + 0 * field, "does not change in time"),
        (
            lambda field, noise: 0 * field + 1e5 + 0.02 * (noise > 0.5),
            "constant to single precision",
        ),
        (lambda field, noise: (field + np.inf).where(noise < 0.5), "is infinite somewhere"),
        (lambda field, noise: 1e300 * field, "is infinite somewhere .* too large for single prec"),
        (lambda field, noise: 1e5 + 1.0 * (noise > 0.5), None),
        (lambda field, noise: 1e-30 * noise, None),
    ],
)
def test_channels_that_vary_too_little_or_without_end(analysis, change, message):
    noise = xr.zeros_like(analysis.mean_sea_level_pressure, float)
    noise[:] = np.random.default_rng(0).random(noise.shape)
    analysis = analysis[["mean_sea_level_pressure"]].astype(np.float64)
    field = analysis.mean_sea_level_pressure
    changed = change(field, noise).transpose(*field.dims).assign_attrs(field.attrs)
    analysis = analysis.assign(mean_sea_level_pressure=changed)
    channels = Channels.of(analysis)
    if message is None:
        assert statistics(analysis, channels, step=1).std[0] > 0
        return
    with pytest.raises(ValueError, match=message):
        statistics(analysis, channels, step=1)


def test_memory_is_bounded():
    """An analysis of 96 MB, never in memory as a whole."""
    memory = 2**23
    grid = LatLonGrid.regular(16, 32, poles=False)
    chunks = dask.array.random.default_rng(0).random(
        (48_000, 16, 32), chunks=(500, 16, 32), dtype=np.float32
    )
    times = np.datetime64("2001-01-01", "ns") + np.arange(48_000) * np.timedelta64(1, "h")
    coords = {"time": times, "latitude": grid.latitude, "longitude": grid.longitude}
    analysis = xr.Dataset({"a": (tuple(coords), chunks, {"units": "K"})}, coords)
    tracemalloc.start()
    stats = statistics(analysis, Channels.of(analysis), step=1, memory_gib=memory / 2**30)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # What dask computes of a block is there once more, with what it is stacked into.
    assert peak < 3 * memory
    np.testing.assert_allclose(stats.mean, 0.5, atol=1e-3)
    np.testing.assert_allclose(stats.std, np.sqrt(1 / 12), rtol=1e-3)
    np.testing.assert_allclose(stats.increment_std, np.sqrt(1 / 6), rtol=1e-3)


def test_checkpoints_without_missing_still_load():
    old = {"mean": [5.0, -3.0], "std": [2.0, 0.5], "increment_std": [1.0, 1.0]}
    stats = Statistics.from_dict(old)
    np.testing.assert_array_equal(stats.missing, [0.0, 0.0])
    assert stats.to_dict() == old | {"missing": [0.0, 0.0]}


def test_normalize_and_back():
    stats = Statistics(np.array([5.0, -3.0]), np.array([2.0, 0.5]), np.array([1.0, 1.0]))
    values = torch.arange(2 * 2 * 3 * 5, dtype=torch.float64).reshape(2, 2, 3, 5)
    normal = normalize_(values.clone(), stats)
    torch.testing.assert_close(normal[:, 1], (values[:, 1] + 3.0) / 0.5)
    torch.testing.assert_close(unnormalize(normal, stats), values)
