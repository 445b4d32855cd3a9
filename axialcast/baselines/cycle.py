"""The year's cycle by least squares: one field at one hour of the day, or in one month.

Shapes: t times, m coefficients, x cells.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.baselines.baseline import spacing
from axialcast.baselines.products import product
from axialcast.times.calendars import time_text
from axialcast.times.dates import Times, later, microseconds
from axialcast.times.decoding import DAY_SECONDS
from axialcast.times.months import are_months, month_numbers
from axialcast.times.steps import DAY

__all__ = [
    "HOUR",
    "MONTH",
    "SHORTEST_DAYS",
    "Equations",
    "annual_basis",
    "check_cycle",
    "check_parts",
    "fitted_apart",
    "minute_of_day",
    "part_of",
    "part_text",
    "season",
    "year_days",
]

HOUR, MONTH = "hour", "month"
"""What the times of a climatology are fitted apart by."""

YEAR_DAYS = 365.2425
YEARS_DAYS = {"noleap": 365.0, "all_leap": 366.0, "360_day": 360.0, "julian": 365.25}
EPOCH = np.datetime64("2000-01-01", "ns")

SHORTEST_DAYS = 360
"""Training period that annual harmonics need (days)."""
FEWEST = 2
"""Values that a coefficient needs."""

TILE = 2**14
"""Cells that are taken together, so that their double precision stays in cache."""


def fitted_apart(times: Times, harmonics: int) -> str:
    """By what training times are parted, each part having a fit of its own: HOUR or MONTH.

    Of times that stand for months the mean of each calendar month is the whole cycle, as many
    numbers as there are seasons in the data; harmonics=0, the plain mean, has none.
    """
    return MONTH if harmonics and are_months(times) else HOUR


def part_of(times: Times, apart: str) -> NDArray[Any]:
    """(t,) which part each time belongs to: 1 to 12, or the hour of the day (UTC), with a fraction
    where times are not all on the hour."""
    if apart == MONTH:
        return month_numbers(times) % 12 + 1
    minutes = _minutes(times) % (24 * 60)
    return minutes / 60 if (minutes % 60).any() else minutes // 60


def part_text(part: Any, apart: str) -> str:
    """A part, or several, in words."""
    parts = ", ".join(f"{number:g}" for number in np.atleast_1d(part))
    return f"in month {parts}" if apart == MONTH else f"at {parts} h UTC"


def annual_basis(times: Times, harmonics: int) -> NDArray[np.float64]:
    """(t, m = 2 harmonics + 1): one, cosines, sines of the harmonics of the year."""
    days, year = _days(times)
    phase = 2 * np.pi * days[:, None] / year * np.arange(1, harmonics + 1)
    return np.concatenate([np.ones((len(times), 1)), np.cos(phase), np.sin(phase)], axis=1)


def season(times: Times) -> NDArray[np.float64]:
    """(t,) share of the year that has passed since some January 1st, in [0, 1)."""
    days, year = _days(times)
    return days / year % 1


def minute_of_day(times: Times) -> NDArray[np.int64]:
    """(t,) minutes since midnight (UTC)."""
    return _minutes(times) % (24 * 60)


def _minutes(times: Times) -> NDArray[np.int64]:
    if times.dtype == object:
        return microseconds(times) // (60 * 10**6)
    return ((times - EPOCH) // np.timedelta64(1, "m")).astype(np.int64)


def _days(times: Times) -> tuple[NDArray[np.float64], float]:
    """(t,) days since some January 1st, and the length of the calendar's year in such."""
    if times.dtype == object and len(times):
        return microseconds(times) / (DAY_SECONDS * 1e6), year_days(times)
    return (times - EPOCH) / DAY, YEAR_DAYS


def year_days(times: Times) -> float:
    """Length of the year in the calendar of times, on average."""
    if times.dtype == object and len(times):
        return YEARS_DAYS.get(times[0].calendar, YEAR_DAYS)
    return YEAR_DAYS


def check_cycle(times: Times, harmonics: int) -> None:
    """Refuses harmonics that times do not tell.

    Raises:
        ValueError: they span less than a year; at some hour of the day there are too few; none is
            in half a period of the highest harmonic, where it would be guessed; or, of months, one
            is there only once.
    """
    apart = fitted_apart(times, harmonics)
    if apart == MONTH:
        _check_months(times)
        return
    span = (later(times[-1:], spacing(times)) - times[:1]).astype("timedelta64[us]")[0] / DAY
    if harmonics and span < SHORTEST_DAYS:
        raise ValueError(
            f"harmonics: {harmonics} annual harmonics need a training period of a year or "
            f"more, got {span:.0f} days; extend it or take harmonics=0, the plain mean"
        )
    hours, least = part_of(times, HOUR), FEWEST * (2 * harmonics + 1)
    for hour in np.unique(hours):
        there = times[hours == hour]
        if len(there) < least:
            raise ValueError(
                f"harmonics: the climatology with {harmonics} annual harmonics needs {least} times "
                f"at {hour:g} h UTC, the training period has {len(there)}; extend it"
            )
        _check_seasons(there, harmonics, f"{hour:g} h UTC")


