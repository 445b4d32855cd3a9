"""States of the training years from the season of a day, as the members of an ensemble.

Shapes: k valid times, m members, i initial times, l lead times, c channels, h latitudes,
w longitudes.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines.baseline import labelled, with_valid_time
from axialcast.baselines.climatology import Climatology
from axialcast.baselines.cycle import minute_of_day, season
from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis
from axialcast.names import NUMBER
from axialcast.times.dates import Leads, Times, later, microseconds

__all__ = ["ProbabilisticClimatology"]

MEMBERS = 20
DAYS = 15


@dataclass(frozen=True, eq=False)
class ProbabilisticClimatology:
    """What the weather of a day of the year may be: what it was in the years of training.

    Members are states within 15 days of the day of the year, at the same time of day where there
    are such, twenty of them evenly apart in the order of their times; the twenty nearest where
    there are fewer. So an ensemble of climatology as WeatherBench 2 has it (Rasp et al. 2024, of a
    year each) is there for short records, too.

    Args:
        climatology: of the training period: its channels and grid.
        times: (t,) of the training period.
    """

    climatology: Climatology
    times: Times
    _known: dict[int, NDArray[np.intp]] = field(default_factory=dict, init=False, repr=False)

    @property
    def note(self) -> str:
        """How it was made."""
        return f"{self.num_members} states of the training period from the season of each day"

    @property
    def channels(self) -> Channels:
        """What the climatology was fitted on."""
        return self.climatology.channels

    @property
    def num_members(self) -> int:
        """Members of each ensemble."""
        return min(MEMBERS, len(self.times))

    def drawn(self, valid: Times) -> Times:
        """(k, m) times of the members at valid times (k,), in order."""
        rows = [self._rows(n, valid[k : k + 1]) for k, n in enumerate(microseconds(valid).tolist())]
        return self.times[np.stack(rows)]

    def forecast(
        self, analysis: Analysis | xr.Dataset, init_times: Times, lead_times: Leads
    ) -> xr.Dataset:
        """Members (init_time, number, lead_time, …) from an analysis of the training period."""
        source = Analysis.of(analysis, self.channels)
        shape = (len(init_times), len(lead_times))
        times = self.drawn(later(init_times[:, None], lead_times).ravel())
        members = []
        for number in range(self.num_members):
            values = source.read(source.rows(times[:, number]))
            states = values.reshape(*shape, *source.shape)
            args = (source.channels, source.dataset, init_times, lead_times)
            members.append(labelled(states, *args).drop_vars("valid_time"))
        found = xr.concat(members, NUMBER).assign_coords({NUMBER: np.arange(self.num_members)})
        return with_valid_time(found.transpose("init_time", NUMBER, ...))

    def parts(self) -> dict[str, Any]:
        return {"climatology": self.climatology, "times": microseconds(self.times)}

    def states(self, init_times: Times) -> Times:
        """None: it starts from no state; of `drawn` its values follow."""
        return init_times[:0]

    @cached_property
    def _seasons(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """(t,) the season and the minute of the day of each time of the training period."""
        return season(self.times), minute_of_day(self.times)

    def _rows(self, ticks: int, valid: Times) -> NDArray[np.intp]:
        """(m,) positions in the training period of the members at a time (1,)."""
        if ticks not in self._known:
            seasons, minutes = self._seasons
            apart = np.abs(seasons - season(valid))
            days = 365.25 * np.minimum(apart, 1 - apart)
            alike = np.flatnonzero(minutes == minute_of_day(valid))
            rows = alike if len(alike) >= self.num_members else np.arange(len(self.times))
            near = rows[days[rows] <= DAYS + 1e-3]
            if len(near) < self.num_members:
                order = np.argsort(days[rows], kind="stable")
                near = np.sort(rows[order[: self.num_members]])
            places = np.linspace(0, len(near) - 1, self.num_members).round().astype(int)
            self._known[ticks] = near[places]
        return self._known[ticks]
