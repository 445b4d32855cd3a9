"""What counts as an event, and in which of the channels it is looked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.baselines.percentiles import Percentile, Percentiles
from axialcast.data.channels import Channel, Channels
from axialcast.names import canonical
from axialcast.thresholds import Threshold
from axialcast.times.dates import Times

__all__ = ["HEAVY", "Event", "Events", "Thresholds", "events_of", "percentiles_of", "rain_of"]

Thresholds = Mapping[str, Sequence[float | str]]
"""By variable, in its units: numbers, or words as `axialcast.thresholds.Threshold.of` reads."""

HEAVY = 200 / 3
"""Percentile of wet days that parts light from heavy rain (Rodwell et al. 2010, section 3a)."""


@dataclass(frozen=True)
class Event:
    """Values of a channel beyond a threshold.

    Args:
        place: of the channel, among the forecast's.
        threshold: in its units, or a percentile of the climate.
    """

    place: int
    threshold: Threshold


@dataclass(frozen=True, eq=False)
class Events:
    """What is looked for in forecasts and truth.

    Args:
        thresholds: by variable, in its units: from 5 on is `5` or `">= 5"`; others are `"> 5"`,
            `"<= 5"` and `"< 5"`, and of percentiles of the climate at each point `">= p90"`.
        percentiles: that thresholds and `dry` name, of the training years (see `percentiles_of`).
        neighbourhoods: widths of the squares, in grid points, that the fractions skill score counts
            events in; odd numbers.
        dry: by variable, in its units: amounts up to this are dry for SEEPS.
    """

    thresholds: Thresholds = field(default_factory=dict)
    percentiles: Percentiles | None = None
    neighbourhoods: Sequence[int] = ()
    dry: Mapping[str, float] = field(default_factory=dict)

    def limit(self, channel: Channel, threshold: Threshold, times: Times) -> NDArray[np.float32]:
        """(k, h, w), or (k, 1, 1) of what is the same everywhere: the number at these times.

        Raises:
            ValueError: it is a percentile that was not fitted.
        """
        if not threshold.is_percentile:
            return np.full((len(times), 1, 1), threshold.number, np.float32)
        if self.percentiles is None:
            raise ValueError(
                f"thresholds: {threshold.text} of {channel} is of the climate; give percentiles, "
                "fitted on the training years"
            )
        return self.percentiles.at(Percentile(channel, threshold.number), times)

    def identity(self) -> Mapping[str, Any]:
        """What sums depend on, besides channels and thresholds."""
        return {
            "percentiles": self.percentiles,
            "neighbourhoods": list(self.neighbourhoods),
            "dry": {canonical(name): float(value) for name, value in self.dry.items()},
        }


def events_of(channels: Channels, thresholds: Thresholds) -> tuple[Event, ...]:
    """Those of each channel in order, at each threshold from the lowest, percentiles last.

    Raises:
        ValueError: a variable is not among the channels, or words are none of a threshold.
    """
    wanted = {
        canonical(name): sorted({Threshold.of(value) for value in values})
        for name, values in thresholds.items()
    }
    _refuse_others("thresholds", wanted, channels)
    return tuple(
        Event(place, threshold)
        for place, channel in enumerate(channels)
        for threshold in wanted.get(channel.variable, ())
    )


def rain_of(channels: Channels, dry: Mapping[str, float]) -> tuple[tuple[int, float], ...]:
    """Places of channels whose rain is judged, and up to which amount it is none.

    Raises:
        ValueError: a variable is not among the channels.
    """
    wanted = {canonical(name): float(value) for name, value in dry.items()}
    _refuse_others("dry", wanted, channels)
    return tuple(
        (place, wanted[channel.variable])
        for place, channel in enumerate(channels)
        if channel.variable in wanted
    )


def percentiles_of(
    channels: Channels, thresholds: Thresholds, dry: Mapping[str, float]
) -> list[Percentile]:
    """What has to be fitted for thresholds and dry amounts."""
    events = events_of(channels, thresholds)
    found = [
        Percentile(channels[event.place], event.threshold.number)
        for event in events
        if event.threshold.is_percentile
    ]
    found += [
        Percentile(channels[place], HEAVY, above=least) for place, least in rain_of(channels, dry)
    ]
    return list(dict.fromkeys(found))


def _refuse_others(key: str, wanted: Mapping[str, Any], channels: Channels) -> None:
    for name in wanted:
        if name not in channels.variables:
            raise ValueError(
                f"{key}: {name} is not forecast; choose from {', '.join(channels.variables)}"
            )
