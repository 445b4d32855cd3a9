"""Values that cannot be what they are called: of other units, or marks of missing data."""

import logging

import numpy as np
from numpy.typing import NDArray

from axialcast.data.channels import Channel, Channels
from axialcast.data.spellings import Unit, units_of
from axialcast.names import VARIABLES, Variable

__all__ = ["implausible", "warn_implausible"]

logger = logging.getLogger(__name__)

Ends = tuple[float, float]
"""The lowest and the highest of some values."""

FILLS = (
    *(-999.0, -9999.0, -99999.0, -999999.0, -32767.0, -32768.0, 32767.0, 65535.0),
    *(-999.9, -9.99e8, -9.99e33, 1e15, -1e15, 1e20, -1e20, 1e30, -1e30, 1e34, -1e34, 1e35, 1e36),
    *(-9.96921e36, 9.969209968386869e36, -2147483648.0, -2147483647.0),
    *(float(np.finfo(np.float32).max), float(np.finfo(np.float32).min)),
)
"""What files of the field hold where there is no value."""


def implausible(
    channels: Channels, lowest: NDArray[np.float64], highest: NDArray[np.float64]
) -> list[str]:
    """One line for each channel whose values cannot be right: what they are, why, and what to do.

    Args:
        channels: (c,) in canonical units, where they are well known.
        lowest, highest: (c,) of their values; NaN where that is not known.
    """
    lines = []
    for channel, low, high in zip(channels, lowest.tolist(), highest.tolist(), strict=True):
        # What hardly varies at one level does at another.
        same = [other.variable == channel.variable for other in channels]
        whole = float(np.fmin.reduce(lowest[same])), float(np.fmax.reduce(highest[same]))
        if not np.isnan([low, high]).any() and (what := _wrong(channel, (low, high), whole)):
            lines.append(f"{channel}: holds {low:.6g} to {high:.6g} {channel.units}{what}")
    return lines


def warn_implausible(
    channels: Channels, lowest: NDArray[np.float64], highest: NDArray[np.float64]
) -> None:
    """Warns by the log of what `implausible` finds."""
    for line in implausible(channels, lowest, highest):
        logger.warning("%s", line)


def _wrong(channel: Channel, ends: Ends, whole: Ends) -> str:
    """What is wrong with a channel between two values, its variable between two; or nothing."""
    known = VARIABLES.get(channel.variable)
    if known is None or known.limits is None or known.units != channel.units:
        fill = _fill(ends, (Unit(channel.units),))
        return "" if fill is None else f"; {_mark(fill)}"
    fill = _fill(ends, units_of(channel.variable))
    if _fits(known, ends) and _spreads(known, whole):
        return "" if fill is None else f"; {_mark(fill)}"
    expected = f"{known.limits[0]:g} to {known.limits[1]:g} is possible"
    if _fits(known, ends) and known.hollow is not None:
        expected = f"some of it beyond {known.hollow[0]:g} to {known.hollow[1]:g} is expected"
    remedy = _mark(fill) if fill is not None else _remedy(channel.variable, ends, whole)
    return f", where {expected}; {remedy}"


def _mark(fill: float) -> str:
    return (
        f"{fill:g} is what many files hold where there is no value: mark it in the file as the "
        "variable's _FillValue"
    )


def _remedy(name: str, ends: Ends, whole: Ends) -> str:
    """Which units the numbers seem to be in, and how to say so."""
    known, units = VARIABLES[name], units_of(name)
    others = [unit for unit in units if (unit.factor, unit.offset) != (1.0, 0.0)]
    # Numbers that were not converted and should have been; then the other way round.
    for unit in others:
        if _fits(known, _by(unit, ends)) and _spreads(known, _by(unit, whole)):
            key = f"data.units: {{{name}: {unit.name}}}"
            return f"the numbers seem to be in {unit.name}: if they are, set {key}"
    for unit in others:
        back = Unit("", (), 1 / unit.factor, -unit.offset / unit.factor)
        if _fits(known, _by(back, ends)) and _spreads(known, _by(back, whole)):
            key = f"data.units: {{{name}: {known.units}}}"
            return f"they seem to have been in {known.units}, not in {unit.name}: if so, set {key}"
    for unit in others:
        if sum(_fits(known, (v, v)) or _fits(known, _by(unit, (v, v))) for v in ends) == 2:
            return f"a part of them seems to be in {unit.name}: look for files of other units"
    return (
        "look for missing values that the file does not mark as its _FillValue, or, if its units "
        f"are wrong, give those that the numbers are in with data.units: {{{name}: …}}"
    )


def _by(unit: Unit, ends: Ends) -> Ends:
    """Values that were taken for canonical ones, as if they are in a unit."""
    low, high = (value * unit.factor + unit.offset for value in ends)
    return low, high


def _fits(known: Variable, ends: Ends) -> bool:
    limits = known.limits
    return limits is not None and limits[0] <= ends[0] and ends[1] <= limits[1]


def _spreads(known: Variable, ends: Ends) -> bool:
    hollow = known.hollow
    return hollow is None or ends[0] < hollow[0] or hollow[1] < ends[1]


def _fill(ends: Ends, units: tuple[Unit, ...]) -> float | None:
    """The usual mark of missing data that an end is, in any of the units it may have been in."""
    for unit in units:
        for fill in FILLS:
            value = fill * unit.factor + unit.offset
            if any(abs(end - value) <= 2e-7 * abs(value) for end in ends):
                return fill
    return None
