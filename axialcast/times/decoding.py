"""Numbers in files become dates, and dates that are off by rounding what they stand for.

Many files hold hours as parts of days, in numbers that cannot hold them: 1/24 in single precision
or in six decimals. What such a number can be off by is known from its type and its decimals; dates
that all lie that near to whole hours, halves, quarters, minutes or seconds are taken for these.
"""

import logging
import re
import warnings
from datetime import date
from typing import Any

import cftime
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from xarray.coders import CFDatetimeCoder

from axialcast.times.dates import Times, microseconds

__all__ = ["DAY_SECONDS", "decoded", "is_dated"]

logger = logging.getLogger(__name__)

GRANULES = (3600, 1800, 900, 600, 300, 60, 1)
"""What dates are whole multiples of, from midnight (s); the first that all lie near is taken."""
DECODING_ERROR = 20
"""Dates of other calendars are decoded to some microseconds (µs)."""
DAY_SECONDS = 86400
MOST_DECIMALS = 7
SINCE = re.compile(r"\s*\w+\s+since\s", re.IGNORECASE)
"""What units of dates begin with."""
TOLD_SECONDS = 0.001
"""What dates are moved by at least, for the log to say so."""
ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}(:\d{2}){0,2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})?)?")


def decoded(dataset: xr.Dataset, round_seconds: int | None = None) -> xr.Dataset:
    """The dataset with dates in the place of numbers since a date, where they can be decoded.

    Args:
        dataset: as a backend opens it, or decoded by xarray already.
        round_seconds: to the multiples of which, from midnight, dates are rounded; None: only by
            what the type of their numbers can be off by.

    Raises:
        ValueError: dates are stored in a type that cannot tell them apart.
    """
    found = {}
    for name, variable in dataset.variables.items():
        if variable.ndim > 2 or not variable.size:
            continue
        dates = _decoded(name, variable)
        if dates is None:
            continue
        numbers = _numbers(variable, dates)
        if round_seconds is not None:
            values = _rounded(name, dates.values, round_seconds)
        else:
            values = dates.values if numbers is None else _settled(name, dates.values, *numbers)
        if dates is not variable or values is not dates.values:
            attrs = {key: v for key, v in dates.attrs.items() if key not in ("units", "calendar")}
            found[name] = xr.Variable(variable.dims, values, attrs)
    return dataset.assign(found) if found else dataset


def is_dated(variable: Any) -> bool:
    """Whether it holds dates: datetime64, or cftime objects."""
    if variable.dtype.kind == "M":
        return True
    if variable.dtype != object or not variable.size:
        return False
    return isinstance(variable.values.flat[0], cftime.datetime)


def _decoded(name: Any, variable: xr.Variable) -> xr.Variable | None:
    """The variable as dates; None if it holds none, or none that can be decoded."""
    if is_dated(variable):
        return variable
    if variable.dtype.kind in "OSUT":
        return _read(variable)
    units = variable.attrs.get("units")
    if isinstance(units, str) and units.startswith("day as %Y%m%d"):
        return _absolute(variable)
    if not isinstance(units, str) or variable.dtype.kind not in "fiu" or not SINCE.match(units):
        return None
    numbers = variable.values
    if numbers.dtype.kind == "f":
        numbers = np.where(np.isfinite(numbers), numbers, np.array(np.nan, numbers.dtype))
    stated = {**variable.attrs, "units": SINCE.sub(lambda found: found[0].lower(), units)}
    try:
        return _as_dates(xr.Variable(variable.dims, numbers, stated))
    except (ValueError, TypeError, OverflowError, KeyError) as error:
        logger.debug("%s: %s cannot be decoded (%s)", name, units, error)
        return None


def _read(variable: xr.Variable) -> xr.Variable | None:
    """Text in ISO 8601, and Python's own dates, as dates (UTC); None if it is anything else."""
    first = variable[(0,) * variable.ndim].values.item()
    if not ISO.fullmatch(_text(first)):
        return None
    texts = [_text(value) for value in np.ravel(variable.values)]
    if not all(map(ISO.fullmatch, texts)):
        return None
    try:
        times = pd.to_datetime(texts, format="ISO8601", utc=True).tz_convert(None)
    except ValueError:
        return None
    values = np.asarray(times.as_unit("ns")).reshape(variable.shape)
    return xr.Variable(variable.dims, values, variable.attrs)


