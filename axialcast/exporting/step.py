"""One step of a forecast as a module of tensors alone: physical units and seconds in and out.

What `axialcast.forecast.stepping` does around a network is inside: dates, normalisation, what is
missing, bounds, the linear floor beside the network and the blend of both.

Shapes: b forecasts, t input states, r channels read, c channels forecast, p prognostic ones, f
forcings, h latitudes, w longitudes; m numbers remembered; z numbers drawn.
"""

from collections.abc import Mapping
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from axialcast.data import Statistics
from axialcast.data.transform import inverted_, transformed_
from axialcast.exporting.clock import dates_at, months_later
from axialcast.forecast.checkpoint import Checkpoint
from axialcast.forecast.hours import TOLERANCE_HOURS
from axialcast.names import FORCING, PROGNOSTIC
from axialcast.times.steps import in_months

__all__ = ["ForecastStep"]


class ForecastStep(nn.Module):
    """The state one step ahead, and what the step after that starts from.

    Args:
        checkpoint: what was trained.
        member: which of several networks.

    Attributes:
        num_remembered: m.
        num_drawn: z; 0: the network is given no noise.
    """

    bounds: Tensor | None

    def __init__(self, checkpoint: Checkpoint, member: int = 0) -> None:
        super().__init__()
        channels, network = checkpoint.channels, checkpoint.build(member)
        forecast, read = len(channels.forecast), checkpoint.read
        self.network, self.step = network, checkpoint.step
        self.read = [number for number in read if number < forecast]
        self.prognostic, self.forcings = (
            slice(*_within(read, channels.where(role))) for role in (PROGNOSTIC, FORCING)
        )
        statistics = checkpoint.statistics
        self.of_read = _Normalisation(statistics[read])
        self.of_forecast = _Normalisation(statistics[:forecast])
        self.of_forcings = _Normalisation(statistics[channels.where(FORCING)])
        self.of_prognostic = _Normalisation(statistics[channels.where(PROGNOSTIC)])
        self.may_miss = bool((statistics.missing[self.read] > 0).any())
        self.register_buffer("bounds", _bounds(checkpoint))
        self.hours = _hours(checkpoint)
        self.noise = network.noise_on(torch.device("cpu"))
        self.num_drawn = 0 if self.noise is None else sum(map(prod, self.noise.lattices))
        self.num_remembered = 1
        if network.floor is not None:
            state = len(channels.having(PROGNOSTIC)) * prod(network.shape)
            self.kept = (network.floor.num_states, network.floor.patterns.shape[1])
            self.num_remembered += self.kept[0] * (self.kept[1] + state)

    def forward(
        self,
        states: Tensor,
        time: Tensor,
        memory: Tensor,
        forcings: Tensor | None = None,
        boundary: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The forecast, and `states`, `time` and `memory` of the next step.

        Args:
            states: (b, t, r, h, w) in physical units, NaN where the last is not known.
            time: (b,) of the last state, int64 seconds since 1970-01-01 UTC.
            memory: (b, m), zeros at the first step.
            forcings: (b, f, h, w) one step after the last state; left out: f is 0.
            boundary: (b, p, h, w) likewise, NaN where it is not known; left out where the network
                was trained without one.
            noise: (b, z) standard normal numbers; left out where it was trained without.

        Returns:
            (b, c, h, w) in physical units, NaN where the last state was, and where the climatology
            is not known at the hour of the day; then what the next step is given.
        """
        before = torch.arange(states.shape[1] - 1, -1, -1, device=time.device)
        told = dates_at(self._later(time[:, None], -before))
        given = self.of_read.filled(states)
        valid = self._valid(states[:, -1]) if self.may_miss else None
        coming = None if boundary is None else self.of_prognostic(boundary)
        own, linear, memory = self._ahead(
            given,
            told,
            dates_at(self._later(time, 1)),
            memory,
            self._forced(given, forcings),
            coming,
            None if noise is None else self._noisy(noise),
            valid,
        )
        following = self._physical(own, valid)
        forecast = following if linear is None else self._physical(linear, valid)
        latest = following[:, self.read]
        if forcings is not None:
            latest = torch.cat([latest, forcings], 1)
        forecast = self._where_known(forecast, told)
        states = torch.cat([states[:, 1:], latest[:, None]], 1)
        return forecast, states, self._later(time, 1), memory

    def _ahead(
        self,
        given: Tensor,
        told: Tensor,
        then: Tensor,
        memory: Tensor,
        forced: Tensor | None,
        coming: Tensor | None,
        noise: Tensor | None,
        valid: Tensor | None,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """The network's state (b, c, h, w), its blend with the floor's, both normalised, and what
        is remembered; of a network without a floor no blend."""
        network, states = self.network, given[:, :, self.prognostic]
        own = self._held(network(states, told, forced, coming, noise).float(), valid)
        count = memory[:, :1] + 1
        if network.floor is None or network.blend is None:
            return own, None, count
        series, left = self._remembered(states, told, memory)
        linear, series, left = network.floor.ahead(
            series, left, told[:, -1], then, network.departures
        )
        if coming is not None and network.frame is not None:
            linear = network.frame.relaxed(linear, coming)
        linear = self._held(linear, None)
        lead = (count[:, 0].long() - 1).clamp(max=len(network.blend) - 1)
        weight, num = network.blend[lead][..., None, None], linear.shape[1]
        mixed = linear + weight * (own[:, :num] - linear)
        kept = [torch.stack(parts, 1).flatten(1) for parts in (series, left)]
        blended = torch.cat([mixed, own[:, num:]], 1)
        return own, blended, torch.cat([count, *kept], 1)

    def _remembered(
        self, states: Tensor, told: Tensor, memory: Tensor
    ) -> tuple[list[Tensor], list[Tensor]]:
        """What the floor goes on from: of the first step, from the states."""
        assert self.network.floor is not None
        num, patterns = self.kept
        series, left = self.network.floor.begun(states, told[:, -num:], self.network.departures)
        carried = memory[:, 1:].tensor_split([num * patterns], 1)
        is_first = memory[:, 0] == 0

        def chosen(first: list[Tensor], later: Tensor) -> list[Tensor]:
            begun = torch.stack(first, 1)
            shape = -1, *[1] * (begun.ndim - 1)
            return list(torch.where(is_first.view(shape), begun, later.view_as(begun)).unbind(1))

        return chosen(series, carried[0]), chosen(left, carried[1])

    def _later(self, time: Tensor, steps: int | Tensor) -> Tensor:
        if in_months(self.step):
            return months_later(time, steps * int(self.step / np.timedelta64(1, "M")))
        return time + steps * int(self.step / np.timedelta64(1, "s"))

    def _valid(self, last: Tensor) -> Tensor:
        """(b, c, h, w) where forecasts are made, of the (b, r, h, w) last state."""
        known = ~last.isnan()
        valid = [torch.ones_like(known[:, 0])] * len(self.of_forecast.mean)
        for place, number in enumerate(self.read):
            valid[number] = known[:, place]
        return torch.stack(valid, 1)

    def _forced(self, given: Tensor, forcings: Tensor | None) -> Tensor | None:
        """(b, t, f, h, w) forcings one step after each state."""
        if forcings is None:
            return None
        coming = self.of_forcings.filled(forcings)
        return torch.cat([given[:, 1:, self.forcings], coming[:, None]], 1)

    def _noisy(self, noise: Tensor) -> Tensor:
        """(b, n, h, w) fields of numbers drawn."""
        assert self.noise is not None
        lattices = self.noise.lattices
        ends = np.cumsum([prod(shape) for shape in lattices])[:-1].tolist()
        parts = zip(noise.tensor_split(ends, 1), lattices, strict=True)
        return self.noise.of([numbers.view(-1, *shape) for numbers, shape in parts])

    def _held(self, states: Tensor, valid: Tensor | None) -> Tensor:
        """Normalised states within the bounds; 0 where not valid."""
        if self.bounds is not None:
            low, high = self.of_forecast(self.bounds)
            states = states.clamp(low[: states.shape[1]], high[: states.shape[1]])
        return states if valid is None else torch.where(valid, states, 0.0)

    def _physical(self, states: Tensor, valid: Tensor | None) -> Tensor:
        """(b, c, h, w) in physical units; NaN where not valid."""
        values = self.of_forecast.inverse(states)
        if self.bounds is not None:
            values = values.clamp(*self.bounds)
        return values if valid is None else torch.where(valid, values, torch.nan)

    def _where_known(self, forecast: Tensor, told: Tensor) -> Tensor:
        """The forecast; NaN at hours of the day that the climatology was not fitted at."""
        if self.hours is None:
            return forecast
        apart = (24 * told[..., 1, None] - told.new_tensor(self.hours) + 12) % 24 - 12
        known = (apart.abs().amin(-1) <= TOLERANCE_HOURS).all(1)
        return torch.where(known[:, None, None, None], forecast, torch.nan)


class _Normalisation(nn.Module):
    """Physical values to normalised ones, as `axialcast.data.normalize_`, with buffers."""

    mean: Tensor
    std: Tensor
    may_miss: Tensor

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        for name, values in (("mean", statistics.mean), ("std", statistics.std)):
            self.register_buffer(name, torch.tensor(values).float()[:, None, None])
        self.register_buffer("may_miss", torch.tensor(statistics.missing > 0)[:, None, None])
        self.scales = statistics.log1p

    def forward(self, values: Tensor) -> Tensor:
        """(…, c, h, w) normalised."""
        return (transformed_(values.clone(), self.scales) - self.mean) / self.std

    def filled(self, values: Tensor) -> Tensor:
        """(…, c, h, w) normalised; 0, the mean, where a channel that training missed some of is
        NaN. What others lack stays NaN, and makes forecasts such."""
        return torch.where(self.may_miss & values.isnan(), 0.0, self(values))

    def inverse(self, values: Tensor) -> Tensor:
        """(…, c, h, w) in physical units."""
        return inverted_(values * self.std + self.mean, self.scales)


def _within(read: list[int], place: slice) -> tuple[int, int]:
    """Where channels at a place among all are among those read."""
    found = [index for index, number in enumerate(read) if place.start <= number < place.stop]
    return (found[0], found[-1] + 1) if found else (0, 0)


def _bounds(checkpoint: Checkpoint) -> Tensor | None:
    """(2, c, 1, 1) in physical units."""
    ends: NDArray[np.float64] | None = checkpoint.bounds
    return None if ends is None else torch.from_numpy(ends.T[:, :, None, None]).float().contiguous()


def _hours(checkpoint: Checkpoint) -> list[float] | None:
    """Of the day, that the climatology of a network's departures was fitted at; None: all."""
    settings = checkpoint.network.get("departures")
    return list(settings["hours"]) if isinstance(settings, Mapping) else None
