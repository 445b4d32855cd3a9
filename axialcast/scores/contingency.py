"""Whether events were forecast: tables of hits, misses and false alarms, and scores of them.

Shapes: i init times, l lead times, c channels, h latitudes, w longitudes, r regions, m models,
e events, k times.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from axialcast.data.channels import Channels
from axialcast.scores.events import Event, Events
from axialcast.scores.fractions import FractionSums
from axialcast.scores.sums import PairSums, Sums, rows_of
from axialcast.times.dates import Times

__all__ = ["EVENT_METRICS", "EVENT_SUMS", "EventSums"]

EVENT_SUMS = "events"
"""Name of their sums among others."""

PARTS = ("hit", "observed", "forecast")
"""Shares of the area where an event is both, in the truth, and in the forecast."""

SMALLEST_RATE = 1e-6
"""Rates of hits and false alarms are kept this far from 0 and 1 where their logarithm is taken."""

Means = Mapping[str, NDArray[np.float64]]


class EventSums:
    """Sums over pairs of contingency tables, as shares of the area of each pair's known points.

    They add over blocks as `axialcast.scores.sums.PairSums` do, and count the same points.

    Args:
        sums: where they are, or will be, among others; zero to begin with.
        pairs: of the same channels and among the same sums.
        events: of these channels.
        channels: all of the forecast's.
        first: place among them of the first of these.
        looked_for: what the events are of.
        fractions: that count events in squares, too.
    """

    def __init__(
        self,
        sums: Sums,
        pairs: PairSums,
        events: Sequence[Event],
        channels: Channels,
        first: int,
        looked_for: Events,
        fractions: FractionSums | None,
    ) -> None:
        num, _, num_models, num_leads, _, num_regions = pairs.sums.shape
        shape = (num, len(PARTS), num_models, num_leads, len(events), num_regions)
        self.sums = rows_of(sums, EVENT_SUMS, shape)
        self.pairs, self.events, self.first = pairs, events, first
        self.fractions = fractions
        self._channels, self._looked_for = channels, looked_for

    def add(
        self,
        cases: slice,
        leads: slice,
        channels: slice,
        predictions: Sequence[NDArray[np.floating]],
        truth: NDArray[np.float32],
        normal: NDArray[np.float32],
        valid: Times,
    ) -> None:
        """Notes pairs of these times and channels: arguments as of `PairSums.add`.

        Args:
            valid: (i, l) times that they are for.
        """
        for number, event in enumerate(self.events):
            place = event.place - self.first - channels.start
            if not 0 <= place < truth.shape[2]:
                continue
            channel, threshold = self._channels[event.place], event.threshold
            limits = self._looked_for.limit(channel, threshold, valid.ravel())
            for case, lead in np.ndindex(truth.shape[:2]):
                at, limit = (case, lead, place), limits[case * truth.shape[1] + lead]
                known = np.isfinite(truth[at]) & np.isfinite(normal[at]) & np.isfinite(limit)
                for field in predictions:
                    known &= np.isfinite(field[at])
                there = known & threshold.holds(truth[at], limit)
                said = [known & threshold.holds(field[at], limit) for field in predictions]
                row, column = cases.start + case, leads.start + lead
                self.sums[row, :, :, column, number] = self._table(known, there, said)
                if self.fractions is not None:
                    self.fractions.add((row, column, number), known, there, said)

    @property
    def places(self) -> list[int]:
        """(e,) of the events' channels among these."""
        return [event.place - self.first for event in self.events]

    def means(self) -> dict[str, NDArray[np.float64]]:
        """Parts by name, (m, l, e, r); NaN where there is no pair."""
        counted = self.pairs.counted()[:, self.places]
        return dict(zip(PARTS, self.sums.sum(0) / counted, strict=True))

    def rows(self) -> dict[str, NDArray[np.float64]]:
        """Parts by name, (i, m, l, e, r); NaN where there is no pair."""
        parts = np.where(self.absent()[:, None], np.nan, np.moveaxis(self.sums, 1, 0))
        return dict(zip(PARTS, parts, strict=True))

    def absent(self) -> NDArray[np.bool_]:
        """(i, l, e, r) where there is no pair."""
        return np.asarray(self.pairs.pairs[:, :, self.places] == 0)

    def _table(
        self,
        known: NDArray[np.bool_],
        there: NDArray[np.bool_],
        said: Sequence[NDArray[np.bool_]],
    ) -> NDArray[np.float64]:
        """(3, m, r) shares of the area where all is known; zero where nothing is."""
        area_of = self.pairs.area_of
        area = area_of(known)
        shares = np.zeros((len(PARTS), len(said), len(area)))
        shares[1] = area_of(there)
        for model, field in enumerate(said):
            shares[0, model] = area_of(there & field)
            shares[2, model] = area_of(field)
        return np.asarray(np.divide(shares, area, out=np.zeros_like(shares), where=area > 0))


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


