"""The initial state as the forecast.

Shapes: i initial times, l lead times, t times, c channels, h latitudes, w longitudes, x cells.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines.baseline import (
    ALL,
    States,
    Which,
    labelled,
)
from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis
from axialcast.times.dates import Leads, Times

__all__ = ["Persistence"]


@dataclass(frozen=True)
class Persistence:
    """The state at the initial time, unchanged (its anomaly is not carried along the seasons)."""

    def forecast(
        self, analysis: Analysis | xr.Dataset, init_times: Times, lead_times: Leads
    ) -> xr.Dataset:
        source = Analysis.of(analysis)
        states = source.read(source.rows(init_times))
        shape = (len(init_times), len(lead_times), *source.shape)
        values = np.broadcast_to(states[:, None], shape)
        return labelled(values, source.channels, source.dataset, init_times, lead_times)

    @property
    def channels(self) -> Channels | None:
        """None: it forecasts any."""
        return None

    def values(
        self,
        states: States,
        init_times: Times,
        lead_times: Leads,
        normal: NDArray[np.float32],
        channels: Which = ALL,
    ) -> NDArray[np.float32]:
        return np.broadcast_to(states(init_times)[:, None], normal.shape)

    def parts(self) -> dict[str, Any]:
        return {}

    def states(self, init_times: Times) -> Times:
        return init_times
