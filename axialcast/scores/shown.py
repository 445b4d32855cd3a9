"""What is shown of many channels and lead times: one of each variable, at a few days."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from axialcast.data.channels import Channel

__all__ = ["TABLE_DAYS", "headline", "nearest"]

TABLE_DAYS = (1, 3, 5)
"""Lead times that tables and maps show, or those nearest to them (days)."""

MOST_VARIABLES = 6
"""Variables with curves and tables of their own; the scorecard shows the rest."""

PREFERRED_LEVEL = 500.0
"""Where the weather's steering flow is judged (hPa)."""


def headline(channels: Iterable[Channel]) -> list[Channel]:
    """One channel of each variable, nearest 500 hPa; geopotential first if there is any."""
    best: dict[str, Channel] = {}
    for channel in channels:
        old = best.get(channel.variable)
        if old is None or _distance(channel) < _distance(old):
            best[channel.variable] = channel
    return sorted(best.values(), key=lambda c: c.variable != "geopotential")[:MOST_VARIABLES]


def nearest(leads: NDArray[np.timedelta64], days: float) -> np.timedelta64:
    """The lead time nearest to so many days."""
    distance = np.abs(leads - np.timedelta64(round(days * 24), "h"))
    return np.timedelta64(leads[int(np.argmin(distance))])


def _distance(channel: Channel) -> float:
    return abs((channel.level or 0.0) - PREFERRED_LEVEL)
