"""Fits on a training period that lacks times: of the pairs that exist, by plain numpy.

Shapes: t times, c channels, h latitudes, w longitudes, k patterns.
"""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from axialcast.baselines import DampedPersistence, LinearInverseModel, Persistence, fit_baselines
from axialcast.baselines.fitting import check_times
from axialcast.data import Analysis, Channels
from axialcast.verify import evaluate

HALF = np.timedelta64(12 * 3_600_000_000_000, "ns")
FIRST = np.datetime64("2001-01-01T00", "ns")
LEADS = np.array([1, 2, 5]) * HALF
NUM = 761
"""Times of a year and two weeks."""


def red_noise(num=NUM, step=HALF, nan=True):
    """A variable on two levels and one without, (5, 7) cells, some values missing."""
    rng = np.random.default_rng(11)
    values = rng.standard_normal((num, 3, 5, 7))
    for time in range(1, num):
        values[time] += 0.8 * values[time - 1] + 0.1 * np.roll(values[time - 1], 1, -1)
    values += 280 + 3 * np.cos(2 * np.pi * np.arange(num) / 365)[:, None, None, None]
    if nan:
        values[:, 2, 1:3, 4:] = np.nan
        values[rng.random(values.shape) < 2e-3] = np.nan
    values = values.astype(np.float32)
    coords = {
        "time": FIRST + np.arange(num) * step,
        "level": [850.0, 500.0],
        "latitude": np.linspace(60.0, -60.0, 5),
        "longitude": np.arange(7) * 360 / 7,
    }
    dims = ("time", "latitude", "longitude")
    fields = {
        "temperature": (("time", "level", *dims[1:]), values[:, :2], {"units": "K"}),
        "2m_temperature": (dims, values[:, 2], {"units": "K"}),
    }
    return xr.Dataset(fields, coords)


@pytest.fixture(scope="module")
def whole():
    return red_noise()


def without(dataset, gaps):
    """The dataset without runs of times, given by their first row and length."""
    gone = [row for start, length in gaps for row in range(start, start + length)]
    return dataset.isel(time=np.setdiff1d(np.arange(dataset.sizes["time"]), gone))


def fit(training, **settings):
    return fit_baselines(training, lead_times=LEADS, harmonics=1, **settings)


def fields(dataset):
    return Channels.of(dataset).stack(dataset)


def anomalies(training):
    """By time: (c, h, w) departures from the least squares of the hour of the day, cell by cell."""
    values = fields(training).astype(np.float64)
    days = (training.time.values - np.datetime64("2000-01-01")) / np.timedelta64(1, "D")
    angle = 2 * np.pi * days[:, None] / 365.2425
    design = np.concatenate([np.ones_like(angle), np.cos(angle), np.sin(angle)], axis=1)
    for hour in np.unique(days % 1):
        for place in np.ndindex(values.shape[1:]):
            seen = (days % 1 == hour) & np.isfinite(values[(slice(None), *place)])
            if seen.any():
                column = values[(seen, *place)]
                coefficients, *_ = np.linalg.lstsq(design[seen], column)
                values[(seen, *place)] = column - design[seen] @ coefficients
    return dict(zip(training.time.values.tolist(), values, strict=True))


def damping_of_pairs(departures, leads):
    """(l, c, h, w) regression through the origin, of times from which the longest lead is not past
    the end, to those that exist."""
    last, longest = max(departures), int(max(leads).astype(int))
    expected = []
    for lead in leads.astype(int).tolist():
        products, squares = 0.0, 0.0
        for time, now in departures.items():
            later = departures.get(time + lead)
            if time + longest <= last and later is not None:
                both = np.isfinite(now) & np.isfinite(later)
                products += np.where(both, now * later, 0)
                squares += np.where(both, now**2, 0)
        expected.append(np.divide(products, squares, out=0 * products, where=squares > 0))
    return np.array(expected)


GAPS = [
    [(0, 3)],
    [(NUM - 4, 4)],
    [(1, 1)],
    [(NUM - 2, 1)],
    [(300, 1), (302, 1), (304, 2)],
    [(200, 5), (210, 40), (500, 7)],
    [(100, 1), (250, 100)],
]


