"""How the report writes names, numbers, dates and lead times."""

import re
from typing import Any

import numpy as np
import xarray as xr

from axialcast.data.channels import Channel
from axialcast.disclosure import printable

__all__ = ["channel_name", "date", "duration", "model_name", "number", "pretty_units", "share"]

LONGEST = 80
"""Letters of a name or of units that are shown."""

MODEL_NAMES = {
    "forecast": "Forecast",
    "persistence": "Persistence",
    "lagrangian_persistence": "Lagrangian persistence",
    "climatology": "Climatology",
    "damped_persistence": "Damped persistence",
    "linear_inverse_model": "Linear inverse model",
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


def date(time: Any) -> str:
    """Day and hour in UTC.

    Example:
        >>> date(np.datetime64("2009-01-01T06"))
        '1 January 2009, 06 UTC'
    """
    stamp = np.datetime64(time, "m").item()
    clock = f"{stamp:%H}" if stamp.minute == 0 else f"{stamp:%H:%M}"
    return f"{stamp.day} {stamp:%B %Y}, {clock} UTC"


def duration(lead: np.timedelta64) -> str:
    """A lead time in days where it is whole days, else in hours.

    Example:
        >>> [duration(np.timedelta64(hours, "h")) for hours in (6, 24, 72)]
        ['6 hours', '1 day', '3 days']
    """
    hours = lead / np.timedelta64(1, "h")
    amount, unit = (hours / 24, "day") if hours % 24 == 0 else (hours, "hour")
    return f"{amount:g} {unit}{'' if amount == 1 else 's'}"


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
