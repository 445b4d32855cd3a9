"""The generator over lead times and its clock."""

import numpy as np
import pytest
import torch
import xarray as xr

from axialcast.data.opening.calendars import time_text
from axialcast.forecast import calendar, datetimes, rollout
from axialcast.forecast.dates import later

DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")


def test_calendar_by_hand():
    times = np.array(["2001-01-01T00", "2001-07-02T12", "2004-12-31T18"], "datetime64[ns]")
    want = [[0, 0], [182.5 / 365, 0.5], [365.75 / 366, 0.75]]
    np.testing.assert_allclose(calendar(times), want, rtol=1e-6)


def test_rollout_feeds_forecasts_and_their_times_back():
    """A network that adds the last two states and the day of the year: Fibonacci, on a clock."""
    seen = []

    def network(states, calendar):
        seen.append(calendar[0, :, 0] * 365)
        return states[:, 0] + states[:, 1]

    states = torch.ones(1, 2, 1, 1, 1)
    times = np.array([["2001-01-01", "2001-01-02"]], "datetime64[ns]")
    steps = list(rollout(network, states, times, step=DAY, num_steps=5))
    assert [step.item() for step in steps] == [2, 3, 5, 8, 13]
    torch.testing.assert_close(torch.stack(seen)[:, 1], torch.arange(1.0, 6.0))


def test_what_is_not_known_at_first_is_never_fed_back():
    valid = torch.tensor([True, False]).view(1, 1, 1, 2)
    states = torch.ones(1, 2, 1, 1, 2) * valid
    seen = []

    def network(states, calendar):
        seen.append(states[0, -1].flatten().tolist())
        return states[:, 0] + states[:, 1] + 7

    times = np.array([["2001-01-01", "2001-01-02"]], "datetime64[ns]")
    steps = list(rollout(network, states, times, step=DAY, num_steps=3, valid=valid))
    assert [step.flatten().tolist() for step in steps] == [[9, 0], [17, 0], [33, 0]]
    assert seen == [[1, 0], [9, 0], [17, 0]]


@pytest.mark.parametrize(
    ("name", "date", "want"),
    [
        ("noleap", "2004-12-31T18", (364.75 / 365, 0.75)),
        ("360_day", "2001-02-30", (59 / 360, 0)),
        ("all_leap", "2001-03-01T12", (60.5 / 366, 0.5)),
        ("julian", "2001-07-02T12", (182.5 / 365, 0.5)),
    ],
)
def test_calendars_by_hand(name, date, want):
    like = xr.date_range("2001-01-01", periods=1, calendar=name, use_cftime=True).values
    times = datetimes(date, like=like)
    assert time_text(times[0]) == (date if "T" in date else f"{date}T00")
    np.testing.assert_allclose(calendar(times[None]), [[want]], rtol=1e-6)


def test_a_step_later_in_another_calendar():
    times = xr.date_range("2004-02-28", periods=3, calendar="noleap", use_cftime=True).values
    assert (later(times[:2], DAY) == times[1:]).all()
    assert later(times[:2, None], np.array([1, 2]) * DAY).tolist() == [
        times[1:].tolist(),
        [times[2], times[2].replace(day=3)],
    ]


def test_dates_that_a_calendar_lacks_are_refused():
    like = xr.date_range("2004-02-28", periods=3, calendar="noleap", use_cftime=True).values
    for value in ("2004-02-29", "soon", 7):
        with pytest.raises(ValueError, match="init_times: expected datetimes, got"):
            datetimes(value, like=like)
    assert (datetimes(np.datetime64("2004-02-28", "ns"), like=like) == like[:1]).all()
    assert (datetimes(like[1:]) == like[1:]).all()
