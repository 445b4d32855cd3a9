"""Spectra: energies that add up to variance, of the same rows in forecast and truth."""

import numpy as np
import pytest
import xarray as xr

from axialcast.grid import LatLonGrid, coords_of
from axialcast.scores.spectra import spectra
from axialcast.scores.waves import waves_of

DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.array([1, 2, 3]) * DAY


def of_waves(num_times, longitudes, *, amplitudes, latitudes=5):
    """An analysis whose rows hold waves of given amplitudes and random phases."""
    random = np.random.default_rng(3)
    place = np.deg2rad(longitudes)
    phases = random.uniform(0, 2 * np.pi, (len(amplitudes), num_times, latitudes, 1))
    parts = zip(amplitudes.items(), phases, strict=True)
    values = sum(a * np.cos(m * place + phase) for (m, a), phase in parts)
    times = np.datetime64("2001-01-01", "ns") + np.arange(num_times) * DAY
    coords = {
        "time": times,
        "latitude": np.linspace(60, -60, latitudes),
        "longitude": longitudes,
    }
    array = xr.DataArray(values.astype("f4") + 7, coords, ("time", "latitude", "longitude"))
    return xr.Dataset({"pressure": array.assign_attrs(units="Pa")})


@pytest.fixture
def pair(forecast_of):
    """An analysis of waves 1, 3 and 5, and forecasts that lack half of wave 5's amplitude."""
    longitudes = np.arange(0, 360, 360 / 16)
    truth = of_waves(12, longitudes, amplitudes={1: 3.0, 3: 2.0, 5: 1.0})
    blurred = truth.copy(deep=True)
    waves = np.fft.rfft(truth.pressure.values, axis=-1)
    waves[..., 5] /= 2
    blurred.pressure.values = np.fft.irfft(waves, 16, axis=-1).astype("f4")
    return forecast_of(blurred, truth.time.values[:9], LEADS), truth


def test_a_forecast_that_blurs_lacks_the_energy_of_short_waves(pair):
    found = spectra(*pair).pressure_spectrum
    assert found.dims == ("spectrum_of", "lead_time", "wave_number")
    assert found.attrs["units"] == "(Pa)2"
    assert found.wave_number.values.tolist() == list(range(1, 9))
    expected = np.zeros(8)
    expected[[0, 2, 4]] = 4.5, 2.0, 0.5
    for lead in LEADS[[0, 2]]:
        at = found.sel(lead_time=lead)
        np.testing.assert_allclose(at.sel(spectrum_of="truth"), expected, atol=1e-5)
        expected_of_forecast = expected * np.where(np.arange(8) == 4, 0.25, 1)
        np.testing.assert_allclose(at.sel(spectrum_of="forecast"), expected_of_forecast, atol=1e-5)


def test_members_have_the_energy_that_their_mean_lacks(pair):
    forecast, truth = pair
    random = np.random.default_rng(1)
    turns = [forecast.pressure.roll(longitude=int(n)) for n in random.integers(0, 16, 6)]
    members = xr.concat([turn.assign_coords(forecast.pressure.coords) for turn in turns], "number")
    found = spectra(members.to_dataset(name="pressure"), truth).pressure_spectrum
    one = spectra(forecast, truth).pressure_spectrum
    np.testing.assert_allclose(found.sel(spectrum_of="forecast"), one.sel(spectrum_of="forecast"))
    mean = members.mean("number").to_dataset(name="pressure")
    mean.pressure.attrs = forecast.pressure.attrs
    np.testing.assert_allclose(
        found.sel(spectrum_of="ensemble_mean"),
        spectra(mean, truth).pressure_spectrum.sel(spectrum_of="forecast"),
        rtol=1e-4,
        atol=1e-6,
    )
    total = found.sum("wave_number")
    assert (total.sel(spectrum_of="ensemble_mean") < total.sel(spectrum_of="forecast")).all()


