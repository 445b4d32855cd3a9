"""Forecasts as arrays: a network stepped forward from states in physical units, on a device.

Shapes: b initial times, t input states, r channels read, p prognostic ones, f forcings, c channels
forecast, h latitudes, w longitudes.
"""

from collections.abc import Iterator
from itertools import tee
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from axialcast import parallel
from axialcast.data import Statistics, normalize_, unnormalize
from axialcast.data.channels import Channels
from axialcast.device import autocast, choose_device
from axialcast.forecast.checkpoint import Checkpoint
from axialcast.forecast.forcings import Coming
from axialcast.forecast.hours import check_hours
from axialcast.forecast.inputs import known_at
from axialcast.forecast.members import Member
from axialcast.forecast.perturbations import perturbed
from axialcast.forecast.starting import Start
from axialcast.model.blend import blended
from axialcast.model.noise import FORECAST, drawn_for
from axialcast.names import FORCING, PROGNOSTIC
from axialcast.times.dates import Leads, Times, later

__all__ = ["Stepping"]


class Stepping:
    """The network of a checkpoint with its normalisation, masks and bounds.

    Args:
        checkpoint: what was trained.
        device, precision, neighbours, seed: see `axialcast.forecast.Forecaster`.

    Raises:
        ValueError: as Forecaster, of these.

    Attributes:
        networks: of the members that were trained, on the device; the first is `network`.
        reads: (r,) channels that forecasts are made from.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str,
        *,
        precision: Any,
        neighbours: int,
        seed: int = 0,
    ) -> None:
        self.checkpoint, self._seed = checkpoint, seed
        channels, self._read = checkpoint.channels, checkpoint.read
        self.reads = Channels([channels[number] for number in self._read])
        self.forcings, self.edges = channels.having(FORCING), Channels([])
        if checkpoint.network.get("boundary"):
            self.edges = channels.having(PROGNOSTIC)
        self.device = choose_device(device)
        self.precision = precision
        self.networks = [
            checkpoint.build(member).to(self.device) for member in range(len(checkpoint.members))
        ]
        self.network = self.networks[0]
        try:
            group = parallel.neighbours(neighbours, self.device.type)
            self._band = slice(None)
            for network in self.networks if group is not None else ():
                self._band = network.share(group)
        except ValueError as error:
            raise ValueError(f"neighbours {neighbours} (train.domain_ranks): {error}") from None
        self._noise = self.network.noise_on(self.device)  # of the rows of this process
        bounds = checkpoint.bounds
        # (2, c, 1, 1) in physical units, of the channels forecast.
        self._ends = None if bounds is None else torch.tensor(bounds.T[:, :, None, None])

    def steps(self, start: Start) -> Iterator[NDArray[np.float32]]:
        """Forecasts (b, c, h, w) in physical units at each lead time of what a member starts from,
        whose windows are overwritten."""
        return self._stepped(
            start.windows, start.times, start.leads, start.coming, start.change, start.member
        )

    def _stepped(
        self,
        windows: NDArray[np.float32],
        times: Times,
        leads: Leads,
        coming: Coming,
        change: NDArray[np.float32] | None,
        member: Member,
    ) -> Iterator[NDArray[np.float32]]:
        check_hours(self.checkpoint, times)
        statistics, reads = self.checkpoint.statistics[self._read], self.reads
        known = known_at(windows, times, reads, statistics)
        band = (..., self._band, slice(None))
        states = normalize_(torch.from_numpy(windows), statistics)[band]
        valid = None
        if change is not None:
            place = reads.where(PROGNOSTIC)
            moved = torch.from_numpy(change)[band]
            states[:, :, place] = perturbed(states[:, :, place], moved, statistics[place])
        if known is not None:
            states.masked_fill_(torch.isnan(states), 0.0)
            valid = self._valid(known)[band].to(self.device)
        forced = boundary = None
        inits, (of_forcings, of_edges) = times[:, -1], tee(coming)
        if self.forcings:
            forced = self._forced(states[:, 1:, reads.where(FORCING)], of_forcings, inits)
        if self.edges:
            boundary = self._boundary(of_edges, inits)
        wanted = set((leads // self.checkpoint.step).tolist())
        network = self.networks[member.network]
        steps = blended(
            network,
            states[:, :, reads.where(PROGNOSTIC)].to(self.device),
            times,
            step=self.checkpoint.step,
            num_steps=max(wanted),
            forcings=forced,
            boundary=boundary,
            noise=self._noisy(inits, member),
            valid=valid,
            bounds=self._bounds(),
        )
        del windows, change, states, forced, boundary, of_forcings, of_edges
        for number in range(1, max(wanted) + 1):
            if number in wanted:
                state = self._following(steps, valid)
                yield network.put_together(state).cpu().numpy()
            else:
                self._following(steps, valid)

    def _valid(self, known: NDArray[np.bool_]) -> Tensor:
        """(b, c, h, w) where forecasts are made, of (b, r, h, w) where what is read is known."""
        num = len(self.checkpoint.channels.forecast)
        valid = torch.ones(len(known), num, *known.shape[2:], dtype=torch.bool)
        for place, number in enumerate(self._read):
            if number < num:
                valid[:, number] = torch.from_numpy(known[:, place])
        return valid

    def _forced(
        self, held: Tensor, coming: Iterator[NDArray[np.float32]], inits: Times
    ) -> Iterator[Tensor]:
        """(b, t, f, h, w) normalised forcings for each step, of those held (b, t - 1, f, h, w)."""
        place = self.checkpoint.channels.where(FORCING)
        statistics, held = self.checkpoint.statistics[place], held.to(self.device)
        for number, both in enumerate(coming, start=1):
            fields = both[:, : len(self.forcings)]
            times = later(inits, number * self.checkpoint.step)[:, None]
            known_at(fields[:, None], times, self.forcings, statistics)
            values = normalize_(torch.from_numpy(fields), statistics)[..., self._band, :]
            values = values.nan_to_num_(0.0)[:, None].to(self.device)
            held = torch.cat([held, values], 1)
            yield held
            held = held[:, 1:]

    def _boundary(self, coming: Iterator[NDArray[np.float32]], inits: Times) -> Iterator[Tensor]:
        """(b, p, h, w) normalised states for each step, NaN where not known."""
        statistics = self.checkpoint.statistics[self.checkpoint.channels.where(PROGNOSTIC)]
        for number, both in enumerate(coming, start=1):
            fields = both[:, len(self.forcings) :]
            times = later(inits, number * self.checkpoint.step)[:, None]
            known_at(fields[:, None], times, self.edges, statistics)
            values = normalize_(torch.from_numpy(fields), statistics)
            yield values[..., self._band, :].to(self.device)

    def _noisy(self, inits: Times, member: Member) -> Iterator[Tensor] | None:
        """(b, n, h, w) noise of a member for each step; None: its network is given none."""
        if self._noise is None:
            return None
        assert member.noise is not None
        drawn = [drawn_for(self._seed, init, FORECAST, member.noise) for init in inits]
        return self._noise.steps(drawn)

    def _bounds(self) -> tuple[Tensor, Tensor] | None:
        """(c, 1, 1) the least and the largest values of the channels, normalised."""
        if self._ends is None:
            return None
        low, high = normalize_(self._ends.clone(), self._statistics).float()
        return low.to(self.device), high.to(self.device)

    @property
    def _statistics(self) -> Statistics:
        """Of the channels forecast."""
        return self.checkpoint.statistics[: len(self.checkpoint.channels.forecast)]

    def _following(self, steps: Iterator[Tensor], valid: Tensor | None) -> Tensor:
        """(b, c, h, w) the next states of a rollout in physical units, NaN where not valid."""
        with torch.inference_mode(), autocast(self.device, self.precision):
            state = unnormalize(next(steps).float(), self._statistics)
            if self._ends is not None:
                state = state.clamp_(*self._ends.to(state))  # as normalised, but for rounding
            return state if valid is None else state.masked_fill_(~valid, np.nan)
