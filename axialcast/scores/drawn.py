"""The field that the report draws, and what its maps show: squared errors by point and by case.

Shapes: i init times, l lead times drawn, h latitudes, w longitudes.
"""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channels
from axialcast.grid import coords_of, grid_of
from axialcast.names import INIT_TIME
from axialcast.scores.blocks import Block
from axialcast.scores.shown import headline, shown_leads
from axialcast.scores.sums import Sums
from axialcast.times.leads import leads_of

__all__ = ["DrawnField", "skill"]

ERROR, SCALE, CASES = "drawn/error", "drawn/scale", "drawn/cases"


class DrawnField:
    """The leading field of a forecast at a few lead times; `evaluate` fills in its errors.

    Args:
        forecast: that is scored.

    Attributes:
        channel, place: which is drawn, and its place among the forecast's.
        leads: (l,) lead times drawn.
    """

    def __init__(self, forecast: xr.Dataset) -> None:
        channels = Channels.of(forecast)
        self.channel = headline(channels)[0]
        self.place = list(channels).index(self.channel)
        every = leads_of(forecast)
        self.leads = shown_leads(every)
        self.rows = [int(np.flatnonzero(every == lead)[0]) for lead in self.leads]
        self.grid = grid_of(forecast)
        self.coords = coords_of(forecast)
        self.error = np.zeros((len(self.rows), *self.grid.shape))
        self.scale = np.zeros_like(self.error)
        self.cases = np.full(forecast.sizes[INIT_TIME], np.nan)

    def label(self) -> list[Any]:
        """What is drawn, as numbers and text."""
        return [self.channel.variable, self.channel.level, self.rows]

    def begin(self, sums: Sums, block: Block) -> None:
        """Adds this field's sums of a block to the others, as yet zero."""
        sums[ERROR], sums[SCALE] = np.zeros_like(self.error), np.zeros_like(self.error)
        sums[CASES] = np.full(len(block.positions), np.nan)

    def add(
        self,
        sums: Sums,
        at: tuple[slice, slice, slice],
        forecast: NDArray[np.floating],
        truth: NDArray[np.float32],
        normal: NDArray[np.float32],
    ) -> None:
        """Adds squared errors of some pairs to their block's sums.

        Args:
            at: which of the block's initial times, lead times and channels these are.
            forecast, truth, normal: (i, l, c, h, w) there; the climatology is to be beaten.
        """
        cases, leads, channels = at
        if not channels.start <= self.place < channels.stop:
            return
        for index, row in enumerate(self.rows):
            if not leads.start <= row < leads.stop:
                continue
            where = (slice(None), row - leads.start, self.place - channels.start)
            observed = truth[where].astype(np.float64)
            error = np.square(forecast[where] - observed)
            scale = np.square(normal[where] - observed)
            keep = np.isfinite(error) & np.isfinite(scale)
            sums[ERROR][index] += np.where(keep, error, 0.0).sum(0)
            sums[SCALE][index] += np.where(keep, scale, 0.0).sum(0)
            if index == len(self.rows[:2]) - 1:
                sums[CASES][cases] = self._means(error)

    def take(self, sums: Sums, block: Block) -> Sums:
        """The block's sums less those of this field, which are added to it."""
        self.cases[block.positions] = sums[CASES]
        self.error += sums[ERROR]
        self.scale += sums[SCALE]
        return {name: array for name, array in sums.items() if name not in (ERROR, SCALE, CASES)}

    def skill(self, index: int) -> xr.DataArray:
        """(h, w) of `skill_map` at one of the lead times."""
        values = skill(self.error[index], self.scale[index])
        return xr.DataArray(values, self.coords, self.grid.dims)

    def typical_case(self) -> int:
        """Position of the init time whose area-weighted squared error is the median.

        At the second of the lead times, where there are several.
        """
        known = np.flatnonzero(np.isfinite(self.cases))
        if not len(known):
            return 0
        order = np.argsort(self.cases[known], kind="stable")
        return int(known[order[len(known) // 2]])

    def _means(self, squares: NDArray[np.float64]) -> NDArray[np.float64]:
        """(i,) area-weighted means of (i, h, w) over the points that are known, NaN without any."""
        weights = self.grid.area_weights
        seen = np.isfinite(squares)
        area = (seen * weights).sum((1, 2))
        means = np.full(len(squares), np.nan)
        sums = (np.where(seen, squares, 0.0) * weights).sum((1, 2))
        np.divide(sums, area, out=means, where=area > 0)
        return means


def skill(error: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Skill in squared error, 1 - error / scale; NaN where nothing is to be beaten."""
    ratio = np.full_like(error, np.nan)
    np.divide(error, scale, out=ratio, where=scale > 0)
    return 1.0 - ratio
