"""Intervals of scores: by hand, by properties, and that they cover what they should."""

import numpy as np
import pytest
import scipy.signal
import scipy.stats
import xarray as xr

from axialcast.scores.better import kind_of
from axialcast.scores.by_init import ByInit
from axialcast.scores.intervals import Resampling, intervals
from axialcast.scores.metrics import METRICS
from axialcast.scores.uncertainty import uncertain

MODELS = ["forecast", "persistence", "climatology"]


def rows_of(errors, anomalies):
    """Statistics of single points: errors (i, m, ...), the truth's anomalies (i, 1, ...)."""
    return {
        "error": errors,
        "squared_error": errors**2,
        "absolute_error": np.abs(errors),
        "anomaly_product": (errors + anomalies) * anomalies,
        "squared_forecast_anomaly": (errors + anomalies) ** 2,
        "squared_truth_anomaly": np.broadcast_to(anomalies**2, errors.shape),
    }


def by_init(num=60, leads=2, seed=0):
    """Three models, the forecast with the smallest errors, at two lead times of two variables."""
    generator = np.random.default_rng(seed)
    errors = (
        generator.standard_normal((num, 3, leads, 3, 1)) * np.array([1, 2, 3])[:, None, None, None]
    )
    anomalies = generator.standard_normal((num, 1, leads, 3, 1))
    days = np.arange(1, leads + 1).astype("m8[D]").astype("m8[ns]")
    times = np.datetime64("2001-01-01", "ns") + np.arange(num).astype("m8[D]")
    surface = ("init_time", "lead_time", "latitude", "longitude")
    aloft = ("init_time", "lead_time", "level", "latitude", "longitude")
    forecast = xr.Dataset(
        {
            "temperature": (aloft, np.zeros((num, leads, 2, 1, 1)), {"units": "K"}),
            "pressure": (surface, np.zeros((num, leads, 1, 1)), {"units": "Pa"}),
        },
        {"init_time": times, "lead_time": days, "level": [500.0, 850.0]},
    )
    found = ByInit()
    pairs = np.ones((num, leads, 3, 1), np.int8)
    found.fill(rows_of(errors, anomalies), pairs, forecast, models=MODELS, regions=["all"])
    return found.dataset


def test_labels_and_the_best_baseline():
    data = by_init()
    found = intervals(data, metrics=["rmse", "acc", "bias"])
    lower, upper = found["temperature_lower"], found["temperature_upper"]
    assert lower.dims == ("model", "metric", "region", "lead_time", "level")
    scores = np.sqrt(data["temperature_squared_error"].mean("init_time"))
    assert (lower.sel(metric="rmse") < scores).all()
    assert (scores < upper.sel(metric="rmse")).all()
    best = found["pressure_best_baseline"].sel(metric="rmse")
    assert best.attrs["flag_meanings"].split()[1:] == MODELS[1:]
    assert (best == 0).all()
    difference = found["pressure_difference"].sel(metric="rmse", region="all")
    pressure = np.sqrt(data["pressure_squared_error"].mean("init_time").sel(region="all"))
    expected = pressure.sel(model="forecast") - pressure.sel(model="persistence")
    np.testing.assert_allclose(difference, expected, rtol=1e-6)
    assert (found["pressure_difference_upper"].sel(metric="rmse") < 0).all()
    assert (found["temperature_difference_significant"].sel(metric="rmse") == 1).all()


def test_significance_is_adjusted_among_all_of_a_metric_and_region():
    found = intervals(by_init(num=30, seed=1), metrics=["rmse", "bias"])
    names = ["temperature", "pressure"]
    for metric in ("rmse", "bias"):
        chances = [
            found[f"{name}_difference_p"].sel(metric=metric).values.ravel() for name in names
        ]
        told = [
            found[f"{name}_difference_significant"].sel(metric=metric).values.ravel()
            for name in names
        ]
        adjusted = scipy.stats.false_discovery_control(np.concatenate(chances))
        np.testing.assert_array_equal(np.concatenate(told), adjusted <= 0.05)


def test_they_follow_from_the_seed_alone():
    data = by_init()
    once = intervals(data, metrics=["rmse"], how=Resampling(seed=3))
    xr.testing.assert_identical(once, intervals(data, metrics=["rmse"], how=Resampling(seed=3)))
    one = intervals(data.isel(lead_time=[1]), metrics=["rmse"], how=Resampling(seed=3))
    xr.testing.assert_equal(one["pressure_lower"], once["pressure_lower"].isel(lead_time=[1]))
    other = intervals(data, metrics=["rmse"], how=Resampling(seed=4))
    assert (other["pressure_lower"] != once["pressure_lower"]).all()


