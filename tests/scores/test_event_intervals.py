"""Intervals of events, rain and seasons: a bootstrap by hand, properties, and what they cover."""

import numpy as np
import pytest
import scipy.signal
import scipy.stats
import xarray as xr

from axialcast.scores.contingency import EVENT_METRICS
from axialcast.scores.fractions import fractions_skill_score
from axialcast.scores.resampling import memory_of, multiples
from axialcast.scores.uncertainty import uncertain
from axialcast.verify import (
    ByInit,
    Cases,
    Climatology,
    Events,
    Persistence,
    Resampling,
    evaluate,
    to_table,
    with_intervals,
)

DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.array([1, 2]) * DAY
THRESHOLDS = {"rainfall_rate": [1, 3]}
METRICS = ["rmse", "csi", "frequency_bias", "fss"]


@pytest.fixture(scope="module")
def analysis(remembering_rain):
    return remembering_rain


def scored(analysis, inits, how, **options):
    """Scores of persistence as forecast, beside climatology, with their intervals."""
    forecast = Persistence().forecast(analysis, inits, LEADS)
    forecast = forecast.chunk(options.pop("chunks", {}))
    climatology = Climatology.fit(analysis, harmonics=0)
    by_init, cases = ByInit(), options.pop("cases", None)
    scores = evaluate(
        forecast,
        analysis,
        climatology=climatology,
        baselines={"climatology": climatology},
        by_init=by_init,
        cases=cases,
        **{"metrics": METRICS, "events": Events(THRESHOLDS, neighbourhoods=[1, 3])} | options,
    )
    return with_intervals(scores, by_init.dataset, how=how, cases=cases)


