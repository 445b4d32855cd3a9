"""A vector autoregression: the best that linear dynamics do when nothing is spared.

Shapes: n times, x cells of all channels, k patterns (EOFs), m lags, r functions of the season,
i initial times, l lead times, c channels, h latitudes, w longitudes.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines.amplitudes import Amplitudes, Persisting
from axialcast.baselines.anomalies import Anomalies, forecast_from
from axialcast.baselines.autoregression import lagged_rows, propagated
from axialcast.baselines.baseline import ALL, States, Which, spacing, whole_steps
from axialcast.baselines.choosing import Choice, Series, chosen
from axialcast.baselines.climatology import Climatology
from axialcast.baselines.coarsening import Coarsening
from axialcast.baselines.cycle import annual_basis
from axialcast.baselines.encoding import Encoding
from axialcast.baselines.passes import MEMORY_GIB, go_through
from axialcast.baselines.patterns import MAX_PATTERNS, Sample, Wanted, factor_for
from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis
from axialcast.times.dates import Leads, Times, later

__all__ = [
    "NAME",
    "REST_LAGS",
    "VectorAutoregression",
    "arrays_of",
    "first_left_out",
    "wanted",
]

NAME = "a vector autoregression"
EXPLAINED, TIMES_PER_PATTERN = 0.9999, 8
"""More patterns than that fit the noise of short records, which then seems to be forgotten."""
LEFT_OUT, FEWEST_TIMES = 8, 80
"""One part in so many is left out of the patterns, of so many times or more."""
REST_LAGS = 2
"""States that what the patterns leave out is forecast from."""


@dataclass(frozen=True)
class VectorAutoregression:
    """Amplitudes of EOFs regressed on those of the last few states, and the rest on itself.

    Where the linear inverse model is the field's usual one, with settings that are given, this one
    takes nearly all of the variance, more states, and settings that years which were left out
    choose (`choosing`): how many lags, how much ridge, and whether the weights vary with the season
    (products with an annual harmonic). The ridge draws each pattern towards what its own last
    states say of it rather than to zero, and what the patterns leave out, the small scales, is
    forecast from its own last two states, with two weights a channel: at short leads most of the
    error of a model that takes it for climatology. Both are autoregressions as of Lütkepohl (2005,
    New Introduction to Multiple Time Series Analysis, chapters 3 and 5).

    Args:
        lag: spacing of the states and length of one step, e.g. the model's own step.
        patterns: (x, k) orthonormal EOFs of the scaled anomalies, see `LinearInverseModel`.
        scale: (x,) factor from anomalies to scaled anomalies.
        weights: (r m k, k) from the last m states, the latest first, to one lag ahead; r is 1, or
            3 where they vary with the season.
        lags: m.
        rest: (2, c) weights of what is left out, at the initial time and a lag before.
        folds: (f, r m k, k) weights that never saw the times of each of `choosing.folds_of`: what a
            network is trained on top of.
        factor: cells that are averaged along each axis; 1: none.
    """

    climatology: Climatology
    lag: np.timedelta64
    patterns: NDArray[np.float32]
    scale: NDArray[np.float32]
    weights: NDArray[np.float64]
    lags: NDArray[np.int64]
    rest: NDArray[np.float64]
    folds: NDArray[np.float32]
    factor: int = 1

    @classmethod
    def fit(
        cls,
        training: Analysis | xr.Dataset,
        climatology: Climatology,
        *,
        lag: np.timedelta64 | None = None,
        choice: Choice | None = None,
        factor: int | None = None,
        memory_gib: float = MEMORY_GIB,
    ) -> "VectorAutoregression":
        """Regression on the training years, read twice; a missing value counts as no anomaly.

        Args:
            lag: None is the cadence of the training data.
            choice: None: the training years choose.
            factor: cells to average along each axis; None: as for `LinearInverseModel.fit`.
            memory_gib: what the fit may hold besides sample and patterns.

        Raises:
            ValueError: there are no three times a lag apart.
        """
        analysis = Analysis.of(training, climatology.channels)
        lag = spacing(analysis.times) if lag is None else lag
        lagged_rows(analysis.times, lag, model=NAME)
        if factor is None:
            factor = factor_for(len(analysis), analysis.shape, MAX_PATTERNS)
        coarsening = Coarsening(climatology.grid, factor)
        sample = Sample(analysis, coarsening)
        by_cells = factor == 1
        go_through(analysis, [sample], memory_gib, by_cells=by_cells)
        coarse = Climatology(coarsening.dataset(climatology.coefficients))
        steps = int(whole_steps("lag", np.array([lag]), spacing(analysis.times))[0])
        [patterns] = sample.patterns(coarse, [wanted(len(analysis), steps)])
        gathered = (
            Amplitudes(analysis, coarsening, patterns),
            Persisting(analysis, patterns, steps, REST_LAGS, first_left_out(len(analysis))),
        )
        go_through(analysis, [Anomalies(climatology, gathered)], memory_gib, by_cells=by_cells)
        series = Series(gathered[0].series, analysis.times, lag)
        return cls(climatology, lag, **arrays_of(*gathered, series, choice), factor=factor)

    @property
    def seasons(self) -> bool:
        """Whether the weights vary with the season."""
        return bool(len(self.weights) > int(self.lags) * self.weights.shape[1])

    @property
    def note(self) -> str:
        """What a reader of its scores should know."""
        varying = ", weights that vary with the season" if self.seasons else ""
        said = f"{self.patterns.shape[1]} patterns, {int(self.lags)} states{varying}"
        return said if self.factor == 1 else f"{said}; {self._encoding.note}"

    @property
    def coarsening(self) -> Coarsening:
        """Of the cells that patterns are on."""
        return self._encoding.coarsening

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
        """(i, max(m, 2) k) amplitudes of the patterns at the initial times, and each lag before."""
        times = self.states(init_times)
        series = self._encoding.encode(states(times), times)
        return np.concatenate(np.split(series, self._num_states), axis=1)

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
        known = np.split(start, self._num_states, axis=1)
        season = None
        if self.seasons:
            season = [annual_basis(later(init_times, n * self.lag), 1) for n in range(steps.max())]
        series = propagated(self.weights, known[: int(self.lags)], steps, season)
        values = self._encoding.decode(series, channels)
        weights = rest_weights(self.rest[:, channels], steps).astype(np.float32)
        for number in range(REST_LAGS):
            times = later(init_times, -number * self.lag)
            rest = states(times) - self.climatology.values_at(times, channels)
            told = known[number][:, None].astype(np.float32)
            rest -= self._encoding.decode(told, channels)[:, 0]
            np.nan_to_num(rest, copy=False, nan=0.0)
            for lead, weight in enumerate(weights[:, number]):
                values[:, lead] += weight[:, None, None] * rest
        values += normal
        return values

    def parts(self) -> dict[str, Any]:
        return {
            "climatology": self.climatology,
            "lag": self.lag,
            "patterns": self.patterns,
            "scale": self.scale,
            "weights": self.weights,
            "lags": self.lags,
            "rest": self.rest,
            "factor": self.factor,
        }

    @property
    def _num_states(self) -> int:
        return max(int(self.lags), REST_LAGS)

    def states(self, init_times: Times) -> Times:
        lags = range(self._num_states)
        return np.concatenate([later(init_times, -number * self.lag) for number in lags])


def wanted(num_times: int, steps: int) -> Wanted:
    """The patterns of a training period of so many times, a lag of so many steps.

    They are those of its first part: how long what they leave out is remembered shows where they
    were not fitted, for they fit what lasts long in their own states best.
    """
    most = max(1, min(MAX_PATTERNS, num_times // steps // TIMES_PER_PATTERN))
    return Wanted(EXPLAINED, most, first_left_out(num_times))


def first_left_out(num_times: int) -> int:
    """First of the training times that patterns are not of."""
    left_out = num_times // LEFT_OUT if num_times >= FEWEST_TIMES else 0
    return num_times - left_out


def arrays_of(
    gathered: Amplitudes, persisting: Persisting, series: Series, choice: Choice | None = None
) -> dict[str, NDArray[Any]]:
    """What is fitted, by the names that `VectorAutoregression` has for it."""
    choice = chosen(series) if choice is None else choice
    return {
        "patterns": gathered.patterns.vectors,
        "scale": gathered.patterns.scale,
        "weights": series.weights(choice),
        "folds": series.crossed(choice).astype(np.float32),
        "lags": np.array(choice.lags),
        "rest": _rest(gathered, persisting, series),
    }


def rest_weights(rest: NDArray[np.float64], steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """(l, 2, c) weights of what is left out, so many steps ahead, of those of one."""
    now, before = np.stack([np.ones_like(rest[0]), np.zeros_like(rest[0])]), np.eye(2)[1][:, None]
    before = before * np.ones_like(rest[0])
    found = np.empty((len(steps), 2, rest.shape[1]))
    for step in range(steps.max() + 1):
        found[steps == step] = now
        now, before = rest[0] * now + rest[1] * before, now
    return found


def _rest(gathered: Amplitudes, persisting: Persisting, series: Series) -> NDArray[np.float64]:
    """(2, c) weights of what patterns leave out, by the equations of Yule and Walker.

    Covariances of the whole less those of the patterns: their products with what is left out are
    zero over all channels together, and small over each.
    """
    num_channels = persisting.products.shape[1]
    vectors = gathered.patterns.vectors.reshape(num_channels, -1, series.values.shape[1])
    overlap = np.stack([part.T.astype(np.float64) @ part for part in vectors])  # (c, k, k)
    left = np.empty(persisting.products.shape)
    for lag in range(REST_LAGS + 1):
        first = np.arange(max(len(series.axis) - lag * series.steps, 0))
        pairs = series.axis[np.stack([first, first + lag * series.steps])]
        pairs = pairs[:, (pairs >= persisting.first).all(0)]
        before, after = series.values[pairs].astype(np.float64)
        held = np.einsum("cjk,jk->c", overlap, after.T @ before) / max(len(before), 1)
        left[lag] = persisting.products[lag] / max(persisting.pairs[lag], 1) - held
    return _yule_walker(left)


def _yule_walker(covariances: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, c) weights of (3, c) covariances at lags 0, 1 and 2; 0 where there is nothing left."""
    some = covariances[0] > 1e-6  # of the channel's variance
    first, second = (
        np.divide(each, covariances[0], out=np.zeros_like(each), where=some)
        for each in covariances[1:]
    )
    # What is forgotten at once, or turns its sign, is noise that patterns fit.
    some = first > 0
    first, second = np.where(some, first.clip(0, 0.999), 0), np.where(some, second, 0)
    now = first * (1 - second) / (1 - first**2)
    before = (second - first**2) / (1 - first**2)
    # Within the triangle of those that are stable: what is left must fade.
    before = before.clip(-0.99, 0.99)
    return np.stack([now.clip(-(0.99 - before), 0.99 - before), before])
