"""Whether events were forecast: tables of hits, misses and false alarms, and scores of them.

An event is a value at or above a threshold, at a grid point. Shapes: i init times, l lead times,
c channels, h latitudes, w longitudes, r regions, m models, e events.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channels
from axialcast.names import LEAD_TIME, LEVEL, canonical
from axialcast.scores.sums import PairSums, Sums, rows_of

__all__ = [
    "EVENT_METRICS",
    "EVENT_SUMS",
    "Event",
    "EventSums",
    "Thresholds",
    "events_of",
    "labelled_events",
    "threshold_name",
]

EVENT_SUMS = "events"
"""Name of their sums among others."""

PARTS = ("hit", "observed", "forecast")
"""Shares of the area where an event is both, in the truth, and in the forecast."""

Means = Mapping[str, NDArray[np.float64]]

Thresholds = Mapping[str, Sequence[float]]
"""By variable, in its units."""


@dataclass(frozen=True)
class Event:
    """Values of a channel at or above a threshold.

    Args:
        place: of the channel, among the forecast's.
        threshold: in its units.
    """

    place: int
    threshold: float


def events_of(channels: Channels, thresholds: Thresholds) -> tuple[Event, ...]:
    """Those of each channel in order, at each threshold from the lowest.

    Raises:
        ValueError: a variable is not among the channels.
    """
    wanted = {canonical(name): sorted(set(values)) for name, values in thresholds.items()}
    for name in wanted:
        if name not in channels.variables:
            raise ValueError(
                f"thresholds: {name} is not forecast; choose from {', '.join(channels.variables)}"
            )
    return tuple(
        Event(place, float(threshold))
        for place, channel in enumerate(channels)
        for threshold in wanted.get(channel.variable, ())
    )


class EventSums:
    """Sums over pairs of contingency tables, as shares of the area of each pair's known points.

    They add over blocks as `axialcast.scores.sums.PairSums` do, and count the same points.

    Args:
        sums: where they are, or will be, among others; zero to begin with.
        pairs: of the same channels and among the same sums.
        events: of these channels.
        first: place among the forecast's of the first of them.
    """

    def __init__(self, sums: Sums, pairs: PairSums, events: Sequence[Event], first: int) -> None:
        num, _, num_models, num_leads, _, num_regions = pairs.sums.shape
        shape = (num, len(PARTS), num_models, num_leads, len(events), num_regions)
        self.sums = rows_of(sums, EVENT_SUMS, shape)
        self.pairs, self.events, self.first = pairs, events, first

    def add(
        self,
        cases: slice,
        leads: slice,
        channels: slice,
        predictions: Sequence[NDArray[np.float32]],
        truth: NDArray[np.float32],
        normal: NDArray[np.float32],
    ) -> None:
        """Notes pairs of these times and channels: arguments as of `PairSums.add`."""
        for number, event in enumerate(self.events):
            place = event.place - self.first - channels.start
            if not 0 <= place < truth.shape[2]:
                continue
            for case, lead in np.ndindex(truth.shape[:2]):
                at = (case, lead, place)
                found = self._table(
                    [field[at] for field in predictions], truth[at], normal[at], event.threshold
                )
                self.sums[cases.start + case, :, :, leads.start + lead, number] = found

    def means(self) -> dict[str, NDArray[np.float64]]:
        """Parts by name, (m, l, e, r); NaN where there is no pair."""
        counted = self.pairs.counted()[:, [event.place - self.first for event in self.events]]
        return dict(zip(PARTS, self.sums.sum(0) / counted, strict=True))

    def _table(
        self,
        fields: Sequence[NDArray[np.float32]],
        observed: NDArray[np.float32],
        expected: NDArray[np.float32],
        threshold: float,
    ) -> NDArray[np.float64]:
        """(3, m, r) shares of the area where all is known; zero where nothing is."""
        known = np.isfinite(observed) & np.isfinite(expected)
        for field in fields:
            known &= np.isfinite(field)
        there, area_of = known & (observed >= threshold), self.pairs.area_of
        area = area_of(known)
        shares = np.zeros((len(PARTS), len(fields), len(area)))
        shares[1] = area_of(there)
        for model, field in enumerate(fields):
            said = known & (field >= threshold)
            shares[0, model] = area_of(there & said)
            shares[2, model] = area_of(said)
        return np.asarray(np.divide(shares, area, out=np.zeros_like(shares), where=area > 0))


def labelled_events(
    sums: EventSums,
    forecast: xr.Dataset,
    coords: Mapping[str, Any],
    metrics: Sequence[str],
) -> xr.Dataset:
    """Scores of events with their labels, a variable for each metric: see `evaluate`.

    Args:
        forecast: that was scored.
        coords: by name: model, region and those of the forecast.
        metrics: names in EVENT_METRICS.
    """
    means = sums.means()
    values = {name: EVENT_METRICS[name](means) for name in metrics}
    channels = Channels.of(forecast)
    fields, labels = {}, dict(coords)
    for variable in dict.fromkeys(channels[event.place].variable for event in sums.events):
        own = [n for n, e in enumerate(sums.events) if channels[e.place].variable == variable]
        array, dim = forecast[variable], threshold_name(variable)
        thresholds = list(dict.fromkeys(sums.events[n].threshold for n in own))
        attrs = {"long_name": f"least {variable} of an event", "units": array.attrs["units"]}
        labels[dim] = (dim, thresholds, attrs)
        has_levels = LEVEL in array.dims
        for name, of in values.items():
            split = of[:, :, own].reshape(*of.shape[:2], -1, len(thresholds), of.shape[-1])
            split = split if has_levels else split[:, :, 0]
            dims = ("model", LEAD_TIME, *([LEVEL] if has_levels else []), dim, "region")
            title = f"{EVENT_METRICS[name].__name__.replace('_', ' ')} of {variable}"
            fields[f"{variable}_{name}"] = (dims, split, {"long_name": title, "units": "1"})
    found = xr.Dataset(fields, labels)
    return found.transpose("model", ..., "region", LEAD_TIME, LEVEL, missing_dims="ignore")


def threshold_name(variable: str) -> str:
    """Name of the coordinate that holds the thresholds of a variable's events, in its units."""
    return f"{variable}_threshold"


def critical_success_index(means: Means) -> NDArray[np.float64]:
    """Hits over hits, misses and false alarms (threat score): 1 is perfect, 0 no skill.

    Wilks (2019, section 8.2.2). NaN where the event is neither in the truth nor forecast.
    """
    return _ratio(means["hit"], means["observed"] + means["forecast"] - means["hit"])


def frequency_bias(means: Means) -> NDArray[np.float64]:
    """How often the event is forecast over how often it is there: 1 is unbiased.

    Wilks (2019, section 8.2.2). NaN where the event is not in the truth.
    """
    return _ratio(means["forecast"], means["observed"])


EVENT_METRICS: dict[str, Callable[[Means], NDArray[np.float64]]] = {
    "csi": critical_success_index,
    "frequency_bias": frequency_bias,
}
"""Metrics of events by name, without units."""


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.full_like(whole, np.nan)
    return np.asarray(np.divide(part, whole, out=found, where=whole > 0))
