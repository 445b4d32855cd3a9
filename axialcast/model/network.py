"""The forecast network: what it is told → body → change of the state, one model step at a time.

Shapes: b windows, t input states, p prognostic channels, c channels forecast (the prognostic, then
the diagnostic), f channels of forcings, s static fields, n fields of noise, h latitudes, w
longitudes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from axialcast.grid import Grid
from axialcast.model import sun
from axialcast.model.bodies import Kind, body_of
from axialcast.model.boundary import Frame
from axialcast.model.departures import departures_of
from axialcast.model.floor import Floor
from axialcast.model.noise import Noise
from axialcast.nn.domain import Domain

__all__ = ["ForecastNetwork"]

QUIET = 0.3
"""What noise is told with: as loud as states, it would have to be unlearned at first."""


class ForecastNetwork(nn.Module):
    """Predicts the next normalised state from the last t of them.

    Its body predicts the change over one step in units of its standard deviation:
    next = last + increment_scale · body(states and what else it is told). With a linear floor it
    may learn, for each channel, a share s of the floor's step to build on instead:
    next = last + s · (floor - last) + increment_scale · body. Of diagnostic channels,
    which have no last state, it predicts the value itself. With each state the body is told static
    fields, forcings of the time that the state leads to, forcings that follow from its own time,
    and noise, where it is conditioned on that: a forecast is then one of many. What the body is
    made of is a matter of `kind`; all else here is the same for any.

    Args:
        num_channels: p.
        grid: (h, w), rows and columns in the order of the data.
        increment_scale: (p,) standard deviation of the change over one step, in units of the
            standard deviation of the state.
        input_steps: t.
        kind: of body, see `axialcast.model.bodies`.
        departures: be given departures from what is usual, and give such: True, from the means of
            the calendar months, of states of months; keywords of
            `axialcast.model.departures.SeasonalDepartures`, from harmonics of the year. Nothing is
            usual until `set_usual`, and then that is part of the state dict.
        num_diagnostic: c - p.
        num_forcings: f.
        noise: n.
        num_static: s; zero until `set_static`, and then part of the state dict.
        forcings: computed ones, by their names in `axialcast.names.COMPUTED`.
        floor: keywords of `axialcast.model.floor.Floor`, whose forecasts it is blended with, and
            `leads`, lead times that have weights for that; all weight is the network's until these
            are filled in. None: it has none.
        boundary: keywords of `axialcast.model.boundary.Frame`: of a region, in whose frame it is
            told how states change, and led to them; None: it is told nothing of the kind.
        settings: keywords of the body, e.g. of `axialcast.model.axial.AxialBody`.

    Raises:
        ValueError: a forcing is not known, or as the body.
    """

    blend: Tensor | None
    increment_scale: Tensor
    static: Tensor
    latitude: Tensor
    longitude: Tensor

    def __init__(
        self,
        *,
        num_channels: int,
        grid: Grid,
        increment_scale: Sequence[float],
        input_steps: int = 2,
        kind: Kind = "axial",
        departures: bool | Mapping[str, Any] = False,
        num_diagnostic: int = 0,
        num_forcings: int = 0,
        num_static: int = 0,
        noise: int = 0,
        forcings: Sequence[str] = (),
        floor: Mapping[str, Any] | None = None,
        boundary: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        if unknown := sorted(set(forcings) - set(sun.FORCINGS)):
            raise ValueError(
                f"forcings: {unknown[0]} is not computed here, expected some of "
                f"{', '.join(sun.FORCINGS)}"
            )
        self.body_steps, self.shape = input_steps, grid.shape
        self.num_channels, self.num_forcings = num_channels, num_forcings
        self.num_noise, self.is_periodic = noise, grid.is_periodic
        scale = torch.tensor([*increment_scale, *[1.0] * num_diagnostic])[:, None, None]
        self.register_buffer("increment_scale", scale)
        self.forcings = tuple(forcings)
        if num_static:
            self.register_buffer("static", torch.zeros(num_static, *grid.shape))
        for name, degrees in (("latitude", grid.latitudes), ("longitude", grid.longitudes)):
            radians = torch.tensor(degrees).nan_to_num(0.0).deg2rad().float()
            self.register_buffer(name, radians, persistent=False)
        self.departures = departures_of(departures, num_channels, grid.shape)
        self.floor, weights = None, None
        if floor is not None:
            linear = {name: value for name, value in floor.items() if name != "leads"}
            self.floor = Floor(num_channels, grid.shape, **linear)
            weights = torch.ones(floor["leads"], num_channels)
            self.floor_share = nn.Parameter(torch.zeros(num_channels))
        self.register_buffer("blend", weights)
        self.num_static = num_static
        self.frame = None if boundary is None else Frame(grid, **boundary)
        num_told = num_static + num_forcings + len(self.forcings) + noise
        num_told += 0 if boundary is None else num_channels
        self.body = body_of(
            kind,
            num_channels + num_told,
            grid,
            num_outputs=num_channels + num_diagnostic,
            input_steps=input_steps,
            **settings,
        )
        self._domain: Domain | None = None
        self._rows: list[slice] = []
        self._band = slice(None)

    @property
    def input_steps(self) -> int:
        """States that it must be given: the body sees the last t, the floor may want more."""
        return max(self.body_steps, 0 if self.floor is None else self.floor.num_states)

    def learn_share(self, first: float) -> None:
        """Lets it learn, for each channel, on how much of its floor's step it builds its own; of 0
        it builds on the last state for good."""
        self.floor_share.data.fill_(first)
        self.floor_share.requires_grad_(first > 0)

    def set_static(self, values: NDArray[np.float32]) -> None:
        """Fills in the static fields, (s, h, w) normalised."""
        if self.num_static:
            self.static.copy_(torch.from_numpy(values))

    def set_usual(self, usual: NDArray[np.float32], spread: NDArray[np.float64]) -> None:
        """Fills in the (…, p, h, w) means of the calendar months, or coefficients of the year, and
        the (p,) standard deviations of departures from these, both normalised; where one of the
        former is NaN nothing is usual."""
        assert self.departures is not None
        self.departures.set(usual, spread)

    def share(self, group: Any) -> slice:
        """Lets the processes of a group share every state: each gives a band of latitudes.

        Parameters stay whole on each, and their gradients add up over the group.

        Args:
            group: of torch.distributed; bands are dealt in the order of its ranks.

        Returns:
            The rows of the grid that this process has: whole patches.

        Raises:
            ValueError: there are more processes than rows of patches, or bodies of this kind
                cannot be shared, or a floor cannot.
        """
        if self.floor is not None:
            raise ValueError(
                "a linear floor needs whole states; train with model.base persistence, or let one "
                "process have each state"
            )
        self._domain, self._rows = self.body.share(group)
        rows = self._band = self._rows[self._domain.rank]
        if self.frame is not None:
            self.frame.rows = rows
        if self.departures is not None:
            self.departures.rows = rows
        return rows

    def noise_on(self, device: torch.device) -> Noise | None:
        """What draws the noise of this process's rows; None: it is given none."""
        if not self.num_noise:
            return None
        return Noise(
            self.num_noise,
            self.shape,
            is_periodic=self.is_periodic,
            rows=self._band,
            device=device,
        )

    def put_together(self, state: Tensor) -> Tensor:
        """(..., h, w) a whole state of the bands of all processes that share it."""
        if self._domain is None:
            return state
        sizes = [rows.stop - rows.start for rows in self._rows]
        return self._domain.put_together(state, -2, sizes)

    def forward(
        self,
        states: Tensor,
        dates: Tensor,
        forcings: Tensor | None = None,
        coming: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """The state one step after the last.

        Args:
            states: (b, t, p, h, w) normalised; where states are shared, h is this process's.
            dates: (b, t, 5) of the states' times, see `axialcast.model.calendar.dates`; the first
                two numbers are enough where no forcing is computed.
            forcings: (b, t, f, h, w) normalised, one step after each state; None: f is 0.
            coming: (b, p, h, w) normalised, one step after the last state, in the frame of a
                region; NaN where it is not known. None: nowhere.
            noise: (b, n, h, w) as `axialcast.model.noise.Noise` draws it; None: n is 0.

        Returns:
            (b, c, h, w) normalised.
        """
        linear = None
        if self.floor is not None and self.floor_share.requires_grad:  # else it is zero
            linear = self.floor.following(states, dates, self.departures)
        states, dates = states[:, -self.body_steps :], dates[:, -self.body_steps :]
        forcings = None if forcings is None else forcings[:, -self.body_steps :]
        told = self.told(states, dates, forcings, coming, noise)
        following = self.following(states, told, dates)
        if linear is not None:
            following = self._on(linear, following, states[:, -1], dates[:, -1])
        if self.frame is None or coming is None:
            return following
        return self.frame.relaxed(following, coming)

    def _on(self, linear: Tensor, following: Tensor, last: Tensor, dates: Tensor) -> Tensor:
        """(b, c, h, w) the network's change on top of a share of the (b, p, h, w) floor's step,
        instead of on the last state."""
        if self.departures is not None:
            usual = self.departures.usual_at(dates, later=1)
            last = usual + torch.where(last == 0, 0.0, last - self.departures.usual_at(dates))
        moved = self.floor_share[:, None, None] * (linear - last).to(following.dtype)
        return torch.cat([following[:, : last.shape[1]] + moved, following[:, last.shape[1] :]], 1)

    def following(self, states: Tensor, told: Sequence[Tensor], dates: Tensor) -> Tensor:
        """`forward`, with what else the network is told: `told`, or what stands for it."""
        scale, num = self.increment_scale, states.shape[2]
        if self.departures is not None:
            states = self.departures.of(states, dates)
            scale = torch.cat([self.departures.scale(scale[:num]), scale[num:]])
        given = torch.cat([states, *told], 2) if told else states
        change: Tensor = scale * self.body(given, dates).to(states.dtype)
        coming = states[:, -1] + change[:, :num]
        if self.departures is not None:
            coming = self.departures.whole(coming, dates[:, -1])
        if change.shape[1] == num:
            return coming
        return torch.cat([coming, change[:, num:]], 1)

    def told(
        self,
        states: Tensor,
        dates: Tensor,
        forcings: Tensor | None = None,
        coming: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> list[Tensor]:
        """Each static field and each forcing, (b, t, 1, h, w), beside states at dates.

        In this order: static fields, forcings given, forcings computed, how each prognostic channel
        changes in the frame of a region, and noise, the same beside each of the states.
        """
        given = 0 if noise is None else noise.shape[1]
        if given != self.num_noise:
            raise ValueError(
                f"noise: got {given} fields, the network is conditioned on {self.num_noise}; draw "
                "them with axialcast.model.noise.Noise"
            )
        size, place = states.shape[:2], states.shape[-2:]
        fields = list(self.static[:, self._band]) if self.num_static else []
        if forcings is not None:
            fields += forcings.unbind(2)
        latitude, longitude = self.latitude[self._band], self.longitude
        longitude = longitude[self._band] if len(longitude) > 1 else longitude
        for name in self.forcings:
            fields.append(sun.FORCINGS[name](dates[..., 2:], latitude, longitude))
        if self.frame is not None:
            unknown = torch.full_like(states[:, -1], torch.nan) if coming is None else coming
            scale = self.increment_scale[: self.num_channels]
            fields += self.frame.changes(states, unknown, scale).unbind(2)
        if noise is not None:
            fields += (QUIET * noise[:, None]).unbind(2)
        return [field.expand(*size, *place).unsqueeze(2).to(states.dtype) for field in fields]
