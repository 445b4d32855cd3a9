"""One block of initial times in work: what is added to its sums, by several threads.

Shapes: i init times, l lead times, c channels, h latitudes, w longitudes, r regions.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.scores.blocks import Block
from axialcast.scores.contingency import EventSums
from axialcast.scores.drawn import DrawnField
from axialcast.scores.ensembles import EnsembleSums, Members
from axialcast.scores.events import Event, Events
from axialcast.scores.fractions import FractionSums
from axialcast.scores.kept import Known
from axialcast.scores.models import Models, Starts
from axialcast.scores.own import OwnScore, OwnSums
from axialcast.scores.pieces import Cut, Pieces
from axialcast.scores.seeps import SeepsSums
from axialcast.scores.sums import PairSums, Sums
from axialcast.scores.window import Window
from axialcast.times.dates import later

__all__ = ["Setting", "Work"]


@dataclass(frozen=True, eq=False)
class Setting:
    """What is scored against what: some channels of a forecast, at all lead times.

    Args:
        pieces: of the forecast.
        cuts: those of these channels.
        models: on all channels of the forecast.
        shares: (r, h, w) each region's cell areas over its area.
        drawn: the field that is drawn, if any.
        events: that are looked for, of all channels.
        rain: (s,) places of channels that SEEPS judges, and up to which amount they are dry.
        looked_for: what events and rain are of.
        own: scores by users' files.
    """

    pieces: Pieces
    cuts: Sequence[Cut]
    models: Models
    shares: NDArray[np.float64]
    drawn: DrawnField | None
    events: tuple[Event, ...] = ()
    rain: tuple[tuple[int, float], ...] = ()
    looked_for: Events = field(default_factory=Events)
    own: tuple[OwnScore, ...] = ()

    @property
    def channels(self) -> slice:
        """Which of the forecast's channels these are."""
        return slice(self.cuts[0].channels.start, self.cuts[-1].channels.stop)

    def pair_sums(self, sums: Sums, num: int) -> PairSums:
        """The sums over pairs among a block's, or all blocks' sums.

        Args:
            num: of initial times.
        """
        shape = num, len(self.pieces.lead_times), self.channels.stop - self.channels.start
        return PairSums(sums, self.shares, len(self.models.models), shape)

    def event_sums(self, sums: Sums, pairs: PairSums) -> EventSums | None:
        """The sums over events among them; None: none are looked for in any channel."""
        if not self.events:
            return None
        own = [e for e in self.events if self.channels.start <= e.place < self.channels.stop]
        widths, fractions = self.looked_for.neighbourhoods, None
        if widths:
            is_periodic = self.models.climatology.grid.is_periodic
            fractions = FractionSums(sums, pairs, len(own), widths, is_periodic=is_periodic)
        every, first = self.models.channels, self.channels.start
        return EventSums(sums, pairs, own, every, first, self.looked_for, fractions)

    def seeps_sums(self, sums: Sums, pairs: PairSums) -> SeepsSums | None:
        """The sums of errors of rain among them; None: no rain is judged."""
        if not self.rain:
            return None
        own = [one for one in self.rain if self.channels.start <= one[0] < self.channels.stop]
        every, first = self.models.channels, self.channels.start
        return SeepsSums(sums, pairs, own, every, first, self.looked_for)

    def ensemble_sums(self, sums: Sums, pairs: PairSums) -> EnsembleSums | None:
        """The sums over ensembles among them; None: no model is one."""
        ensembles = self.models.ensembles(self.pieces.num_members)
        return EnsembleSums(sums, pairs, list(self.models.models), ensembles) if ensembles else None

    def own_sums(self, sums: Sums, pairs: PairSums) -> OwnSums | None:
        """The sums of users' scores among them; None: there are none."""
        return OwnSums(sums, pairs, len(self.models.models), self.own) if self.own else None

    def identity(self) -> Mapping[str, Any]:
        """What the sums of all blocks follow from, besides fits, lead times and states."""
        wanted = self.models.channels[self.channels]
        events = [[event.place, event.threshold.text] for event in self.events]
        return {
            "values": self.pieces.values,
            "cuts": [
                [c.channels.start, c.channels.stop, c.leads.start, c.leads.stop] for c in self.cuts
            ],
            "shares": self.shares,
            "grid": self.pieces.grid,
            "channels": [[c.variable, c.level, c.units] for c in wanted],
            "drawn": self.drawn and self.drawn.label(),
            **({"events": events} if events else {}),
            **(self.looked_for.identity() if events or self.rain else {}),
            **({"own": [[s.name, s.file.sha256] for s in self.own]} if self.own else {}),
            **({} if self.pieces.num_members is None else {"members": self.pieces.num_members}),
        }


