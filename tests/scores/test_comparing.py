"""Runs that are compared: on what they share, refused where they were verified against others."""

import numpy as np
import pytest
import xarray as xr

from axialcast.report.comparison import comparison_html, comparison_lines
from axialcast.scores.by_init import ByInit
from axialcast.scores.comparing import compared
from axialcast.scores.comparison_table import comparison_table

NUM = 40
TIMES = np.datetime64("2001-01-01", "ns") + np.arange(NUM).astype("m8[D]")


def run(seed, size=1.0, times=slice(None), truth_seed=9, *, lacking=0):
    """What each pair of a run says, of a point; its truths from a seed of their own."""
    truth = np.random.default_rng(truth_seed).standard_normal((NUM, 1, 2, 1, 1))
    noise = np.random.default_rng(seed).standard_normal((NUM, 1, 2, 1, 1))
    errors = np.concatenate([size * noise, np.roll(truth, 1, 0) - truth], 1)
    rows = {
        "error": errors,
        "squared_error": errors**2,
        "absolute_error": np.abs(errors),
        "anomaly_product": (errors + truth) * truth,
        "squared_forecast_anomaly": (errors + truth) ** 2,
        "squared_truth_anomaly": np.broadcast_to(truth**2, errors.shape),
    }
    pairs = np.ones((NUM, 2, 1, 1), np.int8)
    pairs[:lacking] = 0
    dims = ("init_time", "lead_time", "latitude", "longitude")
    forecast = xr.Dataset(
        {"temperature": (dims, np.zeros((NUM, 2, 1, 1)), {"units": "K"})},
        {"init_time": TIMES, "lead_time": np.array([1, 2], "m8[D]").astype("m8[ns]")},
    )
    found = ByInit()
    found.fill(rows, pairs, forecast, models=["forecast", "persistence"], regions=["all"])
    return found.dataset.isel(init_time=times)


def test_scores_of_the_pairs_that_all_have():
    runs = {"a": run(1), "b": run(2, 2.0, slice(5, None)), "c": run(3, lacking=7)}
    found, lines = compared(runs)
    assert lines == ["35 of up to 40 values of init_time are in all runs"]
    assert (found["temperature_num_pairs"] == NUM - 7).all()
    score = found["temperature"].sel(metric="rmse", region="all")
    for name, dataset in runs.items():
        squares = dataset["temperature_squared_error"].sel(model="forecast", region="all")
        expected = np.sqrt(squares.sel(init_time=TIMES[7:]).mean("init_time"))
        np.testing.assert_allclose(score.sel(model=name), expected, rtol=1e-6)
    apart = found["temperature_difference"].sel(metric="rmse", region="all")
    np.testing.assert_allclose(apart.sel(model="b"), score.sel(model="b") - score.sel(model="a"))
    assert apart.sel(model="a").isnull().all()
    assert (found["temperature_difference_significant"].sel(metric="rmse", model="b") == 1).all()


def test_a_run_does_not_differ_from_its_copy():
    found, _ = compared({"a": run(1), "b": run(1)})
    assert (found["temperature_difference"].sel(model="b") == 0).all()
    assert (found["temperature_difference_significant"].sel(model="b") == 0).all()


def test_other_truths_are_refused_and_other_climatologies_said():
    with pytest.raises(ValueError, match="a and b: temperature was verified against other truths"):
        compared({"a": run(1), "b": run(2, truth_seed=8)})
    both = [
        xr.concat([run(seed), at.assign_coords(region=["stations"])], "region")
        for seed, at in ((1, run(1)), (2, run(2, truth_seed=8)))
    ]
    with pytest.raises(
        ValueError, match=r"in the region stations; .* same verify\.regions and ver"
    ):
        compared(dict(zip("ab", both, strict=True)))
    other = run(2)
    other["temperature_squared_truth_anomaly"] *= 1.1
    found, lines = compared({"a": run(1), "b": other})
    assert lines == ["their climatologies differ, so acc is left out"]
    assert "acc" not in found["metric"]


def test_what_cannot_be_compared_is_said():
    with pytest.raises(ValueError, match="needs two runs or more"):
        compared({"a": run(1)})
    with pytest.raises(ValueError, match="a and b: share no pair of temperature"):
        compared({"a": run(1, times=slice(0, 9)), "b": run(1, times=slice(9, None))})


def test_a_run_with_members_beside_one_without():
    members = run(2)
    for name in ("crps", "variance", "expected_squared_error"):
        array = members["temperature_absolute_error"] * 0.5
        members[f"temperature_{name}"] = array.assign_attrs(
            statistic=name, of_variable="temperature"
        )
    found, _ = compared({"a": run(1), "b": members})
    score = found["temperature"].sel(region="all")
    np.testing.assert_allclose(
        score.sel(metric="crps", model="a"), score.sel(metric="mae", model="a")
    )
    assert score.sel(metric="spread", model="a").isnull().all()


def test_page_table_and_lines():
    found, lines = compared({"<b>a</b>": run(1), "b": run(2, 2.0)})
    page = comparison_html(found, ["35 of <40>"])
    assert "<b>a</b>" not in page.replace("<b>&lt;b&gt;", "")
    assert "&lt;b&gt;a&lt;/b&gt;" in page
    assert "35 of &lt;40&gt;" in page
    assert "src=" not in page
    assert "<script" not in page
    table = comparison_table(found)
    assert len(table) == 2 * 2 * 4
    row = table.query("run == 'b' and metric == 'rmse' and lead_time_hours == 24").iloc[0]
    expected = found["temperature"].sel(metric="rmse", model="b").isel(lead_time=0).item()
    assert row["value"] == expected
    assert row["difference_lower"] < row["difference"] < row["difference_upper"]
    said = list(comparison_lines(found))
    assert said[0] == "rmse of temperature (K)"
    assert said[2].startswith("  b: 1 day ")
    assert lines == []
