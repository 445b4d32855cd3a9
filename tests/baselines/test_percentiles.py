"""Percentiles against numpy's, however the data are chunked and read."""

import numpy as np
import pytest
import xarray as xr

from axialcast.baselines import KeptFits, Percentiles
from axialcast.baselines.percentiles import Percentile, quantiles
from axialcast.data.channels import Channel

HOURS = np.timedelta64(3_600_000_000_000, "ns")
PRESSURE = Channel("pressure", None, "Pa")


def analysis_of(step_hours, years=2, seed=0):
    """Noise with a season and a day, and holes."""
    rng = np.random.default_rng(seed)
    times = np.arange(
        np.datetime64("2001-01-01", "ns"),
        np.datetime64(f"{2001 + years}-01-01"),
        step_hours * HOURS,
    )
    day = (times - times[0]) / (24 * HOURS)
    cycle = np.sin(2 * np.pi * day / 365) + np.sin(2 * np.pi * day)
    values = rng.gamma(1.0, 2.0, (len(times), 5, 7)) + cycle[:, None, None]
    values[rng.random(values.shape) < 0.03] = np.nan
    values[:, 2, 3] = np.nan
    coords = {
        "time": times,
        "latitude": np.linspace(60, -60, 5),
        "longitude": np.arange(7) * 10.0,
    }
    fields = {"pressure": (tuple(coords), values.astype("f4"), {"units": "Pa"})}
    return xr.Dataset(fields, coords)


def quantile(values, share):
    """numpy's of the values that are known."""
    found = np.full(values.shape[1:], np.nan)
    for place in np.ndindex(found.shape):
        known = values.values[(slice(None), *place)]
        known = known[np.isfinite(known)]
        if len(known):
            found[place] = np.quantile(known, share)
    return found


@pytest.mark.parametrize("step_hours", [6, 24])
def test_they_are_those_of_numpy_by_month_and_hour(step_hours):
    analysis = analysis_of(step_hours)
    wanted = [Percentile(PRESSURE, 10.0), Percentile(PRESSURE, 95.0)]
    found = Percentiles.fit(analysis, wanted)
    assert found.note == "by month and hour"
    time = analysis.time
    for month, hour in ((2, 0), (7, 12 if step_hours == 6 else 0)):
        own = analysis.pressure[(time.dt.month == month) & (time.dt.hour == hour)]
        when = np.array([f"2007-{month:02}-13T{hour:02}"], "datetime64[ns]")
        for one in wanted:
            expected = quantile(own, one.percent / 100)
            np.testing.assert_allclose(found.at(one, when)[0], expected, rtol=1e-6)


def test_hours_with_few_values_are_taken_together():
    analysis = analysis_of(3, years=1).isel(time=slice(0, 29 * 8))
    wanted = Percentile(PRESSURE, 50.0)
    found = Percentiles.fit(analysis, [wanted])
    assert found.note == "by month"
    when = np.array(["2002-01-13T05"], "datetime64[ns]")
    expected = quantile(analysis.pressure, 0.5)
    np.testing.assert_allclose(found.at(wanted, when)[0], expected, rtol=1e-6)
    when = np.array(["2002-06-13T05"], "datetime64[ns]")
    with pytest.raises(
        ValueError, match="percentiles: the training period has no value of month 6"
    ):
        found.at(wanted, when)


def test_they_do_not_depend_on_chunks_or_memory(tmp_path):
    analysis = analysis_of(24)
    wanted = [Percentile(PRESSURE, 20.0), Percentile(PRESSURE, 200 / 3, above=1.0)]
    whole = Percentiles.fit(analysis, wanted)
    analysis.chunk(time=37, latitude=2).to_zarr(tmp_path / "chunked.zarr", consolidated=False)
    opened = xr.open_zarr(tmp_path / "chunked.zarr", consolidated=False)
    for data, memory in ((analysis, 1e-7), (opened, 1e-5), (opened, 1.0)):
        found = Percentiles.fit(data, wanted, memory_gib=memory)
        np.testing.assert_array_equal(found.values, whole.values)
        np.testing.assert_array_equal(found.shares, whole.shares)


def test_of_wet_days_alone():
    analysis = analysis_of(24)
    wanted = Percentile(PRESSURE, 200 / 3, above=1.5)
    found = Percentiles.fit(analysis, [wanted])
    own = analysis.pressure[analysis.time.dt.month == 4]
    expected = quantile(own.where(own > 1.5), 2 / 3)
    when = np.array(["2007-04-02"], "datetime64[ns]")
    np.testing.assert_allclose(found.at(wanted, when)[0], expected, rtol=1e-6)
    known = analysis.pressure.notnull().groupby("time.month").sum()
    dry = ((analysis.pressure <= 1.5).groupby("time.month").sum() / known).mean("month")
    np.testing.assert_allclose(found.share(wanted), dry.where(known.sum("month") > 0), rtol=1e-12)


def test_they_are_kept(tmp_path, monkeypatch):
    analysis = analysis_of(24)
    wanted, kept = [Percentile(PRESSURE, 20.0)], KeptFits(tmp_path, {"store": "one"})
    first = Percentiles.fit(analysis, wanted, kept=kept)
    monkeypatch.setattr("axialcast.baselines.percentiles._fitted", None)
    again = Percentiles.fit(analysis, wanted, kept=kept)
    np.testing.assert_array_equal(first.values, again.values)
    with pytest.raises(TypeError):
        Percentiles.fit(analysis, [Percentile(PRESSURE, 21.0)], kept=kept)


def test_quantiles_of_one_value_and_none():
    values = np.array([[1.0, np.nan], [np.nan, np.nan]], np.float32)
    np.testing.assert_array_equal(quantiles(values, [0, 0.3, 1]), [[1, np.nan]] * 3)
