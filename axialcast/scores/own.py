"""Scores by users' files: see docs/your_own_network.md.

Sums of them are kept beside those of pairs. Shapes: i init times, l lead times, c channels, h
latitudes, w longitudes, x grid points, r regions, m models, k scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.own import OwnFile
from axialcast.scores.metrics import Means
from axialcast.scores.sums import PairSums, Sums, rows_of

__all__ = ["OWN_SUMS", "OwnScore", "OwnSums"]

OWN_SUMS = "own"
"""Name of their sums among those of pairs."""


@dataclass(frozen=True)
class OwnScore:
    """What a file's `statistic` says of each cell, averaged, and what its `score` makes of that.

    Args:
        file: that defines `statistic(forecast, truth, climatology)`, which maps three (h, w) to
            (h, w), and, if the mean itself is not the score, `score(mean)`.
    """

    file: OwnFile

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.file.path.stem

    def check(self) -> None:
        """Computes with random fields.

        Raises:
            ValueError: the file defines no score.
        """
        fields = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)
        mean = self.statistic(*fields, known=np.ones((4, 5), bool)).mean()
        self.metric({self.name: np.full((1, 1), mean)})

    def statistic(
        self,
        forecast: NDArray[np.float32],
        truth: NDArray[np.float32],
        climatology: NDArray[np.float32],
        *,
        known: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """(h, w) what each cell counts, 0 where not all is known.

        Raises:
            ValueError: the file does not say.
        """
        with np.errstate(all="ignore"):  # of what is not known
            found = self.file.call("statistic", forecast, truth, climatology)
        if np.shape(found) != truth.shape:
            raise ValueError(
                f"{self.file.path}: statistic returned {np.shape(found)}, expected what each cell "
                f"counts, {truth.shape}"
            )
        values = np.where(known, np.asarray(found, np.float64), 0.0)
        if not np.isfinite(values).all():
            raise ValueError(
                f"{self.file.path}: statistic is NaN or infinite where forecast, truth and "
                "climatology are known"
            )
        return values

    def metric(self, means: Means) -> NDArray[np.float64]:
        """The score of the mean of its statistic, of any shape.

        Raises:
            ValueError: the file gives another shape.
        """
        mean = means[self.name]
        if self.file.constant("score", None) is None:
            return mean
        score = np.asarray(self.file.call("score", mean), np.float64)
        if score.shape != mean.shape:
            raise ValueError(
                f"{self.file.path}: score returned {score.shape} for means {mean.shape}, expected "
                "as many"
            )
        return score


class OwnSums:
    """Sums over pairs of own statistics, over the points and pairs that `PairSums` counts.

    Args:
        sums: where they are, or will be, among others; zero to begin with.
        pairs: of the same channels and among the same sums.
        num_models: models scored.
        scores: (k,) of users.
    """

    def __init__(
        self, sums: Sums, pairs: PairSums, num_models: int, scores: Sequence[OwnScore]
    ) -> None:
        num, *by_region = pairs.area.shape
        self.sums = rows_of(sums, OWN_SUMS, (num, len(scores), num_models, *by_region))
        self.pairs, self.scores = pairs, scores

    def add(
        self,
        cases: slice,
        leads: slice,
        channels: slice,
        predictions: Sequence[NDArray[np.floating]],
        truth: NDArray[np.float32],
        normal: NDArray[np.float32],
    ) -> None:
        """Notes pairs: as `PairSums.add`."""
        area_of = self.pairs.area_of
        for case, lead, channel in np.ndindex(truth.shape[:3]):
            at: Any = (case, lead, channel)
            known = np.isfinite(truth[at]) & np.isfinite(normal[at])
            for prediction in predictions:
                known &= np.isfinite(prediction[at])
            area = area_of(known)
            place = (leads.start + lead, channels.start + channel)
            for number, score in enumerate(self.scores):
                for model, prediction in enumerate(predictions):
                    values = score.statistic(prediction[at], truth[at], normal[at], known=known)
                    total = area_of(values)
                    self.sums[(cases.start + case, number, model, *place)] = np.divide(
                        total, area, out=np.zeros_like(total), where=area > 0
                    )

    def rows(self) -> dict[str, NDArray[np.float64]]:
        """(i, m, l, c, r) each score's statistic, by its name; zero where there is no pair."""
        names = [score.name for score in self.scores]
        return dict(zip(names, np.moveaxis(self.sums, 1, 0), strict=True))

    def means(self) -> dict[str, NDArray[np.float64]]:
        """(m, l, c, r) of each score's statistic, by its name; NaN where there is no pair."""
        counted = self.pairs.counted()
        return {name: rows.sum(0) / counted for name, rows in self.rows().items()}