def _text(value: Any) -> str:
    """Text of a file, or what a date of Python says."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.isoformat() if isinstance(value, date) else str(value)


def _absolute(variable: xr.Variable) -> xr.Variable | None:
    """Numbers such as 20010131.25 (`day as %Y%m%d.%f`) as dates; None if they are no such."""
    numbers = variable.values
    if numbers.dtype.kind not in "fiu" or numbers.dtype == np.float32:
        return None
    try:
        days = [
            np.datetime64(f"{n // 10000:04d}-{n // 100 % 100:02d}-{n % 100:02d}")
            for n in np.floor(numbers).astype(np.int64).ravel().tolist()
        ]
    except ValueError:
        return None
    part = np.round(np.mod(numbers, 1).astype(np.float64) * DAY_SECONDS * 1e6)
    microseconds = part.astype("timedelta64[us]")
    values = np.reshape(np.array(days, "datetime64[us]"), numbers.shape) + microseconds
    return xr.Variable(variable.dims, values.astype("datetime64[ns]"), variable.attrs)


def _as_dates(variable: xr.Variable) -> xr.Variable:
    with warnings.catch_warnings():
        # Dates before 1678 or after 2262 stay objects of cftime, as those of other calendars.
        warnings.simplefilter("ignore", xr.SerializationWarning)
        dates = xr.conventions.decode_cf_variable(
            "time",
            variable,
            mask_and_scale=False,
            decode_times=CFDatetimeCoder(time_unit="ns"),
            decode_timedelta=False,
        )
        return dates.load()


def _numbers(variable: xr.Variable, dates: xr.Variable) -> tuple[NDArray[Any], float] | None:
    """The real numbers that stand for dates in the file, and their unit (µs); None for integers."""
    source = variable.encoding if dates is variable else {**variable.attrs, "dtype": variable.dtype}
    dtype, units = source.get("dtype"), source.get("units")
    if dtype is None or not isinstance(units, str) or np.dtype(dtype).kind != "f":
        return None
    if not SINCE.match(units):
        return variable.values, DAY_SECONDS * 1e6
    units = SINCE.sub(lambda found: found[0].lower(), units)
    attrs = {"units": units, "calendar": source.get("calendar", "standard")}
    zero, one = microseconds(_as_dates(xr.Variable("n", np.array([0, 1]), attrs)).values).tolist()
    unit = float(one - zero)
    if dates is not variable:
        return variable.values, unit
    known = ~_absent(dates.values)
    ticks = microseconds(dates.values[known])
    return ((ticks - zero) / unit).astype(dtype), unit


def _settled(name: Any, values: Times, real: NDArray[Any], unit: float) -> Times:
    """The dates, moved to what they mean where they are off by no more than their numbers can be.

    Args:
        name: of the coordinate.
        values: dates.
        real, unit: numbers that stand for them in the file, and their unit (µs).

    Raises:
        ValueError: their type is too coarse for their spacing, which it makes uneven.
    """
    known = ~_absent(values)
    if not known.any():
        return values
    real = real[np.isfinite(real)]
    of_type = float(np.spacing(np.abs(real).max())) / 2 * unit
    error = max(of_type, _written_error(real) * unit) + DECODING_ERROR
    ticks = microseconds(values[known])
    for granule in GRANULES:
        near = _nearest(ticks, granule * 10**6)
        off = np.abs(near - ticks).max() / 1e6
        if 4 * error > granule * 10**6 or off * 1e6 > error:
            continue
        if off >= TOLD_SECONDS:
            logger.info(
                "%s: dates in %s are off by up to %.3g s; taken for the %s they are near",
                *(name, _type_text(real, unit), off, _granule_text(granule)),
            )
        moved = _moved(values, known, near)
        return moved if (moved != values)[known].any() else values
    _refuse_coarse(name, ticks, of_type, _type_text(real, unit))
    return values


def _written_error(real: NDArray[Any]) -> float:
    """Half of the last decimal of numbers that were rounded to decimals, or kept in float32."""
    if (real.astype(np.float32) == real).all() and (real != np.round(real)).any():
        return float(np.spacing(np.float32(np.abs(real).max()))) / 2
    for decimals in range(1, MOST_DECIMALS + 1):
        if (np.round(real, decimals) == real).all() and (real != np.round(real)).any():
            return 0.5 * 10.0**-decimals
    return 0.0


def _refuse_coarse(name: Any, ticks: NDArray[np.int64], of_type: float, stored: str) -> None:
    spacing = np.diff(np.sort(ticks, axis=None))
    if not len(spacing) or 8 * of_type <= spacing.min() or (spacing == spacing[0]).all():
        return
    raise ValueError(
        f"{name}: is stored in {stored}, which tells dates apart by {2 * of_type / 1e6:.3g} s, too "
        "coarse for their spacing; write them anew in double precision, for instance with: "
        "cdo -b F64 settaxis,2001-01-01,00:00:00,1hour in.nc out.nc (with its first date and step)"
    )


def _rounded(name: Any, values: Times, seconds: int) -> Times:
    """The dates at the nearest multiples of so many seconds from midnight."""
    if seconds < 1 or DAY_SECONDS % seconds:
        raise ValueError(
            f"round_times_seconds: expected seconds that divide a day, got {seconds}; try 60"
        )
    known = ~_absent(values)
    ticks = microseconds(values[known])
    near = _nearest(ticks, seconds * 10**6)
    if not (near != ticks).any():
        return values
    off = np.abs(near - ticks).max() / 1e6
    logger.info("%s: rounded to multiples of %d s, by up to %.3g s", name, seconds, off)
    return _moved(values, known, near)


def _absent(values: Times) -> NDArray[np.bool_]:
    """Which dates are missing."""
    if values.dtype != object:
        return np.isnat(values)
    return np.reshape([not isinstance(v, cftime.datetime) for v in values.flat], values.shape)


def _moved(values: Times, known: NDArray[np.bool_], ticks: NDArray[np.int64]) -> Times:
    """The dates, those that are known at these microseconds."""
    moved = np.array(values)  # of a scalar, too
    if values.dtype == object:
        calendar, units = values[known].flat[0].calendar, "microseconds since 1970-01-01"
        moved[known] = cftime.num2date(ticks, units, calendar, only_use_cftime_datetimes=True)
    else:
        moved[known] = ticks.astype("datetime64[us]").astype(values.dtype)
    return moved


def _nearest(ticks: NDArray[np.int64], granule: int) -> NDArray[np.int64]:
    return (ticks + granule // 2) // granule * granule


def _type_text(real: NDArray[Any], unit: float) -> str:
    names = {86400e6: "days", 3600e6: "hours", 60e6: "minutes", 1e6: "seconds"}
    return f"{names.get(unit, 'numbers')} of type {real.dtype}"


def _granule_text(seconds: int) -> str:
    texts = {3600: "whole hours", 60: "whole minutes", 1: "whole seconds"}
    return texts.get(seconds, f"multiples of {seconds // 60} minutes")
