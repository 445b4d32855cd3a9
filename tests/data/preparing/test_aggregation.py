"""Means and sums over periods against numpy."""

import cftime
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from axialcast.data import open_analysis
from axialcast.data.preparing.aggregation import periods_of
from axialcast.data.preparing.conversion import convert
from axialcast.data.preparing.preparation import Preparation
from axialcast.data.preparing.recipe import Recipe
from axialcast.data.preparing.shards import write_shards
from axialcast.times.cells import Cell


def aggregated(analysis, hours, accumulated=()):
    """Means and sums over all periods, and the periods that lack times."""
    whole = convert(analysis, aggregate_hours=hours, accumulated=accumulated)
    return whole, whole.attrs["left_out"]


def six_hourly(num, *, start="2001-01-01T00", calendar="standard"):
    values = np.random.default_rng(3).standard_normal((num, 2, 3)) + 280
    times = xr.date_range(start, periods=num, freq="6h", calendar=calendar, use_cftime=None)
    coords = {"time": times, "latitude": [5.0, -5.0], "longitude": [0.0, 120.0, 240.0]}
    rain = (np.abs(values) / 280).astype(np.float32)
    fields = {
        "a": (tuple(coords), values.astype(np.float32), {"units": "K"}),
        "total_precipitation": (tuple(coords), rain, {"units": "m"}),
    }
    return xr.Dataset(fields, coords)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("calendar", ["standard", "noleap"])
def test_daily_means_and_sums(lazy, calendar):
    analysis = six_hourly(4 * 5 + 1, calendar=calendar)
    given = analysis.chunk(time=7) if lazy else analysis
    daily, left_out = aggregated(given, hours=24, accumulated=["total_precipitation"])
    means = analysis.a.values[:20].reshape(5, 4, 2, 3).astype(np.float64).mean(1)
    # Accumulations end at their time: a day's are those of 06, 12, 18 and 24 UTC.
    rain = analysis.total_precipitation.values[1:21].reshape(5, 4, 2, 3).astype(np.float64)
    np.testing.assert_array_equal(daily.a.values, means.astype(np.float32))
    np.testing.assert_array_equal(daily.total_precipitation, rain.sum(1).astype(np.float32))
    np.testing.assert_array_equal(daily.time, analysis.time[:20:4])
    assert daily.a.attrs["units"] == "K"
    # The first time's rain fell the day before, and the last mean has one time.
    assert left_out == ["2000-12-31T00:00", "2001-01-06T00:00"] or calendar == "noleap"
    assert len(left_out) == 2


@pytest.mark.parametrize("name", ["tp", "total_precipitation"])
def test_sums_go_by_any_of_their_names(name):
    analysis = six_hourly(4 * 3 + 1)
    daily, _ = aggregated(analysis, hours=24, accumulated=[name])
    rain = analysis.total_precipitation.values[1:13].reshape(3, 4, 2, 3).astype(np.float64)
    np.testing.assert_array_equal(daily.total_precipitation, rain.sum(1).astype(np.float32))
    means = analysis.a.values[:12].reshape(3, 4, 2, 3).astype(np.float64).mean(1)
    np.testing.assert_array_equal(daily.a, means.astype(np.float32))


def test_known_sums_that_the_analysis_lacks_are_of_no_matter():
    daily, _ = aggregated(six_hourly(4 * 3)[["a"]], hours=24, accumulated=["total_precipitation"])
    assert list(daily) == ["a"]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("total_precip", "total_precipitation"),
        ("TP", "total_precipitation"),
        ("snofall", "snowfall"),
    ],
)
def test_misspelt_sums_are_refused_whether_or_not_there_are_periods(name, nearest):
    analysis = six_hourly(13).rename(a="snowfall")
    message = rf"^prepare.accumulated: unknown variable '{name}'; did you mean {nearest}\?$"
    with pytest.raises(ValueError, match=message):
        aggregated(analysis, hours=24, accumulated=[name])
    recipe = Recipe("x.nc", ("2001", "2001"), accumulated=(name,))
    with pytest.raises(ValueError, match=message):
        recipe.convert(analysis)


