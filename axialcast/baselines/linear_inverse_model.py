"""The linear inverse model: the best that linear dynamics of the leading patterns can do.

Shapes: n times, x cells of all channels, k patterns (EOFs), i initial times, l lead times,
c channels, h latitudes, w longitudes, H, W of coarse cells.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines.anomalies import Anomalies, forecast_from
from axialcast.baselines.baseline import ALL, States, Which, spacing, whole_steps
from axialcast.baselines.climatology import Climatology
from axialcast.baselines.coarsening import Coarsening
from axialcast.baselines.passes import MEMORY_GIB, go_through
from axialcast.baselines.patterns import Patterns, Sample, factor_for
from axialcast.baselines.products import product
from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis, Block
from axialcast.times.calendars import gapless_axis
from axialcast.times.dates import Leads, Times, later

__all__ = ["Amplitudes", "LinearInverseModel", "lagged_rows"]

EXPLAINED, MAX_PATTERNS, RIDGE = 0.99, 200, 0.03
BATCH_VALUES = 2**23
"""Anomalies that are projected at once."""


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
        patterns = sample.patterns(coarse, explained, max_patterns)
        series = Amplitudes(analysis, coarsening, patterns, lag=lag, ridge=ridge)
        go_through(analysis, [Anomalies(climatology, [series])], memory_gib, by_cells=by_cells)
        return series.baseline(climatology)

    @property
    def note(self) -> str | None:
        """What a reader of its scores should know; None: nothing."""
        if self.factor == 1:
            return None
        height, width = self._coarsening.shape
        return (
            f"its patterns are of anomalies averaged over {self.factor} × {self.factor} cells "
            f"({height} × {width} of {self.climatology.grid.shape[0]} × "
            f"{self.climatology.grid.shape[1]}), so that they fit into memory"
        )

    @cached_property
    def _coarsening(self) -> Coarsening:
        return Coarsening(self.climatology.grid, self.factor)

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
        return self.values_from(self.start(states, init_times), lead_times, normal, channels)

    def start(self, states: States, init_times: Times) -> NDArray[np.float64]:
        """(i, 2k) amplitudes of the patterns at the initial times and one lag before."""
        times = self.states(init_times)
        now, before = np.split(self._project(states(times), times), 2)
        return np.concatenate([now, before], axis=1)

    def values_from(
        self,
        start: NDArray[np.float64],
        lead_times: Leads,
        normal: NDArray[np.float32],
        channels: Which = ALL,
    ) -> NDArray[np.float32]:
        steps = whole_steps("lead_times", lead_times, self.lag)
        now, before = np.split(start, 2, axis=1)
        series = np.empty((len(start), len(steps), now.shape[1]), np.float32)
        for step in range(steps.max() + 1):
            series[:, steps == step] = now[:, None]
            now, before = np.concatenate([now, before], axis=1) @ self.propagator, now
        num, size = len(self.channels), int(np.prod(self._coarsening.shape))
        patterns = self.patterns.reshape(num, size, -1)[channels].reshape(-1, now.shape[1])
        anomalies = product(series.reshape(-1, now.shape[1]), patterns.T)
        scale = self.scale.reshape(num, size)[channels].ravel()
        np.divide(anomalies, scale, out=anomalies, where=scale > 0)  # cells off the Earth have none
        coarse = anomalies.reshape(*series.shape[:2], -1, *self._coarsening.shape)
        values = self._coarsening.spread(coarse)
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

    def _project(self, states: NDArray[np.float32], times: Times) -> NDArray[np.float64]:
        """(t, k) amplitudes of the patterns; NaN for a state that is missing altogether."""
        anomalies = states - self.climatology.values_at(times)
        missing = ~np.isfinite(anomalies).any((1, 2, 3))
        series = _amplitudes(anomalies, self._coarsening, self.scale, self.patterns)
        return np.where(missing[:, None], np.nan, series.astype(np.float64))


class Amplitudes:
    """Gathers the amplitudes of patterns, and fits the propagator to them.

    Args:
        lag, ridge: as in `LinearInverseModel.fit`.

    Raises:
        ValueError: as `lagged_rows`.
    """

    held = 0.0

    def __init__(
        self,
        training: Analysis,
        coarsening: Coarsening,
        patterns: Patterns,
        *,
        lag: np.timedelta64 | None,
        ridge: float = RIDGE,
    ) -> None:
        self._lag = spacing(training.times) if lag is None else lag
        self._triples = lagged_rows(training.times, self._lag)
        self._coarsening, self._patterns, self._ridge = coarsening, patterns, ridge
        self._shape = training.shape[0], *coarsening.shape
        self._series = np.zeros((len(training), patterns.vectors.shape[1]), np.float32)

    def begin(self, group: Analysis) -> None:
        channels, rows, columns = group.place
        if self._coarsening.factor > 1:
            rows = columns = slice(None)  # of whole grids
        chosen = np.arange(self._patterns.scale.size).reshape(self._shape)[channels, rows, columns]
        whole = chosen.size == self._patterns.scale.size
        self._cells = slice(None) if whole else chosen.ravel()
        self._scale = self._patterns.scale[self._cells]
        self._vectors = self._patterns.vectors[self._cells]

    def add(self, block: Block) -> None:
        new = block.new
        start = block.stop - len(new)
        batch = max(1, BATCH_VALUES // new[0].size)
        for first in range(0, len(new), batch):
            part = new[first : first + batch]
            self._series[start + first : start + first + len(part)] += _amplitudes(
                part, self._coarsening, self._scale, self._vectors
            )

    def end(self) -> None:
        del self._scale, self._vectors

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was fitted, by the names that `LinearInverseModel` has for it."""
        return {
            "patterns": self._patterns.vectors,
            "scale": self._patterns.scale,
            "propagator": _propagator(self._series, self._triples, self._ridge),
        }

    def baseline(self, climatology: Climatology) -> LinearInverseModel:
        """What was fitted."""
        factor = self._coarsening.factor
        return LinearInverseModel(climatology, self._lag, **self.arrays(), factor=factor)


