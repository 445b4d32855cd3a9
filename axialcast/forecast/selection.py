"""Which forecasts a run asks for: initial times and lead times."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.reader import Analysis
from axialcast.names import TIME
from axialcast.times.dates import Times, datetimes

__all__ = ["choose_init_times", "choose_lead_times", "parse_lead_times"]


def choose_init_times(
    analysis: Analysis | xr.Dataset,
    *,
    init_times: str | Sequence[Any],
    test: Sequence[str],
    init_every_hours: int | None = None,
) -> Times:
    """The dates listed, or all times of the test period, every so many hours from its first.

    Args:
        analysis: with its times, whose calendar the dates are read in.
        init_times: dates, or "test".
        test: [first, last] of the test period, both included.
        init_every_hours: hours between initial times of the test period; None: every time.

    Raises:
        ValueError: a date is none, or stands there twice.
    """
    dataset = analysis.dataset if isinstance(analysis, Analysis) else analysis
    if init_times != "test":
        return datetimes(init_times, like=dataset[TIME].values)
    times: Times = dataset[TIME].sel({TIME: slice(*test)}).values
    if init_every_hours is not None:
        since = (times - times[:1]).astype("timedelta64[s]")
        times = times[since % np.timedelta64(init_every_hours, "h") == np.timedelta64(0, "ns")]
    return times


def choose_lead_times(hours: float, step: np.timedelta64) -> NDArray[np.timedelta64]:
    """Every multiple of the model step up to so many hours.

    Raises:
        ValueError: `hours` is not such a multiple.
    """
    longest = np.timedelta64(round(hours * 3600), "s")
    if longest % step:
        raise ValueError(
            f"forecast.lead_time_hours: {hours:g} is not a multiple of the model step of "
            f"{step / np.timedelta64(1, 'h'):g} h"
        )
    leads: NDArray[np.timedelta64] = np.arange(1, longest // step + 1) * step
    return leads


def parse_lead_times(values: Any, step: np.timedelta64) -> NDArray[np.timedelta64]:
    """Lead times as an array: sorted multiples of the model step.

    Args:
        values: timedeltas, or text such as "24h"; one, or a sequence of such.
        step: the model step.

    Raises:
        ValueError: they are something else, or bare numbers, whose unit would be a guess.
    """
    numeric = np.asarray(values).dtype.kind in "iuf"
    try:
        if numeric:
            raise ValueError("state the unit")
        leads = np.sort(np.atleast_1d(np.asarray(pd.to_timedelta(values), "timedelta64[ns]")))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"lead_times: expected timedeltas such as '24h', got {values!r} ({error})"
        ) from None
    bad = [lead for lead in leads if lead <= np.timedelta64(0, "ns") or lead % step]
    if bad or not len(leads) or len(np.unique(leads)) < len(leads):
        got = ", ".join(f"{lead / np.timedelta64(1, 'h'):g} h" for lead in leads)
        raise ValueError(
            "lead_times: expected different positive multiples of the model step of "
            f"{step / np.timedelta64(1, 'h'):g} h, got {got or 'none'}"
        )
    return leads
