"""States along the edges of a region, at the times of a forecast: where they come from.

Shapes: b forecasts computed together, p prognostic channels, h rows, w columns.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channels
from axialcast.data.opening.store import open_analysis
from axialcast.data.placing import Points, placed
from axialcast.data.reader import Analysis
from axialcast.disclosure import shown
from axialcast.forecast.forcings import fields_of_analysis
from axialcast.forecast.members import member_in
from axialcast.forecast.store import ForecastStore
from axialcast.grid import Grid, grid_of
from axialcast.names import ANALYSIS, INIT_TIME, LEAD_TIME, TIME
from axialcast.times.calendars import time_text
from axialcast.times.dates import Leads, Times, later
from axialcast.times.leads import lead_labels
from axialcast.times.steps import step_text

__all__ = ["EdgeStates", "Source"]

Source = str | Path | Mapping[str, Any] | xr.Dataset
"""`analysis`, which forecasts start from; another analysis or a store of forecasts, by its path, by
keywords of `open_analysis`, or opened."""

Fields = NDArray[np.float32]

REMEDY = (
    "end data.test (or forecast.init_times) a longest lead time earlier, or name forecasts that "
    "reach further, of a larger region or the globe, in forecast.boundary_store"
)


class EdgeStates:
    """What a network that was trained with a boundary is given of the states to come.

    Another analysis, and forecasts, are interpolated to the region's points, see
    `axialcast.data.placing`; an analysis whose times are further apart than the model step also in
    time. Of forecasts, each initial time's own are taken, at every model step.

    Args:
        channels: (p,) the prognostic ones.
        grid: (h, w) of the region.
        boundary: the network's: width in points and relaxation; None: it has none.
        source: where the states come from; None: from nowhere, and nothing can be forecast.

    Raises:
        FileNotFoundError: there is no such store.
        ValueError: the network has no boundary; the source lacks a channel or covers less than the
            region.
    """

    def __init__(
        self,
        channels: Channels,
        grid: Grid,
        boundary: Mapping[str, Any] | None,
        source: Source | None,
    ) -> None:
        if boundary is None and source is not None:
            raise ValueError(
                "boundary: the network was trained without one; leave it out, or train with "
                "data.boundary"
            )
        self.channels, self.grid, self.boundary = channels, grid, boundary
        self._store: xr.Dataset | None = None
        self._name = ""
        if source is None or _is_own(source):
            self._from = "the analysis" if source is not None else ""
            return
        self._store, self._name = _opened(source, channels)
        kind = "forecasts" if self._is_forecast else "analyses"
        self._from = f"{kind} of {self._name}" if self._name else f"other {kind}"
        problem = channels.difference(Channels([c for c in self._there if c in channels]))
        if problem:
            raise ValueError(f"{self._label}: does not fit the network: {problem}")
        try:
            self._points = Points.between(grid_of(self._store), grid)
        except ValueError as error:
            raise ValueError(f"{self._label}: {error}; name a store of more of it") from None

    def __bool__(self) -> bool:
        return self.boundary is not None

    @property
    def attrs(self) -> dict[str, Any]:
        """What forecasts say of it."""
        if self.boundary is None:
            return {}
        width, relaxation = self.boundary["width"], self.boundary["relaxation"]
        text = f"{width}-point frame ({relaxation}) from {self._from}"
        return {"boundary": text, "boundary_width": width}

    def lacking(self, analysis: Analysis, inits: Times, leads: Leads) -> str | None:
        """What the source lacks for these forecasts, in words with a remedy; None: nothing.

        Args:
            analysis: that forecasts start from.
            leads: every model step up to the longest lead time.
        """
        if self.boundary is None:
            return None
        if not self._from:
            return (
                f"boundary: the network was trained with {self.boundary['width']} points of a "
                "boundary, and forecasts need one: 'analysis', or a store of forecasts that covers "
                "the region"
            )
        if self._is_forecast:
            return self._lacking_forecasts(inits, leads)
        valid = later(inits[:, None], leads)
        if self._store is None:
            times, absent = analysis.times, analysis.rows(valid) < 0
        else:
            times = self._store[TIME].values
            absent = (valid < times[0]) | (valid > times[-1])
        if not absent.any():
            return None
        init, time = inits[absent.any(1)][0], valid[absent][0]
        return (
            f"data.boundary: the forecast from {time_text(init)} needs the boundary of "
            f"{time_text(time)}, which is not among the times {time_text(times[0])} to "
            f"{time_text(times[-1])} of {self._from}; {REMEDY}"
        )

    def there(self, analysis: Analysis, inits: Times, leads: Leads) -> NDArray[np.bool_]:
        """(b,) for which initial times `lacking` finds nothing."""
        if self.boundary is None:
            return np.ones(len(inits), np.bool_)
        each = (self.lacking(analysis, inits[n : n + 1], leads) for n in range(len(inits)))
        return np.array([line is None for line in each])

    def coming(
        self, analysis: Analysis, inits: Times, leads: Leads, member: int = 0
    ) -> Iterator[Fields]:
        """(b, p, h, w) in physical units at each lead time, in order; arguments as of `lacking`,
        and whose forecasts these are."""
        if self._is_forecast:
            yield from self._of_forecasts(inits, leads, member)
            return
        if self._store is not None:
            times = np.unique(later(inits[:, None], leads))
            source = Analysis(self._store, self.channels)
            analysis = Analysis(placed(source, self.grid, times))
        yield from fields_of_analysis(Analysis.of(analysis, self.channels), inits, leads)

    @property
    def _is_forecast(self) -> bool:
        return self._store is not None and INIT_TIME in self._store.dims

    @property
    def _there(self) -> Channels:
        assert self._store is not None
        return Channels.of(self._store)

    @property
    def _label(self) -> str:
        return f"boundary {self._name}".rstrip()

    def _of_forecasts(self, inits: Times, leads: Leads, member: int) -> Iterator[Fields]:
        assert self._store is not None
        chosen = member_in(self._store, member).sel({INIT_TIME: inits})
        for lead in leads:
            yield self._points.values(
                self.channels.stack(chosen.sel({LEAD_TIME: lead_labels(lead)}))
            )

    def _lacking_forecasts(self, inits: Times, leads: Leads) -> str | None:
        assert self._store is not None
        for dim, asked in ((INIT_TIME, inits), (LEAD_TIME, leads)):
            absent = self._store.indexes[dim].get_indexer(lead_labels(asked)) < 0
            if absent.any():
                first = asked[absent][0]
                is_lead = isinstance(first, np.timedelta64)
                text = step_text(first) if is_lead else time_text(first)
                return (
                    f"{self._label}: lacks {dim} {text}, of {int(absent.sum())} that are needed; "
                    "make those forecasts first, from the same initial times and at every model "
                    "step, or choose others with forecast.init_times and forecast.lead_time"
                )
        return None


def _is_own(source: Source) -> bool:
    return isinstance(source, str) and source == ANALYSIS


def _opened(source: Source, channels: Channels) -> tuple[xr.Dataset, str]:
    """The source, and what it is called."""
    if isinstance(source, xr.Dataset):
        return source, ""
    opening = {"store": source} if isinstance(source, str | Path) else dict(source)
    store = opening["store"]
    name = shown(str(store))
    if isinstance(store, str | Path) and ForecastStore.owner(store) is not None:
        return ForecastStore(store).dataset(), name
    levels = sorted({channel.level for channel in channels if channel.level is not None})
    wanted = {"variables": channels.variables, "levels": levels or None, "gaps": "keep"}
    return open_analysis(**(wanted | opening)), name
