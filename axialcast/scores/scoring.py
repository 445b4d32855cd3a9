"""Sums of blocks of initial times: every model against the truth, computed or taken from a folder.

Shapes: i init times, l lead times, z levels, h latitudes, w longitudes, r regions.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines.climatology import Climatology
from axialcast.baselines.persistence import Baseline, states_at
from axialcast.names import INIT_TIME, LATITUDE, LEAD_TIME, LEVEL, LONGITUDE
from axialcast.scores.blocks import Block, Piece, pieces
from axialcast.scores.drawn import DrawnField
from axialcast.scores.kept import KeptSums
from axialcast.scores.matching import valid_times
from axialcast.scores.sums import Sums, VariableSums

__all__ = ["Scoring"]

Progress = Callable[[list[Block]], Iterable[Block]]


@dataclass(frozen=True)
class Scoring:
    """What is scored against what.

    Args:
        forecast, truths: as `axialcast.scores.matching.matched` returns them.
        analysis: that baselines start from, with all of its levels.
        models: by name; None is the forecast.
        shares: (r, h, w) each region's cell areas over its area.
        values: of one model held at once.
        drawn: the field that is drawn, if any.
    """

    forecast: xr.Dataset
    truths: xr.Dataset
    analysis: xr.Dataset
    climatology: Climatology
    models: Mapping[str, Baseline | None]
    shares: NDArray[np.float64]
    values: int
    drawn: DrawnField | None

    def computed(self, blocks: Sequence[Block], progress: Progress) -> Iterator[tuple[Block, Sums]]:
        """Each block with its sums."""
        found = pieces(self.forecast, blocks, self.values)
        for _, (block, parts) in zip(progress(list(blocks)), found, strict=True):
            yield block, self._sums(block, parts)

    def gone_on(
        self, blocks: Sequence[Block], progress: Progress, kept: KeptSums
    ) -> Iterator[tuple[Block, Sums]]:
        """As `computed`, but for the sums that are kept; the others are kept from now on."""
        leads = self.forecast[LEAD_TIME].values
        keys = kept.keys(blocks, self.analysis, leads, self.models, self._common())
        missing = [b for b, key in zip(blocks, keys, strict=True) if kept.load(b, key) is None]
        computed, new = self.computed(missing, progress), set(missing)
        for block, key in zip(blocks, keys, strict=True):
            sums = None if block in new else kept.load(block, key)
            if sums is None:
                again = computed if block in new else self.computed([block], iter)
                sums = next(again)[1]
                kept.save(block, key, sums)
            yield block, sums
        next(computed, None)  # so that progress comes to its end
        kept.clean(blocks, keys)

    def _sums(self, block: Block, parts: Iterable[Piece]) -> Sums:
        sums: Sums = {}
        variables = {
            name: VariableSums(sums, str(name), self.shares, len(self.models), array.shape[1:-2])
            for name, array in self.forecast.data_vars.items()
        }
        if self.drawn:
            self.drawn.begin(sums, block)
        for piece in parts:
            part = piece.forecast
            when = part[INIT_TIME].values, part[LEAD_TIME].values
            truth = states_at(self.truths, valid_times(part).ravel())
            reference = self.climatology.forecast(self.analysis, *when)
            predictions = [self._prediction(m, part, reference) for m in self.models.values()]
            for name, array in part.data_vars.items():
                observed = truth[name].values.reshape(array.shape)
                normal = _like(reference[name], array)
                fields = [_like(prediction[name], array) for prediction in predictions]
                variables[name].add(piece.leads, fields, observed, normal)
                if self.drawn and name == self.drawn.channel.variable:
                    self.drawn.add(sums, piece, observed, normal)
        return sums

    def _prediction(
        self, model: Baseline | None, part: xr.Dataset, reference: xr.Dataset
    ) -> xr.Dataset:
        if model is None:
            return part
        if model is self.climatology:
            return reference
        return model.forecast(self.analysis, part[INIT_TIME].values, part[LEAD_TIME].values)

    def _common(self) -> dict[str, Any]:
        """What the sums of all blocks follow from, besides models, lead times and states."""
        return {
            "climatology": self.climatology,
            "values": self.values,
            "shares": self.shares,
            "grid": [self.truths[dim].values for dim in (LATITUDE, LONGITUDE)],
            "forecast": _labels(self.forecast),
            "analysis": _labels(self.analysis),
            "drawn": self.drawn and self.drawn.label(),
        }


def _labels(dataset: xr.Dataset) -> list[Any]:
    levels = dataset[LEVEL].values.astype(np.float64) if LEVEL in dataset.dims else None
    variables = [
        [str(name), list(map(str, array.dims)), str(array.attrs.get("units"))]
        for name, array in dataset.data_vars.items()
    ]
    return [levels, variables]


def _like(prediction: xr.DataArray, array: xr.DataArray) -> NDArray[Any]:
    """The prediction's values at the levels of `array`, in its order of dimensions."""
    if LEVEL in array.dims and not prediction[LEVEL].equals(array[LEVEL]):
        prediction = prediction.sel({LEVEL: array[LEVEL].values})
    return np.asarray(prediction.transpose(*array.dims).values)
