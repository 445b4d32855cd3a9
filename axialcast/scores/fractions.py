"""Whether events were forecast nearby: the fractions skill score.

Shapes: i init times, l lead times, h rows, w columns, r regions, m models, e events, n
neighbourhoods.
"""

from collections.abc import Mapping, Sequence
from typing import Any

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

WIDEST_OF_16_BITS = 181
"""Of squares whose number of points fits 16 bits."""

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
            whole, area = self._whole(known, width)
            observed = self._around(there, width) * whole
            # Of whole numbers, whose squares are exact.
            sums = np.empty((len(PARTS), len(said), len(area)))
            sums[2] = area_of(observed, squared=True)
            for model, field in enumerate(said):
                fraction = self._around(field, width) * whole
                sums[1, model] = area_of(fraction, squared=True)
                fraction -= observed
                sums[0, model] = area_of(fraction, squared=True)
            shares = np.divide(sums, width**4 * area, out=np.zeros_like(sums), where=area > 0)
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

    def _around(self, field: NDArray[np.bool_], width: int) -> NDArray[Any]:
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


def counts_around(field: NDArray[np.bool_], width: int, *, is_periodic: bool) -> NDArray[Any]:
    """(h, w) how many of the `width` x `width` points around each are true; none off the grid."""
    half, (rows, columns) = width // 2, field.shape
    kind = np.int16 if width <= WIDEST_OF_16_BITS else np.int32
    padded = np.zeros((rows + 2 * half, columns + 2 * half), kind)
    inner = padded[half : half + rows]
    inner[:, half : half + columns] = field
    if is_periodic and half:
        inner[:, :half], inner[:, -half:] = field[:, -half:], field[:, :half]
    return _sums_along(_sums_along(padded, width, 1), width, 0)


def _sums_along(values: NDArray[Any], width: int, axis: int) -> NDArray[Any]:
    """Sums of `width` values in a row, of which there are `width - 1` fewer.

    Sums of 1, 2, 4, ... in a row are made of one another, and added as the binary digits of the
    width say. Each is one pass over many values at a time, which running sums are not.
    """
    num, size, first = values.shape[axis] - width + 1, 1, 0
    total: NDArray[Any] | None = None
    while True:
        if width & size:
            part = _part(values, axis, first, num)
            total = part if total is None else total + part
            first += size
        if 2 * size > width:
            assert total is not None, width
            return total
        left = values.shape[axis] - size
        values = _part(values, axis, 0, left) + _part(values, axis, size, left)
        size *= 2


def _part(values: NDArray[Any], axis: int, first: int, num: int) -> NDArray[Any]:
    """So many rows or columns from the first on."""
    here = slice(first, first + num)
    return values[here] if axis == 0 else values[:, here]
