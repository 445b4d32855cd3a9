"""Which members an ensemble has, and what is drawn for them."""

import cftime
import numpy as np
import pytest
import xarray as xr

from axialcast.forecast.members import Member, drawn_for, member_in, members_of


def test_one_network_makes_one_member():
    assert members_of() == (Member(),)


def test_networks_are_dealt_before_lags():
    found = [(member.network, member.lag) for member in members_of(3, lagged=1)]
    assert found == [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)]


def test_a_smaller_ensemble_is_the_beginning_of_a_larger():
    many = members_of(2, 11, lagged=1, is_perturbed=True, is_noisy=True)
    assert members_of(2, 5, lagged=1, is_perturbed=True, is_noisy=True) == many[:5]
    assert len(set(many)) == 11


def test_members_that_are_random_are_eight_unless_told():
    assert [member.noise for member in members_of(is_noisy=True)] == list(range(8))
    assert len(members_of(3, lagged=3, is_perturbed=True)) == 12


def test_equal_members_are_refused():
    with pytest.raises(ValueError, match="members: 5 would not differ, as 2 networks from 2"):
        members_of(2, 5, lagged=1)


def test_what_is_drawn_follows_from_seed_time_and_numbers():
    times = np.array(["1955-03-01", "2001-07-02T06"], "datetime64[ns]")
    first = drawn_for(7, times[1], 1, 2).random(3)
    assert np.array_equal(drawn_for(7, times[1].astype("datetime64[s]"), 1, 2).random(3), first)
    others = [(8, times[1], 1, 2), (7, times[0], 1, 2), (7, times[1], 2, 1), (7, times[1], 1, 3)]
    for seed, time, *numbers in others:
        assert not np.array_equal(drawn_for(seed, time, *numbers).random(3), first)
    month = cftime.DatetimeNoLeap(2001, 2, 28)
    assert drawn_for(1, month).random() == drawn_for(1, month).random()


def test_other_forecasts_are_taken_by_number():
    forecasts = xr.Dataset({"z": (("number", "lead_time"), [[1.0], [2.0], [3.0]])})
    assert [float(member_in(forecasts, number).z[0]) for number in (0, 2, 3, 7)] == [1, 3, 1, 2]
    one = forecasts.isel(number=1)
    assert member_in(one, 4) is one
