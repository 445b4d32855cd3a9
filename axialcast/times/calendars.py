"""The times of an analysis: sorted, unique, a cadence, and gaps only where they are asked for.

Times of the standard calendar are datetime64[ns]; those of others (noleap, 360_day, …) stay cftime
objects.
"""

import re
from datetime import datetime
from typing import Any, Literal, get_args

import cftime
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.names import TIME
from axialcast.times.decoding import is_dated
from axialcast.times.months import are_months, month_numbers
from axialcast.times.steps import in_months, multiple, step_text
from axialcast.times.undated import undated
from axialcast.times.uneven import remedy_for

__all__ = [
    "Gaps",
    "cadence",
    "check_times",
    "gapless_axis",
    "select_period",
    "spans",
    "steps",
    "steps_between",
    "time_text",
    "times_per_step",
]

Gaps = Literal["refuse", "keep"]
"""What to do where times are missing: refuse the analysis, or keep it as it is."""

LAST_SECOND = 2**63 // 10**9 - 1
"""From 1970: datetime64[ns] ends in 2262, and begins as long before."""


def check_times(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with sorted, unique times: datetime64[ns], or cftime in other calendars.

    Raises:
        ValueError: times are not dates, not known, not sorted or not unique.
    """
    times = dataset[TIME].values
    if not len(times):
        raise ValueError(f"{TIME}: holds no time; give files with at least one")
    if not is_dated(dataset[TIME]):
        raise ValueError(f"{TIME}: {undated(dataset[TIME])}")
    if times.dtype == object:
        if times[0].calendar in ("standard", "gregorian", "proleptic_gregorian"):
            dataset = _as_datetimes(dataset)
    elif np.isnat(times).any():
        places = ", ".join(map(str, np.flatnonzero(np.isnat(times))[:5] + 1))
        raise ValueError(
            f"{TIME}: holds {np.isnat(times).sum()} missing dates (of steps {places}); take these "
            "steps out of the file, for instance with: cdo delete,timestep=… in.nc out.nc"
        )
    elif times.dtype != "datetime64[ns]":
        dataset = dataset.assign_coords({TIME: (TIME, _to_ns(times), dataset[TIME].attrs)})
    _check_order(dataset[TIME].values)
    return dataset


def _check_order(times: NDArray[Any]) -> None:
    spacing, zero = steps(times), np.timedelta64(0, "ns")
    if (spacing == zero).any():
        place = int(np.argmax(spacing == zero))
        raise ValueError(
            f"{TIME}: {time_text(times[place])} occurs twice; drop it once from the file, for "
            f"instance with: cdo delete,timestep={place + 2} in.nc out.nc"
        )
    if (spacing < zero).any():
        first = time_text(times[1:][spacing < zero][0])
        raise ValueError(
            f"{TIME}: not sorted at {first}; sort the file, for instance with: "
            "cdo sorttimestamp in.nc out.nc"
        )


def _to_ns(times: NDArray[Any]) -> NDArray[Any]:
    """datetime64[ns], or cftime of the same calendar where nanoseconds do not reach."""
    seconds = times.astype("datetime64[s]").astype(np.int64)
    if np.abs(seconds).max() < LAST_SECOND:
        return times.astype("datetime64[ns]")
    microseconds = times.astype("datetime64[us]").astype(np.int64)
    units = "microseconds since 1970-01-01"
    dates = cftime.num2date(
        microseconds, units, "proleptic_gregorian", only_use_cftime_datetimes=True
    )
    return np.asarray(dates)


def cadence(analysis: xr.Dataset, dim: str = TIME, *, gaps: Gaps = "keep") -> np.timedelta64:
    """The most common spacing of the times, the smallest of equally common ones.

    It is exact (timedelta64[ns]), or of times that stand for calendar months
    (`axialcast.times.months`) a number of these (timedelta64[M]).

    Args:
        analysis: with sorted times, datetime64 or cftime.
        dim: the dimension of time.
        gaps: "keep" allows spacings that are whole multiples of the cadence, "refuse" only one.

    Raises:
        ValueError: fewer than two times, or a spacing that `gaps` does not allow.

    Example:
        >>> days = np.array(["2001-01-01", "2001-01-02", "2001-01-03", "2001-01-06"], "M8[ns]")
        >>> cadence(xr.Dataset(coords={"time": days})) == np.timedelta64(24, "h")
        True
    """
    if gaps not in get_args(Gaps):
        raise ValueError(f"gaps: expected 'refuse' or 'keep', got {gaps!r}")
    times = analysis[dim].values
    if len(times) < 2:
        raise ValueError(
            f"{dim}: expected at least two times to tell the cadence, got {len(times)}; give more"
        )
    spacing = _counted(times)
    step = _most_common(spacing)
    zero = np.zeros((), step.dtype)
    if step <= zero:
        raise ValueError(f"{dim}: not sorted or not unique; sort the file and give each time once")
    is_whole = spacing % step == zero
    even = "give a store of evenly spaced times"
    remedy = even if is_whole.all() else remedy_for(times, steps(times))
    if gaps == "refuse" and (spacing != spacing[0]).any():
        other = int(np.argmax(spacing != spacing[0]))
        remedy += ", or set data.gaps: keep (gaps='keep')" if is_whole.all() else ""
        raise ValueError(_uneven(dim, spacing[0], spacing[other], times[other], remedy))
    if not is_whole.all():
        other = int(np.argmin(is_whole))
        remedy = f"expected multiples of {step_text(step)}; {remedy}"
        raise ValueError(_uneven(dim, step, spacing[other], times[other], remedy))
    return step


def steps(times: NDArray[Any]) -> NDArray[np.timedelta64]:
    """(n - 1,) spacings of n times (timedelta64[ns]), whatever their calendar."""
    return spans(times[:-1], times[1:])


def spans(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.timedelta64]:
    """(n,) from each time to another of the same calendar (timedelta64[ns])."""
    if after.dtype == object:
        apart = (after - before).astype("timedelta64[us]").astype("timedelta64[ns]")
    else:
        apart = after.astype("datetime64[ns]") - before.astype("datetime64[ns]")
    return np.asarray(apart)


def _counted(times: NDArray[Any]) -> NDArray[np.timedelta64]:
    """(n - 1,) spacings in which steps are counted: of months where the times stand for such."""
    if are_months(times):
        return np.diff(month_numbers(times)).astype("timedelta64[M]")
    return steps(times)


def _most_common(spacing: NDArray[np.timedelta64]) -> np.timedelta64:
    values, counts = np.unique(spacing, return_counts=True)
    found: np.timedelta64 = values[np.argmax(counts)]
    return found


def steps_between(times: NDArray[Any], step: np.timedelta64) -> NDArray[np.int64]:
    """(n - 1,) whole steps from each time to the next; a part of one is left out."""
    between = np.diff(month_numbers(times)) if in_months(step) else steps(times)
    return np.asarray(between.astype(step.dtype) // step, np.int64)


def times_per_step(spacing: np.timedelta64, step: np.timedelta64 | None) -> int:
    """Times of an analysis from one model state to the next; None: the next time.

    Raises:
        ValueError: the cadence does not divide the model step.
    """
    if step is None:
        return 1
    found = multiple(step, spacing)
    if not found:
        raise ValueError(
            f"data.step: {step_text(step)} is not a multiple of the cadence, {step_text(spacing)}"
        )
    return found


def gapless_axis(times: NDArray[Any]) -> tuple[NDArray[np.int64], np.timedelta64]:
    """Row of every time of the gapless axis, -1 for a missing one, and the axis' spacing.

    Raises:
        ValueError: the times do not lie on one axis.
    """
    spacing = _counted(times)
    if not len(spacing):
        return np.arange(len(times)), np.timedelta64(0, "ns")
    cadence, least = _most_common(spacing), spacing.min()
    if least <= np.zeros((), least.dtype):
        raise ValueError("times: not sorted or not unique; open the store with open_analysis")
    if (spacing % cadence).any():
        raise ValueError(
            f"times: expected whole multiples of the cadence, {step_text(cadence)}, got spacings "
            f"from {step_text(least)} to {step_text(spacing.max())}; open the store with "
            "open_analysis"
        )
    position = np.concatenate([[0], (spacing // cadence).cumsum()])
    rows = np.full(position[-1] + 1, -1)
    rows[position] = np.arange(len(times))
    return rows, cadence


def select_period(dataset: xr.Dataset, period: tuple[Any, Any]) -> xr.Dataset:
    """The dataset from the first to the last date of the period, both included.

    Args:
        dataset: with sorted times.
        period: two dates, as text ("2001", "2001-06", "2001-06-30T12"), years or datetimes.

    Raises:
        ValueError: the dates cannot be read, are out of order, or are not within the dataset.
    """
    times = dataset[TIME].values
    if not len(times):
        raise ValueError(f"period: {period[0]} to {period[1]} is not within the store: it is empty")
    first, last = (_date(date, times) for date in period)
    try:
        begin, end = _instant(first, times), _instant(last, times)
        chosen = dataset.sel({TIME: slice(first, last)})
    except (ValueError, TypeError, KeyError) as error:
        message = " ".join(str(error).split())
        raise ValueError(
            f"period: cannot read {first!r} to {last!r} as dates ({message}); "
            "expected for instance ('2001', '2005-06-30')"
        ) from None
    spare: Any = np.median(steps(times)) if len(times) > 1 else np.timedelta64(1, "D")
    if times.dtype == object:
        spare = spare.astype("timedelta64[us]").item()
    if begin < times[0] - spare or end > times[-1] + spare or not chosen.sizes[TIME]:
        raise ValueError(
            f"period: {first} to {last} is not within the times of the store, "
            f"{time_text(times[0])} to {time_text(times[-1])}"
        )
    return chosen


def _as_datetimes(dataset: xr.Dataset) -> xr.Dataset:
    """Dates of the standard calendar as datetime64[ns], where nanoseconds reach that far."""
    index, attrs = dataset.indexes[TIME], dataset[TIME].attrs
    assert isinstance(index, xr.CFTimeIndex)
    try:
        times = index.to_datetimeindex(time_unit="ns")
    except ValueError:  # out of range
        return dataset
    return dataset.assign_coords({TIME: (TIME, times, attrs)})


def _date(date: Any, times: NDArray[Any]) -> Any:
    """A date as xarray's slices take it: years as text, and all as text for cftime."""
    is_date = isinstance(date, str | cftime.datetime)
    if isinstance(date, int | np.integer) or (times.dtype == object and not is_date):
        return str(date)
    return date


def _instant(date: Any, times: NDArray[Any]) -> Any:
    """The first instant of a date, in the calendar of the times."""
    if isinstance(date, cftime.datetime) and times.dtype == object:
        return date
    fields = [int(number) for number in re.findall(r"\d+", str(date))][:6]
    if not fields:
        raise ValueError("no number in it")
    fields += [1, 1, 0, 0, 0][len(fields) - 1 :]
    if times.dtype == object:
        return type(times[0])(*fields)
    year, month, day, hour, minute, second = fields
    return np.datetime64(datetime(year, month, day, hour, minute, second)).astype("M8[ns]")


def _uneven(dim: str, before: np.timedelta64, after: np.timedelta64, time: Any, remedy: str) -> str:
    change = f"from {step_text(before)} to {step_text(after)} after {time_text(time)}"
    return f"{dim}: cadence changes {change}; {remedy}"


def time_text(time: Any) -> str:
    """The date and hour of a time of any calendar, for messages; its minute if it has one.

    Example:
        >>> time_text(np.datetime64("2001-02-03T04:00"))
        '2001-02-03T04'
    """
    is_standard = isinstance(time, np.datetime64)
    text = np.datetime_as_string(time, "m") if is_standard else time.strftime("%Y-%m-%dT%H:%M")
    return str(text).removesuffix(":00")
