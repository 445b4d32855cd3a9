"""How the report writes names, numbers, dates and lead times."""

import re
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channel
from axialcast.disclosure import printable
from axialcast.times.dates import Leads
from axialcast.times.steps import in_months

__all__ = [
    "channel_name",
    "date",
    "degrees",
    "duration",
    "model_name",
    "number",
    "pretty_units",
    "share",
]

LONGEST = 80
EXACT_UNITS: tuple[tuple[str, Any], ...] = (
    ("day", np.timedelta64(86_400, "s")),
    ("hour", np.timedelta64(3600, "s")),
    ("minute", np.timedelta64(60, "s")),
    ("second", np.timedelta64(1, "s")),
)
AXES_FROM = np.array([24, 6]).astype("timedelta64[h]")
"""Longest lead times from which an axis is in days, and in hours."""
MONTH_UNIT: tuple[str, Any] = "month", np.timedelta64(1, "M")
MONTH_NAMES = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
"""Letters of a name or of units that are shown."""

MODEL_NAMES = {
    "forecast": "Forecast",
    "persistence": "Persistence",
    "lagrangian_persistence": "Lagrangian persistence",
    "climatology": "Climatology",
    "probabilistic_climatology": "Prob. climatology",
    "damped_persistence": "Damped persistence",
    "linear_inverse_model": "Linear inverse model",
    "vector_autoregression": "Vector autoregression",
}


def model_name(model: str, *, inside: bool = False) -> str:
    """The model's name as a heading, or `inside` a sentence.

    Example:
        >>> model_name("linear_inverse_model", inside=True)
        'the linear inverse model'
    """
    name = MODEL_NAMES.get(model, _brief(model))
    if not inside or model not in MODEL_NAMES:
        return name
    return f"the {name.lower()}" if name.endswith("model") else name.lower()


def channel_name(channel: Channel, dataset: xr.Dataset, *, inside: bool = False) -> str:
    """The channel's long name in a dataset as a heading, or `inside` a sentence.

    Example:
        >>> dataset = xr.Dataset({"z": ((), 0.0, {"long_name": "geopotential"})})
        >>> channel_name(Channel("z", 500.0, "m2 s-2"), dataset)
        'Geopotential, 500 hPa'
    """
    given = dataset[channel.variable].attrs.get("long_name", channel.variable.replace("_", " "))
    name = _brief(given)
    name = name if inside else name[:1].upper() + name[1:]
    if channel.level is None:
        return name
    return f"{name} at {channel.level:g} hPa" if inside else f"{name}, {channel.level:g} hPa"


def number(value: float) -> str:
    """About four digits, with a proper minus sign.

    Example:
        >>> [number(value) for value in (12345.6, 415.27, -0.98765, float("nan"))]
        ['12,346', '415', '−0.988', '–']
    """
    if not np.isfinite(value):
        return "–"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}".replace("-", "−")


def share(ratio: float) -> str:
    """A relative difference in words, of something that is better small.

    Example:
        >>> share(-0.123), share(0.05)
        ('12 % below', '5 % above')
    """
    return f"{100 * abs(ratio):.0f} % {'below' if ratio < 0 else 'above'}"


def date(time: Any, *, of_month: bool = False) -> str:
    """Day and hour in UTC of a date of any calendar; or the month, where it stands for one.

    Example:
        >>> date(np.datetime64("2009-01-01T06")), date(np.datetime64("2009-01-01"), of_month=True)
        ('1 January 2009, 06 UTC', 'January 2009')
    """
    stamp = time.astype("datetime64[m]").item() if isinstance(time, np.datetime64) else time
    month = f"{MONTH_NAMES[stamp.month - 1]} {stamp.year}"
    if of_month:
        return month
    clock = f"{stamp.hour:02d}" if stamp.minute == 0 else f"{stamp.hour:02d}:{stamp.minute:02d}"
    return f"{stamp.day} {month}, {clock} UTC"


def duration(lead: np.timedelta64) -> str:
    """A lead time in the largest unit that tells it by a whole number.

    Example:
        >>> [duration(np.timedelta64(minutes, "m")) for minutes in (10, 360, 1440)]
        ['10 minutes', '6 hours', '1 day']
        >>> duration(np.timedelta64(3, "M"))
        '3 months'
    """
    units = (MONTH_UNIT,) if in_months(lead) else EXACT_UNITS
    name, unit = next(one for one in units if not (lead % one[1]).astype(np.int64))
    amount = lead / unit
    return f"{amount:g} {name}{'' if amount == 1 else 's'}"


def counted(leads: Leads, *, each: bool = False) -> tuple[NDArray[np.float64], str]:
    """Lead times as numbers, and what these count: months, days, hours or minutes.

    Args:
        each: whether each is written out, hours as a rule; otherwise they make an axis.

    Example:
        >>> counted(np.array([6, 24], "m8[h]")), counted(np.array([6, 24], "m8[h]"), each=True)
        ((array([0.25, 1.  ]), 'days'), (array([ 6., 24.]), 'hours'))
    """
    if in_months(leads):
        name, unit = MONTH_UNIT
    elif each:
        name, unit = EXACT_UNITS[2 if (leads % EXACT_UNITS[1][1]).any() else 1]
    else:
        name, unit = EXACT_UNITS[int((leads.max() < AXES_FROM).sum())]
    return np.asarray(leads / unit, np.float64), f"{name}s"


def pretty_units(units: str) -> str:
    """CF units with raised exponents.

    Example:
        >>> pretty_units("m2 s-2")
        'm² s⁻²'
    """
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return re.sub(r"(?<=[a-zA-Z])-?\d+", lambda match: match[0].translate(raised), _brief(units))


def _brief(text: object) -> str:
    """Words of a store in one line, cut where they are too long for a heading."""
    line = printable(text)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def degrees(value: float, positive: str, negative: str) -> str:
    """A latitude or longitude with the letter of its side, such as 30°W."""
    value = (value + 180) % 360 - 180 if positive == "E" else value
    if abs(value) < 1e-9 or (positive == "E" and abs(abs(value) - 180) < 1e-9):
        return f"{abs(value):g}°"
    return f"{abs(value):g}°{positive if value > 0 else negative}"
