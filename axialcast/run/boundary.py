"""The boundary of a region, as a config says: what training and forecasts are given of it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data import Analysis, Channels, Statistics, open_analysis
from axialcast.data.placing import placed
from axialcast.disclosure import shown
from axialcast.forecast import ForecastStore
from axialcast.forecast.boundary import EdgeStates
from axialcast.frame import interior, require_frame
from axialcast.grid import Grid
from axialcast.names import ANALYSIS, BOUNDARY, PROGNOSTIC, TIME
from axialcast.run.config import Config
from axialcast.run.costs import Preflight
from axialcast.times.dates import Leads, Times
from axialcast.times.steps import nominal, step_text

__all__ = [
    "boundary_misfits",
    "boundary_source",
    "check_boundary",
    "judged_weights",
    "with_boundary",
]


def judged_weights(config: Config, grid: Grid) -> NDArray[np.float64]:
    """(h, w) what cells count for in the loss: their areas, nothing in the frame of a region.

    Raises:
        ValueError: there is no such frame on the grid.
    """
    assert config.data is not None
    boundary = config.data.boundary
    if boundary is None:
        return np.asarray(grid.area_weights)
    require_frame(grid, boundary.width)
    inside, weights = interior(grid, boundary.width), np.zeros(grid.shape)
    weights[inside] = grid.area_weights[inside]
    weights /= weights.mean()
    return weights


def with_boundary(
    config: Config, part: xr.Dataset, channels: Channels, statistics: Statistics
) -> tuple[xr.Dataset, Channels, Statistics]:
    """States to train on: where the boundary has a store of its own, with its channels besides.

    Args:
        part: times of the analysis.
        channels: (c,) of it.
        statistics: of them, by which the boundary is normalised, too.

    Raises:
        FileNotFoundError, ConnectionError: there is no such store, or it cannot be reached.
        ValueError: it lacks a channel, a time, or a part of the region.
    """
    assert config.data is not None
    boundary = config.data.boundary
    if boundary is None or boundary.store is None:
        return part, channels, statistics
    prognostic = channels.having(PROGNOSTIC)
    if "://" not in boundary.store and ForecastStore.owner(boundary.store) is not None:
        raise ValueError(
            f"data.boundary.store: {shown(boundary.store)}: holds forecasts, and training takes "
            "its boundary from an analysis; name them in forecast.boundary_store"
        )
    try:
        store = open_analysis(**opening(config, boundary.store))
        if problem := prognostic.difference(Channels.of(store)):
            raise ValueError(problem)
        _refuse_finer(config, Analysis(store, prognostic))
        grid = Analysis(part, channels).grid
        states = placed(Analysis(store, prognostic), grid, part[TIME].values)
    except ValueError as error:
        address = shown(boundary.store)
        text = str(error).removeprefix(f"{address}: ")
        raise ValueError(f"data.boundary.store: {address}: {text}") from None
    named = {name: f"{BOUNDARY} {name}" for name in states.data_vars}
    edges = [
        replace(channel, variable=named[channel.variable], role=BOUNDARY) for channel in prognostic
    ]
    rows = [*range(len(channels)), *np.arange(len(channels))[channels.where(PROGNOSTIC)].tolist()]
    whole = part.merge(states.rename(named), join="override", combine_attrs="override")
    return whole, Channels([*channels, *edges]), statistics[rows]


def check_boundary(config: Config, analysis: Analysis, channels: Channels) -> None:
    """Raises as the functions above where a boundary does not fit an analysis."""
    assert config.data is not None
    if config.data.boundary is None:
        return
    require_frame(analysis.grid, config.data.boundary.width)
    ones = np.ones(len(channels))
    for period in (config.data.train, config.data.validate):
        part = analysis.between(*period).dataset
        with_boundary(config, part, channels, Statistics(0 * ones, ones, ones))


def _refuse_finer(config: Config, store: Analysis) -> None:
    """Raises where the region's states are means over time, and the boundary's are not."""
    hours = config.prepare and config.prepare.aggregate_hours
    if hours and nominal(store.cadence) < np.timedelta64(round(hours * 3600), "s"):
        raise ValueError(
            f"has states every {step_text(store.cadence)}, and prepare.aggregate_hours makes means "
            f"over {hours:g} h of the region's; prepare it in a run of its own, and name the "
            "training.zarr of that"
        )


def boundary_misfits(
    preflight: Preflight, trained: dict[str, Any] | None, inits: Times, steps: Leads
) -> Iterator[str]:
    """What forecasts lack of the states along the edges of a region, a line each.

    Args:
        trained: keywords of the network's frame; None: it has none.
        inits: initial times.
        steps: every model step up to the longest lead time.
    """
    if trained != (wanted := preflight.data.frame):
        was, now = (
            "none" if frame is None else f"{frame['width']} points, {frame['relaxation']}"
            for frame in (trained, wanted)
        )
        yield f"data.boundary: the checkpoint was trained with {was}, not {now}; set that, or train"
        return
    prognostic = preflight.channels.having(PROGNOSTIC)
    try:
        source = boundary_source(preflight.config)
        edges = EdgeStates(prognostic, preflight.analysis.grid, trained, source)
    except (ValueError, FileNotFoundError) as error:
        yield f"forecast.boundary_store: {error}"
        return
    if line := edges.lacking(preflight.analysis, inits, steps):
        yield line


def boundary_source(config: Config) -> dict[str, Any] | str | None:
    """Where forecasts have their boundary from, as `axialcast.forecast.Forecaster` takes it."""
    assert config.data is not None
    if config.data.boundary is None:
        return None
    store = config.boundary_store
    return ANALYSIS if store is None else opening(config, store)


def opening(config: Config, store: str) -> dict[str, Any]:
    """Keywords of `open_analysis` for a boundary's store."""
    assert config.data is not None
    keys = {"variables", "levels", "storage_options"}
    return {"store": store, **config.data.model_dump(include=keys)}
