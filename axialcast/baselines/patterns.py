"""Leading patterns (EOFs) of the anomalies of all channels together.

Shapes: s sampled states, c channels, H, W latitudes and longitudes of coarse cells, x = c H W,
k patterns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from axialcast.baselines.climatology import Climatology
from axialcast.baselines.coarsening import Coarsening
from axialcast.cores import on_all_cores
from axialcast.data.reader import Analysis, Block

__all__ = ["MAX_PATTERNS", "MAX_SAMPLES", "Patterns", "Sample", "Wanted", "factor_for", "num_bytes"]

MAX_PATTERNS = 200
MAX_SAMPLES = 1500
"""States that the patterns are computed from, evenly spread: neighbours in time are alike."""
MOST_BYTES = 2**30
"""Sample and patterns that take more are of coarser cells. What a user lets a fit hold must not
decide this: it would decide the scores, too."""


@dataclass(frozen=True)
class Patterns:
    """Leading EOFs of scaled anomalies.

    Args:
        vectors: (x, k) orthonormal.
        scale: (x,) factor from anomalies to scaled anomalies.
        deviations: (c,) standard deviation of the anomalies of each channel over its domain.
    """

    vectors: NDArray[np.float32]
    scale: NDArray[np.float32]
    deviations: NDArray[np.float64]


@dataclass(frozen=True)
class Wanted:
    """Which EOFs: those that hold a share of the variance.

    Args:
        share: of it.
        most: of them.
        until: of the states before this time of the training period alone; None: of all.
    """

    share: float
    most: int
    until: int | None = None


def factor_for(num_times: int, shape: tuple[int, int, int], max_patterns: int) -> int:
    """Cells that become one along each axis, so that sample and patterns fit into memory."""
    factor = 1
    while num_bytes(num_times, shape, max_patterns, factor) > MOST_BYTES:
        factor += 1
    return factor


def num_bytes(num_times: int, shape: tuple[int, int, int], max_patterns: int, factor: int) -> int:
    """Memory that a sample and its patterns take.

    Args:
        shape: (c, h, w) of the states.
    """
    rows, (channels, height, width) = min(num_times, MAX_SAMPLES) + max_patterns, shape
    return 4 * rows * channels * round(height / factor) * round(width / factor)


class Sample:
    """Gathers coarse states, evenly spread over the training period."""

    held = 0.0

    def __init__(self, training: Analysis, coarsening: Coarsening) -> None:
        self._stride = -(-len(training) // MAX_SAMPLES)
        self._times = training.times[:: self._stride]
        shape = len(self._times), training.shape[0], *coarsening.shape
        self._states = np.empty(shape, np.float32)
        self._coarsening = coarsening

    def begin(self, group: Analysis) -> None:
        channels, rows, columns = group.place
        if self._coarsening.factor > 1:
            rows = columns = slice(None)  # of whole grids
        self._parts = [self._states[:, channel, rows, columns] for channel in channels]

    def add(self, block: Block) -> None:
        first = -(-(block.stop - len(block.new)) // self._stride)
        chosen = slice(first * self._stride - (block.stop - len(block.new)), None, self._stride)
        new = block.new[chosen]

        for channel, part in enumerate(self._parts if len(new) else ()):
            part[first : first + len(new)] = self._coarsening.means(new[:, channel])

    def end(self) -> None:
        self._parts = []

    def patterns(self, climatology: Climatology, wanted: Sequence["Wanted"]) -> list[Patterns]:
        """EOFs as they are wanted. The sample is used up.

        Args:
            climatology: of the grid's cells, or coarser ones as the sample.
        """
        weights = self._coarsening.areas / self._coarsening.areas.sum()
        scale = np.empty(self._states.shape[1:], np.float32)
        deviations = np.empty(len(scale))
        every = slice(None)
        normals = climatology.each((np.arange(len(scale)), every, every))

        def take(channel: int) -> None:
            anomalies = self._states[:, channel]
            anomalies -= normals[channel].values_at(self._times)[:, 0]
            anomalies[~np.isfinite(anomalies)] = 0.0
            deviations[channel] = _deviation(anomalies, weights)
            scale[channel] = np.sqrt(weights) / deviations[channel]
            anomalies *= scale[channel]

        on_all_cores(take, range(len(scale)))
        sample = self._states.reshape(len(self._states), -1)
        found = _eofs(sample, wanted, self._stride)
        del self._states, sample
        return [Patterns(vectors, scale.ravel(), deviations) for vectors in found]


def _deviation(anomalies: NDArray[np.float32], weights: NDArray[np.float64]) -> float:
    """Standard deviation of a channel (s, H, W) on its domain.

    Points that never vary, those without a climatology among them, are not of the domain.
    """
    variance = np.square(anomalies).mean(0, dtype=np.float64)
    area = weights[variance > 0].sum()
    return float(np.sqrt((variance * weights).sum() / area)) if area else 1.0


def _eofs(
    sample: NDArray[np.float32], wanted: Sequence[Wanted], stride: int
) -> list[NDArray[np.float32]]:
    """(x, k) leading right singular vectors of the (s, x) sample, as they are wanted.

    By the smaller Gram matrix.

    Args:
        stride: times of the training period from one state of the sample to the next.
    """
    found: dict[tuple[int | None, int], NDArray[np.float32]] = {}
    spectra: dict[int | None, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = {}
    vectors = []
    for each in wanted:
        part = sample if each.until is None else sample[: max(1, -(-each.until // stride))]
        small = part.shape[0] < part.shape[1]
        if each.until not in spectra:
            spectra[each.until] = _spectrum(part @ part.T if small else part.T @ part, each.most)
        variance, leading, share = spectra[each.until]
        num = min(each.most, len(variance), int(np.searchsorted(share, each.share)) + 1)
        if (each.until, num) not in found:
            some = leading[:, :num]
            if small:
                some = part.T @ (some / np.sqrt(variance[:num])).astype(np.float32)
            found[each.until, num] = np.ascontiguousarray(some, dtype=np.float32)
        vectors.append(found[each.until, num])
    return vectors


def _spectrum(
    gram: NDArray[np.float32], most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Leading eigenvalues, eigenvectors in columns, and the share of the trace up to each."""
    # As many whoever asks, so that the bits of some do not depend on who else wants others.
    most = min(max(MAX_PATTERNS, most), len(gram))
    variance, vectors = scipy.linalg.eigh(
        gram.astype(np.float64), subset_by_index=(len(gram) - most, len(gram) - 1)
    )
    variance, vectors = variance[::-1], vectors[:, ::-1]
    return variance, vectors, np.cumsum(variance) / np.trace(gram, dtype=np.float64)
