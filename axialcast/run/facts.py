"""What `check` says of the data and of what is made of them, before it says what that costs."""

from collections.abc import Iterator

from axialcast.data import Channels
from axialcast.disclosure import shown
from axialcast.forecast.ancestry import ancestors
from axialcast.grid import ProjectedGrid
from axialcast.names import FORCING, GIVEN_BY, HELD, ROLES, canonical
from axialcast.run.config import Config, DataConfig
from axialcast.run.costs import Preflight
from axialcast.run.parent import Parent
from axialcast.times.calendars import time_text
from axialcast.times.steps import step_text

__all__ = ["facts"]


def facts(preflight: Preflight) -> list[str]:
    """What the data are, and how a network is told of them, one line each."""
    analysis, channels = preflight.analysis, preflight.channels
    times, grid = analysis.times, analysis.grid
    first, last = (time_text(time) for time in times[[0, -1]])
    extent = "global" if grid.is_periodic else "regional"
    if isinstance(grid, ProjectedGrid):
        extent = f"on a map, {grid.name.replace('_', ' ')}"
    parts = (f"{name} {len(preflight.split(name)):,}" for name in ("train", "validate", "test"))
    span = f"every {step_text(preflight.cadence)}, {first} to {last}"
    return [
        *_roles(channels, preflight.data),
        *_stores(preflight),
        f"grid: {grid.shape[0]} x {grid.shape[1]}, {extent}",
        f"times: {len(times):,}, {span} ({', '.join(parts)})",
        f"model step: {step_text(preflight.step)}",
        *_members(preflight),
        *_values(preflight),
        *_treatment(channels, preflight.data),
        *_boundary(preflight.config),
        *_start(preflight.parent),
    ]


def _start(parent: Parent | None) -> Iterator[str]:
    """The checkpoint that training starts from."""
    if parent is not None:
        yield f"starts from: {next(ancestors({'start_from': parent.provenance}))}"


def _members(preflight: Preflight) -> Iterator[str]:
    """What makes the members of forecasts, where there are several."""
    config = preflight.config
    members = preflight.members() if "forecast" in config.pipeline else ()
    if len(members) > 1:
        parts = [f"{config.train.members} networks"] if config.train.members > 1 else []
        if config.forecast.lagged:
            parts.append(f"{1 + config.forecast.lagged} initial times")
        parts += ["noise"] if config.model.noise else []
        parts += ["perturbed states"] if config.forecast.perturb else []
        yield f"members: {len(members)}, by {', '.join(parts)}"


def _roles(channels: Channels, data: DataConfig) -> Iterator[str]:
    """What a network is given, what it forecasts, and what both."""
    for role in ROLES:
        of_role = map(str, channels.having(role))
        names = [*of_role, *(data.computed_forcings if role == FORCING else ())]
        if names:
            yield f"{role}: {', '.join(names)}"
    if data.static:
        yield f"static: {', '.join(data.static)}"


def _stores(preflight: Preflight) -> Iterator[str]:
    """Which of several stores gives what."""
    found: dict[str, list[str]] = {}
    for name, array in preflight.analysis.dataset.data_vars.items():
        if (store := array.attrs.get(GIVEN_BY)) is not None:
            found.setdefault(store, []).append(str(name))
    for store, names in found.items():
        yield f"from {store}: {', '.join(names)}"


def _values(preflight: Preflight) -> Iterator[str]:
    """What of them is not as it might seem."""
    variables = preflight.analysis.dataset.data_vars
    hours_held = {name: array.attrs.get(HELD) for name, array in variables.items()}
    held = [f"{name}, every {each:g} h" for name, each in hours_held.items() if each]
    if held:
        yield f"held until its next value: {', '.join(held)}"
    if preflight.scanned is not None:
        shares = zip(preflight.analysis.channels, preflight.scanned.missing, strict=True)
        if missing := [f"{channel} {100 * share:.3g} %" for channel, share in shares if share]:
            yield f"NaN, masked: {', '.join(missing)} of the area"


def _treatment(channels: Channels, data: DataConfig) -> Iterator[str]:
    """What becomes of channels in a network, its loss and its forecasts."""
    units = {channel.variable: channel.units for channel in channels}
    logarithms = [
        f"{name} log(1 + x / {how['log1p']:g}{_after(units, name)})"
        for name, how in data.transform.items()
        if isinstance(how, dict)
    ]
    if logarithms:
        yield f"transforms: {', '.join(logarithms)}"
    if data.bounds:
        ends = (f"{name} {_ends(*pair)}{_after(units, name)}" for name, pair in data.bounds.items())
        yield f"bounds of forecasts: {', '.join(ends)}"
    if data.weights:
        weights = (f"{name} {weight:g}" for name, weight in data.weights.items())
        yield f"weights in the loss: {', '.join(weights)}, all others 1"


def _boundary(config: Config) -> Iterator[str]:
    """What comes in along the edges of a region, and from where."""
    if config.data is None or (boundary := config.data.boundary) is None:
        return
    trained, then = (
        "the store itself" if store is None else shown(store)
        for store in (boundary.store, config.boundary_store)
    )
    later = "" if then == trained else f", forecasts from {then}"
    yield f"boundary: {boundary.width}-point frame ({boundary.relaxation}) from {trained}{later}"


def _after(units: dict[str, str], name: str) -> str:
    known = units.get(canonical(name), units.get(name, "1"))
    return "" if known == "1" else f" {known}"


def _ends(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"up to {high:g}" if low is None else f"from {low:g}"
    return f"{low:g} to {high:g}"