class Work:
    """A block whose forecasts are scored, unless its sums are known.

    Args:
        setting: what is scored.
        block: when.
        number: of the block, in the window.
        window: on the states that the blocks need.
        starts: what joint models start from; None: it is found in the window.
        known: its sums as they were kept.
        with_states: whether sums will be kept, and `states` is wanted.

    Attributes:
        sums: when all cuts are added.
        states: (n, 32) checksums of the states that they are of, if these are wanted.
        is_taken: whether the sums are those that were kept.
    """

    def __init__(
        self,
        setting: Setting,
        block: Block,
        number: int,
        window: Window,
        *,
        starts: Starts | None,
        known: Known | None,
        with_states: bool,
    ) -> None:
        self.block, self.number = block, number
        self.sums: Sums = {}
        self.states = np.zeros((0, 32), np.uint8)
        self.is_taken = False
        self._setting, self._window = setting, window
        self._starts, self._known, self._with_states = starts, known, with_states
        self._lock, self._is_ready = Lock(), False

    @property
    def known_of(self) -> str | None:
        """The analysis that the known sums are of."""
        return self._known.analysis if self._known else None

    def take(self) -> None:
        """Takes the sums that are known, whatever the states are now."""
        assert self._known is not None
        self.sums, self.states = self._known.sums, self._known.states
        self.is_taken = self._is_ready = True

    def is_wanted(self) -> bool:
        """Whether forecasts are to be added: the first that asks compares the states with those
        that the known sums are of, and makes ready. The others wait."""
        with self._lock:
            if not self._is_ready:
                if self._with_states:
                    self.states = self._checksums()
                if self._known is not None and np.array_equal(self._known.states, self.states):
                    self.take()
                else:
                    self._begin()
                self._is_ready = True
            return not self.is_taken

    def stretches(self, cut: Cut) -> list[slice]:
        """Of the block's initial times, those that are added at once."""
        return self._setting.pieces.stretches(cut, self.block)

    def add(self, cut: Cut, cases: slice, forecast: NDArray[np.floating]) -> None:
        """Adds forecasts (i, l, c, [m], h, w) from some of the initial times."""
        setting, window = self._setting, self._window
        members: dict[str, Members] = {}
        if setting.pieces.num_members is not None:
            members["forecast"] = _members(forecast)
            forecast = forecast.mean(3, dtype=np.float64)  # not rounded before it is scored
        init_times = self.block.init_times[cases]
        lead_times = setting.pieces.lead_times[cut.leads]
        starts = {name: start[cases] for name, start in (self._starts or {}).items()}
        normal, predictions, others = setting.models.values(
            forecast, cut.channels, init_times, lead_times, window, starts
        )
        members |= others
        truth = setting.models.truth(cut.channels, init_times, lead_times, window)
        first = setting.channels.start
        channels = slice(cut.channels.start - first, cut.channels.stop - first)
        pairs = setting.pair_sums(self.sums, len(self.block.positions))
        rows = (cases, cut.leads, channels)
        pairs.add(*rows, predictions, truth, normal)
        valid = later(init_times[:, None], lead_times)
        if events := setting.event_sums(self.sums, pairs):
            events.add(*rows, predictions, truth, normal, valid)
        if rain := setting.seeps_sums(self.sums, pairs):
            rain.add(*rows, predictions, truth, normal, valid)
        if ensembles := setting.ensemble_sums(self.sums, pairs):
            ensembles.add(*rows, members, predictions, truth, normal)
        if own := setting.own_sums(self.sums, pairs):
            own.add(*rows, predictions, truth, normal)
        if setting.drawn:
            at = (cases, cut.leads, cut.channels)
            setting.drawn.add(self.sums, at, forecast, truth, normal)

    def _begin(self) -> None:
        pairs = self._setting.pair_sums(self.sums, len(self.block.positions))
        self._setting.event_sums(self.sums, pairs)
        self._setting.seeps_sums(self.sums, pairs)
        self._setting.ensemble_sums(self.sums, pairs)
        self._setting.own_sums(self.sums, pairs)
        if self._setting.drawn:
            self._setting.drawn.begin(self.sums, self.block)
        if self._starts is None:
            self._starts = self._setting.models.starts(self._window, self.block.init_times)

    def _checksums(self) -> NDArray[np.uint8]:
        """Of the states in the window, and of what was made of others before."""
        states = self._window.checksums(self.number)
        made = [
            np.frombuffer(hashlib.sha256(start.tobytes()).digest(), np.uint8)
            for start in (self._starts or {}).values()
        ]
        return np.concatenate([states, np.reshape(made, (-1, 32))]).astype(np.uint8)


def _members(forecast: NDArray[np.float32]) -> Members:
    """Of an ensemble (i, l, c, m, h, w)."""
    which = np.arange(forecast.shape[0] * forecast.shape[1]).reshape(forecast.shape[:2])
    return Members(which, lambda number: forecast[divmod(number, forecast.shape[1])])
