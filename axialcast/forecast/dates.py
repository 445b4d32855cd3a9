"""Dates of any calendar: datetime64 for the standard one, cftime objects for all others."""

import re
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["calendar", "datetimes", "later"]

Times = NDArray[Any]
"""datetime64[ns], or objects of cftime."""


def calendar(times: Times) -> Tensor:
    """Fractions of the year and of the UTC day elapsed, in the calendar of the times.

    Args:
        times: datetime64 or cftime, of any shape.

    Returns:
        (*times.shape, 2) float32 in [0, 1).
    """
    if times.dtype == object:
        pairs = [_fractions(time) for time in times.ravel()]
        return torch.tensor(pairs, dtype=torch.float32).reshape(*times.shape, 2)
    year = times.astype("datetime64[Y]")
    start = year.astype("datetime64[s]")
    length = (year + 1).astype("datetime64[s]") - start
    in_year = (times.astype("datetime64[s]") - start) / length
    day = np.timedelta64(1, "D")
    in_day = ((times - times.astype("datetime64[D]")) / day) % 1.0
    return torch.from_numpy(np.stack([in_year, in_day], -1).astype(np.float32))


def _fractions(time: Any) -> tuple[float, float]:
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    new_year = midnight.replace(month=1, day=1)
    length = new_year.replace(year=time.year + 1) - new_year
    return (time - new_year) / length, (time - midnight).total_seconds() / 86_400


def later(times: Times, by: Any) -> Times:
    """`times` + `by`, timedelta64 of a shape that broadcasts."""
    shift = by.astype("timedelta64[us]").astype(object) if times.dtype == object else by
    return np.asarray(times + shift)


def datetimes(values: Any, *, like: Times | None = None) -> Times:
    """Different times as an array, one or more.

    Args:
        values: datetimes, ISO 8601 text or cftime objects; one, or a sequence of such.
        like: times whose calendar text is read in; None: the standard one.

    Raises:
        ValueError: a value is no date of that calendar, or occurs twice, or there is none.
    """
    several = values if np.ndim(values) else [values]
    kind = type(like[0]) if like is not None and like.dtype == object else None
    try:
        if kind is not None:
            times = np.array([_cftime(value, kind) for value in several], object)
        elif len(several) and hasattr(several[0], "dayofyr"):
            times = np.asarray(several, object)
        else:
            times = np.atleast_1d(np.asarray(pd.to_datetime(values), "datetime64[ns]"))
    except (ValueError, TypeError) as error:
        raise ValueError(f"init_times: expected datetimes, got {values!r} ({error})") from None
    if not len(times) or len(np.unique(times)) < len(times):
        raise ValueError(f"init_times: expected one or more different times, got {len(times)}")
    return times


def _cftime(value: Any, kind: type) -> Any:
    if isinstance(value, kind):
        return value
    text = str(value)
    if not re.fullmatch(r"\d{4}(-\d{2}(-\d{2}([T ]\d{2}(:\d{2}){0,2}(\.0+)?)?)?)?", text):
        raise ValueError(f"expected a date such as 2001-03-30T06 or a {kind.__name__}")
    numbers = [int(part) for part in re.split(r"[-T :]", text.split(".")[0])]
    return kind(*numbers, *(1, 1, 1)[len(numbers) :])