def hit_rate(means: Means) -> NDArray[np.float64]:
    """Hits over events in the truth (probability of detection, recall): 1 is perfect.

    Wilks (2019, section 8.2.2). NaN where the event is not in the truth.
    """
    return _ratio(means["hit"], means["observed"])


def false_alarm_ratio(means: Means) -> NDArray[np.float64]:
    """False alarms over events that were forecast: 0 is perfect.

    Wilks (2019, section 8.2.2). NaN where the event is not forecast.
    """
    return _ratio(means["forecast"] - means["hit"], means["forecast"])


def equitable_threat_score(means: Means) -> NDArray[np.float64]:
    """The critical success index less the hits that chance gives (Gilbert): 1 is perfect, 0 chance.

    Wilks (2019, section 8.2.4). NaN where the event is neither in the truth nor forecast.
    """
    chance = means["observed"] * means["forecast"]
    either = means["observed"] + means["forecast"] - means["hit"]
    return _ratio(means["hit"] - chance, either - chance)


def heidke_skill_score(means: Means) -> NDArray[np.float64]:
    """Share of right answers beyond those of chance: 1 is perfect, 0 chance.

    Wilks (2019, section 8.2.4). NaN where the event is everywhere or nowhere in both.
    """
    observed, forecast = means["observed"], means["forecast"]
    right = 1 - observed - forecast + 2 * means["hit"]
    chance = observed * forecast + (1 - observed) * (1 - forecast)
    return _ratio(right - chance, 1 - chance)


def symmetric_extremal_dependence_index(means: Means) -> NDArray[np.float64]:
    """Skill at rare events, which does not vanish with their rarity: 1 is perfect, 0 chance.

    Ferro and Stephenson (2011, Weather and Forecasting 26, eq. 7). Rates of 0 and 1 are taken as
    1e-6 from them. NaN where the event is everywhere or nowhere in the truth.
    """
    hits = _ratio(means["hit"], means["observed"])
    false = _ratio(means["forecast"] - means["hit"], 1 - means["observed"])
    hits, false = (rate.clip(SMALLEST_RATE, 1 - SMALLEST_RATE) for rate in (hits, false))
    here, there = np.log(hits) + np.log1p(-false), np.log(false) + np.log1p(-hits)
    return np.asarray((there - here) / (there + here))


EVENT_METRICS: dict[str, Callable[[Means], NDArray[np.float64]]] = {
    "csi": critical_success_index,
    "frequency_bias": frequency_bias,
    "hit_rate": hit_rate,
    "false_alarm_ratio": false_alarm_ratio,
    "ets": equitable_threat_score,
    "hss": heidke_skill_score,
    "sedi": symmetric_extremal_dependence_index,
}
"""Metrics of tables by name, without units."""


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    # Shares of the area: what is less is rounding.
    found = np.full_like(whole, np.nan)
    return np.asarray(np.divide(part, whole, out=found, where=whole > 1e-14))
