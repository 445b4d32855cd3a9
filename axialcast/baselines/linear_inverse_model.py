"""The linear inverse model: the best that linear dynamics of the leading patterns can do.

Shapes: t times, c grid cells of all variables and levels, s sampled states, k patterns (EOFs).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines.climatology import Climatology, blocks, spacing
from axialcast.baselines.persistence import states_at, whole_steps
from axialcast.grid import LatLonGrid
from axialcast.names import LATITUDE, LONGITUDE, TIME
from axialcast.times.dates import Leads, Times

__all__ = ["LinearInverseModel"]

MAX_SAMPLES = 1500
"""States that the patterns are computed from, evenly spread: neighbours in time are alike."""


@dataclass(frozen=True)
class LinearInverseModel:
    """Linear dynamics of the leading EOFs, from two states one `lag` apart, iterated.

    In the manner of Penland and Sardeshmukh (1995, J. Climate 8, 1999-2024): the propagator of one
    lag is regressed and its powers reach longer lead times, so forecasts fade into climatology. We
    differ in two states instead of one (the tendency is known, as it is to a network given two),
    ridge regression, and EOFs of all variables and levels jointly, each divided by the standard
    deviation of its anomalies over the domain. What the EOFs leave out is forecast as climatology.

    Args:
        lag: spacing of the two states and length of one step, e.g. the model's own step.
        patterns: (c, k) orthonormal EOFs of the scaled anomalies.
        scale: (c,) factor from anomalies to scaled anomalies.
        propagator: (2k, k) from (now, one lag ago) to one lag ahead.
    """

    climatology: Climatology
    lag: np.timedelta64
    patterns: NDArray[np.float32]
    scale: NDArray[np.float32]
    propagator: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        training: xr.Dataset,
        climatology: Climatology,
        *,
        lag: np.timedelta64 | None = None,
        explained: float = 0.99,
        max_patterns: int = 200,
        ridge: float = 0.03,
    ) -> "LinearInverseModel":
        """Regression on the training years; a missing value counts as no anomaly.

        The defaults were chosen by the scores of sea-level pressure over the North Atlantic
        (2008, and published scores of 2009-2010) and of a nature run's last year: as a baseline
        to beat, the model may be a little better than it could be in earnest.

        Args:
            lag: None is the cadence of the training data.
            explained: share of the variance that the patterns hold, up to `max_patterns`.
            ridge: penalty relative to the mean variance of the predictors.
        """
        step = spacing(training[TIME].values)
        lag = step if lag is None else lag
        steps = int(whole_steps("lag", np.array([lag]), step)[0])
        stride = -(-training.sizes[TIME] // MAX_SAMPLES)
        sample = [
            _matrix(climatology.anomalies(block))
            for block in blocks(training.isel({TIME: slice(None, None, stride)}))
        ]
        scale = _scale(training, np.mean([np.square(part).mean(0) for part in sample], axis=0))
        patterns = _eofs(np.concatenate(sample) * scale, explained, max_patterns)
        del sample
        series = np.concatenate(
            [_matrix(climatology.anomalies(b)) * scale @ patterns for b in blocks(training)]
        ).astype(np.float64)
        propagator = _propagator(series, steps, ridge)
        return cls(climatology, lag, patterns, scale, propagator)

    def forecast(self, analysis: xr.Dataset, init_times: Times, lead_times: Leads) -> xr.Dataset:
        steps = whole_steps("lead_times", lead_times, self.lag)
        states = states_at(analysis, self.states(init_times))
        now, before = np.split(self._project(states), 2)
        series = np.empty((len(init_times), len(steps), now.shape[1]))
        for step in range(steps.max() + 1):
            series[:, steps == step] = now[:, None]
            now, before = np.concatenate([now, before], axis=1) @ self.propagator, now
        anomalies = series.astype(np.float32) @ (self.patterns / self.scale[:, None]).T
        forecast = self.climatology.forecast(analysis, init_times, lead_times)
        start = 0
        for array in forecast.data_vars.values():  # in the order that the patterns are in
            stop = start + int(np.prod(array.shape[2:]))
            values = array.values  # its own: no other forecast shares them
            values += anomalies[..., start:stop].reshape(array.shape)
            start = stop
        return forecast

    def parts(self) -> dict[str, Any]:
        return {
            "climatology": self.climatology,
            "lag": self.lag,
            "patterns": self.patterns,
            "scale": self.scale,
            "propagator": self.propagator,
        }

    def states(self, init_times: Times) -> Times:
        return np.concatenate([init_times, init_times - self.lag])

    def _project(self, states: xr.Dataset) -> NDArray[np.float64]:
        """(t, k) amplitudes of the patterns; NaN for a state that is missing altogether."""
        anomalies = self.climatology.anomalies(states)
        missing = np.logical_and.reduce(
            [np.isnan(a.values).reshape(len(a), -1).all(1) for a in anomalies.data_vars.values()]
        )
        series = _matrix(anomalies) * self.scale @ self.patterns
        return np.where(missing[:, None], np.nan, series.astype(np.float64))


def _matrix(anomalies: xr.Dataset) -> NDArray[np.float32]:
    """(t, c) all variables side by side, zero where missing."""
    columns = [array.values.reshape(len(array), -1) for array in anomalies.data_vars.values()]
    matrix = np.concatenate(columns, axis=1, dtype=np.float32)
    matrix[np.isnan(matrix)] = 0.0
    return matrix


def _scale(training: xr.Dataset, variance: NDArray[np.float32]) -> NDArray[np.float32]:
    """(c,) root of area over the standard deviation of the variable and level on the domain.

    Points that never vary, those without a climatology among them, are not of the domain.
    """
    grid = LatLonGrid(training[LATITUDE].values, training[LONGITUDE].values)
    weights = grid.areas.ravel() / grid.areas.sum()
    channels = variance.astype(np.float64).reshape(-1, weights.size)
    area = (channels > 0) @ weights
    deviation = np.sqrt(channels @ weights / np.where(area > 0, area, 1.0))
    deviation[deviation == 0] = 1.0
    return np.asarray((np.sqrt(weights) / deviation[:, None]).ravel(), dtype=np.float32)


def _eofs(sample: NDArray[np.float32], explained: float, most: int) -> NDArray[np.float32]:
    """(c, k) leading right singular vectors of the (s, c) sample, by the smaller Gram matrix."""
    small = sample.shape[0] < sample.shape[1]
    gram = sample @ sample.T if small else sample.T @ sample
    most = min(most, len(gram))
    variance, vectors = scipy.linalg.eigh(
        gram.astype(np.float64), subset_by_index=(len(gram) - most, len(gram) - 1)
    )
    variance, vectors = variance[::-1], vectors[:, ::-1]
    share = np.cumsum(variance) / np.trace(gram, dtype=np.float64)
    num = min(most, int(np.searchsorted(share, explained)) + 1)
    vectors = vectors[:, :num]
    if small:
        vectors = sample.T @ (vectors / np.sqrt(variance[:num])).astype(np.float32)
    return np.asarray(vectors, dtype=np.float32)


def _propagator(series: NDArray[np.float64], steps: int, ridge: float) -> NDArray[np.float64]:
    """(2k, k) ridge regression of the state one lag ahead on the state and the one before it."""
    if len(series) <= 2 * steps:
        raise ValueError(
            f"training: {len(series)} times are too few for a linear inverse model of lag {steps} "
            "steps; train on more"
        )
    predictors = np.concatenate([series[steps:-steps], series[: -2 * steps]], axis=1)
    moments = predictors.T @ predictors
    penalty = ridge * np.trace(moments) / len(moments)
    moments[np.diag_indices_from(moments)] += penalty
    return np.asarray(
        scipy.linalg.solve(moments, predictors.T @ series[2 * steps :], assume_a="pos")
    )
