"""A trained network as a PrognosticModel of NVIDIA's earth2studio, by structure: not imported here.

Its protocol (`earth2studio.models.px.PrognosticModel`, 0.19) passes tensors with an ordered
dictionary of their coordinates: any leading dimensions, `time` among them, then lead_time,
variable, lat from north to south and lon from 0 to 360°.

Shapes: b the leading dimensions as one, t input states, r channels given, c channels forecast, h
latitudes, w longitudes.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from axialcast.adapters.lexicon import identifiers
from axialcast.data.channels import Channels
from axialcast.exporting.step import ForecastStep
from axialcast.forecast import Checkpoint, load_checkpoint
from axialcast.forecast.hours import check_hours
from axialcast.forecast.inputs import known_at
from axialcast.forecast.places import checkpoint_at
from axialcast.grid.latlon import TOLERANCE_DEGREES, LatLonGrid
from axialcast.model.noise import FORECAST, drawn_for
from axialcast.names import FORCING
from axialcast.times.dates import Times
from axialcast.times.steps import in_months, step_text

__all__ = ["Prognostic"]

Coords = OrderedDict[str, NDArray[Any]]


class Prognostic:
    """A network with its normalisation, floor and blend, stepped as earth2studio's workflows do.

    Args:
        checkpoint: what was trained.
        names: see `axialcast.adapters.lexicon.identifiers`.
        member: which of several networks.
        seed: of the noise that a network is conditioned on. What is drawn follows from it, from the
            initial time, and from the number of the member: its `ensemble` coordinate, or its place
            among the leading dimensions other than time.

    Raises:
        ValueError: the protocol has no place for what the network needs (a map projection, steps of
            months, forcings or a boundary of times to come), or as `identifiers`.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        names: Mapping[str, str] | None = None,
        member: int = 0,
        seed: int = 0,
    ) -> None:
        _refuse_unfit(checkpoint)
        if not 0 <= member < len(checkpoint.members):
            raise ValueError(f"member: expected 0 to {len(checkpoint.members) - 1}, got {member}")
        self.checkpoint, self.seed = checkpoint, seed
        self.step = ForecastStep(checkpoint, member).eval()
        self.reads = Channels([checkpoint.channels[number] for number in checkpoint.read])
        self._given = np.array(identifiers(self.reads, names))
        self._forecast = np.array(identifiers(checkpoint.channels.forecast, names))
        north, east = (np.asarray(axis, np.float64) for axis in checkpoint.grid.axes)
        order = np.argsort(-north), np.argsort(east % 360)
        self._lat, self._lon = north[order[0]], (east % 360)[order[1]]
        self._order = [torch.from_numpy(index) for index in order]
        steps = np.arange(1 - self.step.network.input_steps, 1)
        self._lead_time = steps * checkpoint.step.astype("timedelta64[ns]")
        self.device = torch.device("cpu")

    @classmethod
    def load(
        cls, path: str | Path, *, network: str | Path | None = None, **settings: Any
    ) -> "Prognostic":
        """That of a checkpoint.

        Args:
            path, network: as `axialcast.load`.
            settings: further keywords of Prognostic.
        """
        with checkpoint_at(path) as folder:
            return cls(load_checkpoint(folder, network=network), **settings)

    def __repr__(self) -> str:
        return f"Prognostic({', '.join(self._forecast)}; {self.checkpoint.grid})"

    def to(self, device: Any) -> "Prognostic":
        """Itself, on a device."""
        self.device = torch.device(device)
        self.step.to(self.device)
        self.step.noise = self.step.network.noise_on(self.device)
        self._order = [index.to(self.device) for index in self._order]
        return self

    def input_coords(self) -> Coords:
        """What it is given: lead times end at 0 and are a model step apart."""
        empty = np.empty(0)
        return OrderedDict(
            batch=empty, time=empty, lead_time=self._lead_time.copy(), **self._fields(self._given)
        )

    def output_coords(self, input_coords: Coords) -> Coords:
        """What it gives of that: one lead time, a step later.

        Raises:
            ValueError: these are other coordinates than `input_coords` says, but for what leads.
        """
        leading = self._leading(input_coords)
        lead = input_coords["lead_time"][-1:] + self.checkpoint.step
        return self._labelled(leading, lead)

    def __call__(self, x: Tensor, coords: Coords) -> tuple[Tensor, Coords]:
        """The state one step after the last of x, as the first step of a forecast."""
        steps = self.create_iterator(x, coords)
        next(steps)
        return next(steps)

    def create_iterator(self, x: Tensor, coords: Coords) -> Iterator[tuple[Tensor, Coords]]:
        """Yields the last state of x, NaN for what is diagnosed, then one step after another.

        Args:
            x: (…, t, r, h, w) in physical units; NaN where training missed values, too.
            coords: of it.

        Raises:
            ValueError: as `output_coords`; a value is missing that training never missed; the hour
                is one whose climatology is not known.
        """
        leading = self._leading(coords)
        states, times = self._begun(x, coords, leading)
        shape, lead = x.shape[: len(leading)], coords["lead_time"][-1:]
        first = x.new_full((len(states), *self._forecast.shape, *x.shape[-2:]), torch.nan)
        for place, number in enumerate(self.step.read):
            first[:, number] = x.flatten(0, len(shape) - 1)[:, -1, place]
        yield first.view(*shape, 1, *first.shape[1:]), self._labelled(leading, lead)
        drawn = self._drawn(leading, times, shape)
        seconds = torch.from_numpy(times.astype("M8[s]").astype(np.int64)).to(self.device)
        memory = torch.zeros(len(states), self.step.num_remembered, device=self.device)
        while True:
            noise = {} if drawn is None else {"noise": self._numbers(drawn)}
            with torch.no_grad():
                forecast, states, seconds, memory = self.step(states, seconds, memory, **noise)
            lead = lead + self.checkpoint.step
            ordered = self._southwards(forecast)
            yield ordered.view(*shape, 1, *ordered.shape[1:]), self._labelled(leading, lead)

    def _fields(self, names: NDArray[np.str_]) -> Coords:
        return OrderedDict(variable=names.copy(), lat=self._lat.copy(), lon=self._lon.copy())

    def _labelled(self, leading: Coords, lead: NDArray[np.timedelta64]) -> Coords:
        return OrderedDict(leading | {"lead_time": lead} | self._fields(self._forecast))

    def _leading(self, coords: Coords) -> Coords:
        """The coordinates ahead of the lead time, where the others are as they should be."""
        want, names = self.input_coords(), list(coords)
        tail = ["lead_time", *self._fields(self._given)]
        if names[-len(tail) :] != tail or "time" not in names[: -len(tail)]:
            raise ValueError(
                f"coords: expected …, time, …, {', '.join(tail)} in this order, got "
                f"{', '.join(names)}"
            )
        if not np.array_equal(coords["variable"], want["variable"]):
            raise ValueError(
                f"coords: variable: expected {', '.join(want['variable'])}, got "
                f"{', '.join(map(str, coords['variable']))}"
            )
        for name in ("lat", "lon"):
            got = coords[name]
            if got.shape != want[name].shape or abs(got - want[name]).max() > TOLERANCE_DEGREES:
                raise ValueError(
                    f"coords: {name}: got {got.size} values {_ends(got)}, expected "
                    f"{want[name].size} values {_ends(want[name])}; regrid the data first"
                )
        leads = np.asarray(coords["lead_time"])
        if len(leads) != len(self._lead_time) or any(leads - leads[-1] != self._lead_time):
            raise ValueError(
                f"coords: lead_time: expected {len(self._lead_time)} states "
                f"{step_text(self.checkpoint.step)} apart, got {leads.astype('m8[s]').tolist()}"
            )
        return OrderedDict((name, coords[name]) for name in names[: -len(tail)])

    def _begun(self, x: Tensor, coords: Coords, leading: Coords) -> tuple[Tensor, Times]:
        """(b, t, r, h, w) states in the network's order on its device, and (b,) times of the last.

        Raises:
            ValueError: they are none to start from.
        """
        shape = x.shape[: len(leading)]
        along = [-1 if name == "time" else 1 for name in leading]
        inits = np.asarray(coords["time"], "M8[ns]").reshape(along) + coords["lead_time"][-1]
        times = np.broadcast_to(inits, shape).reshape(-1)
        every = times[:, None] + self._lead_time
        check_hours(self.checkpoint, every)
        north, east = (index.argsort() for index in self._order)
        states = x.to(self.device).reshape(-1, *x.shape[len(shape) :]).float()
        states = states.index_select(-2, north).index_select(-1, east)
        statistics = self.checkpoint.statistics[self.checkpoint.read]
        known_at(states.cpu().numpy(), every, self.reads, statistics)
        return states, times

    def _southwards(self, fields: Tensor) -> Tensor:
        """(…, h, w) from north to south and from 0° eastwards."""
        north, east = self._order
        return fields.index_select(-2, north).index_select(-1, east)

    def _drawn(
        self, leading: Coords, times: Times, shape: torch.Size
    ) -> list[np.random.Generator] | None:
        """(b,) random numbers of each forecast; None: the network wants none."""
        if self.step.noise is None:
            return None
        others = [1 if name == "time" else size for name, size in zip(leading, shape, strict=True)]
        numbers = np.arange(prod(others)).reshape(others)
        if "ensemble" in leading:
            along = [-1 if name == "ensemble" else 1 for name in leading]
            numbers = np.asarray(leading["ensemble"]).astype(int).reshape(along)
        each = np.broadcast_to(numbers, shape).reshape(-1).tolist()
        return [drawn_for(self.seed, t, FORECAST, n) for t, n in zip(times, each, strict=True)]

    def _numbers(self, drawn: list[np.random.Generator]) -> Tensor:
        """(b, z) of the next step."""
        assert self.step.noise is not None
        parts = [
            np.stack([d.standard_normal(shape, np.float32).reshape(-1) for d in drawn])
            for shape in self.step.noise.lattices
        ]
        return torch.from_numpy(np.concatenate(parts, 1)).to(self.device)


def _refuse_unfit(checkpoint: Checkpoint) -> None:
    grid, forcings = checkpoint.grid, checkpoint.channels.having(FORCING)
    if not isinstance(grid, LatLonGrid):
        raise ValueError(f"grid: earth2studio's lat and lon are axes, and this is on {grid}")
    if in_months(checkpoint.step):
        raise ValueError(
            f"step: earth2studio's lead times are exact, and this forecasts by "
            f"{step_text(checkpoint.step)}"
        )
    if forcings:
        raise ValueError(
            f"{forcings[0]}: a forcing is wanted of times to come, which earth2studio's protocol "
            "does not bring; train without data.forcings, or forecast with axialcast"
        )
    if checkpoint.network.get("boundary"):
        raise ValueError(
            "boundary: the network is led along a region's edges, which earth2studio's protocol "
            "does not bring; train without data.boundary, or forecast with axialcast"
        )


def _ends(axis: NDArray[Any]) -> str:
    return f"{axis[0]:g} to {axis[-1]:g}" if axis.size else "at none"