def lagged_rows(times: Times, lag: np.timedelta64) -> NDArray[np.int64]:
    """(3, n) positions of all times that have one a lag later and one two lags later, and of these.

    Raises:
        ValueError: the lag is not a multiple of the cadence, or there are none.
    """
    steps = int(whole_steps("lag", np.array([lag]), spacing(times))[0])
    rows, _ = gapless_axis(times)
    num = max(len(rows) - 2 * steps, 0)
    triples = np.stack([rows[lags * steps :][:num] for lags in range(3)])
    triples = triples[:, (triples >= 0).all(0)]
    if not triples.size:
        raise ValueError(
            f"training: {len(times)} times are too few for a linear inverse model of lag "
            f"{steps} steps, which needs three a lag apart; train on more"
        )
    return triples


def _amplitudes(
    anomalies: NDArray[np.float32],
    coarsening: Coarsening,
    scale: NDArray[np.float32],
    vectors: NDArray[np.float32],
) -> NDArray[np.float32]:
    """(t, k) amplitudes in (t, c, h, w) anomalies; a missing value counts as none."""
    means = coarsening.means(anomalies)
    scaled = np.multiply(means.reshape(len(means), -1), scale)
    scaled[~np.isfinite(scaled)] = 0.0
    return np.asarray(scaled @ vectors)


def _propagator(
    series: NDArray[np.float32], triples: NDArray[np.int64], ridge: float
) -> NDArray[np.float64]:
    """(2k, k) ridge regression of the state one lag ahead on the state and the one before it.

    Args:
        series: (n, k) amplitudes; all zero where a state is missing.
        triples: (3, m) positions of states before, now and ahead.
    """
    seen = np.any(series, axis=1)
    triples = triples[:, np.all(seen[triples], axis=0)]
    num = series.shape[1]
    moments, products = np.zeros((2 * num, 2 * num)), np.zeros((2 * num, num))
    for start in range(0, triples.shape[1], 4096):
        before, now, after = series[triples[:, start : start + 4096]].astype(np.float64)
        predictors = np.concatenate([now, before], axis=1)
        moments += predictors.T @ predictors
        products += predictors.T @ after
    penalty = ridge * np.trace(moments) / len(moments)
    moments[np.diag_indices_from(moments)] += penalty
    return np.asarray(scipy.linalg.solve(moments, products, assume_a="pos"))
