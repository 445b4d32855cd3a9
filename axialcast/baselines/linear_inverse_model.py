"""The linear inverse model: the best that linear dynamics of the leading patterns can do.

Shapes: n times, x cells of all channels, k patterns (EOFs), i initial times, l lead times,
c channels, h latitudes, w longitudes, H, W of coarse cells.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines.amplitudes import Amplitudes
from axialcast.baselines.anomalies import Anomalies, forecast_from
from axialcast.baselines.autoregression import lagged_rows, moments, propagated, regression
from axialcast.baselines.baseline import ALL, States, Which, spacing, whole_steps
from axialcast.baselines.climatology import Climatology
from axialcast.baselines.coarsening import Coarsening
from axialcast.baselines.encoding import Encoding
from axialcast.baselines.passes import MEMORY_GIB, go_through
from axialcast.baselines.patterns import MAX_PATTERNS, Sample, Wanted, factor_for
from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis
from axialcast.times.dates import Leads, Times, later

__all__ = ["LinearInverseModel", "arrays_of"]

EXPLAINED, RIDGE = 0.99, 0.03


@dataclass(frozen=True)
class LinearInverseModel:
    """Linear dynamics of the leading EOFs, from two states one `lag` apart, iterated.

    In the manner of Penland and Sardeshmukh (1995, J. Climate 8, 1999-2024): the propagator of one
    lag is regressed and its powers reach longer lead times, so forecasts fade into climatology. We
    differ in two states instead of one (the tendency is known, as it is to a network given two),
    ridge regression, and EOFs of all variables and levels jointly, each divided by the standard
    deviation of its anomalies over the domain. What the EOFs leave out is forecast as climatology.
    On a grid whose patterns would take too much memory, they are of anomalies averaged over
    `factor` x `factor` cells, and forecasts are brought back between the centres of these.

    Args:
        lag: spacing of the two states and length of one step, e.g. the model's own step.
        patterns: (x, k) orthonormal EOFs of the scaled anomalies.
        scale: (x,) factor from anomalies to scaled anomalies.
        propagator: (2k, k) from (now, one lag ago) to one lag ahead.
        factor: cells that are averaged along each axis; 1: none.
    """

    climatology: Climatology
    lag: np.timedelta64
    patterns: NDArray[np.float32]
    scale: NDArray[np.float32]
    propagator: NDArray[np.float64]
    factor: int = 1

    @classmethod
    def fit(
        cls,
        training: Analysis | xr.Dataset,
        climatology: Climatology,
        *,
        lag: np.timedelta64 | None = None,
        explained: float = EXPLAINED,
        max_patterns: int = MAX_PATTERNS,
        ridge: float = RIDGE,
        factor: int | None = None,
        memory_gib: float = MEMORY_GIB,
    ) -> "LinearInverseModel":
        """Regression on the training years; a missing value counts as no anomaly.

        Three states a lag apart of which one is missing, as its time is or all of its values are,
        are left out.

        The defaults were chosen by the scores of sea-level pressure over the North Atlantic
        (2008, and published scores of 2009-2010) and of a nature run's last year: as a baseline
        to beat, the model may be a little better than it could be in earnest. The training years
        are read twice: for the patterns, and for their amplitudes.

        Args:
            lag: None is the cadence of the training data.
            explained: share of the variance that the patterns hold, up to `max_patterns`.
            ridge: penalty relative to the mean variance of the predictors.
            factor: cells to average along each axis; None: as few as let sample and patterns take
                no more than a GiB, 1 up to 150,000 cells of all channels.
            memory_gib: what the fit may hold besides these.
        """
        analysis = Analysis.of(training, climatology.channels)
        if factor is None:
            factor = factor_for(len(analysis), analysis.shape, max_patterns)
        coarsening = Coarsening(climatology.grid, factor)
        sample = Sample(analysis, coarsening)
        by_cells = factor == 1
        go_through(analysis, [sample], memory_gib, by_cells=by_cells)
        coarse = Climatology(coarsening.dataset(climatology.coefficients))
        [patterns] = sample.patterns(coarse, [Wanted(explained, max_patterns)])
        lag = spacing(analysis.times) if lag is None else lag
        rows = lagged_rows(analysis.times, lag)
        gathered = Amplitudes(analysis, coarsening, patterns)
        go_through(analysis, [Anomalies(climatology, [gathered])], memory_gib, by_cells=by_cells)
        return cls(climatology, lag, **arrays_of(gathered, rows, ridge), factor=factor)

    @property
    def note(self) -> str | None:
        """What a reader of its scores should know; None: nothing."""
        return None if self.factor == 1 else self._encoding.note

    @cached_property
    def _encoding(self) -> Encoding:
        return Encoding(self.climatology, self.patterns, self.scale, self.factor)

    def forecast(
        self, analysis: Analysis | xr.Dataset, init_times: Times, lead_times: Leads
    ) -> xr.Dataset:
        return forecast_from(self, self.climatology, analysis, init_times, lead_times)

    @property
    def channels(self) -> Channels:
        """(c,) what it was fitted on."""
        return self.climatology.channels

    def values(
        self,
        states: States,
        init_times: Times,
        lead_times: Leads,
        normal: NDArray[np.float32],
        channels: Which = ALL,
    ) -> NDArray[np.float32]:
        start = self.start(states, init_times)
        return self.values_from(start, states, init_times, lead_times, normal, channels)

    def start(self, states: States, init_times: Times) -> NDArray[np.float64]:
        """(i, 2k) amplitudes of the patterns at the initial times and one lag before."""
        times = self.states(init_times)
        now, before = np.split(self._encoding.encode(states(times), times), 2)
        return np.concatenate([now, before], axis=1)

    def values_from(
        self,
        start: NDArray[np.float64],
        states: States,
        init_times: Times,
        lead_times: Leads,
        normal: NDArray[np.float32],
        channels: Which = ALL,
    ) -> NDArray[np.float32]:
        steps = whole_steps("lead_times", lead_times, self.lag)
        series = propagated(self.propagator, np.split(start, 2, axis=1), steps)
        values = self._encoding.decode(series, channels)
        values += normal
        return values

    def parts(self) -> dict[str, Any]:
        return {
            "climatology": self.climatology,
            "lag": self.lag,
            "patterns": self.patterns,
            "scale": self.scale,
            "propagator": self.propagator,
            "factor": self.factor,
        }

    def states(self, init_times: Times) -> Times:
        return np.concatenate([init_times, later(init_times, -self.lag)])


def arrays_of(
    gathered: Amplitudes, rows: NDArray[np.int64], ridge: float = RIDGE
) -> dict[str, NDArray[Any]]:
    """What is fitted, by the names that `LinearInverseModel` has for it.

    Args:
        rows: (3, n) positions of states before, now and ahead.
    """
    propagator = regression(*moments(gathered.series, rows), ridge)
    patterns = gathered.patterns
    return {"patterns": patterns.vectors, "scale": patterns.scale, "propagator": propagator}
