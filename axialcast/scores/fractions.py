"""Whether events were forecast nearby: the fractions skill score.

Shapes: i init times, l lead times, h rows, w columns, r regions, m models, e events, n
neighbourhoods.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from axialcast.scores.sums import PairSums, Sums, rows_of

__all__ = [
    "FRACTION_SUMS",
    "FractionSums",
    "check_widths",
    "counts_around",
    "fractions_skill_score",
]

FRACTION_SUMS = "fractions"
"""Name of their sums among others."""

PARTS = ("squared_difference", "squared_forecast", "squared_observed")


class FractionSums:
    """Sums over pairs of squared fractions of squares around each point that are events.

    A square counts by the area of its middle, and not at all where a part of it lies off the grid
    or is not known.

    Args:
        sums: where they are, or will be, among others; zero to begin with.
        pairs: among the same sums.
        num_events: looked for.
        widths: of squares in grid points, odd.
        is_periodic: whether rows close.
    """

    def __init__(
        self,
        sums: Sums,
        pairs: PairSums,
        num_events: int,
        widths: Sequence[int],
        *,
        is_periodic: bool,
    ) -> None:
        num, _, num_models, num_leads, _, num_regions = pairs.sums.shape
        shape = (num, len(PARTS), num_models, num_leads, num_events, len(widths), num_regions)
        self.sums = rows_of(sums, FRACTION_SUMS, shape)
        self.widths = tuple(widths)
        self._pairs, self._is_periodic = pairs, is_periodic
        self._all_known: dict[int, tuple[NDArray[np.bool_], NDArray[np.float64]]] = {}

    def add(
        self,
        at: tuple[int, int, int],
        known: NDArray[np.bool_],
        there: NDArray[np.bool_],
        said: Sequence[NDArray[np.bool_]],
    ) -> None:
        """Notes a pair.

        Args:
            at: numbers of its initial time, its lead time and the event.
            known, there: (h, w) where all is known, and where the event is in the truth.
            said: (h, w) of each model, where it is forecast.
        """
        area_of, (case, lead, event) = self._pairs.area_of, at
        for number, width in enumerate(self.widths):
            size = width**2
            whole, area = self._whole(known, width)
            observed = np.where(whole, self._around(there, width), 0) / size
            squares = np.empty((len(PARTS), len(said), len(area)))
            squares[2] = area_of(np.square(observed))
            for model, field in enumerate(said):
                fraction = np.where(whole, self._around(field, width), 0) / size
                squares[0, model] = area_of(np.square(fraction - observed))
                squares[1, model] = area_of(np.square(fraction))
            shares = np.divide(squares, area, out=np.zeros_like(squares), where=area > 0)
            self.sums[case, :, :, lead, event, number] = shares

    def score(self) -> NDArray[np.float64]:
        """(m, l, e, n, r) see `fractions_skill_score`; of sums over all pairs (Mittermaier 2021,
        Mon. Wea. Rev. 149, section 2d)."""
        difference, forecast, observed = self.sums.sum(0)
        return fractions_skill_score({"difference": difference, "whole": forecast + observed})

    def rows(self, absent: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
        """(i, m, l, e, n, r) by name, what the score is a function of the means of.

        Args:
            absent: (i, l, e, r) where there is no pair, and they are NaN.
        """
        difference, forecast, observed = np.moveaxis(self.sums, 1, 0)
        each = {"difference": difference, "whole": forecast + observed}
        left_out = absent[:, None, :, :, None]
        return {name: np.where(left_out, np.nan, rows) for name, rows in each.items()}

    def _whole(
        self, known: NDArray[np.bool_], width: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """(h, w) where squares lie on the grid and are known, and the share of area of these."""
        is_known = bool(known.all())
        if is_known and width in self._all_known:
            return self._all_known[width]
        whole = self._around(known, width) == width**2
        found = whole, self._pairs.area_of(whole)
        if is_known:
            self._all_known[width] = found
        return found

    def _around(self, field: NDArray[np.bool_], width: int) -> NDArray[np.int32]:
        return counts_around(field, width, is_periodic=self._is_periodic)


def fractions_skill_score(means: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """1 is perfect, 0 no skill; NaN without any event.

    Roberts and Lean (2008, Mon. Wea. Rev. 136, eqs. 5 to 7).

    Args:
        means: the squared differences of fractions, and the sum of their squares.
    """
    difference, whole = means["difference"], means["whole"]
    error = np.divide(difference, whole, out=np.full_like(whole, np.nan), where=whole > 0)
    return np.asarray(1 - error)


def check_widths(widths: Sequence[int], shape: tuple[int, int]) -> None:
    """Refuses squares that have no middle, or that no point of a grid (h, w) is the middle of.

    Raises:
        ValueError: a width is even, or larger than the grid.
    """
    for width in widths:
        if width < 1 or width % 2 == 0 or width > min(shape):
            raise ValueError(
                f"neighbourhoods: got {width}, expected odd numbers of grid points up to "
                f"{min(shape)}, the grid being {shape[0]} x {shape[1]}"
            )


def counts_around(field: NDArray[np.bool_], width: int, *, is_periodic: bool) -> NDArray[np.int32]:
    """(h, w) how many of the `width` x `width` points around each are true; none off the grid."""
    half = width // 2
    wrapped = ((half, half), (0, 0))
    padded = np.pad(field.astype(np.int32), wrapped)
    padded = np.pad(padded, wrapped[::-1], mode="wrap" if is_periodic else "constant")
    sums = np.pad(padded.cumsum(0, np.int32).cumsum(1, np.int32), ((1, 0), (1, 0)))
    after, before = slice(width, None), slice(None, -width)
    found: NDArray[np.int32] = (
        sums[after, after] - sums[after, before] - sums[before, after] + sums[before, before]
    )
    return found
