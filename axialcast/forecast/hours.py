"""Whether a network knows the climatology at the hours that forecasts start from."""

from collections.abc import Mapping

import numpy as np

from axialcast.forecast.checkpoint import Checkpoint
from axialcast.model.calendar import calendar
from axialcast.times.calendars import time_text
from axialcast.times.dates import Times

__all__ = ["check_hours"]

TOLERANCE_HOURS = 0.5


def check_hours(checkpoint: Checkpoint, times: Times) -> None:
    """Refuses states at hours of the day that the climatology they depart from was not fitted at.

    Args:
        times: of the states.

    Raises:
        ValueError: there are such.
    """
    settings = checkpoint.network.get("departures")
    if not isinstance(settings, Mapping):
        return
    hours = 24 * calendar(times.ravel())[:, 1:].numpy()
    apart = np.abs((hours - np.array(settings["hours"]) + 12) % 24 - 12).min(1)
    if len(far := np.flatnonzero(apart > TOLERANCE_HOURS)):
        known = ", ".join(f"{hour:g}" for hour in settings["hours"])
        raise ValueError(
            f"{time_text(times.ravel()[far[0]])}: the network is given departures from a "
            f"climatology of {known} h UTC; start forecasts at these hours, or train with "
            "model.departures: false"
        )
