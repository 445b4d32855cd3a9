"""Runs compared by events: differences of ratios of sums, with a bootstrap by hand."""

import numpy as np
import pytest
import scipy.signal
import scipy.stats

from axialcast.baselines.percentiles import Percentiles
from axialcast.data.channels import Channels
from axialcast.report.comparison import comparison_html, comparison_lines
from axialcast.run.comparison import BY_INIT, open_runs
from axialcast.scores.comparing import compared
from axialcast.scores.comparison_table import comparison_table
from axialcast.scores.events import percentiles_of
from axialcast.scores.resampling import memory_of, multiples, two_sided
from axialcast.scores.written import write_scores
from axialcast.verify import ByInit, Climatology, Events, Persistence, Resampling, evaluate

DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.array([1, 2]) * DAY
THRESHOLDS = {"rainfall_rate": [1, 3, ">= p80"]}
DRY = {"rainfall_rate": 1.0}
HOW = Resampling(block=4, resamples=300, seed=5)
FIRST, LAST, LATER = 20, 80, 27
METRICS = ["rmse", "csi", "fss", "seeps"]


@pytest.fixture(scope="module")
def analysis(remembering_rain):
    return remembering_rain


def by_init(analysis, factor, first=FIRST, *, dry=DRY, fitted=slice(None), metrics=METRICS):
    """What each pair says of yesterday's rates, multiplied."""
    forecast = Persistence().forecast(analysis, analysis.time.values[first:LAST], LEADS)
    forecast["rainfall_rate"] = forecast["rainfall_rate"] * np.float32(factor)
    forecast["rainfall_rate"].attrs["units"] = "mm h-1"
    climatology, found = Climatology.fit(analysis, harmonics=0), ByInit()
    wanted = percentiles_of(Channels.of(forecast), THRESHOLDS, dry)
    percentiles = Percentiles.fit(analysis.isel(time=fitted), wanted)
    evaluate(
        forecast,
        analysis,
        climatology=climatology,
        baselines={"climatology": climatology},
        by_init=found,
        metrics=metrics,
        events=Events(THRESHOLDS, percentiles, [1, 3], dry),
    )
    return found.dataset


@pytest.fixture(scope="module")
def runs(analysis, tmp_path_factory):
    """As they are read, the second one verified from a week later on."""
    folder = tmp_path_factory.mktemp("runs")
    for name, found in (("a", by_init(analysis, 1)), ("b", by_init(analysis, 0.6, LATER))):
        (folder / name).mkdir()
        write_scores(folder / name / BY_INIT, found)
    return open_runs([str(folder / name) for name in ("a", "b")])


def by_hand(score, loss, first, second):
    """Difference of the second from the first, its interval and chance: whole blocks of initial
    times drawn, the last followed by the first, the same ones of both.

    Args:
        score: of sums of parts.
        loss: of a score, which is taken from the other's.
        first, second: parts (i,).
    """
    num = len(first[0])
    generator = np.random.default_rng([HOW.seed, num, HOW.block])
    starts = generator.integers(0, num, (HOW.resamples, -(-num // HOW.block)))
    drawn = ((np.arange(HOW.block) + starts[..., None]) % num).reshape(HOW.resamples, -1)
    every = np.arange(num)

    def apart(chosen):
        """Of each row (…, i) of chosen initial times."""
        sums = ([part[chosen].sum(-1) for part in parts] for parts in (first, second))
        one, other = (loss(score(*each)) for each in sums)
        return other - one

    whole, without = apart(every), apart(np.stack([np.delete(every, one) for one in every]))
    memory, spread = memory_of(whole - without), np.std(apart(drawn[:, :num]), ddof=1)
    of_blocks = np.array(float(HOW.block)), memory, np.array(float(num))
    half = spread * multiples(*of_blocks, HOW.level)
    return whole, whole - half, whole + half, two_sided(whole / spread, *of_blocks)


def expect(found, name, at, expected):
    here = found.sel(region="all", model="b", **at)
    ends = ("", "_lower", "_upper", "_p")
    got = [here[f"rainfall_rate_{name}_difference{end}"].item() for end in ends]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-7)


def test_differences_are_those_of_a_bootstrap_by_hand(analysis, runs):
    found, lines = compared(runs, how=HOW)
    assert lines == [f"{LAST - LATER} of up to {LAST - FIRST} values of init_time are in all runs"]
    rates = analysis.rainfall_rate.values
    for lead in range(2):
        said = rates[LATER:LAST]
        there = rates[LATER + lead + 1 : LAST + lead + 1]
        for threshold in (1, 3):
            at = {"rainfall_rate_threshold": f">= {threshold}", "lead_time": LEADS[lead]}
            seen, parts, squares = there >= threshold, [], []
            for factor in (1, np.float32(0.6)):
                told = factor * said >= threshold
                each = told & seen, told, seen, np.ones_like(seen)
                parts.append([x.sum((1, 2)) for x in each])
                around = [
                    np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2)).mean((-1, -2))
                    for x in (told, seen)
                ]
                apart = np.square(around[0] - around[1]).sum((1, 2))
                squares.append([apart, sum(np.square(one).sum((1, 2)) for one in around)])
            for name, score, loss in (
                ("csi", lambda h, t, s, n: h / (t + s - h), lambda x: x),
                ("hit_rate", lambda h, t, s, n: h / s, lambda x: x),
                ("false_alarm_ratio", lambda h, t, s, n: (t - h) / t, lambda x: x),
                ("frequency_bias", lambda h, t, s, n: t / s, lambda x: abs(x - 1)),
                ("ets", equitable, lambda x: x),
            ):
                expect(found, name, at, by_hand(score, loss, *parts))
            expected = by_hand(lambda d, w: 1 - d / w, lambda x: x, *squares)
            expect(found, "fss", at | {"neighbourhood": 3}, expected)
        rows = [
            run["rainfall_rate_seeps"].sel(model="forecast", region="all", lead_time=LEADS[lead])
            for run in runs.values()
        ]
        rows = [[row.sel(init_time=rows[1].init_time).values.astype("f8")] for row in rows]
        expected = by_hand(lambda total: total / (LAST - LATER), lambda x: x, *rows)
        expect(found, "seeps", {"lead_time": LEADS[lead]}, expected)


