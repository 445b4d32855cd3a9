"""What a network is told of times, in any calendar: datetime64, or objects of cftime."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from axialcast.model.sun import sun
from axialcast.times.dates import Times

__all__ = ["calendar", "dates"]


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
    length = (year + np.timedelta64(1, "Y")).astype("datetime64[s]") - start
    in_year = (times.astype("datetime64[s]") - start) / length
    day = np.timedelta64(1, "D")
    in_day = ((times - times.astype("datetime64[D]")) / day) % 1.0
    return torch.from_numpy(np.stack([in_year, in_day], -1).astype(np.float32))


def dates(times: Times) -> Tensor:
    """All that a network is told of times: their `calendar`, and where the `sun` stands.

    Args:
        times: datetime64 or cftime, of any shape.

    Returns:
        (*times.shape, 5) float32.
    """
    return torch.cat([calendar(times), torch.from_numpy(sun(times)).float()], -1)


def _fractions(time: Any) -> tuple[float, float]:
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    new_year = midnight.replace(month=1, day=1)
    length = new_year.replace(year=time.year + 1) - new_year
    return (time - new_year) / length, (time - midnight).total_seconds() / 86_400