@pytest.mark.parametrize("gaps", GAPS, ids=str)
@pytest.mark.parametrize("memory_gib", [2.0, 4 * 3 * 5 * 7 * 90 / 2**30])
def test_damping_is_of_the_pairs_that_exist(whole, gaps, memory_gib):
    training = without(whole, gaps)
    climatology, baselines = fit(training, names=["damped_persistence"], memory_gib=memory_gib)
    departures = anomalies(training)
    got = fields(climatology.anomalies(training))
    np.testing.assert_allclose(got, np.array(list(departures.values())), atol=3e-4)
    damping = fields(baselines["damped_persistence"].damping)
    np.testing.assert_allclose(damping, damping_of_pairs(departures, LEADS), atol=2e-5)


@settings(deadline=None, max_examples=6)
@given(
    gaps=st.lists(st.tuples(st.integers(1, NUM - 50), st.integers(1, 40)), min_size=1, max_size=5),
    parts=st.integers(100, 400),
)
def test_a_missing_time_is_one_that_lacks_all_values(whole, gaps, parts):
    """Wherever gaps are, and wherever blocks of the training period end."""
    training = without(whole, gaps)
    filled = training.reindex(time=whole.time.values)
    memory_gib = 4 * 3 * 5 * 7 * parts / 2**30
    for one, other in zip(
        fit(training, names=["damped_persistence"], memory_gib=memory_gib),
        fit(filled, names=["damped_persistence"]),
        strict=True,
    ):
        if isinstance(one, dict):
            one, other = (b["damped_persistence"].damping for b in (one, other))
        else:
            one, other = (c.at(whole.time.values[:9]) for c in (one, other))
        xr.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("gaps", GAPS, ids=str)
@pytest.mark.parametrize("lag", [1, 2])
def test_the_propagator_is_of_the_triples_that_exist(whole, gaps, lag):
    training = without(whole, gaps)
    training["temperature"][7], training["2m_temperature"][7] = np.nan, np.nan
    climatology, baselines = fit(training, names=["linear_inverse_model"], lag=lag * HALF)
    model = baselines["linear_inverse_model"]
    amplitudes = {}
    for time, states in zip(training.time.values, fields(training), strict=True):
        normal = climatology.values_at(np.array([time]))[0]
        scaled = np.nan_to_num((states - normal).astype(np.float64)).ravel() * model.scale
        if np.isfinite(states).any():
            amplitudes[time] = scaled @ model.patterns
    predictors, targets = [], []
    for time, now in amplitudes.items():
        before, after = (amplitudes.get(time + sign * lag * HALF) for sign in (-1, 1))
        if before is not None and after is not None:
            predictors.append(np.concatenate([now, before]))
            targets.append(after)
    x, y = np.array(predictors), np.array(targets)
    moments = x.T @ x
    moments += 0.03 * np.trace(moments) / len(moments) * np.eye(len(moments))
    expected = np.linalg.solve(moments, x.T @ y)
    np.testing.assert_allclose(model.propagator, expected, atol=1e-4)
    own = LinearInverseModel.fit(training, climatology, lag=lag * HALF)
    np.testing.assert_allclose(np.abs(own.propagator), np.abs(expected), atol=1e-3)


def test_scores_across_a_gap_are_of_what_exists(whole, forecast_of):
    """Initial times next to a gap, lead times into it: all models have the same pairs."""
    training = without(whole, [(300, 1), (400, 30)])
    climatology, baselines = fit(training)
    inits = whole.time.values[[680, 684, 688, 690, 696]]
    forecast = forecast_of(whole, inits, LEADS, error=1.0)
    truth = without(whole, [(685, 2), (687, 1), (689, 1)])
    scores = evaluate(forecast, truth, climatology=climatology, baselines=baselines)
    there = set(truth.time.values.tolist())
    for number, lead in enumerate(LEADS):
        valid = [int(t) in there for t in inits + lead]
        begun = [int(t) in there and int(t - HALF) in there for t in inits]
        count = sum(a and b for a, b in zip(valid, begun, strict=True))
        at = scores.isel(lead_time=number).sel(region="all")
        assert at["2m_temperature_num_pairs"].item() == count
        assert at.num_missing_truth.item() == len(inits) - sum(valid)
        rmse = at["2m_temperature"].sel(metric="rmse")
        assert np.isfinite(rmse).all() if count else np.isnan(rmse).all()
    one = DampedPersistence.fit(training, climatology, lead_times=LEADS)
    made = one.forecast(truth, inits, LEADS)
    assert np.isnan(made.temperature[3]).all() == (int(inits[3]) not in there)
    assert np.isnan(
        Persistence().forecast(truth, truth.time.values[[0]] - HALF, LEADS).temperature
    ).all()


