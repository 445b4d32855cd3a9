"""What `axialcast check` does: finds what would fail later, and says what a run will cost."""

import math
import shutil
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xarray as xr

from axialcast.baselines.climatology import SHORTEST_DAYS
from axialcast.data import (
    Channels,
    States,
    Statistics,
    WindowLoader,
    cadence,
    grid_of,
    open_analysis,
    statistics,
)
from axialcast.data.preparing.recipe import Recipe
from axialcast.device import choose_device
from axialcast.files.atomic import readable_size
from axialcast.forecast import Forecaster, calendar, load_checkpoint
from axialcast.model import ForecastNetwork
from axialcast.model.memory import resident_bytes, saved_bytes
from axialcast.names import LATITUDE, LEVEL, LONGITUDE, TIME, VARIABLES
from axialcast.planet.nature_run import output_times
from axialcast.planet.quasigeostrophic import LEVELS
from axialcast.planet.spectral import SphericalHarmonics
from axialcast.run.config import Config, ConfigError, DataConfig
from axialcast.times.calendars import time_text
from axialcast.times.periods import is_multiple, period_bounds

__all__ = ["Preflight", "check_run"]

SPLITS = {"train": ("train", "validate"), "forecast": ("test",), "verify": ("train", "test")}
"""The periods of data that each shipped pipeline reads."""

SCAN_BYTES = 2**27
"""Decoded data looked through for channels that are constant or all NaN."""


@dataclass(frozen=True)
class Preflight:
    """A run that passed its checks: what it reads, and from that what it will cost."""

    config: Config
    data: DataConfig
    analysis: xr.Dataset
    stride: int
    scanned: Statistics | None = None

    def facts(self) -> list[str]:
        """What the data are, one line each."""
        times, grid = self.analysis[TIME].values, grid_of(self.analysis)
        hours = cadence(self.analysis) / np.timedelta64(1, "h")
        first, last = (time_text(time) for time in times[[0, -1]])
        extent = "global" if grid.is_periodic else "regional"
        channels = Channels.of(self.analysis)
        shares = () if self.scanned is None else zip(channels, self.scanned.missing, strict=True)
        missing = [f"{channel} {100 * share:.3g} %" for channel, share in shares if share]
        splits = (f"{name} {len(self.split(name)):,}" for name in ("train", "validate", "test"))
        return [
            f"channels: {', '.join(map(str, channels))}",
            f"grid: {grid.shape[0]} x {grid.shape[1]}, {extent}",
            f"times: {len(times):,}, every {hours:g} h, {first} to {last} ({', '.join(splits)})",
            f"model step: {hours * self.stride:g} h",
            *([f"NaN, masked: {', '.join(missing)} of the area"] if missing else []),
        ]

    def costs(self) -> list[str]:
        """Parameters, memory, reading and writing of the run, one line each."""
        states = self.states("train")
        network = self.network()
        num_parameters = sum(p.numel() for p in network.parameters())
        held = min(len(states) * states.bytes_per_state, states.buffer_bytes)
        # Weights, gradients, two moments of AdamW and the averaged weights.
        parts = {
            "network and optimizer": 5 * 4 * num_parameters,
            "activations": self.activation_bytes(network),
            "data": held,
            "libraries": resident_bytes(),
        }
        detail = ", ".join(f"{name} {readable_size(value)}" for name, value in parts.items())
        read = len(states) * states.bytes_per_state
        then = ", once: they are then held in memory" if states.in_memory else ""
        return [
            f"parameters: {num_parameters:,}",
            f"peak memory while training: about {readable_size(sum(parts.values()))} ({detail})",
            f"read per epoch: {readable_size(read)} (decoded){then}",
            f"output: about {readable_size(self.output_bytes(num_parameters))} before compression",
        ]

    def refuse_full_disk(self) -> None:
        """Raises where the disk has less room than the run will write, uncompressed.

        Raises:
            OSError: names the output folder, what is needed and what is free.
        """
        needed = self.output_bytes(sum(p.numel() for p in self.network().parameters()))
        output = self.config.output
        there = next(p for p in (output.absolute(), *output.absolute().parents) if p.is_dir())
        free = shutil.disk_usage(there).free
        if needed > free:
            raise OSError(
                f"output {output}: the run writes about {readable_size(needed)} before "
                f"compression, {readable_size(free)} are free; make room, or set output= elsewhere"
            )

    def split(self, name: str) -> Any:
        """Times of a period of data."""
        return self.analysis[TIME].sel({TIME: slice(*getattr(self.data, name))}).values

    def states(self, name: str) -> States:
        """States of a period of data, not read."""
        period = self.analysis.sel({TIME: slice(*getattr(self.data, name))})
        channels = Channels.of(self.analysis)
        ones = np.ones(len(channels))
        return States(
            period,
            channels,
            Statistics(0 * ones, ones, ones),
            buffer_bytes=self.data.buffer_bytes,
        )

    def network(self, **changes: Any) -> ForecastNetwork:
        """The network that train would build."""
        num_channels = len(Channels.of(self.analysis))
        settings = {"input_steps": self.data.input_steps, **self.config.model.model_dump()}
        return ForecastNetwork(
            num_channels=num_channels,
            grid=grid_of(self.analysis),
            increment_scale=[1.0] * num_channels,
            **(settings | changes),
        )

    def activation_bytes(self, network: ForecastNetwork) -> int:
        """What autograd keeps of one training batch at the longest rollout.

        Counted on one window and one step. A reversible network also holds, while it runs
        backwards, what one of its layers keeps.
        """
        shape = (1, self.data.input_steps, len(Channels.of(self.analysis)))
        states = torch.zeros(*shape, *grid_of(self.analysis).shape)
        moments = calendar(self.analysis[TIME].values[None, : self.data.input_steps])
        kept = saved_bytes(network, states, moments)
        if self.config.model.reversible:
            kept += saved_bytes(self.network(depth=1, reversible=False), states, moments)
        train = self.config.train
        return kept * train.batch_size * max(stage.rollout_steps for stage in train.schedule)

    def output_bytes(self, num_parameters: int) -> int:
        """Size of everything written, uncompressed, saved states among it.

        A state holds the weights, their averages and two moments of AdamW; one more than are kept
        is there while it is written.
        """
        forecast = self.config.forecast
        state = self.states("test").bytes_per_state
        step = cadence(self.analysis) / np.timedelta64(1, "h")
        num_leads = round(forecast.lead_time_hours / (step * self.stride))
        if forecast.init_times == "test":
            num_inits = math.ceil(
                len(self.split("test")) * step / (forecast.init_every_hours or step)
            )
        else:
            num_inits = len(forecast.init_times)
        states = 4 * (self.config.train.keep_states + 1)
        sizes = {
            "prepare": len(self.analysis[TIME]) * state,
            "train": 4 * num_parameters * (states + 1),
            "forecast": num_inits * num_leads * state,
        }
        if "simulate" in self.config.pipeline:
            sizes["simulate"] = _planned_nature_run(self.config).nbytes
        return sum(size for name, size in sizes.items() if name in self.config.pipeline)


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
    store = _planned_nature_run(config) if is_simulated else None
    if prepares:
        recipe = Recipe(**config.recipe)
        analysis = recipe.convert(recipe.open(store).chunk())
    else:
        analysis = open_analysis(store or config.analysis_store, **config.opening)
    spacing = cadence(analysis) / np.timedelta64(1, "h")
    problems = _step_problems(config, data, spacing)
    stride = round((data.step_hours or spacing) / spacing) or 1
    preflight = Preflight(config, data, analysis, stride)
    problems += _period_problems(preflight)
    if not problems and "train" in config.pipeline:
        problems += _window_problems(preflight)
    if problems:
        raise ConfigError([f"{config.analysis_store}: {problem}" for problem in problems])
    if "forecast" in config.pipeline and "train" not in config.pipeline:
        Forecaster(load_checkpoint(config.output / "checkpoint"), device="cpu").check(analysis)
    return replace(preflight, scanned=_scan(preflight)) if scan and not is_simulated else preflight


