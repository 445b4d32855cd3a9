"""What a training store is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from axialcast.data.arrays.zarrs import MissingChunks
from axialcast.data.opening.entries import Stores, entries_of, told, without_secrets
from axialcast.data.opening.store import open_analysis
from axialcast.data.preparing.aggregation import sums_among
from axialcast.data.preparing.conversion import convert
from axialcast.disclosure import concealed
from axialcast.grid import LatLonGrid
from axialcast.times.calendars import Gaps, cadence
from axialcast.times.steps import exact, parsed_step

__all__ = ["Recipe"]

OPENING = (
    *("variables", "levels", "region", "member", "gaps", "round_times_seconds", "grid_mapping"),
    *("rename", "units", "missing_chunks", "storage_options"),
)
"""What of a recipe `open_analysis` is told."""
NEWER = ("member", "round_times_seconds", "grid_mapping", "rename", "step")
"""What recipes of version 0.1.0 did not have: written only where it says something."""


@dataclass(frozen=True)
class Recipe:
    """What a training store is made of; values as JSON has them.

    Args:
        store and those named in OPENING: arguments of `open_analysis`.
        address: what is written down of `store`, or of each of them; None: itself, without
            passwords.
        train: period that the statistics are of.
        step, step_hours: model step that increments are over, as text or in hours; neither: the
            prepared cadence.
        aggregate_hours: length of the periods to average over; None: times as they are.
        accumulated: variables to sum instead, by any of their names.
        regrid: keywords of `LatLonGrid.regular`; None: the grid as it is. Of a region, the cells
            that it holds as a whole.
        area_weighted: whether cells count by their area in the statistics.
    """

    store: Stores = field(repr=False)  # with options of its own, it holds secrets
    train: tuple[str, str]
    variables: list[str] | None = None
    levels: list[float] | None = None
    region: Mapping[str, Any] | None = None
    member: int | str | None = None
    gaps: Gaps = "refuse"
    round_times_seconds: int | None = None
    grid_mapping: str | None = None
    rename: Mapping[str, str] | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    missing_chunks: MissingChunks = "refuse"
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    step: str | None = None
    step_hours: float | None = None
    aggregate_hours: float | None = None
    accumulated: tuple[str, ...] = ()
    regrid: Mapping[str, Any] | None = None
    area_weighted: bool = True
    address: str | Sequence[str] | None = None

    @property
    def model_step(self) -> np.timedelta64 | None:
        """What increments are over; None: the prepared cadence."""
        if self.step_hours is not None:
            return exact(self.step_hours * 3600)
        return None if self.step is None else parsed_step(self.step)

    @property
    def written(self) -> dict[str, Any]:
        """What may be written down of it: without secrets, which are not on disk."""
        store = without_secrets(self.store, self.address)
        options = concealed(self.storage_options)
        known = {**asdict(self), "store": store, "storage_options": options}
        del known["address"]
        return {key: v for key, v in known.items() if key not in NEWER or v not in (None, {})}

    @property
    def name(self) -> str:
        """What errors call the store."""
        return told(entries_of(self.store))

    def open(self, store: xr.Dataset | None = None) -> xr.Dataset:
        """The analysis as it is, lazy; of another store if one is given. Several stores, which may
        be on grids of their own, are on the new one."""
        opening = {name: getattr(self, name) for name in OPENING}
        opening["curved"] = self.regrid is not None
        if self._regrids_each:
            opening["each"] = partial(convert, grid=self._grid)
        return open_analysis(self.store if store is None else store, **opening)

    @property
    def _grid(self) -> LatLonGrid | None:
        return None if self.regrid is None else LatLonGrid.regular(**self.regrid)

    @property
    def _regrids_each(self) -> bool:
        return self.regrid is not None and not isinstance(self.store, str)

    def convert(self, analysis: xr.Dataset) -> xr.Dataset:
        """The opened analysis, aggregated and regridded when it is read; attribute `left_out` names
        the periods that lack times.

        Raises:
            ValueError: a variable to sum is unknown, or as `convert`.
        """
        sums_among(analysis, self.accumulated)
        grid = None if self._regrids_each else self._grid
        if grid is None and self.aggregate_hours is None:
            return analysis.assign_attrs(left_out=[])
        converted = convert(
            analysis,
            aggregate_hours=self.aggregate_hours,
            accumulated=self.accumulated,
            grid=grid,
        )
        cadence(converted, gaps=self.gaps)
        return converted