@pytest.mark.parametrize(
    "attrs", [{"cell_methods": "time: sum (interval: 6 hours)"}, {"GRIB_stepType": "accum"}]
)
def test_what_says_that_it_is_a_sum_is_not_averaged(attrs):
    analysis = six_hourly(13).rename(a="snowfall")
    analysis["snowfall"].attrs |= attrs
    with pytest.raises(ValueError, match=r"^prepare.accumulated: snowfall would be averaged"):
        periods_of(analysis, hours=24, accumulated=["tp"])
    whole = periods_of(analysis, hours=24, accumulated=["tp", "snowfall"])
    assert whole.means is None
    assert Recipe("x.nc", ("2001", "2001")).convert(analysis).snowfall.attrs["units"] == "K"


def test_means_and_sums_say_over_which_interval(tmp_path):
    """Also where the values before were of intervals, and in the training store."""
    analysis = six_hourly(4 * 5 + 1).rename(a="2m_temperature")
    daily, _ = aggregated(analysis, hours=24, accumulated=["tp"])
    told = {name: Cell.of(array.attrs) for name, array in daily.data_vars.items()}
    day = (0.0, 24.0)
    assert told == {"2m_temperature": Cell("mean", day), "total_precipitation": Cell("sum", day)}
    analysis["2m_temperature"].attrs |= Cell("maximum", (-6.0, 0.0)).attrs()
    analysis["total_precipitation"].attrs |= Cell("sum", (-6.0, 0.0)).attrs()
    analysis.to_netcdf(tmp_path / "a.nc")
    recipe = Recipe(
        str(tmp_path / "a.nc"), ("2001", "2001"), aggregate_hours=24, accumulated=("tp",)
    )
    preparation = Preparation(recipe, tmp_path / "training.zarr")
    write_shards(str(preparation.work), preparation.missing())
    preparation.finish()
    opened = open_analysis(tmp_path / "training.zarr")
    assert Cell.of(opened["total_precipitation"].attrs) == Cell("sum", day)
    warmest = opened["2m_temperature"].attrs
    assert Cell.of(warmest) == Cell("maximum, mean", (-6.0, 18.0))
    assert warmest["cell_methods"] == "time: maximum time: mean"
    assert "cells" not in warmest


def test_days_with_missing_times_or_values_are_no_days():
    analysis = six_hourly(4 * 6, start="2001-01-01T06")
    analysis.a[9, 1, 2] = np.nan
    whole, left_out = aggregated(analysis[["a"]], hours=24)
    assert left_out == ["2001-01-01T00:00", "2001-01-07T00:00"]
    np.testing.assert_array_equal(whole.time.dt.day, [2, 3, 4, 5, 6])
    assert np.isnan(whole.a.values[1, 1, 2])
    assert np.isnan(whole.a.values).sum() == 1
    with pytest.raises(ValueError, match=r"no period of 24 h has all its 4 times"):
        aggregated(analysis[["a"]].isel(time=slice(5)), hours=24)
    for hours in (9, 18, 36):
        with pytest.raises(ValueError, match=rf"aggregate_hours: {hours} is not"):
            aggregated(analysis, hours=hours)


@settings(deadline=None, max_examples=30)
@given(hours=st.sampled_from([6, 12, 24, 48, 120]), num=st.integers(40, 71))
def test_every_mean_is_of_its_own_times(hours, num):
    analysis = six_hourly(num)[["a"]]
    result, _ = aggregated(analysis, hours=hours)
    assert result.sizes["time"] == num * 6 // hours
    for time in result.time.values:
        within = slice(time, time + np.timedelta64(hours, "h") - np.timedelta64(1, "s"))
        expected = analysis.a.sel(time=within).values.astype(np.float64).mean(0)
        np.testing.assert_allclose(result.a.sel(time=time).values, expected, rtol=1e-6)


def test_cftime_labels():
    daily, _ = aggregated(six_hourly(240, calendar="noleap", start="2004-02-01")[["a"]], hours=24)
    assert daily.time.values[28] == cftime.DatetimeNoLeap(2004, 3, 1)
