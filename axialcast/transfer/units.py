"""What a network is given and what it gives, field by field, in which units.

Two networks that know the same field may know it in other units: each normalises by the statistics
of its own training data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from axialcast.data.placing import Points
from axialcast.forecast import Checkpoint
from axialcast.names import DIAGNOSTIC, FORCING, PROGNOSTIC

__all__ = ["Change", "Unit", "changes", "given_fields", "told_fields"]

Key = tuple[str, str]
"""What a field is for, and its name with its units."""


@dataclass(frozen=True)
class Unit:
    """What a network's number for a field stands for: zero + unit · number.

    Args:
        unit: of the field, in which one deviation, or one deviation of a change, is 1.
        zero: in the field's units; None: it differs from place to place and time to time.
        is_log: whether the number is a logarithm's.
    """

    unit: float
    zero: float | None
    is_log: bool = False


@dataclass(frozen=True)
class Change:
    """old number = shift + scale · new number.

    Args:
        is_exact: False where a number means something else in kind, as a logarithm does.
    """

    scale: float = 1.0
    shift: float = 0.0
    is_exact: bool = True

    @property
    def is_none(self) -> bool:
        return self.scale == 1.0 and self.shift == 0.0

    @classmethod
    def between(cls, old: Unit, new: Unit) -> "Change":
        """From the numbers of one network to those of another one."""
        if old.is_log != new.is_log:
            return cls(is_exact=False)
        if old.zero is None or new.zero is None:
            return cls(new.unit / old.unit, is_exact=old.zero == new.zero)
        return cls(new.unit / old.unit, (new.zero - old.zero) / old.unit)


def changes(old: Mapping[Key, Unit], new: Mapping[Key, Unit]) -> list[tuple[int, Change] | None]:
    """For each new field its place among the old ones, and the change of units; None: it is new."""
    places = {key: number for number, key in enumerate(old)}
    return [
        (places[key], Change.between(old[key], unit)) if key in places else None
        for key, unit in new.items()
    ]


def told_fields(checkpoint: Checkpoint, like: Checkpoint | None = None) -> dict[Key, Unit]:
    """What the body of a checkpoint's network is given of each time, in its order.

    Args:
        like: in whose units static fields are given, where both have them at the same places.
    """
    channels, statistics = checkpoint.channels, checkpoint.statistics
    fields = {}
    for number, channel in enumerate(channels):
        if channel.role == PROGNOSTIC:
            key = ("state", f"{channel} ({channel.units})")
            fields[key] = _state(checkpoint, number)
    static = Unit(1.0, 0.0)
    for number, channel in enumerate(checkpoint.static):
        unit = static if like is None else _static(checkpoint, like, number)
        fields["static", f"{channel} ({channel.units})"] = unit
    for number, channel in enumerate(channels):
        if channel.role == FORCING:
            unit = Unit(
                float(statistics.std[number]),
                float(statistics.mean[number]),
                bool(statistics.log1p[number]),
            )
            fields["forcing", f"{channel} ({channel.units})"] = unit
    for name in checkpoint.network.get("forcings", ()):
        fields["computed", f"{name} (computed)"] = static
    if checkpoint.network.get("boundary"):
        for number, channel in enumerate(channels.having(PROGNOSTIC)):
            unit = Unit(float(statistics.increment_std[number]), 0.0)
            fields["boundary", f"boundary of {channel} ({channel.units})"] = unit
    for number in range(checkpoint.network.get("noise") or 0):
        fields["noise", f"noise {number}"] = static
    return fields


def given_fields(checkpoint: Checkpoint) -> dict[Key, Unit]:
    """What the body of a checkpoint's network gives: changes, then values of what it diagnoses."""
    statistics, fields = checkpoint.statistics, {}
    for number, channel in enumerate(checkpoint.channels):
        name, is_log = f"{channel} ({channel.units})", bool(statistics.log1p[number])
        std = float(statistics.std[number])
        if channel.role == PROGNOSTIC:
            unit = float(statistics.increment_std[number])
            if checkpoint.network.get("departures") is True:  # of months, which count as they vary
                unit = std * _spread(checkpoint)[number]
            fields["change", name] = Unit(unit, 0.0, is_log)
        elif channel.role == DIAGNOSTIC:
            fields["value", name] = Unit(std, float(statistics.mean[number]), is_log)
    return fields


def _state(checkpoint: Checkpoint, number: int) -> Unit:
    statistics = checkpoint.statistics
    std, mean = float(statistics.std[number]), float(statistics.mean[number])
    is_log = bool(statistics.log1p[number])
    if not checkpoint.network.get("departures"):
        return Unit(std, mean, is_log)
    return Unit(std * _spread(checkpoint)[number], None, is_log)


def _spread(checkpoint: Checkpoint) -> Sequence[float]:
    """Of the departures that a network knows states as, in standard deviations of states."""
    spread: list[float] = checkpoint.weights["departures.spread"].flatten().tolist()
    return spread


def _static(checkpoint: Checkpoint, like: Checkpoint, number: int) -> Unit:
    """A static field in units of another network's, by least squares over the places of both.

    Each normalises it over its own grid, and the values before that are not kept.
    """
    names = list(like.static)
    if checkpoint.static[number] not in names:
        return Unit(1.0, 0.0)
    here = checkpoint.weights["static"][number].double().numpy()
    there = like.weights["static"][names.index(checkpoint.static[number])].double().numpy()
    if here.shape == there.shape and np.array_equal(here, there):
        return Unit(1.0, 0.0)
    try:
        here = Points.between(checkpoint.grid, like.grid).values(here).astype(np.float64)
        weights = like.grid.area_weights
    except ValueError:
        try:
            there = Points.between(like.grid, checkpoint.grid).values(there).astype(np.float64)
            weights = checkpoint.grid.area_weights
        except ValueError:  # neither covers the other
            return Unit(1.0, 0.0)
    weights = np.broadcast_to(weights, here.shape)
    mean = np.average(here, weights=weights)
    scale = float(
        np.average((here - mean) * there, weights=weights)
        / np.average((here - mean) ** 2, weights=weights)
    )
    return Unit(scale, float(np.average(there, weights=weights) - scale * mean))
