"""Errors of rain in probability space: SEEPS.

Shapes: i init times, l lead times, c channels, h latitudes, w longitudes, r regions, m models,
s variables of rain.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from axialcast.baselines.percentiles import Percentile
from axialcast.data.channels import Channels
from axialcast.scores.events import HEAVY, Events
from axialcast.scores.sums import PairSums, Sums, rows_of
from axialcast.times.dates import Times

__all__ = ["SEEPS_PAIRS", "SEEPS_SUMS", "SeepsSums", "penalties"]

SEEPS_SUMS, SEEPS_PAIRS = "seeps", "seeps pairs"
"""Names of their sums among others."""

DRIEST, WETTEST = 0.85, 0.1
"""Shares of dry days beyond which a place is left out (Rodwell et al. 2010, section 3b)."""


class SeepsSums:
    """Sums over pairs of the stable equitable error in probability space.

    Rodwell et al. (2010, Q. J. R. Meteorol. Soc. 136): dry, light and heavy rain are told apart by
    the climate of each place, two in three wet days being light. What is forecast is penalised by
    how likely it was to be right by chance. 0 is perfect, a constant forecast has 1 on average.

    As in WeatherBench-X, amounts up to a fixed one are dry, heavy rain begins at a percentile of
    the season, and the share of dry days is the mean over seasons.

    Args:
        sums: where they are, or will be, among others; zero to begin with.
        pairs: of the same channels and among the same sums.
        rain: (s,) places of the variables among the forecast's channels, and what is dry.
        channels: all of the forecast's.
        first: place among them of the first of these.
        looked_for: whose percentiles tell the climate.
    """

    def __init__(
        self,
        sums: Sums,
        pairs: PairSums,
        rain: Sequence[tuple[int, float]],
        channels: Channels,
        first: int,
        looked_for: Events,
    ) -> None:
        num, _, num_models, num_leads, _, num_regions = pairs.sums.shape
        by_region = (num_leads, len(rain), num_regions)
        self.sums = rows_of(sums, SEEPS_SUMS, (num, num_models, *by_region))
        self.pairs = rows_of(sums, SEEPS_PAIRS, (num, *by_region), np.int8)
        self.rain, self.first = rain, first
        self._channels, self._looked_for, self._area_of = channels, looked_for, pairs.area_of

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
        """Notes pairs of these times and channels: arguments as of `EventSums.add`."""
        climate = self._looked_for.percentiles
        for number, (place, least) in enumerate(self.rain):
            index = place - self.first - channels.start
            if not 0 <= index < truth.shape[2]:
                continue
            if climate is None:
                raise ValueError(
                    f"dry: what heavy {self._channels[place]} is follows from the climate; give "
                    "percentiles, fitted on the training years"
                )
            wanted = Percentile(self._channels[place], HEAVY, above=least)
            dry = climate.share(wanted)
            heavy = climate.at(wanted, valid.ravel())
            table = penalties(dry)
            for case, lead in np.ndindex(truth.shape[:2]):
                limit = heavy[case * truth.shape[1] + lead]
                at = (case, lead, index)
                known = np.isfinite(truth[at]) & np.isfinite(normal[at]) & np.isfinite(limit)
                known &= (dry >= WETTEST) & (dry <= DRIEST)
                for field in predictions:
                    known &= np.isfinite(field[at])
                area = self._area_of(known)
                to = (leads.start + lead, number)
                self.pairs[(cases.start + case, *to)] = area > 0
                seen = _categories(truth[at], least, limit)
                for model, field in enumerate(predictions):
                    said = _categories(field[at], least, limit)
                    found = np.take_along_axis(table, (3 * said + seen)[None], 0)[0]
                    total = self._area_of(np.where(known, found, 0.0))
                    self.sums[(cases.start + case, model, *to)] = np.divide(
                        total, area, out=np.zeros_like(total), where=area > 0
                    )

    def climate(self, number: int) -> str:
        """What a variable of rain is judged by: up to which amount it is dry, and a checksum of
        the shares of dry days and of where heavy rain begins."""
        place, least = self.rain[number]
        climate = self._looked_for.percentiles
        assert climate is not None
        wanted = Percentile(self._channels[place], HEAVY, above=least)
        checksum = hashlib.sha256(climate.share(wanted).astype(np.float32).tobytes())
        checksum.update(climate.all_of(wanted).tobytes())
        return f"dry up to {least:g}, {checksum.hexdigest()[:16]}"

    def score(self) -> NDArray[np.float64]:
        """(m, l, s, r) means over pairs; NaN where there is none."""
        pairs = self.pairs.sum(0, dtype=np.int64)
        return np.asarray(self.sums.sum(0) / np.where(pairs > 0, pairs, np.nan))

    def rows(self) -> NDArray[np.float64]:
        """(i, m, l, s, r) of each pair; NaN where there is none."""
        return np.where((self.pairs == 0)[:, None], np.nan, self.sums)


def penalties(dry: NDArray[np.float64]) -> NDArray[np.float64]:
    """(9, …) at 3 v + f what a forecast of category v costs where the truth is f: 0 is dry, 1 light
    and 2 heavy rain.

    Rodwell et al. (2010, eq. 15), given the share of dry days: light rain is twice as likely as
    heavy rain.
    """
    with np.errstate(divide="ignore"):
        wet, none = 1 / (1 - dry), np.zeros_like(dry)
        rows = [
            *(none, wet, 4 * wet),
            *(1 / dry, none, 3 * wet),
            *(1 / dry + 3 / (2 + dry), 3 / (2 + dry), none),
        ]
    return np.stack(rows) / 2


def _categories(
    values: NDArray[np.floating], least: float, heavy: NDArray[np.float32]
) -> NDArray[np.intp]:
    """0 where dry, 1 where rain is light, 2 where it is heavy."""
    wet = values > np.float32(least)
    return wet.astype(np.intp) + (wet & (values >= heavy))
