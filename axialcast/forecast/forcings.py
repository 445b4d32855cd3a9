"""Forcings of times to come: where forecasts have them from.

Shapes: b forecasts computed together, f forcings, g of them from one source, h latitudes,
w longitudes.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis
from axialcast.forecast.members import member_in
from axialcast.forecast.store import ForecastStore
from axialcast.grid import grid_of
from axialcast.names import ANALYSIS, CLIMATOLOGY, INIT_TIME, LEAD_TIME, PERSIST
from axialcast.times.calendars import time_text
from axialcast.times.dates import Leads, Times, later
from axialcast.times.leads import lead_labels
from axialcast.times.steps import step_text

__all__ = ["Coming", "Forcings", "Source", "beyond", "fields_of_analysis"]

HELD_BYTES = 2**28
"""Forcings that are read together, at most."""

Fields = NDArray[np.float32]


class Climatological(Protocol):
    """A climatology, such as `axialcast.baselines.Climatology`."""

    @property
    def channels(self) -> Channels: ...

    def values_at(self, times: Times) -> Fields:
        """(b, g, h, w) in physical units."""
        ...


Source = str | Path | xr.Dataset | Climatological
"""`analysis`, `persist`, a store of forecasts (or its path), or a climatology."""


class Forcings:
    """Where each forcing of a network comes from after the initial time.

    Args:
        channels: (f,) the forcings.
        sources: by variable; `analysis` where nothing is said.

    Raises:
        FileNotFoundError: a source is neither a word nor a store.
        ValueError: a source is of no forcing, or lacks it, or lies on another grid.
    """

    def __init__(self, channels: Channels, sources: Mapping[str, Source], grid: Any) -> None:
        if strange := sorted(set(sources) - set(channels.variables)):
            known = ", ".join(channels.variables) or "none"
            raise ValueError(
                f"forcings: {strange[0]} is none of the network's ({known}); leave it out"
            )
        self.channels = channels
        self._groups = []
        for variable in channels.variables:
            source = sources.get(variable, ANALYSIS)
            if isinstance(source, str | Path) and str(source) not in (ANALYSIS, PERSIST):
                source = _opened(variable, Path(source))
            wanted = Channels([c for c in channels if c.variable == variable])
            if not isinstance(source, str):
                _require(wanted, source, grid)
            self._groups.append((wanted, source))

    @property
    def attrs(self) -> dict[str, str]:
        """What a forecast says of them."""
        told = ", ".join(
            f"{wanted.variables[0]}: {_word(source)}" for wanted, source in self._groups
        )
        return {"forcings": told} if told else {}

    def __bool__(self) -> bool:
        return bool(len(self.channels))

    def lacking(self, analysis: Analysis, inits: Times, leads: Leads) -> str | None:
        """What the sources lack of these forecasts, in words with a remedy; None: nothing.

        Args:
            analysis: with the forcings.
            leads: every model step up to the longest lead time.
        """
        if self._read and (line := beyond(analysis, self._read, inits, leads)):
            return line
        for wanted, source in self._groups:
            if isinstance(source, xr.Dataset):
                for dim, asked in ((INIT_TIME, inits), (LEAD_TIME, leads)):
                    absent = source.indexes[dim].get_indexer(lead_labels(asked)) < 0
                    if absent.any():
                        return (
                            f"{wanted.variables[0]}: the forecasts that it is to come from lack "
                            f"{dim} {_text(asked[absent][0])}; make those first, or say "
                            f"forecast.forcings: {{{wanted.variables[0]}: {PERSIST}}}"
                        )
        return None

    def there(self, analysis: Analysis, inits: Times, leads: Leads) -> NDArray[np.bool_]:
        """(b,) for which initial times `lacking` finds nothing."""
        if not self:
            return np.ones(len(inits), np.bool_)
        each = (self.lacking(analysis, inits[n : n + 1], leads) for n in range(len(inits)))
        return np.array([line is None for line in each])

    @property
    def _read(self) -> list[str]:
        """Forcings that the analysis has to hold."""
        return [c.variables[0] for c, source in self._groups if _is(source, ANALYSIS)]

    def coming(
        self, analysis: Analysis, latest: Fields, inits: Times, leads: Leads, member: int = 0
    ) -> Iterator[Fields]:
        """(b, f, h, w) in physical units at each lead time, in order.

        Args:
            analysis: with the forcings.
            latest: (b, f, h, w) at the initial times.
            inits: (b,) initial times.
            leads: every model step up to the longest lead time.
            member: whose forecasts these are.
        """
        start, parts = 0, []
        for wanted, source in self._groups:
            place = slice(start, start + len(wanted))
            start = place.stop
            if isinstance(source, xr.Dataset):
                parts.append(_of_forecasts(member_in(source, member), wanted, inits, leads))
            elif not isinstance(source, str | Path):
                parts.append(source.values_at(later(inits, lead)) for lead in leads)
            elif _is(source, PERSIST):
                parts.append(latest[:, place] for _ in leads)
            else:
                parts.append(fields_of_analysis(Analysis.of(analysis, wanted), inits, leads))
        for fields in zip(*parts, strict=True):
            yield np.concatenate(fields, 1)


class Coming:
    """The forcings of some forecasts as they are used, and checksums of what was.

    Args:
        fields: (b, f, h, w) at each step; None: there are none.
        num: how many of the b forecasts have a checksum, the first.
    """

    def __init__(self, fields: Iterator[Fields] | None, num: int) -> None:
        self._fields = fields
        self._sums = [sha256() for _ in range(num)]

    def __iter__(self) -> Iterator[Fields]:
        for values in self._fields or ():
            for known, field in zip(self._sums, values, strict=False):
                known.update(np.ascontiguousarray(field).data)
            yield values

    def checksums(self, states: Sequence[str]) -> list[str]:
        """Of initial states by their checksums, and of the forcings used so far."""
        if self._fields is None:
            return list(states)
        both = zip(states, self._sums, strict=True)
        return [
            sha256(f"{state} {known.hexdigest()}".encode()).hexdigest()[:32]
            for state, known in both
        ]


def beyond(analysis: Analysis, variables: Sequence[str], inits: Times, leads: Leads) -> str | None:
    """Which forecasts an analysis has no forcings for, in words with a remedy; None: none.

    Args:
        variables: the forcings, by name.
    """
    valid = later(inits[:, None], leads)
    absent = analysis.rows(valid) < 0
    if not absent.any():
        return None
    init, time = inits[absent.any(1)][0], valid[absent][0]
    return (
        f"{', '.join(variables)}: a forcing is wanted at all times, and the forecast from "
        f"{time_text(init)} needs that of {time_text(time)}, which is not among the analysis's "
        f"times {time_text(analysis.times[0])} to {time_text(analysis.times[-1])}; end data.test "
        "(or forecast.init_times) a longest lead time before the analysis ends, or say "
        f"forecast.forcings: {{{variables[0]}: {PERSIST}}}"
    )


def fields_of_analysis(analysis: Analysis, inits: Times, leads: Leads) -> Iterator[Fields]:
    """(b, g, h, w) at each lead time; each state is read once where memory allows."""
    length = max(1, HELD_BYTES // (analysis.state_bytes * len(inits)))
    for start in range(0, len(leads), length):
        rows = analysis.rows(later(inits[:, None], leads[start : start + length]))
        wanted, places = np.unique(rows, return_inverse=True)
        values = analysis.read(wanted)
        for place in places.reshape(rows.shape).T:
            yield values[place]


def _of_forecasts(
    forecasts: xr.Dataset, channels: Channels, inits: Times, leads: Leads
) -> Iterator[Fields]:
    chosen = forecasts.sel({INIT_TIME: inits})
    for lead in leads:
        yield channels.stack(chosen.sel({LEAD_TIME: lead_labels(lead)}))


def _opened(variable: str, path: Path) -> xr.Dataset:
    if not path.exists():
        raise FileNotFoundError(
            f"forecast.forcings: {variable}: {path} is not there; expected {ANALYSIS}, {PERSIST}, "
            f"{CLIMATOLOGY}, or the forecast.zarr of another run"
        )
    return ForecastStore(path).dataset()


def _require(wanted: Channels, source: Any, grid: Any) -> None:
    """Raises where a source has not what is wanted of it."""
    is_store = isinstance(source, xr.Dataset)
    there = Channels.of(source) if is_store else source.channels
    variable = wanted.variables[0]
    problem = wanted.difference(Channels([c for c in there if c.variable == variable]))
    if problem is None and is_store:
        problem = grid.difference(grid_of(source))
    if problem is None and not is_store and len(there) > len(wanted):
        problem = "is the climatology of other variables besides"
    if problem:
        raise ValueError(f"forecast.forcings: {variable}: its source does not fit: {problem}")


def _word(source: Source) -> str:
    if isinstance(source, str | Path):
        return str(source)
    return "forecast" if isinstance(source, xr.Dataset) else CLIMATOLOGY


def _is(source: Source, word: str) -> bool:
    return isinstance(source, str) and source == word


def _text(value: Any) -> str:
    return step_text(value) if isinstance(value, np.timedelta64) else time_text(value)
