"""A baseline by a user's file: see docs/your_own_network.md."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from axialcast.baselines.baseline import states_at, with_valid_time
from axialcast.data.reader import Analysis
from axialcast.names import INIT_TIME, LEAD_TIME, TIME
from axialcast.own import OwnFile
from axialcast.times.dates import Leads, Times, later
from axialcast.times.leads import lead_coordinate, lead_labels

__all__ = ["FileBaseline", "num_states"]

Forecast = Callable[[xr.Dataset], xr.Dataset]
MOST = 1000
"""States that a forecast may start from."""


@dataclass(frozen=True)
class FileBaseline:
    """What a file's `fit(training, lead_times)` returns: a function from states to forecasts.

    It is given the last states up to an initial time, and nothing that comes after.

    Args:
        file: that defines `fit`, and `STATES`, how many states a forecast starts from.
        function: that fit returned.
        lead_times: that it was fitted for.
        lag: from one of the states to the next.
        training: what tells the training data from others.
    """

    file: OwnFile
    function: Forecast
    lead_times: Leads
    lag: np.timedelta64
    training: Mapping[str, Any]

    @classmethod
    def fit(
        cls,
        file: OwnFile,
        training: Analysis | xr.Dataset,
        *,
        lead_times: Leads,
        lag: np.timedelta64,
        made_from: Mapping[str, Any],
    ) -> "FileBaseline":
        """The baseline of a training period.

        Raises:
            ValueError: the file defines none.
        """
        dataset = training if isinstance(training, xr.Dataset) else training.dataset
        function = file.call("fit", dataset, lead_labels(lead_times))
        if not callable(function):
            raise ValueError(
                f"{file.path}: fit returned {type(function).__name__}, expected a function from "
                "states to a forecast"
            )
        num_states(file)
        return cls(file, function, lead_times, lag, made_from)

    def forecast(
        self, analysis: Analysis | xr.Dataset, init_times: Times, lead_times: Leads
    ) -> xr.Dataset:
        """Forecasts from the states up to the initial times; NaN where one of these is missing.

        Raises:
            ValueError: what the file's function returns is no forecast.
        """
        dataset = analysis if isinstance(analysis, xr.Dataset) else analysis.dataset
        forecasts = [self._forecast(dataset, time, lead_times) for time in init_times]
        return with_valid_time(
            xr.concat(forecasts, INIT_TIME).assign_coords({INIT_TIME: init_times})
        )

    def parts(self) -> dict[str, Any]:
        return {
            "file": self.file.sha256,
            "training": repr(sorted(self.training.items())),
            "lead times": np.asarray(self.lead_times).astype("int64"),
        }

    def states(self, init_times: Times) -> Times:
        return np.unique(self._times(init_times))

    def _times(self, init_times: Times) -> Times:
        """(..., s) times of the states that forecasts start from."""
        before = np.arange(1 - num_states(self.file), 1) * self.lag
        return later(np.asarray(init_times)[..., None], before)

    def _forecast(self, analysis: xr.Dataset, init: Any, lead_times: Leads) -> xr.Dataset:
        """(lead_time, [level], latitude, longitude) from one initial time."""
        states = states_at(analysis, self._times(np.array([init]))[0])
        like = states.isel({TIME: -1}, drop=True)
        leads = lead_coordinate(lead_times)
        wanted = like.expand_dims({LEAD_TIME: np.arange(len(leads))}).assign_coords(
            {LEAD_TIME: leads}
        )
        absent = [array.isnull().all(array.dims[1:]) for array in states.data_vars.values()]
        if bool(np.logical_and.reduce(absent).any()):
            return wanted * np.float32(np.nan)
        with self.file.naming_lines():
            made = self.function(states)
        if not isinstance(made, xr.Dataset):
            raise ValueError(
                f"{self.file.path}: the forecast is a {type(made).__name__}, expected an xarray "
                "Dataset"
            )
        found = {}
        for name, array in wanted.data_vars.items():
            if name not in made or set(made[name].dims) != set(array.dims):
                got = f"of {', '.join(map(str, made[name].dims))}" if name in made else "absent"
                raise ValueError(
                    f"{self.file.path}: in the forecast {name} is {got}, expected "
                    f"{', '.join(map(str, array.dims))}"
                )
            values = made[name].transpose(*array.dims).values
            if values.shape != array.shape:
                raise ValueError(
                    f"{self.file.path}: in the forecast {name} is {values.shape}, expected "
                    f"{array.shape} as states and lead times have"
                )
            found[str(name)] = array.copy(data=values.astype(np.float32))
        return xr.Dataset(found, attrs=wanted.attrs)


def num_states(file: OwnFile) -> int:
    """How many states a file's forecasts start from.

    Raises:
        ValueError: it says something else.
    """
    count = file.constant("STATES", 1)
    if not isinstance(count, int) or not 1 <= count <= MOST:
        raise ValueError(f"{file.path}: STATES: got {count!r}, expected a number from 1 to {MOST}")
    return count
