"""The climatology against cycles that are known and numpy's own least squares."""

import numpy as np
import pytest

from axialcast.baselines import Climatology

YEAR = 365.2425


def phase(time):
    return 2 * np.pi * ((time - np.datetime64("2000-01-01")) / np.timedelta64(1, "D")) / YEAR


def test_a_pure_annual_cycle_is_found_exactly(analysis_of):
    days = 365 + 730 + 365
    analysis = analysis_of(np.zeros((days, 3, 5)))
    angle = phase(analysis.time.values)[:, None, None]
    amplitude = np.arange(15).reshape(3, 5)
    cycle = 300 + amplitude * np.cos(angle - 1) + 3 * np.sin(2 * angle)
    analysis["pressure"] = analysis.pressure.copy(data=cycle)
    climatology = Climatology.fit(analysis.isel(time=slice(0, 1095)), harmonics=2)
    later = analysis.isel(time=slice(1095, None))
    got = climatology.at(later.time.values).pressure
    np.testing.assert_allclose(got, later.pressure, rtol=1e-6)


def test_each_hour_has_its_own_cycle(analysis_of):
    analysis = analysis_of(np.zeros((4 * 400, 2, 3)), freq="6h")
    hour = analysis.time.dt.hour.values[:, None, None]
    angle = phase(analysis.time.values)[:, None, None]
    cycle = 280 + 5 * (hour == 12) * (1 + np.cos(angle)) + 0 * analysis.pressure.values
    analysis["pressure"] = analysis.pressure.copy(data=cycle)
    climatology = Climatology.fit(analysis, harmonics=1)
    np.testing.assert_allclose(climatology.at(analysis.time.values).pressure, cycle, rtol=1e-6)


def test_missing_values_are_left_out_point_by_point(analysis_of):
    values = 10 + np.random.default_rng(3).standard_normal((731, 2, 3))
    values[::3, 0, 1] = np.nan
    values[:, 1, 2] = np.nan
    analysis = analysis_of(values)
    got = Climatology.fit(analysis, harmonics=1).at(analysis.time.values).pressure.values
    angle = phase(analysis.time.values)
    design = np.stack([np.ones(731), np.cos(angle), np.sin(angle)], axis=1)
    for row, column in ((0, 0), (0, 1)):
        seen = np.isfinite(values[:, row, column])
        fit, *_ = np.linalg.lstsq(design[seen], values[seen, row, column])
        np.testing.assert_allclose(got[:, row, column], design @ fit, rtol=1e-5)
    assert np.isnan(got[:, 1, 2]).all()


def test_blocks_do_not_change_the_fit(analysis_of):
    analysis = analysis_of(np.random.default_rng(0).standard_normal((500, 3, 5)))
    whole = Climatology.fit(analysis.chunk(time=61))
    parts = Climatology.fit(analysis, memory_gib=15 * 37 * 4 / 2**30)
    np.testing.assert_allclose(
        parts.coefficients.pressure, whole.coefficients.pressure, rtol=1e-6, atol=1e-9
    )


def test_harmonics_of_the_year_need_a_year(analysis_of):
    analysis = analysis_of(np.ones((100, 2, 3)))
    with pytest.raises(ValueError, match=r"harmonics: 3 .* got 100 days; .* harmonics=0"):
        Climatology.fit(analysis)
    assert (Climatology.fit(analysis, harmonics=0).at(analysis.time.values).pressure == 1).all()


def test_an_hour_that_was_never_seen_is_refused(analysis_of):
    climatology = Climatology.fit(analysis_of(np.ones((400, 2, 3))), harmonics=0)
    with pytest.raises(ValueError, match=r"fitted at 0 h UTC, got times at 6 h UTC"):
        climatology.at(np.array(["2003-01-01T06"], "datetime64[ns]"))


def test_half_hours_have_a_cycle_of_their_own(analysis_of):
    analysis = analysis_of(np.zeros((48 * 5, 2, 3)), freq="30min")
    minute = analysis.time.dt.minute.values[:, None, None]
    analysis["pressure"] = analysis.pressure.copy(data=280 + minute + 0 * analysis.pressure.values)
    climatology = Climatology.fit(analysis, harmonics=0)
    assert climatology.coefficients.hour.values.tolist() == (np.arange(48) / 2).tolist()
    got = climatology.at(analysis.time.values).pressure
    np.testing.assert_allclose(got, analysis.pressure, rtol=1e-6)
    hourly = Climatology.fit(analysis.isel(time=slice(None, None, 2)), harmonics=0)
    with pytest.raises(ValueError, match=r"^times: .* was fitted at .*, got times at 0\.5 h"):
        hourly.at(analysis.time.values[:2])
