"""States of months as departures from what is usual in each calendar month.

The year's cycle is far larger than what is to be forecast of monthly data, and known. A network
that is given departures, in units of their spread, and gives departures need not learn it.

Shapes: b windows, t input states, p prognostic channels, h latitudes, w longitudes.
"""

import torch
from torch import Tensor, nn

__all__ = ["Departures"]


class Departures(nn.Module):
    """The means of the calendar months, subtracted and added again.

    Args:
        num_channels: p.
        shape: (h, w).

    Attributes:
        usual: (12, p, h, w) normalised, zero until it is filled in.
        spread: (p, 1, 1) standard deviation of the departures, in those of the states.
        rows: of the grid that this process has.
    """

    usual: Tensor
    spread: Tensor

    def __init__(self, num_channels: int, shape: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("usual", torch.zeros(12, num_channels, *shape))
        self.register_buffer("spread", torch.ones(num_channels, 1, 1))
        self.rows = slice(None)

    def of(self, states: Tensor, dates: Tensor) -> Tensor:
        """(b, t, p, h, w) departures of states at (b, t, n) dates; 0 where a state is, as one that
        is missing is to a network."""
        departures = (states - self._usual(dates)) / self.spread
        return torch.where(states == 0, 0.0, departures)

    def whole(self, departures: Tensor, dates: Tensor) -> Tensor:
        """(b, p, h, w) states of the month after (b, n) dates."""
        return self._usual(dates, later=1) + self.spread * departures

    def _usual(self, dates: Tensor, later: int = 0) -> Tensor:
        # The first of a month is within a day of so many twelfths of the year, in any calendar.
        months = (12 * dates[..., 0]).round().long() + later
        return self.usual[months % 12][..., self.rows, :]
