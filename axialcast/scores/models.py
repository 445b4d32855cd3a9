"""What is scored, in plain arrays: the forecast and its baselines, and the climatology they share.

Shapes: i init times, l lead times, k times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines.baseline import ALL, Baseline, States, Which
from axialcast.baselines.climatology import Climatology
from axialcast.data.channels import Channel, Channels
from axialcast.data.reader import Analysis
from axialcast.grid import dims_of
from axialcast.names import INIT_TIME, LEAD_TIME
from axialcast.scores.ensembles import Members, mean_of
from axialcast.scores.window import Window
from axialcast.times.calendars import time_text
from axialcast.times.dates import Leads, Times, later
from axialcast.times.leads import lead_labels

__all__ = ["Models"]

START_VALUES = 2**25
"""Values of the states that baselines start from at once (128 MB), unless one state has more."""

Starts = Mapping[str, NDArray[Any]]
"""By model: (i, n) what forecasts of all channels together start from."""


@dataclass(frozen=True, eq=False)
class Models:
    """The forecast and its baselines.

    Args:
        models: by name; None is the forecast.
        climatology: that anomalies are taken from.
        analysis: that baselines of a user's own start from.
        channels: (c,) scored.

    Raises:
        ValueError: a baseline was fitted on another grid than the climatology.
    """

    models: Mapping[str, Baseline | None]
    climatology: Climatology
    analysis: xr.Dataset
    channels: Channels
    _alone: Lock = field(default_factory=Lock, init=False)

    def __post_init__(self) -> None:
        for name, model in self.models.items():
            grid = getattr(getattr(model, "climatology", model), "grid", None)
            difference = grid is not None and self.climatology.grid.difference(grid)
            if difference:
                raise ValueError(
                    f"{name}: was fitted on another grid than the climatology, {difference}; fit "
                    "both on the analysis that is verified"
                )

    @cached_property
    def own(self) -> list[str]:
        """Those that are a user's own, with labelled forecasts alone."""
        return [
            name
            for name, model in self.models.items()
            if not (model is None or hasattr(model, "values") or hasattr(model, "drawn"))
        ]

    @cached_property
    def _places(self) -> list[NDArray[Any]]:
        """Coordinates of rows and columns."""
        return [self.analysis[dim].values for dim in dims_of(self.analysis.dims)]

    @cached_property
    def joint(self) -> dict[str, Any]:
        """Those whose channels depend on each other."""
        return {name: model for name, model in self.models.items() if hasattr(model, "start")}

    @cached_property
    def drawn(self) -> dict[str, Any]:
        """Those that are ensembles of states."""
        return {name: model for name, model in self.models.items() if hasattr(model, "drawn")}

    def check(self, analysis: Analysis) -> None:
        """Refuses an analysis without the states that members are drawn from.

        Raises:
            ValueError: it lacks one.
        """
        for name, model in self.drawn.items():
            absent = analysis.rows(model.times) < 0
            if absent.any():
                raise ValueError(
                    f"{name}: its members are states of the training period, and the analysis "
                    f"lacks that of {time_text(model.times[absent][0])}; give the analysis of both "
                    "the training and the verified period"
                )

    def ensembles(self, num_members: int | None) -> dict[str, int]:
        """Those that are ensembles, by their number of members.

        Args:
            num_members: of the forecast; None: it is none.
        """
        own = [] if num_members is None else [n for n, m in self.models.items() if m is None]
        drawn = {name: model.num_members for name, model in self.drawn.items()}
        return dict.fromkeys(own, num_members or 0) | drawn

    @cached_property
    def wanted(self) -> Channels:
        """Channels of the states that all of them start from: those scored, then the others."""
        chosen = list(self.channels)
        for model in self.joint.values():
            chosen += [c for c in model.channels if not _places([c], chosen)]
        return Channels(chosen)

    def parts(self, init_times: Times, shape: tuple[int, int, int]) -> list[Times]:
        """Initial times that joint models start from at once, if states have this shape."""
        step = max(1, START_VALUES // int(np.prod(shape)))
        return [init_times[first : first + step] for first in range(0, len(init_times), step)]

    def states_to_start(self, init_times: Times) -> Times:
        """(n,) times of the states that joint models start from."""
        times = [model.states(init_times) for model in self.joint.values()]
        return np.unique(np.concatenate(times))

    def starts(self, window: Window, init_times: Times) -> Starts:
        """What the joint ones start from at some times, of a window on all that are wanted."""
        parts = self.parts(init_times, window.analysis.shape)
        found = {}
        for name, model in self.joint.items():
            places = _known(name, model.channels, window.analysis.channels)

            def states(times: Times, places: Which = places) -> NDArray[np.float32]:
                return window.at(times, places)

            found[name] = np.concatenate([model.start(states, part) for part in parts])
        return found

    def states(self, init_times: Times, lead_times: Leads) -> Times:
        """(n,) times of all states that scores from these times follow from, sorted, each once."""
        valid = np.unique(later(init_times[:, None], lead_times))
        times = [valid, *(model.drawn(valid).ravel() for model in self.drawn.values())]
        for model in self.models.values():
            if model is not None and hasattr(model, "states"):
                times.append(model.states(init_times))
        return np.unique(np.concatenate(times))

    def truth(
        self, channels: slice, init_times: Times, lead_times: Leads, window: Window
    ) -> NDArray[np.float32]:
        """(i, l, c, h, w) the analysis at the valid times, of these channels."""
        valid = later(init_times[:, None], lead_times)
        here = _known("analysis", self.channels[channels], window.analysis.channels)
        states = window.at(valid.ravel(), here)
        return states.reshape(*valid.shape, *states.shape[1:])

    def values(
        self,
        forecast: NDArray[np.floating],
        channels: slice,
        init_times: Times,
        lead_times: Leads,
        window: Window,
        starts: Starts,
    ) -> tuple[NDArray[np.float32], list[NDArray[np.floating]], dict[str, Members]]:
        """(i, l, c, h, w) climatology at the valid times, values of each model, means of members in
        double precision, and members of those that are ensembles of states.

        Args:
            forecast: (i, l, c, h, w) its values.
            channels: which of the channels these are.
            starts: at the initial times.
        """
        wanted = self.channels[channels]
        here = _known("analysis", wanted, window.analysis.channels)
        valid = later(init_times[:, None], lead_times).ravel()
        normals: dict[int, NDArray[np.float32]] = {}

        def states(times: Times) -> NDArray[np.float32]:
            return window.at(times, here)

        def normal(climatology: Climatology) -> NDArray[np.float32]:
            if id(climatology) not in normals:
                places = _known("climatology", wanted, climatology.channels)
                found = climatology.values_at(valid, places)
                normals[id(climatology)] = found.reshape(forecast.shape)
            return normals[id(climatology)]

        found, members = [], {}
        for name, model in self.models.items():
            if model is None:
                found.append(forecast)
            elif name in self.drawn:
                _known(name, wanted, self.drawn[name].channels)
                members[name] = self._drawn_at(self.drawn[name], valid, forecast.shape[:2], states)
                means = {
                    which: mean_of(members[name].values(which), axis=1)
                    for which in np.unique(members[name].which).tolist()
                }
                order = members[name].which.ravel().tolist()
                found.append(np.stack([means[n] for n in order]).reshape(forecast.shape))
            elif name in self.own:
                with self._alone:  # whoever wrote it may not have thought of threads
                    labelled = model.forecast(self.analysis, init_times, lead_times)
                labels = [init_times, lead_labels(lead_times), *self._places]
                found.append(_stacked(name, labelled, wanted, labels))
            elif isinstance(model, Climatology):
                found.append(normal(model))
            else:
                fitted: Any = model
                expected = normal(getattr(model, "climatology", self.climatology))
                places = _known(name, wanted, fitted.channels)
                asked = (states, init_times, lead_times, expected, places)
                if name in self.joint:
                    found.append(fitted.values_from(starts[name], *asked))
                else:
                    found.append(fitted.values(*asked))
        return normal(self.climatology), found, members

    def _drawn_at(
        self, model: Any, valid: Times, shape: tuple[int, ...], states: States
    ) -> Members:
        """Members of pairs (i, l), which have them in common where they are valid at one time."""
        unique, which = np.unique(valid, return_inverse=True)
        times = model.drawn(unique)
        return Members(which.reshape(shape), lambda number: states(times[number]).swapaxes(0, 1))


def _known(name: str, wanted: Sequence[Channel], known: Sequence[Channel] | None) -> Which:
    """Places of channels among those that are known, as a slice if they adjoin.

    Raises:
        ValueError: one is not among them, or in other units.
    """
    if known is None:
        return ALL
    places = [_places([channel], known) for channel in wanted]
    for channel, found in zip(wanted, places, strict=True):
        if not found:
            raise ValueError(
                f"{name}: lacks {channel}, which is scored or started from; fit baselines on the "
                "analysis that is verified"
            )
        units = known[found[0]].units
        if units != channel.units:
            raise ValueError(
                f"{name}: {channel} is in {units!r} and in {channel.units!r}; fit baselines on the "
                "analysis that is verified"
            )
    flat = np.array([found[0] for found in places], np.intp)
    if (np.diff(flat) == 1).all():
        return slice(int(flat[0]), int(flat[-1]) + 1)
    return flat


def _places(wanted: Sequence[Channel], known: Sequence[Channel]) -> list[int]:
    """Where channels of these variables and levels are, whatever their units."""
    names = {(channel.variable, channel.level) for channel in wanted}
    return [n for n, channel in enumerate(known) if (channel.variable, channel.level) in names]


def _stacked(
    name: str, forecast: xr.Dataset, channels: Sequence[Channel], labels: Sequence[NDArray[Any]]
) -> NDArray[np.float32]:
    """(i, l, c, h, w) values of a labelled forecast.

    Args:
        labels: that it must have along each dimension but the channels.

    Raises:
        ValueError: it has others, lacks a channel, or has it in other units.
    """
    order = (INIT_TIME, LEAD_TIME, *dims_of(forecast.dims))
    stated = forecast.copy()  # and units, where it states none
    for channel in channels:
        if channel.variable in stated:
            stated[channel.variable].attrs.setdefault("units", channel.units)
    _known(name, channels, Channels.of(stated))
    for dim, expected in zip(order, labels, strict=True):
        if not np.array_equal(forecast[dim].values, expected):
            raise ValueError(
                f"{name}: its forecast has another {dim} than it was asked for, or than the "
                "analysis; let it keep their labels and order"
            )
    fields = [channel.of(forecast).transpose(*order).values for channel in channels]
    return np.stack(fields, axis=2, dtype=np.float32)
