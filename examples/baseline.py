"""A baseline of your own, for `verify: {baselines: [persistence, my_baseline.py]}`."""

from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

STATES = 2
"""How many states a forecast starts from, one model step apart; the last is the initial time."""


def fit(
    training: xr.Dataset, lead_times: NDArray[np.timedelta64]
) -> Callable[[xr.Dataset], xr.Dataset]:
    """Called once, with the training years alone; returns the function that forecasts.

    Args:
        training: (time, [level], latitude, longitude), lazy: what it is asked for is read.
        lead_times: that forecasts are wanted for.
    """
    mean = training.mean("time").astype("float32").load()
    steps = xr.DataArray(lead_times / lead_times[0], dims="lead_time")

    def forecast(states: xr.Dataset) -> xr.Dataset:
        """(lead_time, [level], latitude, longitude) from (time, …) the last states, in memory.

        Here what happened over the last step goes on for a while, and all fades into the mean.
        """
        change = states.isel(time=-1) - states.isel(time=-2)
        fading = 0.8**steps
        return mean + (states.isel(time=-1) - mean + 0.5 * change) * fading

    return forecast
