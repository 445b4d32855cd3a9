"""Which forecasts a run asks for: initial times and lead times."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from axialcast.data.reader import Analysis
from axialcast.names import TIME
from axialcast.times.calendars import steps_between
from axialcast.times.dates import Leads, Times, datetimes
from axialcast.times.leads import leads_of
from axialcast.times.ranges import date_range
from axialcast.times.steps import in_months, multiple, parsed_step, step_text

__all__ = ["choose_init_times", "choose_lead_times", "parse_lead_times"]


def choose_init_times(
    analysis: Analysis | xr.Dataset,
    *,
    init_times: str | Sequence[Any] | Mapping[str, Any],
    test: Sequence[str],
    init_every: np.timedelta64 | None = None,
) -> Times:
    """The dates listed, those of a range, or all times of the test period.

    Args:
        analysis: with its times, whose calendar the dates are read in.
        init_times: dates; "test"; or keywords of `axialcast.times.ranges.date_range`.
        test: [first, last] of the test period, both included.
        init_every: between initial times of the test period, counted from its first; None: every
            time.

    Raises:
        ValueError: a date is none, or stands there twice.
    """
    dataset = analysis.dataset if isinstance(analysis, Analysis) else analysis
    if isinstance(init_times, Mapping):
        return date_range(**init_times, like=dataset[TIME].values)
    if init_times != "test":
        return datetimes(init_times, like=dataset[TIME].values)
    times: Times = dataset[TIME].sel({TIME: slice(*test)}).values
    if init_every is not None and len(times):
        unit = np.timedelta64(1, "M") if in_months(init_every) else np.timedelta64(1, "s")
        since = np.concatenate([[0], steps_between(times, unit).cumsum()])
        times = times[since % (multiple(init_every, unit) or 1) == 0]
    return times


def choose_lead_times(longest: np.timedelta64, step: np.timedelta64) -> Leads:
    """Every multiple of the model step up to the longest lead time.

    Raises:
        ValueError: the longest is not such a multiple.
    """
    num = multiple(longest, step)
    if not num:
        raise ValueError(
            f"forecast.lead_time: {step_text(longest)} is not a multiple of the model step of "
            f"{step_text(step)}"
        )
    leads: Leads = np.arange(1, num + 1) * step
    return leads


def parse_lead_times(values: Any, step: np.timedelta64) -> Leads:
    """Lead times as an array: sorted multiples of the model step.

    Args:
        values: timedeltas, or text such as "24h" or "3 months"; one, or a sequence of such, or the
            coordinate of another forecast.
        step: the model step.

    Raises:
        ValueError: they are something else, or bare numbers, whose unit would be a guess.
    """
    if isinstance(values, xr.DataArray):  # a forecast's own, of months with their units
        values = leads_of(values)
    several = values if np.ndim(values) else [values]
    try:
        if np.asarray(values).dtype.kind in "iuf":
            raise ValueError("state the unit")
        every = [parsed_step(value) for value in several]
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"lead_times: expected timedeltas such as '24h' or '3 months', got {values!r} ({error})"
        ) from None
    bad = [lead for lead in every if (multiple(lead, step) or 0) < 1]
    if bad or not every or len(set(every)) < len(every):
        got = ", ".join(map(step_text, every))
        raise ValueError(
            "lead_times: expected different positive multiples of the model step of "
            f"{step_text(step)}, got {got or 'none'}"
        )
    return np.sort(np.array(every))
