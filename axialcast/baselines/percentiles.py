"""Percentiles of the climate at each grid point, by month and hour of the day.

Shapes: t times, k times, p parts of the year and the day, n percentiles, h latitudes, w longitudes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines.cycle import minute_of_day
from axialcast.baselines.kept import Arrays, KeptFits
from axialcast.baselines.passes import MEMORY_GIB
from axialcast.cores import on_all_cores
from axialcast.data.channels import Channel, Channels
from axialcast.data.reader import Analysis
from axialcast.times.dates import Times
from axialcast.times.months import month_numbers

__all__ = ["Percentile", "Percentiles", "check_months", "quantiles"]

FEWEST = 30
"""Values that a part has at least; if hours of the day have fewer, they are taken together."""

COPIES = 4
"""Of the values of a part that sorting holds."""

ALL_DAY = -1
"""The minute that stands for all hours of the day."""


@dataclass(frozen=True)
class Percentile:
    """A percentile of a channel's climate.

    Args:
        channel: of which.
        percent: 0 to 100.
        above: of the values above this alone, as of wet days; None: of all.
    """

    channel: Channel
    percent: float
    above: float | None = None


@dataclass(frozen=True, eq=False)
class Percentiles:
    """Percentiles of the training years, by calendar month and hour of the day (UTC).

    Each is of all values of its part at its point (linear between neighbours, type 7 of Hyndman and
    Fan 1996), missing ones left out. Hours are taken together where one has fewer than 30 values in
    some month.

    Args:
        wanted: (n,) which.
        months: (p,) 1 to 12, of each part.
        minutes: (p,) since midnight; -1: all day.
        values: (n, p, h, w) in the channels' units; NaN where nothing is known.
        shares: (n, h, w) of those above a value: the mean over parts of the share of values that
            are not; else 0.
    """

    wanted: tuple[Percentile, ...]
    months: NDArray[np.int64]
    minutes: NDArray[np.int64]
    values: NDArray[np.float32]
    shares: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        training: Analysis | xr.Dataset,
        wanted: Sequence[Percentile],
        *,
        memory_gib: float = MEMORY_GIB,
        kept: KeptFits | None = None,
    ) -> "Percentiles":
        """Percentiles of the training years, read month by month, in bands of rows that fit.

        They are exact: of all values, however the data are chunked.

        Args:
            memory_gib: what the fit may hold; a band has a row at least.
            kept: where they are taken from and kept; None: nowhere.
        """
        analysis = Analysis.of(training)
        settings = {"wanted": [[str(w.channel), w.percent, w.above] for w in wanted]}
        arrays = kept.load("percentiles", analysis, settings) if kept else None
        if arrays is None:
            arrays = _fitted(analysis, wanted, round(memory_gib * 2**30))
            if kept:
                kept.save("percentiles", analysis, settings, arrays)
        return cls(tuple(wanted), **arrays)

    @property
    def note(self) -> str:
        """What they are of."""
        return "by month" if (self.minutes == ALL_DAY).all() else "by month and hour"

    def at(self, which: Percentile, times: Times) -> NDArray[np.float32]:
        """(k, h, w) a percentile at times.

        Raises:
            ValueError: it was not asked for, or the training years lack such a month or hour.
        """
        return np.asarray(self.all_of(which)[_rows(self.months, self.minutes, times)])

    def all_of(self, which: Percentile) -> NDArray[np.float32]:
        """(p, h, w) a percentile in each part of the year and the day."""
        return np.asarray(self.values[self._place(which)])

    def share(self, which: Percentile) -> NDArray[np.float64]:
        """(h, w) of the values that are not above the least of a percentile."""
        return np.asarray(self.shares[self._place(which)])

    def parts(self) -> Mapping[str, Any]:
        """All that it consists of."""
        wanted = [[str(w.channel), w.percent, w.above] for w in self.wanted]
        arrays = [self.months, self.minutes, self.values, self.shares]
        return {"wanted": wanted, "arrays": arrays}

    def _place(self, which: Percentile) -> int:
        for place, one in enumerate(self.wanted):
            same = one.channel.variable == which.channel.variable
            if same and (one.channel.level, one.percent, one.above) == (
                which.channel.level,
                which.percent,
                which.above,
            ):
                return place
        raise ValueError(
            f"percentiles: p{which.percent:g} of {which.channel} was not fitted; fit all that are "
            "looked for"
        )


def check_months(training: Times, verified: Times) -> None:
    """Refuses times whose month, or hour in it, the training years lack.

    Raises:
        ValueError: there is one.
    """
    (months, minutes), *_ = _parts(training)
    _rows(months, minutes, verified)


def _parts(times: Times) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Months and minutes (2, p) of the parts of training times, and of each time (t,)."""
    months, minutes = month_numbers(times) % 12 + 1, minute_of_day(times)
    _, counts = np.unique(np.stack([months, minutes]), axis=1, return_counts=True)
    if counts.min() < FEWEST:
        minutes = np.full_like(minutes, ALL_DAY)
    return np.unique(np.stack([months, minutes]), axis=1), months, minutes


