"""What sums over pairs say, with labels: scores, and the statistics of each pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr

from axialcast.names import INIT_TIME, LEAD_TIME, LEVEL
from axialcast.scores.by_init import ByInit
from axialcast.scores.choice import for_ensembles
from axialcast.scores.ensembles import labelled_ranks
from axialcast.scores.event_labels import (
    SEEPS,
    event_rows,
    labelled_events,
    labelled_seeps,
    seeps_rows,
)
from axialcast.scores.labels import labelled_scores
from axialcast.scores.sums import Sums
from axialcast.scores.work import Setting

__all__ = ["Labels"]


@dataclass(frozen=True, eq=False)
class Labels:
    """How sums are labelled.

    Args:
        forecast: that was scored.
        models, regions: names.
        of_pairs, of_events: metrics.
    """

    forecast: xr.Dataset
    models: Sequence[str]
    regions: Sequence[str]
    of_pairs: Sequence[str]
    of_events: Sequence[str]

    @property
    def _coords(self) -> dict[str, Any]:
        levels = [LEVEL] if LEVEL in self.forecast.dims else []
        own = {dim: self.forecast[dim].variable for dim in (LEAD_TIME, *levels)}
        return {"region": self.regions, **own}

    @property
    def _has_tables(self) -> bool:
        return any(name != SEEPS for name in self.of_events)

    def scores(self, setting: Setting, sums: Sums) -> xr.Dataset:
        """Scores of what pairs say."""
        forecast, labels = self.forecast, self._coords
        found = setting.pair_sums(sums, forecast.sizes[INIT_TIME])
        own_sums, ensembles = setting.own_sums(sums, found), setting.ensemble_sums(sums, found)
        chosen = for_ensembles(self.of_pairs, ensembles is not None)
        names = (self.models, chosen, self.regions)
        scores = labelled_scores(found, forecast, *names, ensembles, own_sums)
        if ensembles and (ranks := ensembles.histogram()) is not None:
            scores = scores.merge(labelled_ranks(ranks, forecast, labels))
        labels = {"model": self.models, **labels}
        if self._has_tables and (tables := setting.event_sums(sums, found)):
            of_tables = [name for name in self.of_events if name != SEEPS]
            scores = scores.merge(labelled_events(tables, forecast, labels, of_tables))
        if SEEPS in self.of_events and (rain := setting.seeps_sums(sums, found)):
            scores = scores.merge(labelled_seeps(rain, forecast, labels))
        return scores

    def fill(self, by_init: ByInit, setting: Setting, sums: Sums) -> None:
        """Has what each pair says."""
        forecast, labels = self.forecast, {"model": self.models, **self._coords}
        found = setting.pair_sums(sums, forecast.sizes[INIT_TIME])
        parts = (found, setting.ensemble_sums(sums, found), setting.own_sums(sums, found))
        rows = {name: array for part in parts if part for name, array in part.rows().items()}
        by_init.fill(rows, found.pairs, forecast, models=self.models, regions=self.regions)
        if self._has_tables and (tables := setting.event_sums(sums, found)):
            by_init.add(event_rows(tables, forecast, labels))
        if SEEPS in self.of_events and (rain := setting.seeps_sums(sums, found)):
            by_init.add(seeps_rows(rain, forecast, labels))
