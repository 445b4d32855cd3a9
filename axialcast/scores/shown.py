"""What is shown of many channels and lead times: one of each variable, at a few days."""

from collections.abc import Iterable

import numpy as np

from axialcast.data.channels import Channel
from axialcast.times.dates import Leads
from axialcast.times.steps import in_months

__all__ = ["headline", "nearest", "shown_leads", "wanted_leads"]

DAYS = np.array([1, 3, 5]).astype("timedelta64[D]").astype("timedelta64[ns]")
MONTHS = np.array([1, 3, 6]).astype("timedelta64[M]")
"""Lead times that tables and maps show, or those nearest to them."""

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


def wanted_leads(leads: Leads) -> Leads:
    """Three lead times worth showing: of days or months; of less than a day, one in the middle."""
    if in_months(leads):
        return MONTHS
    first, last = leads.min(), leads.max()
    return DAYS if last >= DAYS[0] else np.array([first, first + (last - first) // 2, last])


def shown_leads(leads: Leads) -> Leads:
    """The lead times nearest to those worth showing, each once."""
    return np.array(list(dict.fromkeys(nearest(leads, lead) for lead in wanted_leads(leads))))


def nearest(leads: Leads, lead: np.timedelta64) -> np.timedelta64:
    """Which of the lead times is nearest to one."""
    found: np.timedelta64 = leads[int(np.argmin(np.abs(leads - lead)))]
    return found


def _distance(channel: Channel) -> float:
    return abs((channel.level or 0.0) - PREFERRED_LEVEL)
