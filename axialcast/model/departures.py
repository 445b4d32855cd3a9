"""States as departures from what is usual at their time of the year and of the day.

The cycles of year and day are far larger than what is to be forecast, and known. A network that is
given departures, in units of their spread, and gives departures need not learn them.

Shapes: b windows, t input states, p prognostic channels, h latitudes, w longitudes; u parts of the
day, m coefficients.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["Departures", "MonthlyDepartures", "SeasonalDepartures", "departures_of"]

YEAR_DAYS = 365.2425


class Departures(nn.Module):
    """What is usual, subtracted and added again.

    Args:
        parts: (…) of the usual.
        num_channels: p.
        shape: (h, w).

    Attributes:
        usual: (…, p, h, w) normalised, zero until it is filled in.
        spread: (p, 1, 1) standard deviation of the departures, in those of the states.
        rows: of the grid that this process has.
    """

    usual: Tensor
    spread: Tensor

    def __init__(self, parts: Sequence[int], num_channels: int, shape: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("usual", torch.zeros(*parts, num_channels, *shape))
        self.register_buffer("spread", torch.ones(num_channels, 1, 1))
        self.rows = slice(None)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Departures":
        """Itself: a constant, and a large one, need not be there twice."""
        return self

    def set(self, usual: NDArray[np.float32], spread: NDArray[np.float64]) -> None:
        """Fills in `usual` and `spread`; where the former is NaN nothing is usual."""
        self.usual.copy_(torch.from_numpy(usual).nan_to_num(0.0))
        self.spread.copy_(torch.from_numpy(spread)[:, None, None])

    def of(self, states: Tensor, dates: Tensor) -> Tensor:
        """(b, t, p, h, w) departures of states at (b, t, n) dates; 0 where a state is, as one that
        is missing is to a network."""
        departures = (states - self.usual_at(dates)) / self.spread
        return torch.where(states == 0, 0.0, departures)

    def whole(self, departures: Tensor, dates: Tensor) -> Tensor:
        """(b, p, h, w) states one step after (b, n) dates."""
        return self.usual_at(dates, later=1) + self.spread * departures

    def scale(self, increment_scale: Tensor) -> Tensor:
        """(p, 1, 1) what a change of departures over one step is counted in, given the standard
        deviation of that of the states."""
        raise NotImplementedError

    def usual_at(self, dates: Tensor, later: int = 0) -> Tensor:
        """(…, p, h, w) what is usual so many steps after (…, n) dates."""
        raise NotImplementedError


class MonthlyDepartures(Departures):
    """From the means of the calendar months: `usual` is (12, p, h, w)."""

    def __init__(self, num_channels: int, shape: tuple[int, int]) -> None:
        super().__init__([12], num_channels, shape)

    def scale(self, increment_scale: Tensor) -> Tensor:
        # From month to month departures change as much as they vary.
        return torch.ones_like(increment_scale)

    def usual_at(self, dates: Tensor, later: int = 0) -> Tensor:
        # The first of a month is within a day of so many twelfths of the year, in any calendar.
        months = (12 * dates[..., 0]).round().long() + later
        return self.usual[months % 12][..., self.rows, :]


class SeasonalDepartures(Departures):
    """From the mean and harmonics of the year at each hour of the day: `usual` is (u, m, p, h, w).

    As `axialcast.baselines.Climatology`, whose coefficients these are: the mean, the cosines, then
    the sines. The year's phase is the fraction of the calendar's year that is over.

    Args:
        num_channels, shape: as Departures.
        hours: (u,) of the day (UTC) that coefficients are of; others are taken as the nearest.
        harmonics: of the year.
        step_days: from one state to the next.
        year_days: of the calendar, on average.
    """

    hours: Tensor

    def __init__(
        self,
        num_channels: int,
        shape: tuple[int, int],
        *,
        hours: Sequence[float],
        harmonics: int,
        step_days: float,
        year_days: float = YEAR_DAYS,
    ) -> None:
        super().__init__([len(hours), 2 * harmonics + 1], num_channels, shape)
        self.register_buffer("hours", torch.tensor(hours, dtype=torch.float32), persistent=False)
        self._harmonics, self._step_days, self._year_days = harmonics, step_days, year_days

    def scale(self, increment_scale: Tensor) -> Tensor:
        return increment_scale / self.spread

    def usual_at(self, dates: Tensor, later: int = 0) -> Tensor:
        days = later * self._step_days
        basis = self._basis(dates[..., 0] + days / self._year_days, dates[..., 1] + days)
        table = self.usual[..., self.rows, :]
        # In half precision what is subtracted would not be what is added again.
        with torch.autocast(dates.device.type, enabled=False):
            found = basis.flatten(0, -2) @ table.flatten(2).flatten(0, 1)
        return found.reshape(*dates.shape[:-1], *table.shape[2:])

    def _basis(self, year: Tensor, day: Tensor) -> Tensor:
        """(…, u · m) what each coefficient counts at fractions (…) of the year and of the day."""
        numbers = torch.arange(1, self._harmonics + 1, device=year.device)
        phase = 2 * math.pi * year[..., None] * numbers
        annual = torch.cat([torch.ones_like(year)[..., None], phase.cos(), phase.sin()], -1)
        apart = (24 * day[..., None] - self.hours + 12) % 24 - 12
        part = nn.functional.one_hot(apart.abs().argmin(-1), len(self.hours))
        return (part[..., :, None] * annual[..., None, :]).flatten(-2)


def departures_of(
    settings: bool | Mapping[str, Any], num_channels: int, shape: tuple[int, int]
) -> Departures | None:
    """True: from calendar months. A mapping: keywords of SeasonalDepartures. False: none."""
    if isinstance(settings, Mapping):
        return SeasonalDepartures(num_channels, shape, **settings)
    return MonthlyDepartures(num_channels, shape) if settings else None