def by_hand(score, *parts, length, resamples, seed, level=0.95):
    """Ends of the interval of a score of the sums (i,) of parts, drawing whole blocks of initial
    times, the last followed by the first."""
    num = len(parts[0])
    generator = np.random.default_rng([seed, num, length])
    starts = generator.integers(0, num, (resamples, -(-num // length)))
    drawn = []
    for row in starts:
        chosen = [(start + step) % num for start in row for step in range(length)][:num]
        drawn.append(score(*(part[chosen].sum() for part in parts)))
    whole = score(*(part.sum() for part in parts))
    without = [score(*(np.delete(part, i).sum() for part in parts)) for i in range(num)]
    memory = memory_of(whole - np.array(without))
    half = np.std(drawn, ddof=1) * multiples(np.array(float(length)), memory, np.array(num), level)
    return whole - half, whole + half


def test_intervals_are_those_of_a_bootstrap_by_hand(analysis):
    how = Resampling(block=4, resamples=300, seed=5)
    found = scored(analysis, analysis.time.values[20:80], how).sel(region="all", model="forecast")
    options = {"length": 4, "resamples": 300, "seed": 5}
    rates = analysis.rainfall_rate.values
    for lead in range(2):
        said, there = rates[20:80], rates[21 + lead : 81 + lead]
        for threshold in (1, 3):
            at = {"rainfall_rate_threshold": f">= {threshold}"}
            here = found.sel(at).isel(lead_time=lead)
            hits = ((said >= threshold) & (there >= threshold)).sum((1, 2))
            told, seen = ((x >= threshold).sum((1, 2)) for x in (said, there))
            lower, upper = by_hand(
                lambda hit, told, seen: hit / (told + seen - hit), hits, told, seen, **options
            )
            assert here.rainfall_rate_csi_lower == pytest.approx(lower, rel=1e-4)
            assert here.rainfall_rate_csi_upper == pytest.approx(upper, rel=1e-4)
            lower, upper = by_hand(lambda told, seen: told / seen, told, seen, **options)
            assert here.rainfall_rate_frequency_bias_lower == pytest.approx(lower, rel=1e-4)
            assert here.rainfall_rate_frequency_bias_upper == pytest.approx(upper, rel=1e-4)
            around = [
                np.lib.stride_tricks.sliding_window_view(x >= threshold, (3, 3), (1, 2)).mean(
                    (-1, -2)
                )
                for x in (said, there)
            ]
            differences = np.square(around[0] - around[1]).sum((1, 2))
            whole = sum(np.square(one).sum((1, 2)) for one in around)
            lower, upper = by_hand(lambda d, w: 1 - d / w, differences, whole, **options)
            here = here.sel(neighbourhood=3)
            assert here.rainfall_rate_fss_lower == pytest.approx(lower, rel=1e-4)
            assert here.rainfall_rate_fss_upper == pytest.approx(upper, rel=1e-4)


def test_they_do_not_depend_on_chunks(analysis):
    inits, how = analysis.time.values[20:60], Resampling(resamples=100)
    whole = scored(analysis, inits, how)
    chunked = scored(analysis, inits, how, chunks={"init_time": 7, "y": 2}, block_values=70)
    xr.testing.assert_allclose(chunked, whole, rtol=1e-5)


def test_a_season_has_the_intervals_that_its_forecasts_have_alone(analysis):
    inits, how = analysis.time.values[20:170], Resampling(resamples=100)
    found = scored(analysis, inits, how, cases=Cases("init"))
    assert found.cases.values.tolist() == ["all", "DJF", "MAM", "JJA"]
    assert found.rainfall_rate_lower.dims == found.rainfall_rate.dims
    assert found.rainfall_rate_csi_lower.dims == found.rainfall_rate_csi.dims
    spring = inits[np.isin(inits.astype("M8[M]").astype(int) % 12 + 1, (3, 4, 5))]
    for case, own in (("all", inits), ("MAM", spring)):
        alone = scored(analysis, own, how)
        here = found.sel(cases=case, drop=True)
        for name in alone.data_vars:
            xr.testing.assert_allclose(here[name], alone[name], rtol=1e-5)
    # Of a season by the valid time other initial times belong to each lead time.
    valid = scored(analysis, inits, how, cases=Cases("valid")).sel(cases="MAM", drop=True)
    own = inits[np.isin((inits + LEADS[1]).astype("M8[M]").astype(int) % 12 + 1, (3, 4, 5))]
    assert own.size != spring.size or (own != spring).any()
    alone = scored(analysis, own, how)
    for name in ("rainfall_rate_lower", "rainfall_rate_csi_upper", "rainfall_rate_fss_lower"):
        here, there = (one[name].isel(lead_time=1) for one in (valid, alone))
        xr.testing.assert_allclose(here, there, rtol=1e-5)


def test_the_table_has_the_ends(analysis):
    inits, how = analysis.time.values[20:60], Resampling(resamples=100)
    found = scored(analysis, inits, how, cases=Cases("init"))
    table = to_table(found)
    assert table.columns[9:11].tolist() == ["lower", "upper"]
    row = table.query(
        "metric == 'fss' and model == 'forecast' and cases == 'DJF' and neighbourhood == 3"
    ).iloc[1]
    at = {"model": "forecast", "cases": "DJF", "region": "all", "neighbourhood": 3}
    here = found.sel(at).sel(
        lead_time=np.timedelta64(int(row.lead_time_hours), "h"),
        rainfall_rate_threshold=row.threshold,
    )
    assert (row.lower, row.value, row.upper) == tuple(
        here[name].item()
        for name in ("rainfall_rate_fss_lower", "rainfall_rate_fss", "rainfall_rate_fss_upper")
    )
    # Where only all pairs were asked for, those of a season have none.
    ends = [name for name in found.data_vars if name.endswith(("_lower", "_upper"))]
    less = found.assign({name: found[name].sel(cases="all", drop=True) for name in ends})
    told = to_table(less)
    assert told[told.cases != "all"].lower.isna().all()
    every = told[(told.cases == "all") & (told.metric == "rmse")]
    assert ((every.lower < every.value) & (every.value < every.upper)).all()


def test_what_happens_too_seldom_has_no_interval(analysis):
    options = {"events": Events({"rainfall_rate": [1, 1e6]}), "metrics": ["rmse", "csi"]}
    found = scored(analysis, analysis.time.values[20:60], Resampling(resamples=100), **options)
    never = found.rainfall_rate_csi_lower.isel(rainfall_rate_threshold=1)
    assert never.isnull().all()


def coverage(num, memory, repeats, resamples=200):
    """Shares of intervals of (CSI, frequency bias, FSS) that hold the truth, of events at nine
    points where forecast and truth are correlated and remember the last initial time."""
    noise = np.random.default_rng(1).standard_normal((3, repeats, 9, num + 100))
    shared, *own = scipy.signal.lfilter([np.sqrt(1 - memory**2)], [1, -memory], noise)[..., 100:]
    said, there = (np.sqrt(0.7) * shared + np.sqrt(0.3) * one > 0.5 for one in own)
    rate = scipy.stats.norm.sf(0.5)
    both = scipy.stats.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]]).cdf([-0.5, -0.5])
    # Points are independent: fractions of nine have these mean squares and product.
    square, product = rate**2 + rate * (1 - rate) / 9, rate**2 + (both - rate**2) / 9
    truths = both / (2 * rate - both), 1.0, product / square
    tables = {name: EVENT_METRICS[name] for name in ("csi", "frequency_bias")}
    held = np.zeros(3)
    how = Resampling(resamples=resamples)
    for said_once, there_once in zip(said, there, strict=True):  # (9, i)
        hit, told, seen = (x.mean(0) for x in (said_once & there_once, said_once, there_once))
        table = {"hit": hit, "observed": seen, "forecast": told}
        squares = {"difference": np.square(told - seen), "whole": told**2 + seen**2}
        found = [
            uncertain({name: row[:, None] for name, row in rows.items()}, metrics, [], how)
            for rows, metrics in ((table, tables), (squares, {"fss": fractions_skill_score}))
        ]
        lower, upper = (
            np.concatenate([getattr(one, end)[:, 0] for one in found]) for end in ("lower", "upper")
        )
        held += (lower <= truths) & (truths <= upper)
    return held / repeats


def tolerance(repeats, short):
    """What blocks are known to fall short by, and three standard errors of a share of 0.95."""
    return short + 3 * np.sqrt(0.95 * 0.05 / repeats)


def test_intervals_of_events_cover():
    assert (np.abs(coverage(100, 0.5, 300) - 0.95) < tolerance(300, 0.01)).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num", "memory", "short"), [(60, 0.0, 0.01), (100, 0.5, 0.02), (365, 0.8, 0.02)]
)
def test_intervals_of_events_cover_in_many_repeats(num, memory, short):
    found = coverage(num, memory, 2000, 400)
    assert (np.abs(found - 0.95) < tolerance(2000, short)).all()
