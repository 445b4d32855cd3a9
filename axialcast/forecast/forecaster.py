"""Forecaster: labelled analysis in, labelled forecast out.

Shapes: b initial times, t input states, k lead times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from axialcast.data import cadence, grid_of, normalize_, open_analysis, unnormalize
from axialcast.data.channels import Channels
from axialcast.device import autocast, choose_device
from axialcast.forecast.checkpoint import Checkpoint, load_checkpoint
from axialcast.forecast.selection import parse_lead_times
from axialcast.model import rollout
from axialcast.names import (
    CONVENTIONS,
    COORDINATE_ATTRS,
    INIT_TIME,
    LATITUDE,
    LEAD_TIME,
    LEVEL,
    LONGITUDE,
    TIME,
    VALID_TIME,
)
from axialcast.times.calendars import time_text
from axialcast.times.dates import Times, datetimes, later

__all__ = ["Forecaster", "load"]


def load(path: str | Path, *, device: str = "auto") -> "Forecaster":
    """The forecaster of a checkpoint folder.

    Raises:
        FileNotFoundError: there is no checkpoint at `path`.
        ValueError: it is damaged, or this machine lacks the device.
    """
    return Forecaster(load_checkpoint(path), device=device)


class Forecaster:
    """A trained network with the labels it was trained on.

    Args:
        checkpoint: what was trained.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: auto (bfloat16 on GPUs that compute in it), float32 or bfloat16.
    """

    def __init__(
        self, checkpoint: Checkpoint, *, device: str = "auto", precision: Any = "auto"
    ) -> None:
        self.checkpoint = checkpoint
        self.device = choose_device(device)
        self.precision = precision
        self.network = checkpoint.build().to(self.device)

    def __repr__(self) -> str:
        channels = ", ".join(map(str, self.checkpoint.channels))
        return f"Forecaster({channels}; {self.checkpoint.grid}; step {self.step_hours:g} h)"

    @property
    def step_hours(self) -> float:
        """Hours from one state to the next; lead times are multiples of it."""
        return float(self.checkpoint.step / np.timedelta64(1, "h"))

    def predict(
        self,
        analysis: xr.Dataset | str | Path,
        *,
        init_times: Any,
        lead_times: Any,
        batch_size: int = 16,
    ) -> xr.Dataset:
        """Forecasts from every initial time, in memory.

        Where a channel was trained with missing values (sea-surface temperature, over land),
        missing values of the input states are taken for the channel's mean, and the forecast is
        NaN at the points of that channel where the state at the initial time is.

        Args:
            analysis: Dataset (time, [level], latitude, longitude) or the path of one; holds
                every initial time and the input states before it. Its calendar may be another
                than that of the training data: the network is told fractions of the year.
            init_times: datetimes, or one: "2010-01-01" or a sequence of such.
            lead_times: timedeltas, or one: "24h" or a sequence of such; each a multiple of the
                model step.
            batch_size: initial times computed together.

        Returns:
            Dataset (init_time, lead_time, [level], latitude, longitude) in physical units, with
            `valid_time` and CF attributes.

        Raises:
            FileNotFoundError: there is no such store.
            ValueError: the analysis differs from what the model was trained on (variables,
                levels, units, grid, cadence), lacks a time, holds NaN in a channel that was
                trained without, or nothing else in any channel.
        """
        blocks = self.predict_blocks(
            analysis, init_times=init_times, lead_times=lead_times, batch_size=batch_size
        )
        parts = [block for _, block in blocks]
        combined = xr.concat(parts, INIT_TIME, data_vars="minimal", coords="minimal")
        return combined.assign_attrs(parts[0].attrs)

    def predict_blocks(
        self,
        analysis: xr.Dataset | str | Path,
        *,
        init_times: Any,
        lead_times: Any,
        batch_size: int = 16,
    ) -> Iterator[tuple[int, xr.Dataset]]:
        """As `predict`, but yields blocks of `batch_size` initial times with their position."""
        analysis = self.check(analysis)
        inits = datetimes(init_times, like=analysis[TIME].values)
        leads = parse_lead_times(lead_times, self.checkpoint.step)
        positions = self._positions(analysis, inits)

        def blocks() -> Iterator[tuple[int, xr.Dataset]]:
            for first in range(0, len(inits), batch_size):
                chosen = slice(first, first + batch_size)
                values = self._compute(*self._read(analysis, positions[chosen]), leads)
                yield first, self._label(values, inits[chosen], leads)

        return blocks()

    def hindcast(
        self, analysis: xr.Dataset, *, init_times: Times, lead_times: Any, batch_size: int
    ) -> Iterator[tuple[xr.Dataset, list[str]]]:
        """Forecasts in blocks, each with a checksum of the states it was made of, for a store.

        The network always computes whole batches, the last filled up with repetitions: so the bits
        of a forecast do not depend on which others are made with it.

        Args:
            analysis: as `check` returns it.
            init_times, lead_times, batch_size: as for `predict`.
        """
        leads = parse_lead_times(lead_times, self.checkpoint.step)
        positions = self._positions(analysis, init_times)
        for first in range(0, len(init_times), batch_size):
            chosen = positions[first : first + batch_size]
            inits = init_times[first : first + batch_size]
            filled = np.pad(chosen, ((0, batch_size - len(chosen)), (0, 0)), mode="edge")
            states, index, times = self._read(analysis, filled)
            inputs = _checksums(states, index[: len(chosen)])
            values = self._compute(states, index, times, leads)[: len(chosen)]
            yield self._label(values, inits, leads), inputs

    def inputs(
        self, analysis: xr.Dataset, init_times: Times, *, batch_size: int
    ) -> Iterator[list[str]]:
        """The checksums that `hindcast` gives, without making forecasts."""
        positions = self._positions(analysis, init_times)
        for first in range(0, len(init_times), batch_size):
            states, index, _ = self._read(analysis, positions[first : first + batch_size])
            yield _checksums(states, index)

    def template(self, init_times: Any, lead_times: Any) -> xr.Dataset:
        """The forecast's labels without its values: coordinates and attributes alone."""
        inits, leads = datetimes(init_times), parse_lead_times(lead_times, self.checkpoint.step)
        shape = (len(inits), len(leads), len(self.checkpoint.channels), *self.checkpoint.grid.shape)
        # A broadcast zero takes no memory, whatever its shape.
        return self._label(np.broadcast_to(np.float32(0), shape), inits, leads)

    def check(self, analysis: xr.Dataset | str | Path) -> xr.Dataset:
        """The analysis with the model's channels, if it is of the kind the model was trained on.

        Raises:
            ValueError: names what differs.
        """
        channels, grid = self.checkpoint.channels, self.checkpoint.grid
        levels = sorted({channel.level for channel in channels if channel.level is not None})
        # A gap harms no forecast but those that need the missing times, which are named.
        opened = open_analysis(
            analysis, variables=channels.variables, levels=levels or None, gaps="keep"
        )
        problem = channels.difference(_matching(Channels.of(opened), channels))
        problem = problem or grid.difference(grid_of(opened))
        if problem:
            raise ValueError(f"analysis does not fit the checkpoint: {problem}")
        if opened.sizes[TIME] > 1 and self.checkpoint.step % cadence(opened):
            hours = cadence(opened) / np.timedelta64(1, "h")
            raise ValueError(
                f"analysis does not fit the checkpoint: its cadence of {hours:g} h does not "
                f"divide the model step of {self.step_hours:g} h"
            )
        return opened

    def has_inputs(self, analysis: xr.Dataset, init_times: Times) -> NDArray[np.bool_]:
        """(b,) whether the analysis holds all input states of each initial time."""
        _, positions = self._wanted(analysis, init_times)
        return np.asarray((positions >= 0).all(1))

    def _wanted(self, analysis: xr.Dataset, inits: Times) -> tuple[Times, NDArray[np.int64]]:
        """(b, t) times of the input states, and their positions in the analysis, -1 if absent."""
        steps = np.arange(self.network.input_steps - 1, -1, -1)
        wanted = later(inits[:, None], -steps * self.checkpoint.step)
        found = analysis.indexes[TIME].get_indexer(wanted.ravel())
        return wanted, np.asarray(found, np.int64).reshape(wanted.shape)

    def _positions(self, analysis: xr.Dataset, inits: Times) -> NDArray[np.int64]:
        """(b, t) positions of the input states in the analysis."""
        wanted, positions = self._wanted(analysis, inits)
        if (positions < 0).any():
            init, time = inits[(positions < 0).any(1)][0], wanted[positions < 0][0]
            have = [time_text(time) for time in analysis[TIME].values[[0, -1]]]
            raise ValueError(
                f"init_times: {time_text(init)} needs the analysis of {time_text(time)}, which is "
                f"not among its times {have[0]} to {have[1]}"
            )
        return positions

    def _read(
        self, analysis: xr.Dataset, positions: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], Times]:
        """(n, c, h, w) different states in physical units, (b, t) which of them each input is, and
        (b, t) their times."""
        rows, index = np.unique(positions, return_inverse=True)
        values = self.checkpoint.channels.stack(analysis.isel({TIME: rows}))
        times = analysis[TIME].values
        self._refuse_nan(~np.isnan(values), times[rows])
        return values, index.reshape(positions.shape), times[positions]

    def _compute(
        self,
        values: NDArray[np.float32],
        index: NDArray[np.int64],
        times: Times,
        leads: NDArray[np.timedelta64],
    ) -> NDArray[np.float32]:
        """(b, k, c, h, w) forecasts in physical units of what `_read` gave, which it overwrites."""
        known = ~np.isnan(values)
        states = normalize_(torch.from_numpy(values), self.checkpoint.statistics)
        chosen = torch.from_numpy(index)
        valid = None
        if not known.all():
            states.masked_fill_(torch.from_numpy(~known), 0.0)
            valid = torch.from_numpy(known)[chosen[:, -1]].to(self.device)
        wanted = set((leads // self.checkpoint.step).tolist())
        kept = []
        with torch.inference_mode(), autocast(self.device, self.precision):
            steps = rollout(
                self.network,
                states[chosen].to(self.device),
                times,
                step=self.checkpoint.step,
                num_steps=max(wanted),
                valid=valid,
            )
            for number, state in enumerate(steps, 1):
                if number in wanted:
                    state = unnormalize(state.float(), self.checkpoint.statistics)
                    kept.append((state if valid is None else state.where(valid, np.nan)).cpu())
        return torch.stack(kept, 1).numpy()

    def _refuse_nan(self, known: NDArray[np.bool_], times: Times) -> None:
        """Raises where values are missing that training never missed, or all of a channel's."""
        num_known, cells = known.sum((2, 3)), known.shape[2] * known.shape[3]
        never_missing = self.checkpoint.statistics.missing == 0
        bad = np.argwhere((num_known == 0) | (never_missing & (num_known < cells)))
        if len(bad):
            time, channel = bad[0]
            reason = "the model was trained on none" if never_missing[channel] else "none are known"
            raise ValueError(
                f"{self.checkpoint.channels[channel]}: {cells - num_known[time, channel]} of "
                f"{cells} points are NaN in the analysis of {time_text(times[time])}, {reason}; "
                "fill it, or leave out the initial times that need it"
            )

    def _label(
        self,
        values: NDArray[np.float32],
        inits: Times,
        leads: NDArray[np.timedelta64],
    ) -> xr.Dataset:
        grid = self.checkpoint.grid
        valid = later(inits[:, None], leads)
        coords = {
            INIT_TIME: (INIT_TIME, inits, COORDINATE_ATTRS[INIT_TIME]),
            LEAD_TIME: (LEAD_TIME, leads, COORDINATE_ATTRS[LEAD_TIME]),
            VALID_TIME: ((INIT_TIME, LEAD_TIME), valid, COORDINATE_ATTRS[VALID_TIME]),
            LATITUDE: (LATITUDE, grid.latitude, COORDINATE_ATTRS[LATITUDE]),
            LONGITUDE: (LONGITUDE, grid.longitude, COORDINATE_ATTRS[LONGITUDE]),
        }
        forecast = self.checkpoint.channels.unstack(values, coords, (INIT_TIME, LEAD_TIME))
        for name in set(forecast.coords) & {LEVEL, LATITUDE, LONGITUDE}:
            # CF allows no fill value on a coordinate; xarray gives every float one unless told.
            forecast[name].encoding["_FillValue"] = None
        trained_on = self.checkpoint.provenance.get("train")
        return forecast.assign_attrs(
            Conventions=CONVENTIONS,
            title="axialcast forecast",
            source="axial attention transformer"
            + (f", trained on {trained_on[0]} to {trained_on[1]}" if trained_on else ""),
            history=f"made by axialcast {version('axialcast')}",
            step_hours=self.step_hours,
        )


def _checksums(values: NDArray[np.float32], index: NDArray[np.int64]) -> list[str]:
    """A checksum of the states that each window (b, t) consists of."""
    states = [sha256(state.tobytes()).digest() for state in values]
    return [sha256(b"".join(states[i] for i in window)).hexdigest()[:32] for window in index]


def _matching(got: Channels, want: Channels) -> Channels:
    """The channels got, without those the wanted variables have on levels not wanted."""
    wanted = {(channel.variable, channel.level) for channel in want}
    return Channels([channel for channel in got if (channel.variable, channel.level) in wanted])
