"""Times: sorted, unique, a cadence; gaps only where asked; calendars other than the standard."""

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from axialcast.data import cadence, open_analysis

HOUR = np.timedelta64(1, "h")


def line(times):
    return xr.Dataset(coords={"time": times})


@given(
    step=st.integers(1, 31), multiples=st.lists(st.integers(2, 5), max_size=3), seed=st.integers(0)
)
def test_the_cadence_is_the_most_common_spacing(step, multiples, seed):
    spacing = np.array([1] * (len(multiples) + 1) + multiples)
    np.random.default_rng(seed % 2**32).shuffle(spacing)
    hours = np.concatenate([[0], spacing.cumsum() * step])
    times = np.datetime64("2001-01-01", "ns") + hours * HOUR
    assert cadence(line(times)) == step * HOUR
    noleap = xr.date_range("2001-01-01", periods=hours[-1] + 1, freq="h", calendar="noleap")
    assert cadence(line(noleap[hours])) == step * HOUR


def test_gaps_are_kept_only_where_they_are_whole():
    days = np.datetime64("2001-01-01", "ns") + np.array([0, 24, 48, 96, 120]) * HOUR
    assert cadence(line(days), gaps="keep") == 24 * HOUR
    with pytest.raises(ValueError, match=r"24 h to 48 h after 2001-01-03T00.*gaps='keep'"):
        cadence(line(days), gaps="refuse")
    days[-1] += HOUR
    with pytest.raises(ValueError, match=r"24 h to 25 h after 2001-01-05.*multiples of 24 h"):
        cadence(line(days))
    with pytest.raises(ValueError, match="expected 'refuse' or 'keep', got 'fill'"):
        cadence(line(days), gaps="fill")
    with pytest.raises(ValueError, match="at least two times"):
        cadence(line(days[:1]))


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "julian"])
def test_foreign_calendars_stay(analysis, tmp_path, calendar):
    times = xr.date_range("2001-02-20", periods=40, calendar=calendar, use_cftime=True)
    analysis.assign_coords(time=times).to_netcdf(tmp_path / "a.nc")
    opened = open_analysis(tmp_path / "a.nc", period=("2001-02-25", "2001-03-10"))
    assert isinstance(opened.time.values[0], cftime.datetime)
    assert opened.time.values[0].calendar == calendar
    assert cadence(opened) == 24 * HOUR
    chosen = (times >= times[5]) & (times < times[0].replace(month=3, day=11))
    np.testing.assert_array_equal(
        opened.geopotential, analysis.geopotential.isel(time=np.flatnonzero(chosen))
    )
    with pytest.raises(ValueError, match=r"1999 to 2000 is not within .* 2001-02-20T00 to"):
        open_analysis(tmp_path / "a.nc", period=(1999, 2000))


def test_dates_of_the_standard_calendar_become_nanoseconds(analysis):
    for times in (
        xr.date_range("2001-01-01", periods=40, calendar="standard", use_cftime=True),
        pd.date_range("2001-01-01", periods=40).astype("datetime64[s]"),
    ):
        opened = open_analysis(analysis.assign_coords(time=times))
        assert opened.time.dtype == "datetime64[ns]"
        np.testing.assert_array_equal(opened.time, analysis.time)


def test_what_are_no_dates_is_refused(analysis):
    with pytest.raises(ValueError, match="expected dates, got int64; decode them"):
        open_analysis(analysis.assign_coords(time=np.arange(40)))
    holes = analysis.time.values.copy()
    holes[3] = np.datetime64("NaT")
    with pytest.raises(ValueError, match="holds 1 missing dates"):
        open_analysis(analysis.assign_coords(time=holes))


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        (("2001-01-05", "2001-01-09"), 4, 8),
        (("2001-02", "2001-02"), 31, 39),
        ((2001, 2001), 0, 39),
        ((np.datetime64("2001-01-05"), pd.Timestamp("2001-01-09T12")), 4, 8),
    ],
)
def test_a_period_includes_its_ends(analysis, period, first, last):
    opened = open_analysis(analysis, period=period)
    xr.testing.assert_equal(opened, analysis.isel(time=slice(first, last + 1)))


@pytest.mark.parametrize(
    ("period", "message"),
    [
        (
            ("1999", "2001"),
            "1999 to 2001 is not within the times of the store, 2001-01-01T00 to",
        ),
        (("2001", "2003"), "is not within"),
        (("2001-02", "2001-01"), "is not within"),
        (("spring", "2001"), "cannot read 'spring' to '2001' as dates"),
        (("2001-13", "2001"), "cannot read '2001-13'"),
    ],
)
def test_a_period_that_is_not_there_is_refused(analysis, period, message):
    with pytest.raises(ValueError, match=message) as raised:
        open_analysis(analysis, period=period)
    assert "\n" not in str(raised.value)
