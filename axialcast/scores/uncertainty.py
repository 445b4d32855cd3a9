"""How sure scores of one channel and lead time are, as arrays: by blocks of initial times.

Shapes: i init times, b resamples, s statistics, g metrics, m models, k pairs of models, and any
others behind, such as regions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from axialcast.scores.better import kind_of
from axialcast.scores.metrics import Means
from axialcast.scores.resampling import (
    FEWEST,
    LARGEST_SHARE,
    block_lengths,
    block_weights,
    memory_of,
    multiples,
    two_sided,
)

__all__ = ["Metric", "Resampling", "Uncertain", "uncertain"]

Metric = Callable[[Means], NDArray[np.float64]]
Values = NDArray[np.float64]

LONGER = 1.5
"""Blocks in units of those that estimate the variance best: what matters to an interval is more
that it is not too small (Sun, Phillips and Jin 2008, Econometrica 76)."""

ENOUGH = 0.9
"""Share of the resamples that a score must be defined in."""

_weights = lru_cache(maxsize=64)(block_weights)


@dataclass(frozen=True)
class Resampling:
    """How intervals are found.

    Args:
        level: of confidence.
        resamples: drawn.
        block: initial times in a block; auto: from the autocorrelation, for each lead time and
            channel.
        seed: of what is drawn.
    """

    level: float = 0.95
    resamples: int = 1000
    block: int | Literal["auto"] = "auto"
    seed: int = 0


class Uncertain(NamedTuple):
    """Scores (g, m, ...) and differences (g, k, ...), with their intervals.

    Args:
        scores, differences: their values.
        lower, upper: ends of the scores' intervals; NaN where too little is known.
        lower_difference, upper_difference: of the differences'.
        chance: probability of a difference as large, if there were none.
    """

    scores: Values
    lower: Values
    upper: Values
    differences: Values
    lower_difference: Values
    upper_difference: Values
    chance: Values


class _Sample:
    """Statistics (s, i, m, ...) of some initial times, and scores of any of them."""

    def __init__(
        self,
        rows: Mapping[str, NDArray[np.floating]],
        metrics: Mapping[str, Metric],
        pairs: Sequence[tuple[int, int]],
    ) -> None:
        self.names, self.metrics = list(rows), metrics
        self.sides = [np.array([pair[side] for pair in pairs], np.intp) for side in (0, 1)]
        values = np.stack([np.asarray(array, np.float64) for array in rows.values()])
        known = np.isfinite(values)
        self.known: Values = np.asarray(known.any(0), np.float64)
        # What no pair says, such as the spread of what is no ensemble, stays unknown.
        self.values = np.where(known | ~known.any(1, keepdims=True), values, 0.0)
        self.num: Values = np.asarray(self.known.sum(0))

    def whole(self) -> tuple[Values, Values]:
        """(g, m, ...) scores and (g, k, ...) differences, each on its even scale."""
        return self._scores(self.values.sum(1), self.num)

    def without_each(self) -> tuple[Values, Values]:
        """(g, i, m, ...) scores and (g, i, k, ...) differences, with one initial time left out."""
        sums = self.values.sum(1, keepdims=True) - self.values
        return self._scores(sums, self.num - self.known)

    def resampled(self, weights: Values) -> tuple[Values, Values]:
        """(g, b, m, ...) scores and (g, b, k, ...) differences.

        Args:
            weights: (b, i) how often each initial time counts.
        """
        num, *shape = self.known.shape
        sums = np.stack([weights @ values.reshape(num, -1) for values in self.values])
        counts = weights @ self.known.reshape(num, -1)
        return self._scores(
            sums.reshape(len(sums), len(weights), *shape), counts.reshape(len(weights), *shape)
        )

    def _scores(self, sums: Values, counts: Values) -> tuple[Values, Values]:
        with np.errstate(all="ignore"):
            means = dict(zip(self.names, sums / counts, strict=True))
            found = {name: np.asarray(metric(means)) for name, metric in self.metrics.items()}
            scores = [kind_of(name).to(values) for name, values in found.items()]
        axis = counts.ndim - self.known.ndim + 1
        apart = [
            kind_of(name).difference(*(values.take(side, axis) for side in self.sides))
            for name, values in found.items()
        ]
        return np.stack(scores), np.stack(apart)


def uncertain(
    rows: Mapping[str, NDArray[np.floating]],
    metrics: Mapping[str, Metric],
    pairs: Sequence[tuple[int, int]],
    how: Resampling,
) -> Uncertain:
    """Scores of some initial times and differences of pairs of models.

    Args:
        rows: statistics by name, (i, m, ...); NaN where nothing is known.
        metrics: by name.
        pairs: each model and the one whose score is taken from its own.
        how: intervals are found.
    """
    sample = _Sample(rows, metrics, pairs)
    whole, without_each = sample.whole(), sample.without_each()
    # What each initial time adds to a score, but for a factor: its jackknife pseudo-value.
    with np.errstate(invalid="ignore"):
        effects = [w[:, None] - one for w, one in zip(whole, without_each, strict=True)]
    effects = [np.nan_to_num(np.moveaxis(one, 1, -1), posinf=0.0, neginf=0.0) for one in effects]
    length = _length(effects, int(sample.num.max(initial=0)), how)
    weights = _weights(len(sample.known), length, how.resamples, how.seed)
    counts = sample.num, np.minimum(*(sample.num.take(side, 0) for side in sample.sides))
    reach = [
        _reach(*each, length, how.level)
        for each in zip(whole, effects, sample.resampled(weights), counts, strict=True)
    ]
    kinds = [kind_of(name) for name in metrics]
    ends = [
        np.stack([kind.bounded(c) for kind, c in zip(kinds, centre, strict=True)])
        for centre in (whole[0], whole[0] - reach[0][0], whole[0] + reach[0][0])
    ]
    (half, chance), apart = reach[1], whole[1]
    scores, lower, upper = ends
    return Uncertain(scores, lower, upper, apart, apart - half, apart + half, chance)


def _length(effects: Sequence[Values], num: int, how: Resampling) -> int:
    """Initial times in a block, by the mean of what each score and difference asks for."""
    most = max(1, num // LARGEST_SHARE)
    if how.block != "auto":
        return min(how.block, most)
    series = np.concatenate([one.reshape(-1, one.shape[-1]) for one in effects])
    series = series[np.ptp(series, axis=-1) > 0]
    if num < FEWEST or not len(series):
        return 1
    return int(np.clip(np.ceil(LONGER * block_lengths(series).mean()), 1, most))


def _reach(
    centre: Values,
    effects: Values,
    drawn: Values,
    counts: Values,
    length: int,
    level: float,
) -> tuple[Values, Values]:
    """Half the length of intervals, and the chance of numbers as far from zero if they were zero.

    Args:
        centre: (g, k, ...) numbers.
        effects: (g, k, ..., i) of each initial time on them.
        drawn: (g, b, k, ...) in the resamples.
        counts: (k, ...) pairs that they are of.
        length: of the blocks.
        level: of confidence.
    """
    defined = np.isfinite(drawn)
    num = defined.sum(1)
    with np.errstate(all="ignore"):
        mean = np.where(defined, drawn, 0.0).sum(1) / num
        squares = np.where(defined, np.square(drawn - mean[:, None]), 0.0).sum(1)
        spread = np.sqrt(squares / (num - 1))
    known = np.isfinite(centre) & (counts >= FEWEST) & (num >= ENOUGH * drawn.shape[1])
    size = np.where(known, counts, FEWEST).astype(np.float64)
    lengths, memory = np.full(centre.shape, float(length)), memory_of(effects)
    half = np.where(known, spread * multiples(lengths, memory, size, level), np.nan)
    departure = np.divide(centre, spread, out=np.zeros_like(centre), where=known & (spread > 0))
    chance = two_sided(departure, lengths, memory, size)
    return half, np.where(known, chance, np.nan)