def test_rows_with_holes_are_left_out_of_both(pair):
    forecast, truth = pair
    before = spectra(forecast, truth).pressure_spectrum
    forecast.pressure.values[:, :, 1, 3] = np.nan
    forecast.pressure.values[:, :, 1, 4] = 1e9
    truth.pressure.values[:, 3, 2] = np.nan
    found = spectra(forecast, truth).pressure_spectrum
    np.testing.assert_allclose(found, before, atol=1e-5)
    truth.pressure.values[...] = np.nan
    assert not spectra(forecast, truth)


def test_times_that_the_analysis_lacks_do_not_count(pair):
    forecast, truth = pair
    found = spectra(forecast, truth.isel(time=slice(0, 9))).pressure_spectrum
    np.testing.assert_allclose(found, spectra(forecast, truth).pressure_spectrum, atol=1e-5)


def test_a_region_has_no_energy_of_the_slope_between_its_ends(forecast_of):
    """A field that rises from west to east is one long wave, not a jump full of short ones."""
    longitudes = np.arange(0.0, 40.0, 2.5)
    truth = of_waves(9, longitudes, amplitudes={0: 1.0})
    truth.pressure.values[...] = np.linspace(0, 10, 16)
    found = spectra(forecast_of(truth, truth.time.values[:6], LEADS), truth).pressure_spectrum
    assert found.attrs["transform"] == "cosine transform"
    share = found / found.sum("wave_number")
    assert found.wave_number.values.tolist() == [0.5, 1.0, 1.5, 2.0]
    assert (share.sel(wave_number=0.5) > 0.98).all()


@pytest.fixture
def globe(forecast_of):
    """Noise on the whole globe, and forecasts of half its amplitude."""
    values = np.random.default_rng(5).standard_normal((12, 7, 12)).astype("f4")
    latitude, longitude = np.linspace(90, -90, 7), np.arange(12) * 30.0
    times = np.datetime64("2001-01-01", "ns") + np.arange(12) * DAY
    coords = {"time": times, "latitude": latitude, "longitude": longitude}
    truth = xr.Dataset({"pressure": (tuple(coords), values, {"units": "Pa"})}, coords)
    return forecast_of(truth / 2, times[:9], LEADS).assign_coords(coords_of(truth)), truth


def test_on_the_globe_waves_are_harmonics(globe):
    forecast, truth = globe
    forecast.pressure.attrs["units"] = "Pa"
    found = spectra(forecast, truth).pressure_spectrum
    assert found.attrs["transform"] == "spherical harmonics"
    assert found.wave_number.values.tolist() == [1, 2, 3, 4, 5]
    assert found.attrs["wavelength_km"] == pytest.approx(40_030, rel=1e-3)
    one, whole = found.sel(spectrum_of="forecast"), found.sel(spectrum_of="truth")
    np.testing.assert_allclose(one, whole / 4, rtol=1e-5)
    waves = waves_of(LatLonGrid(truth.latitude.values, truth.longitude.values))[0]
    of_truth = waves.power(truth.pressure.values[1:10]).mean(0)
    np.testing.assert_allclose(whole.isel(lead_time=0), of_truth, rtol=1e-6)


def test_cases_with_holes_are_left_out_and_fields_that_always_have_some_go_by_rows(globe):
    forecast, truth = globe
    forecast.pressure.attrs["units"] = "Pa"
    forecast.pressure.values[3, 0, 2, 2] = np.nan
    found = spectra(forecast, truth).pressure_spectrum
    assert found.attrs["transform"] == "spherical harmonics"
    others = spectra(forecast.isel(init_time=[0, 1, 2, 4, 5, 6, 7, 8]), truth).pressure_spectrum
    np.testing.assert_allclose(found.isel(lead_time=0), others.isel(lead_time=0))
    truth.pressure.values[:, 1, 5] = np.nan
    found = spectra(forecast, truth).pressure_spectrum
    assert found.attrs["transform"] == "rows"
    assert np.isfinite(found).all()
