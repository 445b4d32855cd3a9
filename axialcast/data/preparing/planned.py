"""A training store that is not there yet: the labels and the layout it will have."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.arrays.lazy import lazily
from axialcast.data.arrays.stored import Box, Stored
from axialcast.data.opening.kinds.stacked import Layout
from axialcast.data.reader import Analysis
from axialcast.grid import coords_of
from axialcast.names import CHANNEL, TIME

__all__ = ["planned"]


def planned(analysis: Analysis) -> Analysis:
    """The training store of an analysis, before it is written: what reading it will take can be
    asked, its values cannot."""
    states = xr.Variable((TIME, CHANNEL, *analysis.grid.dims), lazily(_Unwritten(analysis)))
    labels = {TIME: analysis.dataset[TIME], **coords_of(analysis.dataset)}
    return Analysis(analysis.channels.fields(xr.DataArray(states, labels)), analysis.channels)


class _Unwritten(Stored):
    """States (n, c, h, w) in the chunks of a training store."""

    dtype = np.dtype(np.float32)

    def __init__(self, analysis: Analysis) -> None:
        num, height, width = analysis.shape
        self.shape = (len(analysis), num, height, width)
        self.chunk_shape = (*Layout.of(num, height * width).chunk, height, width)

    def pieces(self, box: Box) -> Iterator[tuple[Box, NDArray[Any]]]:
        raise AssertionError("is not written yet")