def _planned_nature_run(config: Config) -> xr.Dataset:
    """The analysis that simulate would write, all zeros that take no memory."""
    simulate = config.simulate
    grid = SphericalHarmonics(simulate.truncation).grid
    coordinates = {
        TIME: output_times(simulate.start, simulate.end),
        LEVEL: np.array(LEVELS),
        LATITUDE: grid.latitude,
        LONGITUDE: grid.longitude,
    }
    zeros = np.broadcast_to(np.float32(0), tuple(map(len, coordinates.values())))
    names = ("geopotential", "u_component_of_wind", "v_component_of_wind")
    fields = {name: (tuple(coordinates), zeros, VARIABLES[name].attrs) for name in names}
    return xr.Dataset(fields, coordinates)


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
    config, times = preflight.config, preflight.analysis[TIME].values
    needed = {name for stage in config.pipeline for name in SPLITS.get(stage, ())}
    if config.forecast.init_times != "test" and "verify" not in config.pipeline:
        needed -= {"test"}
    if times.dtype == object:
        verified = "verify" in config.pipeline
        return ["pipeline: verify needs the standard calendar; leave it out"] if verified else []
    step = cadence(preflight.analysis)
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


def _scan(preflight: Preflight) -> Statistics:
    """Statistics of the first part of the training period; raises where they cannot be had."""
    count = max(SCAN_BYTES // preflight.states("train").bytes_per_state, 16)
    period = preflight.analysis.sel({TIME: slice(*preflight.data.train)})
    part = period.isel({TIME: slice(count)})
    try:
        return statistics(part, Channels.of(period), step=preflight.stride)
    except ValueError as error:
        raise ValueError(f"{preflight.config.analysis_store}: {error}") from None
