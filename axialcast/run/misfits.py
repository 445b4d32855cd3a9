"""What in a config does not fit its data: a line for each, and none where all is well."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from axialcast.baselines.cycle import SHORTEST_DAYS
from axialcast.baselines.fitting import JOINT, check_times
from axialcast.baselines.percentiles import check_months
from axialcast.data import WindowLoader
from axialcast.files.atomic import readable_size
from axialcast.forecast import Forecaster, choose_init_times, choose_lead_times
from axialcast.forecast.forcings import beyond
from axialcast.forecast.grib import refuse_interval
from axialcast.forecast.gribgrid import grid_keys
from axialcast.forecast.layout import check_layout
from axialcast.model.freezing import freeze
from axialcast.model.memory import installed_bytes, trained_bytes
from axialcast.model.own import OwnBody
from axialcast.names import ANALYSIS, FORCING, canonical
from axialcast.run.areas import regions_of
from axialcast.run.boundary import boundary_misfits
from axialcast.run.costs import BEYOND, Preflight
from axialcast.run.departures import no_departures
from axialcast.run.floor import no_floor
from axialcast.run.model_section import FileConfig, UNetConfig
from axialcast.run.spelled import said_step
from axialcast.scores.regions import region_weights
from axialcast.thresholds import Threshold
from axialcast.times.calendars import steps, time_text
from axialcast.times.dates import Times, later
from axialcast.times.ranges import period_ends
from axialcast.times.steps import DAY, in_months, multiple, step_text

__all__ = ["misfits"]

SPLITS = {"train": ("train", "validate"), "forecast": ("test",), "verify": ("train", "test")}
"""The periods of data that each shipped pipeline reads."""

LARGE = 10**6
"""Inputs of all layers times their width; weights are some ten times as many."""

FITTED = {
    "time": "data.train",
    "times": "data.train",
    "training": "data.train",
    "harmonics": "verify.harmonics",
    "lag": "data.step",
}
"""The key behind each argument of the fits of baselines."""

Lines = Iterator[str]


def misfits(preflight: Preflight, forecaster: Forecaster | None) -> list[str]:
    """What does not fit, one line each, as far as can be told before the rest is mended.

    Args:
        preflight: the run and its data.
        forecaster: what it forecasts with, where it trains nothing.
    """
    lines = [*_steps(preflight, forecaster), *_grid(preflight), *_periods(preflight)]
    lines += [*_regions(preflight), *_layout(preflight), *_members(preflight, forecaster)]
    lines = lines or [*_network(preflight), *_windows(preflight)]
    lines = lines or list(_init_times(preflight, forecaster))
    return lines or list(_verified(preflight))


def _steps(preflight: Preflight, forecaster: Forecaster | None) -> Lines:
    """Steps that are no multiples of what they consist of."""
    forecast, data = preflight.config.forecast, preflight.data
    cadence, step = preflight.cadence, data.model_step
    multiples = []
    if forecaster is not None:
        step = forecaster.step
        multiples.append((f"checkpoint: its step of {step_text(step)}", step, "cadence", cadence))
    elif step is not None:
        multiples.append((f"data.{said_step(data, 'step')}", step, "cadence", cadence))
    step = cadence if step is None else step
    if preflight.config.model.departures is True and "train" in preflight.config.pipeline:
        times = preflight.split("train")
        if reason := no_departures(times, step, sure=True):
            yield f"model.departures: {reason}; set it to auto, or to false"
    base = preflight.config.model.base
    if base in ("blend", "linear") and "train" in preflight.config.pipeline:
        reason = no_floor(preflight.config, preflight.split("train"), step)
        if reason is not None:
            yield f"model.base: {base} is not possible: {reason}; set it to auto"
    if "forecast" in preflight.config.pipeline:
        said = f"forecast.{said_step(forecast, 'lead_time')}"
        multiples.append((said, forecast.longest, "model step", step))
        if (every := forecast.spacing) is not None:
            said = f"forecast.{said_step(forecast, 'init_every')}"
            multiples.append((said, every, "cadence", cadence))
    for said, wanted, name, of in multiples:
        if not multiple(wanted, of):
            remedy = ""
            if in_months(wanted) != in_months(of):
                key = said.partition(":")[0].removesuffix("_hours")
                remedy = f"; say {key} in {'months' if in_months(of) else 'hours or days'}"
            yield f"{said} is not a multiple of the {name}, {step_text(of)}{remedy}"


def _grid(preflight: Preflight) -> Lines:
    """A grid without neighbours, or with fewer points than a patch has."""
    grid = preflight.analysis.grid
    shape = dict(zip(grid.dims, grid.shape, strict=True))
    for name, count in shape.items():
        if count < 2:
            yield (
                f"{name}: the grid has one; a forecast needs two or more: widen data.region, or "
                "take a store of a whole field"
            )
            return
    if "train" in preflight.config.pipeline:
        patch = preflight.config.model.patching[1:]
        for (name, count), size in zip(shape.items(), patch, strict=True):
            if size > count:
                yield f"model.patch: {size} of {count} {name}s; make it {count} or less"


def _periods(preflight: Preflight) -> Lines:
    """Periods that the store does not cover."""
    config, times = preflight.config, preflight.analysis.times
    needed = {name for stage in config.pipeline for name in SPLITS.get(stage, ())}
    if config.forecast.init_times != "test" and "verify" not in config.pipeline:
        needed -= {"test"}
    step, is_covered = preflight.cadence, True
    reach = later(times[:1], -step)[0], later(times[-1:], step)[0]
    for name in [name for name in ("train", "validate", "test") if name in needed]:
        period = getattr(preflight.data, name)
        first, after = period_ends(*period, like=times)
        if first <= reach[0] or after > reach[1]:
            is_covered = False
            yield (
                f"data.{name}: {period[0]} to {period[1]} is not within the store, "
                f"which holds {time_text(times[0])} to {time_text(times[-1])}"
            )
        elif not len(preflight.split(name)):
            yield f"data.{name}: {period[0]} to {period[1]} holds no time of the store; widen it"
    earlier = (preflight.data.input_steps - 1) * preflight.stride
    chosen = preflight.split("test")
    # Of more times than there are, `_windows` tells.
    is_asked = is_covered and "test" in needed and len(chosen) and earlier < len(times)
    if is_asked and chosen[0] < later(times[:1], earlier * step)[0]:
        yield (
            f"data.test: starts at the store's first time, but a forecast needs {earlier} times "
            "before it; start it later"
        )


def _network(preflight: Preflight) -> Lines:
    """A network that cannot be built, or whose training cannot be held by this machine."""
    if "train" not in preflight.config.pipeline:
        return
    model = preflight.config.model
    try:
        with torch.device("meta" if _is_large(preflight) else "cpu"):
            network = preflight.network()
        if isinstance(network.body, OwnBody):
            network.body.try_out()
    except ValueError as error:
        heads = getattr(model, "heads", 1)
        key = "path: " if str(error).startswith(str(getattr(model, "path", ":"))) else ""
        yield f"model.{key}{error}".replace("dim_heads:", f"dim: of each of {heads} heads,")
        return
    try:
        if preflight.parent is not None:
            preflight.parent.refuse_unlike(preflight.config)
        freeze(network, preflight.config.train.freeze)
    except ValueError as error:
        yield str(error)
    needed, installed = trained_bytes(network), installed_bytes()
    if installed is not None and needed > BEYOND * installed:
        yield (
            f"model.dim: the network and its optimizer take {readable_size(needed)}, this machine "
            f"has {readable_size(installed)}; choose a smaller model.dim or model.depth"
        )


def _is_large(preflight: Preflight) -> bool:
    """Whether a network may be too large to be built; on "meta" torch imports its compiler first,
    which takes a second."""
    model, analysis = preflight.config.model, preflight.analysis
    if isinstance(model, FileConfig):
        return False  # what it computes while it builds may not be computed there
    if isinstance(model, UNetConfig):
        return bool(9 * (model.dim * 2**model.depth) ** 2 > LARGE)
    features = len(analysis.channels) * math.prod(model.patch)
    shape = analysis.grid.shape
    places = preflight.data.input_steps + (sum if model.kind == "axial" else math.prod)(shape)
    return model.dim * (model.depth * model.dim + features + places) > LARGE


def _windows(preflight: Preflight) -> Lines:
    """Periods with too few times to train on, and a buffer that holds too few of them."""
    if "train" not in preflight.config.pipeline:
        return
    train = preflight.config.train
    longest = max(stage.rollout_steps for stage in train.schedule)
    for name in ("train", "validate"):
        try:
            WindowLoader(
                preflight.states(name),
                input_steps=preflight.data.input_steps,
                target_steps=longest,
                step=preflight.stride,
                batch_size=train.batch_size,
                drop_last=name == "train",
            )
        except ValueError as error:
            text = str(error)
            is_buffer = text.startswith("buffer_bytes: ")
            yield f"data.buffer_gib: {text[14:]}" if is_buffer else f"data.{name}: {text}"
            if is_buffer:
                return


def _inits(preflight: Preflight) -> Times:
    chosen = preflight.config.forecast.chosen
    return choose_init_times(preflight.analysis, test=preflight.data.test, **chosen)


def _members(preflight: Preflight, forecaster: Forecaster | None) -> Lines:
    """Members of which some would be equal."""
    if "forecast" in preflight.config.pipeline:
        try:
            _ = preflight.members(None if forecaster is None else forecaster.checkpoint)
        except ValueError as error:
            yield f"forecast.{error}"


def _init_times(preflight: Preflight, forecaster: Forecaster | None) -> Lines:
    """Initial times that forecasts cannot begin at."""
    analysis = preflight.analysis
    if "forecast" not in preflight.config.pipeline:
        return
    try:
        inits = _inits(preflight)
    except ValueError as error:
        yield f"forecast.{error}"
        return
    if not len(inits):
        yield f"data.test: {' to '.join(preflight.data.test)} holds no time of the store"
        return
    if forecaster is None:
        num_steps, step = preflight.data.input_steps, preflight.step
    else:
        num_steps, step = forecaster.network.input_steps, forecaster.step
    lagged = preflight.config.forecast.lagged
    needed = later(inits[:, None], -np.arange(num_steps + lagged) * step)
    for init, number in np.argwhere(analysis.rows(needed) < 0)[:1]:
        absent = time_text(needed[init, number])
        first = f"forecast.init_times: {time_text(inits[init])}"
        is_listed = preflight.config.forecast.init_times != "test"
        remedy = "leave it out" if is_listed else "list the initial times that have theirs"
        yield f"{first} needs the analysis of {absent}, which the store lacks; {remedy}"
    told = {canonical(name): where for name, where in preflight.config.forecast.forcings.items()}
    forcings = [
        name
        for name in preflight.channels.having(FORCING).variables
        if told.get(name, ANALYSIS) == ANALYSIS
    ]
    if forcings:
        steps = np.arange(1, preflight.num_leads + 1) * step
        if line := beyond(analysis, forcings, inits, steps):
            yield line
    trained = preflight.data.frame
    if forecaster is not None:
        trained = forecaster.checkpoint.network.get("boundary")
    steps_on = np.arange(1, preflight.num_leads + 1) * step
    yield from boundary_misfits(preflight, trained, inits, steps_on)


def _regions(preflight: Preflight) -> Lines:
    """Regions without a cell, and masks that are not there."""
    if "verify" not in preflight.config.pipeline:
        return
    try:
        areas = regions_of(preflight.config, preflight.analysis.grid)
    except ValueError as error:
        yield f"verify.{error}"
        return
    for name, area in areas.items():
        try:
            region_weights(preflight.analysis.grid, {name: area})
        except ValueError as error:
            yield f"verify.{error}"


def _layout(preflight: Preflight) -> Lines:
    """A layout, or a format, that does not allow the grid."""
    config = preflight.config
    if "forecast" in config.pipeline:
        try:
            check_layout(config.forecast.layout, preflight.analysis.grid)
        except ValueError as error:
            yield f"forecast.{error}"
    if "deliver" in config.pipeline and "grib2" in config.deliver.formats:
        try:
            grid_keys(preflight.analysis.grid)
            for channel in preflight.channels.forecast:
                refuse_interval(channel.variable, channel.cell, preflight.step)
        except ValueError as error:
            yield str(error)


def _verified(preflight: Preflight) -> Lines:
    """Lead times that cannot be scored, and training periods too short for what is fitted."""
    config, times = preflight.config, preflight.analysis.times
    if "verify" not in config.pipeline:
        return
    longest, verify = config.forecast.longest, config.verify
    said = f"forecast.{said_step(config.forecast, 'lead_time')}"
    train = preflight.split("train")
    span = steps(np.concatenate([train[:1], later(train[-1:], preflight.cadence)]))[0] / DAY
    if verify.harmonics and span < SHORTEST_DAYS:
        yield (
            f"verify.harmonics: {verify.harmonics} annual harmonics need a training period "
            f"of a year, got {span:.0f} days; extend data.train or set verify.harmonics=0"
        )
        return
    if "forecast" not in config.pipeline:
        return
    if "damped_persistence" in verify.baselines and later(train[:1], longest)[0] > train[-1]:
        yield (
            f"{said} is longer than data.train, {step_text(steps(train[[0, -1]]))}, in "
            "which damped persistence is fitted at each lead time; shorten it, or extend data.train"
        )
        return
    lag = preflight.step
    joint = [name for name in JOINT if name in verify.baselines]
    if joint and later(train[:1], 2 * lag)[0] > train[-1]:
        yield (
            f"data.train: {len(train)} times are too few to fit the {joint[0].replace('_', ' ')}; "
            f"extend it, or leave {' and '.join(joint)} out of verify.baselines"
        )
        return
    inits, leads = _inits(preflight), choose_lead_times(longest, lag)
    settings: dict[str, Any] = {"lead_times": leads, "harmonics": verify.harmonics, "lag": lag}
    try:
        check_times(train, verify.baselines, init_times=inits, **settings)
    except ValueError as error:
        argument, _, problem = str(error).partition(": ")
        key = said.partition(":")[0] if argument == "lead_times" else FITTED[argument]
        yield f"{key}: {problem}"
    events = [value for values in verify.thresholds.values() for value in values]
    if len(inits) and (verify.dry or any(Threshold.of(v).is_percentile for v in events)):
        try:
            check_months(train, np.unique(later(inits[:, None], leads)))
        except ValueError as error:
            yield f"verify.thresholds: {error}"
    if len(inits) and later(np.sort(inits)[:1], longest)[0] > times[-1]:
        yield (
            f"{said} from {time_text(inits.min())}, the first initial "
            f"time, is beyond the store's last time, {time_text(times[-1])}, so that "
            "nothing can be verified; shorten it, or verify earlier forecasts"
        )