def test_of_independent_errors_the_mean_has_students_interval():
    errors = np.random.default_rng(0).standard_normal((200, 1))
    rows = {"error": errors}
    how = Resampling(block=1, resamples=20_000)
    found = uncertain(rows, {"bias": METRICS["bias"]}, [], how)
    _, upper = scipy.stats.t.interval(0.95, 199, errors.mean(), scipy.stats.sem(errors[:, 0]))
    # Its own memory of one time for the next is not known to be none, and is allowed for.
    assert upper < found.upper.item() < upper + 0.25 * (upper - errors.mean())


def test_what_is_missing_does_not_count():
    errors, anomalies = (np.random.default_rng(k).standard_normal((80, 1)) for k in (0, 1))
    rows = rows_of(errors, anomalies)
    gaps = {name: array.copy() for name, array in rows.items()}
    for array in gaps.values():
        array[60:] = np.nan
    less = {name: array[:60] for name, array in rows.items()}
    found, expected = (uncertain(r, METRICS, [], Resampling(block=3)) for r in (gaps, less))
    np.testing.assert_allclose(found.scores, expected.scores)
    lengths = [one.upper - one.lower for one in (found, expected)]
    np.testing.assert_allclose(*lengths, rtol=0.2)
    few = {name: array[:9] for name, array in rows.items()}
    assert np.isnan(uncertain(few, METRICS, [], Resampling()).lower).all()


def test_same_models_do_not_differ():
    errors = np.repeat(np.random.default_rng(0).standard_normal((50, 1)), 2, axis=1)
    found = uncertain(
        {"squared_error": errors**2}, {"rmse": METRICS["rmse"]}, [(0, 1)], Resampling()
    )
    assert found.differences.item() == 0
    assert found.upper_difference.item() == 0
    assert found.chance.item() == 1


def test_ends_lie_within_a_scores_limits():
    generator = np.random.default_rng(0)
    rows = rows_of(generator.standard_normal((12, 1)) * 0.5, generator.standard_normal((12, 1)))
    found = uncertain(rows, METRICS, [], Resampling())
    rmse, acc = (list(METRICS).index(name) for name in ("rmse", "acc"))
    assert found.lower[rmse] > 0
    assert -1 < found.lower[acc] < found.upper[acc] < 1


def test_which_is_better():
    scores = np.array([0.2, -0.5, 0.9])
    assert np.argmin(kind_of("rmse").loss(scores)) == 1
    assert np.argmin(kind_of("acc").loss(scores)) == 2
    assert np.argmin(kind_of("bias").loss(scores)) == 0
    assert np.argmin(kind_of("spread_skill").loss(scores)) == 2
    assert kind_of("bias").difference(np.array(-3.0), np.array(2.0)) == 1
    assert not kind_of("my_score").told


def walks(memory, shape, seed=0):
    """AR(1) series with a variance of one."""
    noise = np.random.default_rng(seed).standard_normal((*shape[:-1], shape[-1] + 100))
    return scipy.signal.lfilter([np.sqrt(1 - memory**2)], [1, -memory], noise)[..., 100:]


def coverage(num, memory, repeats, resamples=200):
    """Shares of intervals of (bias, RMSE, its difference between two models) that hold the truth,
    of errors at four points that remember the last initial time."""
    shared, own, other = (walks(memory, (repeats, 4, num), seed) for seed in (1, 2, 3))
    errors = np.stack([0.7 * (shared + own), 0.7 * shared + 0.8 * other])
    truth = np.sqrt(0.98), np.sqrt(0.49 + 0.64)
    metrics = {name: METRICS[name] for name in ("bias", "rmse")}
    held = np.zeros(3)
    for one in np.moveaxis(errors, 1, 0):  # (m, 4, i)
        rows = {"error": one.mean(1).T, "squared_error": np.square(one).mean(1).T}
        found = uncertain(rows, metrics, [(0, 1)], Resampling(resamples=resamples))
        for place, (lower, upper, right) in enumerate(
            (
                (found.lower[0, 0], found.upper[0, 0], 0.0),
                (found.lower[1, 0], found.upper[1, 0], truth[0]),
                (found.lower_difference[1, 0], found.upper_difference[1, 0], truth[0] - truth[1]),
            )
        ):
            held[place] += lower <= right <= upper
    return held / repeats


def tolerance(repeats, short=0.01):
    """How far a share of intervals may be from 0.95: what blocks are known to fall short by where
    errors have a memory, and three standard errors of a share of so many repeats (1.3 % each of
    300, 0.5 % of 2000)."""
    return short + 3 * np.sqrt(0.95 * 0.05 / repeats)


def test_intervals_cover():
    assert (np.abs(coverage(100, 0.5, 300) - 0.95) < tolerance(300)).all()


@pytest.mark.slow
@pytest.mark.parametrize(("num", "memory"), [(60, 0.0), (100, 0.5), (365, 0.5), (365, 0.8)])
def test_intervals_cover_in_many_repeats(num, memory):
    assert (np.abs(coverage(num, memory, 2000, 400) - 0.95) < tolerance(2000)).all()
