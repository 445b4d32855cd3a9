"""Where the sun stands, against formulas of others and against what must hold."""

import numpy as np
import pytest
import torch
import xarray as xr

from axialcast.model import sun
from axialcast.names import COMPUTED

HOUR = np.timedelta64(1, "h")
LATITUDE = torch.tensor([89.0, 60.0, 23.4, 0.0, -35.5, -75.0]).deg2rad()[:, None].double()
LONGITUDE = torch.tensor([0.0, 77.0, 180.0, 301.5]).deg2rad().double()


def fields(name, times):
    now = torch.from_numpy(sun.sun(times))[None]
    return sun.FORCINGS[name](now, LATITUDE, LONGITUDE)[0].numpy()


def noaa(times):
    """Sine of the declination and equation of time (radians) of NOAA's calculator (Meeus 1998)."""
    century = (times - np.datetime64("2000-01-01T12", "ns")) / np.timedelta64(36525, "D")
    mean = 280.46646 + century * (36000.76983 + century * 0.0003032)
    anomaly = np.radians(357.52911 + century * (35999.05029 - 0.0001537 * century))
    eccentricity = 0.016708634 - century * (0.000042037 + 0.0000001267 * century)
    centre = (
        np.sin(anomaly) * (1.914602 - century * (0.004817 + 0.000014 * century))
        + np.sin(2 * anomaly) * (0.019993 - 0.000101 * century)
        + np.sin(3 * anomaly) * 0.000289
    )
    node = np.radians(125.04 - 1934.136 * century)
    longitude = np.radians(mean + centre - 0.00569 - 0.00478 * np.sin(node))
    obliquity = np.radians(23.4392911 - 0.0130042 * century + 0.00256 * np.cos(node))
    y, mean = np.tan(obliquity / 2) ** 2, np.radians(mean)
    time = (
        y * np.sin(2 * mean)
        - 2 * eccentricity * np.sin(anomaly)
        + 4 * eccentricity * y * np.sin(anomaly) * np.cos(2 * mean)
        - 0.5 * y**2 * np.sin(4 * mean)
        - 1.25 * eccentricity**2 * np.sin(2 * anomaly)
    )
    distance = 1.000001018 * (1 - eccentricity**2)
    distance /= 1 + eccentricity * np.cos(anomaly + np.radians(centre))
    return np.sin(obliquity) * np.sin(longitude), time, distance


def test_against_the_formulas_of_noaa():
    """Over 40 years, at all hours: within 1e-3."""
    times = np.datetime64("1979-01-01", "ns") + np.arange(0, 350_000, 37) * HOUR
    sine, ahead, distance = noaa(times)
    day = (times - times.astype("datetime64[D]")) / np.timedelta64(1, "D")
    angle = (2 * np.pi * day + ahead - np.pi)[:, None, None] + LONGITUDE.numpy()
    across = np.sqrt(1 - sine**2)[:, None, None] * np.cos(LATITUDE.numpy())
    expected = np.sin(LATITUDE.numpy()) * sine[:, None, None] + across * np.cos(angle)
    found = fields("cosine_of_solar_zenith_angle", times)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
    flux = np.maximum(expected, 0) / distance[:, None, None] ** 2
    np.testing.assert_allclose(fields("toa_incoming_shortwave_flux", times), flux, atol=1e-3)


@pytest.mark.parametrize("day", ["2003-03-21", "2003-06-22", "2003-09-08", "2003-12-21"])
def test_daily_means_are_means_of_days(day):
    """Polar night and day included; the sun's year goes on meanwhile, by a little."""
    times = np.datetime64(day, "ns") + np.arange(0, 24 * 60, 5) * np.timedelta64(1, "m")
    mean = fields("toa_incoming_shortwave_flux", times).mean(0)
    noon = fields("daily_mean_toa_incoming_shortwave_flux", times[len(times) // 2 :][:1])[0]
    np.testing.assert_allclose(noon, mean, atol=2e-3)


def test_the_globe_gets_a_quarter():
    """Integrated over the sphere, whatever the date."""
    latitude = torch.linspace(-89.5, 89.5, 180).deg2rad().double()[:, None]
    times = np.array(["2001-01-04", "2001-03-20", "2001-07-04"], "datetime64[ns]")
    now = torch.from_numpy(sun.sun(times))[None]
    mean = sun.FORCINGS["daily_mean_toa_incoming_shortwave_flux"](now, latitude, LONGITUDE)[0]
    weights = latitude.cos() / latitude.cos().sum()
    got = (mean[..., 0] * weights[:, 0]).sum(-1) / now[0, :, 2]
    np.testing.assert_allclose(got, 0.25, atol=1e-4)


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
def test_other_calendars_have_our_seasons(calendar):
    """The same fractions of the year, as far as leap years let them."""
    foreign = xr.date_range(
        "2001-01-01", periods=12, freq="30D", calendar=calendar, use_cftime=True
    ).values
    lengths = {"standard": 365, "noleap": 365, "360_day": 360}
    days = np.arange(12) * 30 / lengths[calendar] * 365
    ours = np.datetime64("2001-01-01", "ns") + (days * 86_400e9).astype("timedelta64[ns]")
    found, expected = sun.sun(foreign), sun.sun(ours)
    np.testing.assert_allclose(found[:, [0, 2]], expected[:, [0, 2]], atol=4e-3)
    np.testing.assert_allclose(found[:, 1] % 1, 0.5, atol=0.013)  # midnight, give or take 17 min


def test_names_are_those_of_the_vocabulary():
    assert set(sun.FORCINGS) == set(COMPUTED)