def _rows(months: NDArray[np.int64], minutes: NDArray[np.int64], times: Times) -> NDArray[np.intp]:
    """(k,) which part of those that are fitted each time belongs to."""
    known = {p: row for row, p in enumerate(zip(months.tolist(), minutes.tolist(), strict=True))}
    all_day = (minutes == ALL_DAY).all()
    found = []
    own = [ALL_DAY] * len(times) if all_day else minute_of_day(times).tolist()
    for part in zip((month_numbers(times) % 12 + 1).tolist(), own, strict=True):
        if part not in known:
            when = "" if all_day else f" at {part[1] / 60:g} h UTC"
            raise ValueError(
                f"percentiles: the training period has no value of month {part[0]}{when}, which "
                "is verified; train on whole years, or give thresholds as numbers"
            )
        found.append(known[part])
    return np.array(found, np.intp)


def quantiles(values: NDArray[np.float32], shares: Sequence[float]) -> NDArray[np.float32]:
    """(len(shares), …) quantiles of (t, …) values that are not NaN, linear between neighbours."""
    flat = np.ascontiguousarray(values.reshape(len(values), -1).T)
    flat.sort(axis=-1)  # NaN last
    known = len(values) - np.isnan(flat).sum(-1)
    found = np.full((len(shares), len(flat)), np.nan, np.float32)
    rows = np.flatnonzero(known)
    for number, share in enumerate(shares):
        place = share * (known[rows] - 1)
        low = np.floor(place).astype(np.intp)
        high = np.minimum(low + 1, known[rows] - 1)
        below, above = flat[rows, low].astype(np.float64), flat[rows, high].astype(np.float64)
        found[number, rows] = below + (above - below) * (place - low)
    return found.reshape(len(shares), *values.shape[1:])


def _fitted(analysis: Analysis, wanted: Sequence[Percentile], memory_bytes: int) -> Arrays:
    parts, months, minutes = _parts(analysis.times)
    height, width = analysis.grid.shape
    values = np.empty((len(wanted), parts.shape[1], height, width), np.float32)
    shares = np.zeros((len(wanted), parts.shape[1], height, width))
    for channel in dict.fromkeys(one.channel for one in wanted):
        source = Analysis(analysis.dataset, Channels([channel]))
        own = [number for number, one in enumerate(wanted) if one.channel == channel]
        alike = [[n for n in own if wanted[n].above == above] for above in _leasts(wanted, own)]
        for month in np.unique(months):
            times = np.flatnonzero(months == month)
            row_bytes = 4 * COPIES * len(times) * width
            step = max(1, min(height, memory_bytes // row_bytes))
            for first in range(0, height, step):
                band = slice(first, first + step)
                states = _band(source, band).read(times)[:, 0]
                for part in np.flatnonzero(parts[0] == month):
                    here = states[minutes[times] == parts[1, part]]
                    for numbers in alike:
                        percents = [wanted[number].percent for number in numbers]
                        found, share = _of_part(here, percents, wanted[numbers[0]].above)
                        values[numbers, part, band], shares[numbers, part, band] = found, share
    return {
        "months": parts[0],
        "minutes": parts[1],
        "values": values,
        "shares": shares.mean(1),
    }


def _band(analysis: Analysis, rows: slice) -> Analysis:
    part = analysis.dataset.isel({analysis.grid.dims[0]: rows})
    return Analysis(part, analysis.channels)


def _leasts(wanted: Sequence[Percentile], own: Sequence[int]) -> list[float | None]:
    return list(dict.fromkeys(wanted[number].above for number in own))


def _of_part(
    states: NDArray[np.float32], percents: Sequence[float], above: float | None
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """(n, h, w) percentiles of (t, h, w), and the share (h, w) that is not above the least."""
    share: NDArray[np.float64] = np.zeros(states.shape[1:])
    if above is not None:
        wet = states > np.float32(above)
        seen = np.isfinite(states).sum(0)
        share = np.full(states.shape[1:], np.nan)
        np.divide(seen - wet.sum(0), seen, out=share, where=seen > 0)
        states = np.where(wet, states, np.float32(np.nan))
    rows = on_all_cores(
        lambda row: quantiles(states[:, row], [percent / 100 for percent in percents]),
        range(states.shape[1]),
    )
    return np.stack(rows, 1), share
