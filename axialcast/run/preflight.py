"""What `axialcast check` does first: finds what would fail later."""

from dataclasses import replace

import numpy as np

from axialcast.baselines.climatology import SHORTEST_DAYS
from axialcast.data import Statistics, WindowLoader, open_analysis, statistics
from axialcast.data.preparing.recipe import Recipe
from axialcast.data.reader import Analysis
from axialcast.device import choose_device
from axialcast.disclosure import shown
from axialcast.forecast import Forecaster, choose_init_times, load_checkpoint
from axialcast.forecast.layout import check_layout
from axialcast.run.config import Config, ConfigError, DataConfig
from axialcast.run.costs import Preflight, planned_nature_run
from axialcast.scores.regions import region_weights
from axialcast.times.calendars import time_text
from axialcast.times.dates import later
from axialcast.times.periods import is_multiple, period_bounds

__all__ = ["Preflight", "check_run"]

SPLITS = {"train": ("train", "validate"), "forecast": ("test",), "verify": ("train", "test")}
"""The periods of data that each shipped pipeline reads."""

SCAN_BYTES = 2**27
"""Decoded data looked through for channels that are constant or all NaN."""


def check_run(config: Config, *, scan: bool = False) -> Preflight | None:
    """The run, checked against its data and this machine; None if it reads no data.

    Args:
        config: the run.
        scan: also read a part of the training period, for channels that are constant or all NaN.

    Raises:
        FileNotFoundError: the store or a checkpoint that is needed is not there.
        ValueError: what is wrong with the store.
        ConfigError: what in the config does not fit the store, one line each.
    """
    choose_device(config.device)
    if config.data is None:
        return None
    data = config.data
    is_simulated = "simulate" in config.pipeline
    prepares = "prepare" in config.pipeline
    store = planned_nature_run(config).template() if is_simulated else None
    if prepares:
        recipe = Recipe(**config.recipe)
        dataset = recipe.convert(recipe.open(store))
    else:
        dataset = open_analysis(config.analysis_store if store is None else store, **config.opening)
    analysis = Analysis(dataset)
    spacing = analysis.cadence / np.timedelta64(1, "h")
    problems = _step_problems(config, data, spacing)
    stride = round((data.step_hours or spacing) / spacing) or 1
    preflight = Preflight(config, data, analysis, stride)
    problems += _period_problems(preflight)
    if not problems and "train" in config.pipeline:
        problems += _window_problems(preflight) + _init_problems(preflight)
    problems += _region_problems(preflight) + _layout_problems(preflight)
    if problems:
        raise ConfigError([f"{shown(config.analysis_store)}: {problem}" for problem in problems])
    if "forecast" in config.pipeline and "train" not in config.pipeline:
        Forecaster(load_checkpoint(config.output / "checkpoint"), device="cpu").check(analysis)
    return replace(preflight, scanned=_scan(preflight)) if scan and not is_simulated else preflight


def _step_problems(config: Config, data: DataConfig, spacing: float) -> list[str]:
    step = data.step_hours or spacing
    every, longest = config.forecast.init_every_hours, config.forecast.lead_time_hours
    multiples = [("data.step_hours", step, "cadence", spacing)]
    if "forecast" in config.pipeline:
        multiples.append(("forecast.lead_time_hours", longest, "model step", step))
    if every is not None:
        multiples.append(("forecast.init_every_hours", every, "cadence", spacing))
    return [
        f"{key}: {hours:g} is not a multiple of the {name}, {of:g} h"
        for key, hours, name, of in multiples
        if not is_multiple(hours, of)
    ]


def _period_problems(preflight: Preflight) -> list[str]:
    """Periods that the store does not cover."""
    config, times = preflight.config, preflight.analysis.times
    needed = {name for stage in config.pipeline for name in SPLITS.get(stage, ())}
    if config.forecast.init_times != "test" and "verify" not in config.pipeline:
        needed -= {"test"}
    if times.dtype == object:
        verified = "verify" in config.pipeline
        return ["pipeline: verify needs the standard calendar; leave it out"] if verified else []
    step = preflight.analysis.cadence
    problems = []
    for name in [name for name in ("train", "validate", "test") if name in needed]:
        period = getattr(preflight.data, name)
        first, last = period_bounds(period)
        if first <= times[0] - step or last >= times[-1] + step:
            problems.append(
                f"data.{name}: {period[0]} to {period[1]} is not within the store, "
                f"which holds {time_text(times[0])} to {time_text(times[-1])}"
            )
    train = preflight.split("train")
    span = (train[-1] - train[0]) / np.timedelta64(1, "D") if len(train) else 0.0
    if "verify" in config.pipeline and config.verify.harmonics and span < SHORTEST_DAYS:
        problems.append(
            f"verify.harmonics: {config.verify.harmonics} annual harmonics need a training period "
            f"of a year, got {span:.0f} days; extend data.train or set verify.harmonics=0"
        )
    earlier = (preflight.data.input_steps - 1) * preflight.stride
    chosen = preflight.split("test")
    if not problems and "test" in needed and len(chosen) and chosen[0] < times[0] + earlier * step:
        problems.append(
            f"data.test: starts at the store's first time, but a forecast needs {earlier} times "
            "before it; start it later"
        )
    return problems


def _window_problems(preflight: Preflight) -> list[str]:
    train, problems = preflight.config.train, []
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
            problems.append(f"data.{name}: {error}")
    return problems


def _init_problems(preflight: Preflight) -> list[str]:
    """Initial times that forecasts of the network to be trained cannot begin at."""
    config, analysis = preflight.config, preflight.analysis
    if "forecast" not in config.pipeline:
        return []
    chosen = config.forecast.model_dump(include={"init_times", "init_every_hours"})
    try:
        inits = choose_init_times(analysis, test=preflight.data.test, **chosen)
    except ValueError as error:
        return [f"forecast.{error}"]
    if not len(inits):
        return [f"data.test: {' to '.join(preflight.data.test)} holds no time of the store"]
    steps = np.arange(preflight.data.input_steps) * preflight.stride
    needed = later(inits[:, None], -steps * analysis.cadence)
    for init, step in np.argwhere(analysis.rows(needed) < 0)[:1]:
        absent = time_text(needed[init, step])
        first = f"forecast.init_times: {time_text(inits[init])}"
        return [f"{first} needs the analysis of {absent}, which the store lacks; leave it out"]
    return []


def _region_problems(preflight: Preflight) -> list[str]:
    config = preflight.config
    regions = {name: box.model_dump() for name, box in config.verify.regions.items()}
    try:
        region_weights(preflight.analysis.grid, regions if "verify" in config.pipeline else {})
    except ValueError as error:
        return [f"verify.{error}"]
    return []


def _layout_problems(preflight: Preflight) -> list[str]:
    if "forecast" not in preflight.config.pipeline:
        return []
    try:
        check_layout(preflight.config.forecast.layout, preflight.analysis.grid.longitude)
    except ValueError as error:
        return [f"forecast.{error}"]
    return []


def _scan(preflight: Preflight) -> Statistics:
    """Statistics of the first part of the training period; raises where they cannot be had."""
    period = preflight.analysis.between(*preflight.data.train)
    count = max(SCAN_BYTES // period.state_bytes, 16)
    try:
        return statistics(period.part(slice(count)), period.channels, step=preflight.stride)
    except ValueError as error:
        raise ValueError(f"{shown(preflight.config.analysis_store)}: {error}") from None