def _check_months(times: Times) -> None:
    months, counts = np.unique(part_of(times, MONTH), return_counts=True)
    if counts.min() < FEWEST:
        raise ValueError(
            f"harmonics: the climatology of each calendar month needs {FEWEST} of it, the training "
            f"period has {counts.min()} {part_text(months[np.argmin(counts)], MONTH)}; extend it "
            "or take harmonics=0, the plain mean"
        )


def _check_seasons(times: Times, harmonics: int, when: str) -> None:
    """Refuses times that leave half a period of the highest harmonic empty."""
    days, year = _days(times)
    order = np.argsort(days % year)
    seen = (days % year)[order]
    empty = np.diff(seen, append=seen[0] + year)
    longest = int(np.argmax(empty))
    if 2 * harmonics * empty[longest] > year:
        around = times[order[[longest, (longest + 1) % len(order)]]]
        first, last = (time_text(time)[:10].partition("-")[2] for time in around)
        raise ValueError(
            f"harmonics: {harmonics} annual harmonics need times of all seasons, but the "
            f"training period has none between {first} and {last} at {when}; take "
            "harmonics=0, the plain mean, or fewer, or another training period"
        )


def check_parts(times: Times, fitted: NDArray[Any], apart: str) -> None:
    """Refuses times at an hour of the day, or in a month, that is not among those fitted.

    Raises:
        ValueError: there is one.
    """
    unseen = sorted(set(part_of(times, apart).tolist()) - set(fitted.tolist()))
    if unseen:
        raise ValueError(
            f"times: the climatology was fitted {part_text(fitted, apart)}, got times "
            f"{part_text(unseen, apart)}; fit it on analyses of the cadence that is verified"
        )


class Equations:
    """Normal equations of every cell of a field; missing values are left out, cell by cell.

    Cells that were seen at all times share their moments, and those never seen need none: only the
    mixed ones have moments of their own.
    """

    def __init__(self, num_coefficients: int, num_cells: int) -> None:
        self._products = np.zeros((num_coefficients, num_cells))
        self._whole = np.zeros((num_coefficients, num_coefficients))
        self._absent: NDArray[np.bool_] | None = None  # so far, at all times; None: no cell is
        self._mixed = np.zeros(0, np.intp)
        self._moments = np.zeros((num_coefficients, num_coefficients, 0))

    def add(self, design: NDArray[np.float64], values: NDArray[np.float32]) -> None:
        """Takes in (t, x) values at the times of the (t, m) design."""
        if not len(values):
            return
        complete = True
        for start in range(0, values.shape[1], TILE):
            tile = slice(start, start + TILE)
            part = values[:, tile].astype(np.float64)
            with np.errstate(invalid="ignore"):
                sums = product(design.T, part)
            # The first row is the sum over times: it is finite only where all values are.
            if not np.isfinite(sums[0]).all():
                complete = False
                sums = product(design.T, np.where(np.isfinite(part), part, 0.0))
            self._products[:, tile] += sums
        if not complete or self._absent is not None:
            self._leave_out(design, np.isfinite(values))
        self._whole += design.T @ design

    def _leave_out(self, design: NDArray[np.float64], seen: NDArray[np.bool_]) -> None:
        some, every = np.any(seen, axis=0), np.all(seen, axis=0)
        is_first = self._whole[0, 0] == 0
        if self._absent is None:
            self._absent = np.full(len(some), is_first)
        new = some & ~every if is_first else np.where(self._absent, some, ~every)
        new[self._mixed] = False
        cells = np.flatnonzero(new)
        before = np.where(self._absent[cells], 0.0, self._whole[..., None])
        self._mixed = np.concatenate([self._mixed, cells])
        self._moments = np.concatenate([self._moments, before], axis=2)
        self._absent &= ~some
        outer = design[:, :, None] * design[:, None, :]
        self._moments += np.tensordot(outer, seen[:, self._mixed], axes=(0, 0))

    def solve(self) -> NDArray[np.float64]:
        """(m, x) coefficients; NaN where there are fewer values than twice as many."""
        num, most = len(self._products), self._whole[0, 0]
        # A touch of ridge, far below rounding of the data.
        ridge = 1e-12 * max(most, 1.0) * np.eye(num)
        solved = np.linalg.solve(self._whole + ridge, self._products)
        counts = np.full(solved.shape[1], most)
        if self._absent is not None:
            counts[self._absent] = 0
        if len(self._mixed):
            systems = np.moveaxis(self._moments, -1, 0) + ridge
            right = self._products[:, self._mixed].T[..., None]
            solved[:, self._mixed] = np.linalg.solve(systems, right)[..., 0].T
            counts[self._mixed] = self._moments[0, 0]
        return np.where(counts >= FEWEST * num, solved, np.nan)
