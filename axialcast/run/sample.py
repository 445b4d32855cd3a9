"""What `check` reads of the data: the first of the training period, and states spread over all."""

import numpy as np
from numpy.typing import NDArray

from axialcast.data import Statistics
from axialcast.data.moments import Moments, moments_of
from axialcast.data.normalize import cell_weights, first_infinity, statistics_of
from axialcast.data.plausible import warn_implausible
from axialcast.data.reader import Analysis
from axialcast.names import TIME
from axialcast.run.costs import Preflight

__all__ = ["sample"]

SAMPLE_BYTES = 2**27
"""Decoded data looked through of the training period's beginning, and as much of the rest."""

SPREAD = 8
"""Places in each period, at most, at which a state and the one a model step later are read."""


def sample(preflight: Preflight) -> Statistics | None:
    """Statistics of a sample of all periods; warns of values that cannot be what they are called.

    None if the analysis holds nothing of the training period.

    Raises:
        ValueError: a channel is constant, NaN throughout or infinite somewhere in the sample.
    """
    train = preflight.analysis.between(*preflight.data.train)
    first = train.part(slice(max(SAMPLE_BYTES // train.state_bytes, 16)))
    spread = Analysis(preflight.analysis.dataset.isel({TIME: _spread(preflight)}))
    moments = _moments(first, preflight).merge(_moments(spread, preflight))
    warn_implausible(first.channels, moments.lowest, moments.highest)
    if not len(train):
        return None

    def place(index: int) -> str | None:
        return first_infinity(first, index) or first_infinity(spread, index)

    return statistics_of(moments, first.channels, place=place, log1p=preflight.log1p)


def _moments(part: Analysis, preflight: Preflight) -> Moments:
    return moments_of(
        part,
        span=preflight.step,
        overlap=preflight.stride,
        weights=cell_weights(part.dataset, area_weighted=True),
        num_bytes=SAMPLE_BYTES,
        scales=preflight.log1p,
    )


def _spread(preflight: Preflight) -> NDArray[np.int64]:
    """Positions of states in every period, a model step later too; few where chunks are large."""
    analysis, found = preflight.analysis, []
    at_once = 6 * analysis.chunk * analysis.state_bytes
    num = min(max(SAMPLE_BYTES // at_once, 1), SPREAD)
    for name in ("train", "validate", "test"):
        rows = analysis.rows(preflight.split(name))
        starts = rows[np.linspace(0, len(rows) - 1, num if len(rows) else 0).astype(int)]
        found.append(np.intersect1d([*starts, *(starts + preflight.stride)], rows))
    return np.unique(np.concatenate(found)).astype(np.int64)
