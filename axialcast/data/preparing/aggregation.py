"""The periods of time that means and sums are taken over.

Periods are counted from 00 UTC of the first day and labelled by their start. Only whole ones are
kept. A mean is of the times from its start on. An accumulated variable is summed; its values are
those of the interval that ends at their time, so that a day's sum takes the times after 00 UTC up
to the next 00 UTC.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.names import TIME, known_variable
from axialcast.times.calendars import cadence
from axialcast.times.cells import Cell
from axialcast.times.steps import multiple, step_text

__all__ = ["Periods", "aggregated", "periods_of", "sums_among"]

SAYS_SUM = {"cell_methods": "time: sum", "GRIB_stepType": "accum"}
"""Attributes by which a variable says that it is a sum over an interval."""


@dataclass(frozen=True, eq=False)
class Periods:
    """The whole periods of an analysis.

    Args:
        length: times in a period.
        times: (n,) their starts.
        means: (n,) first of the rows that a mean is of; None: there are no means.
        sums: (n,) first of the rows that a sum is of; None: there are no sums.
        left_out: starts of the periods that lack times, as ISO dates.
    """

    length: int
    times: xr.DataArray
    means: NDArray[np.int64] | None
    sums: NDArray[np.int64] | None
    left_out: list[str]

    def __len__(self) -> int:
        return len(self.times)

    def rows(self, start: int, stop: int) -> slice:
        """Rows of the analysis that the periods start to stop - 1 are made of."""
        firsts = [first[start:stop] for first in (self.means, self.sums) if first is not None]
        low, high = min(f.min() for f in firsts), max(f.max() for f in firsts)
        return slice(int(low), int(high) + self.length)


def sums_among(analysis: xr.Dataset, accumulated: Sequence[str]) -> set[str]:
    """Which variables of the analysis are sums over the cadence's interval.

    Args:
        accumulated: names of such variables, foreign ones too, in the analysis or not.

    Raises:
        ValueError: a name is unknown.
    """
    variables = list(map(str, analysis.data_vars))
    try:
        return {known_variable(name, variables) for name in accumulated} & set(variables)
    except ValueError as error:
        raise ValueError(f"prepare.accumulated: {error}") from None


def periods_of(analysis: xr.Dataset, *, hours: float, accumulated: Sequence[str] = ()) -> Periods:
    """The periods of so many hours that hold all their times.

    Args:
        analysis: sorted in time; gaps are fine.
        hours: length of a period; a multiple of the cadence that divides, or is made of, days.
        accumulated: names of the variables that are sums over the cadence's interval.

    Raises:
        ValueError: hours do not fit, no period is whole, a name is unknown, or a variable says that
            it is a sum and is not named.
    """
    sums = sums_among(analysis, accumulated)
    _refuse_means_of_sums(analysis, sums)
    step, period = cadence(analysis), np.timedelta64(round(hours * 3600), "s")
    length = multiple(period, step)
    if not length or (24 % hours and hours % 24):
        raise ValueError(
            f"aggregate_hours: {hours:g} is not a multiple of the cadence, {step_text(step)}, that "
            "divides a day or is made of days"
        )
    are_sums = [name in sums for name in map(str, analysis.data_vars)]
    shifts = [
        shift for shift, some in ((0 * step, not all(are_sums)), (step, any(are_sums))) if some
    ]
    found = [_whole(analysis[TIME], shift, period, length) for shift in shifts]
    kept = sorted(set.intersection(*(set(whole) for whole, _ in found)))
    if not kept:
        raise ValueError(f"aggregate_hours: no period of {hours:g} h has all its {length} times")
    seen = set().union(*(numbers for _, numbers in found))
    firsts = iter([np.array([whole[number] for number in kept]) for whole, _ in found])
    return Periods(
        length,
        _starts(analysis[TIME], kept, period),
        None if all(are_sums) else next(firsts),
        next(firsts) if any(are_sums) else None,
        [str(s)[:16] for s in _starts(analysis[TIME], sorted(seen - set(kept)), period).values],
    )


def aggregated(cell: Cell | None, *, hours: float, length: int, is_sum: bool) -> Cell:
    """The interval that means, or sums, are of, counted from the start of their period.

    Args:
        cell: of the values before; None: not stated, so that the period itself is meant.
        hours: of the period.
        length: how many values it has.
        is_sum: whether they are sums, of which the first value is not that of the start.
    """
    method = "sum" if is_sum else "mean"
    begin, end = 0.0, float(hours)
    if cell is not None and cell.span is not None and cell.unit == "cell_hours":
        step = hours / length
        shift = step if is_sum else 0.0
        begin, end = shift + cell.span[0], shift + hours - step + cell.span[1]
    if cell is not None and cell.method not in ("point", method):
        method = f"{cell.method}, {method}"
    return Cell(method, (begin, end))


def _refuse_means_of_sums(analysis: xr.Dataset, sums: Collection[str]) -> None:
    for name in [name for name in map(str, analysis.data_vars) if name not in sums]:
        for attribute, word in SAYS_SUM.items():
            found = str(analysis[name].attrs.get(attribute, ""))
            if word in found:
                raise ValueError(
                    f"prepare.accumulated: {name} would be averaged, but its {attribute} is "
                    f"{found!r}; add it there"
                )


def _whole(
    time: xr.DataArray, shift: np.timedelta64, period: np.timedelta64, length: int
) -> tuple[dict[int, int], set[int]]:
    """Number of each whole period → index of its first time; and all periods that have any."""
    elapsed = np.asarray(time.values - _midnight(time)).astype("timedelta64[s]") - shift
    numbers, first, counts = np.unique(elapsed // period, return_index=True, return_counts=True)
    whole = counts == length
    return dict(zip(numbers[whole].tolist(), first[whole].tolist(), strict=True)), set(
        numbers.tolist()
    )


def _starts(time: xr.DataArray, numbers: Sequence[int], period: np.timedelta64) -> xr.DataArray:
    steps = np.array(numbers, np.int64) * period
    midnight = _midnight(time)
    if isinstance(midnight, np.datetime64):
        starts = midnight + steps.astype("timedelta64[ns]")
    else:
        starts = np.array([midnight + step.item() for step in steps], object)
    return xr.DataArray(starts, dims=TIME, name=TIME)


def _midnight(time: xr.DataArray) -> Any:
    """00 UTC of the first day."""
    first = time.values[0]
    if isinstance(first, np.datetime64):
        return first.astype("datetime64[D]").astype("datetime64[ns]")
    return first.replace(hour=0, minute=0, second=0, microsecond=0)