def equitable(hit, told, seen, points):
    """ETS of sums over points and initial times."""
    chance = told * seen / points
    return (hit - chance) / (told + seen - hit - chance)


def test_significance_is_among_all_events_of_a_metric(runs):
    found, _ = compared(runs, how=HOW)
    for metric in ("csi", "ets", "fss", "seeps"):
        chances = found[f"rainfall_rate_{metric}_difference_p"].sel(model="b").values.ravel()
        told = found[f"rainfall_rate_{metric}_difference_significant"].sel(model="b").values.ravel()
        adjusted = np.full(chances.shape, -1)
        known = np.isfinite(chances)
        adjusted[known] = scipy.stats.false_discovery_control(chances[known]) <= 0.05
        np.testing.assert_array_equal(told, adjusted)


def test_other_events_are_left_out_and_said(analysis, runs):
    other = by_init(analysis, 0.6, dry={"rainfall_rate": 1.2}, fitted=slice(0, 370))
    found, lines = compared({"a": runs["a"], "b": other}, how=HOW)
    assert lines == [
        "SEEPS of rainfall_rate left out, as its climate or what is dry differs or is not said",
        "events of rainfall_rate left out: >= p80, as their climates differ",
    ]
    assert found.rainfall_rate_threshold.values.tolist() == [">= 1", ">= 3"]
    assert "rainfall_rate_seeps" not in found
    unsaid = runs["a"].copy()
    unsaid["rainfall_rate_seeps"] = unsaid["rainfall_rate_seeps"].drop_attrs()
    said = {"statistic": "seeps", "judged_as": "rain", "of_variable": "rainfall_rate"}
    unsaid["rainfall_rate_seeps"].attrs = said
    assert "rainfall_rate_seeps" not in compared({"a": unsaid, "b": unsaid}, how=HOW)[0]
    none = by_init(analysis, 0.6, metrics=["rmse"])
    found, lines = compared({"a": runs["a"], "b": none}, how=HOW)
    assert lines == [
        f"a: {what} of rainfall_rate left out, which others lack"
        for what in ("events", "events in squares", "SEEPS")
    ]
    assert [name for name in found.data_vars if "csi" in name] == []
    some = runs["a"].sel(rainfall_rate_threshold=[">= 3"], neighbourhood=[3])
    found, lines = compared({"a": runs["a"], "b": some}, how=HOW)
    assert lines == [
        "1 of up to 3 values of rainfall_rate_threshold are in all runs",
        "1 of up to 2 values of neighbourhood are in all runs",
    ]
    assert (found.rainfall_rate_fss_difference.sel(model="b") == 0).all()


def test_page_table_and_lines(runs):
    found, lines = compared(runs, how=HOW)
    page = comparison_html(found, lines)
    for words in (
        "Rainfall rate ≥ 3 mm h⁻¹",
        "Rainfall rate ≥ p80",
        "Critical success index, less a&#39;s",
        "Fractions skill score in squares of 3 × 3 points",
        "Equitable threat score",
        "SEEPS",
    ):
        assert words in page, words
    table = comparison_table(found)
    assert table.columns[-2:].tolist() == ["threshold", "neighbourhood"]
    row = table.query(
        "run == 'b' and metric == 'fss' and threshold == '>= 3' and neighbourhood == 3"
    ).iloc[0]
    here = found.sel(model="b", region="all", rainfall_rate_threshold=">= 3", neighbourhood=3)
    here = here.isel(lead_time=0)
    assert row["difference_lower"] == here.rainfall_rate_fss_difference_lower.item()
    assert row["num_pairs"] == LAST - LATER
    assert table.query("metric == 'seeps'")["threshold"].isna().all()
    assert (table["variable"] == "rainfall_rate").all()
    said = list(comparison_lines(found))
    assert [line for line in said if " of " in line] == [
        "rmse of rainfall rate (mm h⁻¹)",
        "seeps of rainfall rate",
        "csi of rainfall rate ≥ 1 mm h⁻¹",
        "csi of rainfall rate ≥ 3 mm h⁻¹",
        "csi of rainfall rate ≥ p80",
    ]
