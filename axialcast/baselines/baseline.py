"""What a baseline is: a forecast that any model must beat, and what all of them share.

Shapes: i initial times, l lead times, k times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis
from axialcast.grid import Grid, coords_of
from axialcast.names import (
    COORDINATE_ATTRS,
    INIT_TIME,
    LEAD_TIME,
    LEVEL,
    TIME,
    VALID_TIME,
)
from axialcast.times.calendars import gapless_axis
from axialcast.times.dates import Leads, Times, later
from axialcast.times.leads import lead_coordinate, leads_of
from axialcast.times.steps import multiple, step_text

__all__ = [
    "ALL",
    "Baseline",
    "JointBaseline",
    "OwnBaseline",
    "States",
    "Which",
    "aligned",
    "labelled",
    "overlap",
    "spacing",
    "states_at",
    "whole_steps",
    "with_valid_time",
]

States = Callable[[Times], NDArray[np.float32]]
"""States at times, (k, c, h, w) in physical units; NaN where there are none. Not to be changed."""


Which = slice | NDArray[np.intp]
"""Positions of channels, in the order that they are wanted in."""

ALL = slice(None)


class Baseline(Protocol):
    """A reference forecast.

    `forecast` returns dimensions (init_time, lead_time, [level], latitude, longitude) in the
    analysis's units, NaN where the analysis holds no state to start from. Its values follow from
    `parts` and from the analysis at the times `states`, and from nothing else: the sums of scores
    that are kept (`axialcast.verify.KeptSums`) are known by these. A baseline that only ever is
    scored without keeping needs neither.
    """

    def forecast(self, analysis: Any, init_times: Times, lead_times: Leads) -> xr.Dataset:
        """Forecasts from the states of `analysis` at and before `init_times`."""
        ...

    def parts(self) -> Mapping[str, Any]:
        """What it consists of, by name: datasets, arrays, numbers, text, other baselines."""
        ...

    def states(self, init_times: Times) -> Times:
        """Times of the states that forecasts from `init_times` start from."""
        ...


class OwnBaseline(Baseline, Protocol):
    """A baseline that also forecasts in plain arrays, as all of ours do, to be scored fast."""

    @property
    def channels(self) -> Channels | None:
        """What it was fitted on; None: it forecasts any channel."""
        ...

    def values(
        self,
        states: States,
        init_times: Times,
        lead_times: Leads,
        normal: NDArray[np.float32],
        channels: Which = ALL,
    ) -> NDArray[np.float32]:
        """(i, l, c, h, w) float32 forecasts, NaN where there is no state to start from.

        It allocates no more than one such array, several threads may call it at once, and what it
        returns may be a part of what it was given, or a view: it is not to be changed.

        Args:
            states: gives states on the grid that was fitted, of these channels; of all of them to
                a `JointBaseline`.
            normal: (i, l, c, h, w) the climatology at the valid times (`Climatology.values_at`).
            channels: which of those that were fitted.
        """
        ...


class JointBaseline(OwnBaseline, Protocol):
    """One whose channels depend on each other: it starts from all, and forecasts some at a time."""

    def start(self, states: States, init_times: Times) -> NDArray[np.float64]:
        """(i, n) what forecasts start from."""
        ...

    def values_from(
        self,
        start: NDArray[np.float64],
        states: States,
        init_times: Times,
        lead_times: Leads,
        normal: NDArray[np.float32],
        channels: Which = ALL,
    ) -> NDArray[np.float32]:
        """`values` of what they start from.

        Args:
            states: of these channels alone.
        """
        ...


def overlap(channels: Which, table: slice) -> tuple[Which, Which]:
    """Which of the channels wanted a table of some holds: places among them, and in the table."""
    if isinstance(channels, slice):
        first, last, _ = channels.indices(table.stop)
        start, stop = max(first, table.start), max(last, table.start, first)
        return slice(start - first, stop - first), slice(start - table.start, stop - table.start)
    into = np.flatnonzero((channels >= table.start) & (channels < table.stop))
    return into, channels[into] - table.start


def aligned(analysis: "Analysis | xr.Dataset", channels: Channels, grid: Grid) -> Analysis:
    """The analysis with just these channels.

    Raises:
        ValueError: it lacks one, has it in other units, or is on another grid.
    """
    dataset = analysis if isinstance(analysis, xr.Dataset) else analysis.dataset
    for channel in channels:
        dims = dataset[channel.variable].dims if channel.variable in dataset else None
        levels = dataset[LEVEL].values if dims and LEVEL in dims else [None]
        if dims is None or channel.level not in levels:
            raise ValueError(
                f"analysis: has no {channel}, which the baseline was fitted on; fit it on the "
                "analysis that is verified"
            )
        units = str(dataset[channel.variable].attrs.get("units", "1"))
        if units != channel.units:
            raise ValueError(
                f"analysis: {channel} is in {units!r}, the baseline was fitted on "
                f"{channel.units!r}; fit it on the analysis that is verified"
            )
    found = Analysis.of(analysis, channels)
    for name, want, got in zip(grid.dims, grid.axes, found.grid.axes, strict=True):
        if name not in found.grid.dims or not np.array_equal(got, want):
            raise ValueError(
                f"states: their {name} does not align with the climatology's; fit it on the "
                "analysis that is verified"
            )
    return found


def labelled(
    values: NDArray[np.float32],
    channels: Channels,
    like: xr.Dataset,
    init_times: Times,
    lead_times: Leads,
) -> xr.Dataset:
    """(i, l, c, h, w) forecasts with their labels, on the grid of `like`."""
    coords = {
        INIT_TIME: init_times,
        LEAD_TIME: lead_coordinate(lead_times),
        **coords_of(like),
    }
    return with_valid_time(channels.unstack(values, coords, (INIT_TIME, LEAD_TIME)))


def with_valid_time(forecast: xr.Dataset) -> xr.Dataset:
    """The forecast with its coordinate `valid_time` (init_time, lead_time)."""
    valid = later(forecast[INIT_TIME].values[:, None], leads_of(forecast))
    dims = (INIT_TIME, LEAD_TIME)
    return forecast.assign_coords({VALID_TIME: (dims, valid, COORDINATE_ATTRS[VALID_TIME])})


def states_at(analysis: xr.Dataset, times: Times) -> xr.Dataset:
    """(time, ...) states of the analysis in memory, float32; NaN where it has none."""
    unique, inverse = np.unique(times, return_inverse=True)
    states = analysis.reindex({TIME: unique}).astype(np.float32, copy=False).load()
    return (
        states
        if len(unique) == len(times) and (unique == times).all()
        else states.isel({TIME: inverse})
    )


def spacing(times: Times) -> np.timedelta64:
    """The cadence of sorted times, among which some may be missing.

    Raises:
        ValueError: there are fewer than two, or they lie on no even axis.
    """
    if len(times) < 2:
        raise ValueError(
            f"time: expected two or more times to fit baselines on, got {len(times)}; choose "
            "another training period"
        )
    return gapless_axis(times)[1]


def whole_steps(name: str, leads: Leads, step: np.timedelta64) -> NDArray[np.int64]:
    """How many steps each lead time is; ValueError names `name` where it is not whole."""
    steps = [multiple(lead, step) for lead in np.atleast_1d(leads)]
    if None in steps:
        raise ValueError(
            f"{name}: expected multiples of {step_text(step)}, got {step_text(leads)}; "
            "choose lead times on that cadence"
        )
    return np.array(steps, np.int64)
