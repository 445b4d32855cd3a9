"""Times: sorted, unique, a cadence; gaps only where asked; calendars other than the standard."""

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from axialcast.data import cadence, open_analysis
from axialcast.times.calendars import (
    check_times,
    gapless_axis,
    select_period,
    time_text,
    times_per_step,
)
from axialcast.times.dates import later
from axialcast.times.steps import exact, parsed_step

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
    holes[3] = np.datetime64("NaT", "ns")
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


def every(hours, count, calendar="standard", start="2001-01-31"):
    """Times that many hours apart: datetime64[ns], or cftime of another calendar."""
    range_ = xr.date_range(start, periods=count, freq=f"{hours}h", calendar=calendar)
    return range_.values.astype("M8[ns]") if calendar == "standard" else range_.values


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_period_may_reach_one_cadence_beyond_the_times(calendar, count):
    """A day where there is but one time. What is told are its first and its last time."""
    hours = 24 if count == 1 else 6
    times = every(hours, count, calendar)
    dataset = line(times)
    first, last = (pd.Timestamp(time_text(time)) for time in times[[0, -1]])
    spare, second = pd.Timedelta(hours, "h"), pd.Timedelta("1s")
    chosen = select_period(dataset, ((first - spare).isoformat(), (last + spare).isoformat()))
    assert chosen.time.values.tolist() == times.tolist()
    told = f"is not within the times of the store, {time_text(times[0])} to {time_text(times[-1])}"
    for period in (
        (first - spare - second, last),
        (first, last + spare + second),
        (first + second, first + 2 * second),
    ):
        with pytest.raises(ValueError) as error:
            select_period(dataset, [date.isoformat() for date in period])
        assert str(error.value).startswith("period: ")
        assert str(error.value).endswith(told)


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        (("2001-01-31T06", "2001-01-31T18"), 1, 3),
        (("2001-01-31T06:00:01", "2001-01-31T17:59:59"), 2, 2),
        (("2001-02", 2001), 4, 9),
        (("2001-02-01T06", np.int64(2001)), 5, 9),
        ((np.datetime64("2001-01-31T06"), np.datetime64("2001-01-31T12")), 1, 2),
    ],
)
@pytest.mark.parametrize("calendar", ["standard", "noleap"])
def test_dates_to_the_second_in_any_calendar(period, first, last, calendar):
    times = every(6, 10, calendar)
    chosen = select_period(line(times), period)
    assert chosen.time.values.tolist() == times[first : last + 1].tolist()


def test_a_period_of_the_calendars_own_dates():
    times = every(6, 10, "noleap")
    chosen = select_period(line(times), (times[2], times[5]))
    assert chosen.time.values.tolist() == times[2:6].tolist()
    with pytest.raises(ValueError) as error:
        select_period(line(times), ("spring", "autumn"))
    assert str(error.value).startswith("period: cannot read 'spring' to 'autumn' as dates (no numb")
    assert str(error.value).endswith("); expected for instance ('2001', '2005-06-30')")


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
def test_the_axis_without_gaps(calendar):
    times = every(6, 12, calendar)
    rows, spacing = gapless_axis(times[[1, 2, 3, 6, 7, 11]])
    assert rows.tolist() == [0, 1, 2, -1, -1, 3, 4, -1, -1, -1, 5]
    assert later(times[1:2], spacing)[0] == times[2]
    rows, _ = gapless_axis(times[[4]])
    assert rows.tolist() == [0]
    rows, _ = gapless_axis(times[:0])
    assert rows.tolist() == []
    for wrong in (times[[0, 2, 4, 7]], times[[0, 2, 4, 5]]):
        with pytest.raises(
            ValueError, match=r"times: expected whole multiples of the cadence, 12 h, got .*; open"
        ):
            gapless_axis(wrong)
    for wrong in (times[[1, 0]], times[[0, 0, 0, 1]], times[[3, 3]]):
        with pytest.raises(ValueError, match=r"times: not sorted or not unique; open the store"):
            gapless_axis(wrong)


@pytest.mark.parametrize(
    ("cadence_hours", "step_hours", "want"),
    [(6, None, 1), (6, 6, 1), (6, 24, 4), (1, 7, 7), (24, 48.0, 2), (0.5, 1.5, 3)],
)
def test_times_from_one_state_to_the_next(cadence_hours, step_hours, want):
    step = None if step_hours is None else exact(3600 * step_hours)
    assert times_per_step(exact(3600 * cadence_hours), step) == want


