"""What is gathered of the training period once its patterns are known.

Shapes: n times, c channels, H, W latitudes and longitudes of coarse cells, x = c H W, k patterns.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from axialcast.baselines.coarsening import Coarsening
from axialcast.baselines.encoding import amplitudes
from axialcast.baselines.patterns import Patterns
from axialcast.data.reader import Analysis, Block
from axialcast.times.calendars import gapless_axis

__all__ = ["Amplitudes", "Persisting"]

BATCH_VALUES = 2**23
"""Anomalies that are projected at once."""


class Amplitudes:
    """Gathers the amplitudes of patterns.

    Attributes:
        series: (n, k) of the training times, all zero where a state is missing.
    """

    held = 0.0

    def __init__(self, training: Analysis, coarsening: Coarsening, patterns: Patterns) -> None:
        self._coarsening, self.patterns = coarsening, patterns
        self._shape = training.shape[0], *coarsening.shape
        self.series = np.zeros((len(training), patterns.vectors.shape[1]), np.float32)

    def begin(self, group: Analysis) -> None:
        channels, rows, columns = group.place
        if self._coarsening.factor > 1:
            rows = columns = slice(None)  # of whole grids
        chosen = np.arange(self.patterns.scale.size).reshape(self._shape)[channels, rows, columns]
        whole = chosen.size == self.patterns.scale.size
        cells = slice(None) if whole else chosen.ravel()
        self._scale = self.patterns.scale[cells]
        self._vectors = self.patterns.vectors[cells]

    def add(self, block: Block) -> None:
        new = block.new
        start = block.stop - len(new)
        batch = max(1, BATCH_VALUES // new[0].size)
        for first in range(0, len(new), batch):
            part = new[first : first + batch]
            self.series[start + first : start + first + len(part)] += amplitudes(
                part, self._coarsening, self._scale, self._vectors
            )

    def end(self) -> None:
        del self._scale, self._vectors


class Persisting:
    """Gathers how long anomalies last, over the whole domain of each channel.

    Args:
        steps: times in a lag.
        lags: most of them.
        first: of the training times that count.

    Attributes:
        products: (lags + 1, c) sums over pairs of times 0, 1, … lags apart of the area mean of
            anomaly times anomaly, in units of the channel's variance; a missing value counts as no
            anomaly.
        pairs: (lags + 1,) how many pairs these are.
    """

    def __init__(
        self, training: Analysis, patterns: Patterns, steps: int, lags: int, first: int
    ) -> None:
        weights = training.grid.areas / training.grid.areas.sum()
        self._weights = weights / np.square(patterns.deviations)[:, None, None]
        self._steps, self._lags, self.first = steps, lags, first
        axis, _ = gapless_axis(training.times)
        self._positions = np.flatnonzero(axis >= 0)
        self.products = np.zeros((lags + 1, training.shape[0]))
        self.pairs = np.zeros(lags + 1, np.int64)
        self.held = float(lags * steps)
        self._seen = False

    def begin(self, group: Analysis) -> None:
        channels, rows, columns = group.place
        self._channels = np.asarray(channels)
        self._area = self._weights[channels, rows, columns]
        self._before: deque[tuple[int, NDArray[np.float32]]] = deque()
        self._counts, self._seen = not self._seen, True  # of the first group alone

    def add(self, block: Block) -> None:
        new = block.new
        start = block.stop - len(new)
        for number, state in enumerate(new):
            if start + number >= self.first and np.isfinite(state).any():
                self._take(int(self._positions[start + number]), np.nan_to_num(state, nan=0.0))

    def _take(self, position: int, state: NDArray[np.float32]) -> None:
        longest = self._lags * self._steps
        while self._before and position - self._before[0][0] > longest:
            self._before.popleft()
        self._before.append((position, state))
        weighted = state * self._area
        for place, earlier in self._before:
            lag, rest = divmod(position - place, self._steps)
            if not rest:
                self.pairs[lag] += self._counts
                found = np.einsum("chw,chw->c", weighted, earlier, dtype=np.float64)
                self.products[lag, self._channels] += found

    def end(self) -> None:
        del self._before
