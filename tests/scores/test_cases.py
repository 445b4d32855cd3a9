"""Scores of seasons and hours are those of their pairs alone, however the forecasts are chunked."""

import numpy as np
import pytest
import xarray as xr

from axialcast.baselines import Percentiles
from axialcast.baselines.percentiles import Percentile
from axialcast.data.channels import Channel
from axialcast.scores.cases import Cases, of_all_cases
from axialcast.scores.events import HEAVY
from axialcast.verify import Climatology, Events, Persistence, evaluate, omissions, to_table

HOURS = np.timedelta64(3_600 * 10**9, "ns")
LEADS = np.array([12, 36, 1200]) * HOURS
METRICS = ["rmse", "mae", "bias", "acc", "crps", "spread_skill", "csi", "sedi", "fss", "seeps"]
RAIN = Channel("pressure", None, "Pa")


@pytest.fixture(scope="module")
def analysis():
    """Sixteen months, twice a day, of noise with holes."""
    rng = np.random.default_rng(0)
    times = np.arange(np.datetime64("2001-01-01", "ns"), np.datetime64("2002-05-01"), 12 * HOURS)
    values = rng.gamma(0.7, 3.0, (len(times), 5, 7)).astype("f4")
    values[rng.random(values.shape) < 0.02] = np.nan
    coords = {
        "time": times,
        "latitude": np.linspace(60, -60, 5),
        "longitude": np.arange(7) * 10.0,
    }
    return xr.Dataset({"pressure": (tuple(coords), values, {"units": "Pa"})}, coords)


@pytest.fixture(scope="module")
def forecast(analysis):
    """Three members from seventeen times in no order, of three seasons and both hours."""
    rng = np.random.default_rng(1)
    inits = rng.permutation(analysis.time.values[40:-200:41])
    shape = (len(inits), 3, len(LEADS), 5, 7)
    values = rng.gamma(0.7, 3.0, shape).astype("f4")
    dims = ("init_time", "number", "lead_time", "latitude", "longitude")
    coords = {"init_time": inits, "number": range(3), "lead_time": LEADS}
    coords |= {dim: analysis[dim] for dim in dims[3:]}
    return xr.Dataset({"pressure": (dims, values, {"units": "Pa"})}, coords)


@pytest.fixture(scope="module")
def options(analysis):
    wanted = [Percentile(RAIN, 80.0), Percentile(RAIN, HEAVY, above=1.0)]
    climate = Percentiles.fit(analysis, wanted)
    return {
        "climatology": Climatology.fit(analysis, harmonics=1),
        "baselines": {"persistence": Persistence()},
        "metrics": METRICS,
        "events": Events({"pressure": ["< 1", "> p80"]}, climate, [1, 3], {"pressure": 1.0}),
        "regions": {"north": {"latitude": [0, 90], "longitude": [0, 360]}},
    }


@pytest.fixture(scope="module")
def found(forecast, analysis, options):
    return evaluate(forecast, analysis, cases=Cases("init", init_hours=True), **options)


def test_a_case_has_the_scores_of_its_forecasts_alone(found, forecast, analysis, options):
    assert found.cases.values.tolist() == ["all", "DJF", "MAM", "JJA", "SON", "00 UTC", "12 UTC"]
    assert found.pressure.dims == ("model", "metric", "region", "cases", "lead_time")
    init = forecast.init_time
    for name, own in (
        ("all", init.dt.month > 0),
        ("DJF", init.dt.month.isin([12, 1, 2])),
        ("12 UTC", init.dt.hour == 12),
    ):
        expected = evaluate(forecast.isel(init_time=own.values), analysis, **options)
        got = found.sel(cases=name, drop=True)
        for variable in expected.data_vars:
            if variable != "num_missing_truth":
                np.testing.assert_allclose(
                    got[variable].transpose(*expected[variable].dims),
                    expected[variable],
                    rtol=1e-6,  # the climatology rounds otherwise among others
                    atol=1e-7,
                    err_msg=f"{name} {variable}",
                )


def test_seasons_of_the_valid_time(forecast, analysis, options):
    found = evaluate(forecast, analysis, cases=Cases("valid"), **options)
    valid = forecast.init_time + forecast.lead_time
    count = valid.dt.month.isin([6, 7, 8]).sum("init_time")
    got = found.pressure_num_pairs.sel(cases="JJA", region="all")
    np.testing.assert_array_equal(got, count)
    assert count[0] != count[2]
    one = forecast.isel(lead_time=[2])
    of_season = valid.isel(lead_time=2).dt.month.isin([6, 7, 8]).values
    expected = evaluate(one.isel(init_time=of_season), analysis, **options)
    got = found.sel(cases="JJA").isel(lead_time=[2])
    np.testing.assert_allclose(
        got.pressure.transpose(*expected.pressure.dims), expected.pressure, rtol=1e-6, atol=1e-7
    )


def test_all_scores_do_not_depend_on_chunks_or_blocks(found, forecast, analysis, options):
    cases = Cases("init", init_hours=True)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        sizes = {dim: int(rng.integers(1, n + 1)) for dim, n in forecast.sizes.items()}
        chunked = forecast.chunk(sizes), analysis.chunk(time=int(rng.integers(1, 99)))
        values, memory = int(rng.integers(30, 3000)), float(rng.choice([1e-6, 1.0]))
        own = evaluate(*chunked, cases=cases, block_values=values, memory_gib=memory, **options)
        xr.testing.assert_allclose(own, found, rtol=1e-12)


def test_the_table_and_the_omissions(found):
    table = to_table(found)
    assert set(table.cases) == set(found.cases.values)
    one = table.query("cases == 'JJA' and metric == 'rmse' and region == 'north'")
    at = {"cases": "JJA", "metric": "rmse", "region": "north"}
    expected = found.pressure.sel(at).stack(row=("model", "lead_time"))
    np.testing.assert_allclose(one.value, expected)
    assert omissions(found) == omissions(of_all_cases(found))
    assert "cases" not in of_all_cases(found).dims