@pytest.mark.parametrize("step", ["3 h", "9 h", "1 s", "1 month"])
def test_a_step_that_the_cadence_does_not_divide(step):
    with pytest.raises(ValueError, match=f"^data.step: {step} is not a multiple .* cadence, 6 h$"):
        times_per_step(exact(6 * 3600), parsed_step(step))


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (np.datetime64("2001-02-03"), "2001-02-03T00"),
        (np.datetime64("2001-02-03T04:05", "ns"), "2001-02-03T04:05"),
        (cftime.DatetimeNoLeap(2001, 2, 3, 4), "2001-02-03T04"),
        (cftime.DatetimeNoLeap(2001, 2, 3, 4, 30), "2001-02-03T04:30"),
    ],
)
def test_times_in_messages(time, text):
    assert time_text(time) == text


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
def test_times_that_are_not_in_order(calendar):
    times = every(6, 5, calendar)
    assert check_times(line(times)).time.values.tolist() == times.tolist()
    with pytest.raises(ValueError) as error:
        check_times(line(times[[0, 1, 1, 2, 2, 1]]))
    assert str(error.value) == (
        "time: 2001-01-31T06 occurs twice; drop it once from the file, for instance with: "
        "cdo delete,timestep=3 in.nc out.nc"
    )
    for order, first in (([0, 3, 2, 1], "12"), ([2, 1, 0], "06"), ([0, 1, 3, 2], "12")):
        with pytest.raises(ValueError) as error:
            check_times(line(times[order]))
        assert str(error.value) == (
            f"time: not sorted at 2001-01-31T{first}; sort the file, for instance with: "
            "cdo sorttimestamp in.nc out.nc"
        )


@pytest.mark.parametrize("calendar", ["standard", "gregorian", "proleptic_gregorian"])
def test_attributes_stay_with_dates_that_become_nanoseconds(calendar):
    dates = xr.date_range("2001-01-31", periods=3, calendar=calendar, use_cftime=True).values
    for times in (dates, np.array(["2001-01-31", "2001-02-01", "2001-02-02"], "datetime64[s]")):
        dataset = xr.Dataset(coords={"time": ("time", times, {"long_name": "valid time"})})
        found = check_times(dataset)
        assert found.time.attrs == {"long_name": "valid time"}
        assert found.time.dtype == "datetime64[ns]"
        assert found.time.values.tolist() == every(24, 3).tolist()


def test_what_is_told_of_an_uneven_cadence():
    """The change, where it is, and what is expected; a remedy only where it is one."""
    first = "valid: cadence changes from {} h to {} h after {}; {}"
    even = "give a store of evenly spaced times"
    for hours, gaps, want in (
        (
            [0, 6, 18, 30, 42],
            "keep",
            (12, 6, "2001-01-31T00", f"expected multiples of 12 h; {even}"),
        ),
        (
            [0, 12, 18, 24],
            "refuse",
            (12, 6, "2001-01-31T12", f"{even}, or set data.gaps: keep (gaps='keep')"),
        ),
        (
            [0, 6, 18, 24],
            "refuse",
            (6, 12, "2001-01-31T06", f"{even}, or set data.gaps: keep (gaps='keep')"),
        ),
        ([0, 6, 15, 21], "refuse", (6, 9, "2001-01-31T06", even)),
    ):
        times = line(every(1, 50)[hours]).rename(time="valid")
        with pytest.raises(ValueError) as error:
            cadence(times, "valid", gaps=gaps)
        assert str(error.value) == first.format(*want)
    with pytest.raises(ValueError, match="valid: not sorted or not unique; sort the"):
        cadence(line(every(1, 3)[[0, 0, 0, 1]]).rename(time="valid"), "valid")
    tie = line(every(1, 50)[[0, 12, 18, 30, 36]])
    assert cadence(tie) == 6 * HOUR, "the smaller of equally common ones"


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
@pytest.mark.parametrize(
    "end", ["2001", "2001-01", "2001-01-01", "2001-01-01T00", "2001-01-01T00:00"]
)
def test_a_date_begins_with_its_first_instant(calendar, end):
    times = every(6, 10, calendar, start="2000-12-29T12")
    chosen = select_period(line(times), ("2000-12-31", end))
    assert chosen.time.values.tolist() == times[6:].tolist()
    with pytest.raises(ValueError, match="is not within"):
        select_period(line(times), ("2000-12-31", "2001-01-01T00:01"))


def test_a_period_of_no_times_at_all(analysis):
    with pytest.raises(ValueError, match="period: 2001 to 2002 is not within the store: it is emp"):
        select_period(analysis.isel(time=slice(0, 0)), ("2001", "2002"))
