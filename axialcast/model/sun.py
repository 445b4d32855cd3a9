"""Where the sun stands: what a network may be told of it, from time and place alone.

The sun's apparent longitude is that of the low-precision formulas of the Astronomical Almanac
(Michalsky 1988, within 0.01° of 1950 to 2050); daily means follow Berger 1978 (J. Atmos. Sci. 35),
equation 10. In calendars that are not the standard one the year has the seasons of ours: its
fraction counts.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from axialcast.times.dates import Times

__all__ = ["FORCINGS", "standing", "sun"]

J2000 = np.datetime64("2000-01-01T12", "us")
YEAR_DAYS = 365.2425
DAY = np.timedelta64(1, "D")


def sun(times: Times) -> NDArray[np.float64]:
    """Sine of the declination, hour angle at longitude 0 in turns, and inverse squared distance.

    Args:
        times: datetime64 or cftime, of any shape.

    Returns:
        (*times.shape, 3); the hour angle is 0 at noon, in [-1/2, 1/2); the distance is in
        astronomical units.
    """
    found: NDArray[np.float64] = standing(*_since_2000(times), of=np)
    return found


def standing(days: Any, day: Any, *, of: Any = torch) -> Any:
    """(…, 3) as `sun`, of (…) days since noon of 1 January 2000 and fractions of the UTC day, both
    in double precision; tensors, or arrays of numpy."""
    anomaly = of.deg2rad(357.528 + 0.9856003 * days)
    mean = 280.460 + 0.9856474 * days
    longitude = of.deg2rad(mean + 1.915 * of.sin(anomaly) + 0.020 * of.sin(2 * anomaly))
    obliquity = of.deg2rad(23.439 - 4e-7 * days)
    ascension = of.arctan2(of.cos(obliquity) * of.sin(longitude), of.cos(longitude))
    # By which a sundial is ahead of a clock: the equation of time.
    ahead = (of.deg2rad(mean) - ascension) / (2 * np.pi)
    distance = 1.00014 - 0.01671 * of.cos(anomaly) - 0.00014 * of.cos(2 * anomaly)
    hour_angle = (day + ahead) % 1.0 - 0.5
    return of.stack([of.sin(obliquity) * of.sin(longitude), hour_angle, distance**-2], -1)


def _since_2000(times: Times) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Days since noon of 1 January 2000, and fractions of the UTC day."""
    if times.dtype != object:
        fraction = ((times - times.astype("datetime64[D]")) / DAY) % 1.0
        # Nanoseconds to times before 1708 would not be told from those to later ones.
        return (times.astype("datetime64[us]") - J2000) / DAY, fraction
    pairs = []
    for time in times.ravel():
        midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
        new_year = midnight.replace(month=1, day=1)
        length = new_year.replace(year=time.year + 1) - new_year
        # Where the years of a leap cycle begin on average, within half a day.
        days = YEAR_DAYS * (time.year - 2000 + (time - new_year) / length)
        pairs.append((days, (time - midnight).total_seconds() / 86_400))
    found = np.array(pairs, np.float64).reshape(*times.shape, 2)
    return found[..., 0], found[..., 1]


def _cosine(now: Tensor, latitude: Tensor, longitude: Tensor) -> Tensor:
    """Cosine of the solar zenith angle, negative at night."""
    sine, angle = now[..., 0, None, None], now[..., 1, None, None]
    across = (1 - sine.square()).sqrt() * latitude.cos()
    return latitude.sin() * sine + across * (2 * torch.pi * angle + longitude).cos()


def _flux(now: Tensor, latitude: Tensor, longitude: Tensor) -> Tensor:
    """At this moment, over the solar constant."""
    return _cosine(now, latitude, longitude).clamp(min=0) * now[..., 2, None, None]


def _daily(now: Tensor, latitude: Tensor, longitude: Tensor) -> Tensor:
    """The mean of the day, over the same."""
    sine = now[..., 0, None, None]
    cosine = (1 - sine.square()).sqrt()
    up, across = latitude.sin() * sine, latitude.cos() * cosine
    # The hour angle of sunset: none if the sun stays up or down.
    sunset = (-up / across.clamp(min=1e-9)).clamp(-1, 1).acos()
    mean = (sunset * up + across * sunset.sin()) / torch.pi
    return (mean * now[..., 2, None, None] + 0 * longitude).clamp(min=0)


FORCINGS: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "cosine_of_solar_zenith_angle": _cosine,
    "toa_incoming_shortwave_flux": _flux,
    "daily_mean_toa_incoming_shortwave_flux": _daily,
}
"""By name, functions of `sun` (b, t, 3), latitudes and longitudes in radians that broadcast to
(h, w).

Each gives (b, t, h, w) of order one; fluxes are shares of what comes in at the mean distance.
"""
