"""Departures from the climatology: of the training data, and forecasts that are made of them."""

from collections.abc import Sequence

import xarray as xr

from axialcast.baselines.baseline import OwnBaseline, aligned, labelled
from axialcast.baselines.climatology import Climatology
from axialcast.baselines.passes import Gatherer
from axialcast.cores import on_all_cores
from axialcast.data.reader import Analysis, Block
from axialcast.times.dates import Leads, Times

__all__ = ["Anomalies", "forecast_from"]


class Anomalies:
    """Gives its gatherers the anomalies of the states, in their place."""

    def __init__(self, climatology: Climatology, gatherers: Sequence[Gatherer]) -> None:
        self._climatology, self._gatherers = climatology, gatherers
        self.held = sum(gatherer.held for gatherer in gatherers)

    def begin(self, group: Analysis) -> None:
        self._normals = self._climatology.each(group.place)
        for gatherer in self._gatherers:
            gatherer.begin(group)

    def add(self, block: Block) -> None:
        def subtract(channel: int) -> None:
            block.new[:, channel] -= self._normals[channel].values_at(block.times[block.overlap :])[
                :, 0
            ]

        on_all_cores(subtract, range(len(self._normals)))
        for gatherer in self._gatherers:
            gatherer.add(block)

    def end(self) -> None:
        for gatherer in self._gatherers:
            gatherer.end()


def forecast_from(
    baseline: OwnBaseline,
    climatology: Climatology,
    analysis: Analysis | xr.Dataset,
    init_times: Times,
    lead_times: Leads,
) -> xr.Dataset:
    """A baseline's values on top of a climatology, with their labels."""
    source = aligned(analysis, climatology.channels, climatology.grid)
    values = baseline.values(
        lambda times: source.read(source.rows(times)),
        init_times,
        lead_times,
        climatology.normal(init_times, lead_times),
    )
    return labelled(values, climatology.channels, climatology.coefficients, init_times, lead_times)
