"""Dates as tensors: what `axialcast.model.calendar` says of them, of seconds since 1970.

In the proleptic Gregorian calendar, which is that of datetime64.
"""

from typing import Any

import torch
from torch import Tensor

from axialcast.model.sun import standing

__all__ = ["dates_at", "months_later"]

DAY_SECONDS = 86_400
MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
NOON_OF_2000 = 10_957.5
"""Days from 1970 to noon of 1 January 2000."""


def dates_at(seconds: Tensor) -> Tensor:
    """(…, 5) as `axialcast.model.calendar.dates`, of (…) int64 seconds since 1970-01-01."""
    days = seconds // DAY_SECONDS
    year = _year_of(days)
    start = _start_of(year)
    length = DAY_SECONDS * (_start_of(year + 1) - start)
    in_year = (seconds - DAY_SECONDS * start).double() / length.double()
    in_day = (seconds - DAY_SECONDS * days).double() / DAY_SECONDS
    sun = standing(seconds.double() / DAY_SECONDS - NOON_OF_2000, in_day)
    return torch.cat([torch.stack([in_year, in_day], -1), sun], -1).float()


def months_later(seconds: Tensor, months: Any) -> Tensor:
    """Seconds since 1970, so many months on; a month without that day gives its last.

    Args:
        seconds: int64.
        months: a number, or numbers of a shape that broadcasts.
    """
    days = seconds // DAY_SECONDS
    year = _year_of(days)
    since = days - _start_of(year)
    begins = _month_starts(year)
    month = (begins[..., 1:12] <= since[..., None]).sum(-1)
    day = since - begins.gather(-1, month[..., None])[..., 0]
    total = 12 * year + month + months
    year, month = total // 12, total % 12
    begins = _month_starts(year)
    first, after = (begins.gather(-1, (month + n)[..., None])[..., 0] for n in (0, 1))
    day = torch.minimum(day.expand_as(first), after - first - 1)
    return DAY_SECONDS * (_start_of(year) + first + day) + seconds % DAY_SECONDS


def _year_of(days: Tensor) -> Tensor:
    """The year that (…) days since 1970 are in."""
    year = 1970 + (400 * days) // 146_097  # within one: years of a leap cycle vary by a day or two
    year = year - (_start_of(year) > days).long()
    return year + (_start_of(year + 1) <= days).long()


def _start_of(year: Tensor) -> Tensor:
    """Days from 1970 to the first of January."""
    before = year - 1
    return 365 * (year - 1970) + before // 4 - before // 100 + before // 400 - 477


def _month_starts(year: Tensor) -> Tensor:
    """(…, 13) days from the first of January to that of each month, and to the next year's."""
    is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    lengths = [torch.full_like(year, days) for days in MONTH_LENGTHS]
    lengths[1] = lengths[1] + is_leap
    return torch.stack([torch.zeros_like(year), *lengths], -1).cumsum(-1)