def test_half_hourly_times_have_a_climatology_each():
    """At :00 and :30 apart, whatever is missing."""
    step = np.timedelta64(30 * 60 * 1_000_000_000, "ns")
    training = without(red_noise(num=48 * 9, step=step, nan=False), [(5, 1), (77, 3)])
    climatology, _ = fit_baselines(training, [], lead_times=step * np.array([1]), harmonics=0)
    assert climatology.coefficients.hour.values.tolist() == [n / 2 for n in range(48)]
    times = training.time.values
    for clock in (0, 1, 5, 29, 47):
        at = np.array([FIRST + clock * step + np.timedelta64(3, "D")])
        same = (times - FIRST) % np.timedelta64(1, "D") == clock * step
        expected = fields(training)[same].mean(0, dtype=np.float64)
        np.testing.assert_allclose(climatology.values_at(at)[0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("gaps", "names", "message"),
    [
        ([(2, 3), (7, 3), (12, NUM)], ["damped_persistence"], "no two times .* are 24 h apart"),
        ([(2, 1), (5, NUM)], ["linear_inverse_model"], "4 times are too few .* three a lag apart"),
    ],
)
def test_too_many_gaps_are_refused(whole, gaps, names, message):
    training = without(whole, gaps)
    with pytest.raises(ValueError, match=message):
        fit_baselines(training, names, lead_times=LEADS[:2], harmonics=0)


def test_times_are_refused_as_the_fits_refuse_them(whole):
    times, leads = whole.time.values[:40], LEADS[:2]
    settings = {"lead_times": leads, "harmonics": 0}
    check_times(times, **settings, init_times=times)
    with pytest.raises(ValueError, match=r"^times: .* at 0, 12 h UTC, got times at 6, 18 h UTC"):
        check_times(times, **settings, init_times=times + HALF // 2)
    with pytest.raises(ValueError, match=r"^harmonics: .* needs 2 times at 12 h UTC, .* has 1"):
        check_times(times[:3], ["climatology"], **settings)
    with pytest.raises(ValueError, match=r"^harmonics: 1 annual harmonics .* got 20 days"):
        check_times(times, [], lead_times=leads, harmonics=1)
    with pytest.raises(ValueError, match=r"^lag: expected multiples of 12 h, got 18 h"):
        check_times(times, **settings, lag=HALF * 3 // 2)
    with pytest.raises(ValueError, match=r"^time: .* got 1"):
        check_times(times[:1], **settings)


def test_harmonics_are_not_guessed_in_seasons_that_are_missing(whole):
    winters = without(whole, [(120, 400)])
    with pytest.raises(
        ValueError, match=r"none between 03-01 and 09-18 at 0 h UTC; take harmonics=0"
    ):
        fit(winters, names=[])
    # Half a period of the harmonic at most.
    climatology, _ = fit(without(whole, [(120, 300)]), names=[])
    assert np.isfinite(climatology.values_at(whole.time.values)[:, :2]).all()
    nights = whole.isel(time=(whole.time.dt.hour == 0) | (abs(whole.time.dt.month - 6) > 3))
    with pytest.raises(ValueError, match=r"between 02-28 and 10-01 at 12 h UTC"):
        fit_baselines(nights, [], lead_times=LEADS, harmonics=2)
    assert len(Analysis(winters)) == NUM - 400
