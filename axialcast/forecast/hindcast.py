"""Forecasts from many initial times, made by whichever processes are there."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from axialcast.data.opening.entries import Stores
from axialcast.data.opening.store import open_analysis
from axialcast.data.reader import Analysis
from axialcast.forecast.forcings import Source
from axialcast.forecast.forecaster import Forecaster, load
from axialcast.forecast.layout import Layout, chunkings, leads_together
from axialcast.forecast.selection import choose_lead_times
from axialcast.forecast.writer import ForecastWriter
from axialcast.parallel import launch
from axialcast.times.dates import datetimes

__all__ = ["Hindcast", "write_block"]

Opened = tuple[Forecaster, Analysis]

_OPENING = threading.Lock()
_kept: "tuple[Hindcast, Opened] | None" = None
"""What the last task of this process opened, for the next one."""


@dataclass(frozen=True)
class Hindcast:
    """What it takes to make a store's forecasts in any process; it pickles.

    A block of initial times is made by one process. The bits of a forecast depend neither on which
    one that is nor on what else is in its block.

    Args:
        checkpoint: folder of the network.
        analysis: path or address of its inputs, or several, as `open_analysis` takes them.
        opening: keywords of `open_analysis`.
        store: path of the forecasts.
        lead_time: the longest.
        batch_size: initial times in a block, computed together.
        layout: of the store.
        belongs_to: what decides its values (see `ForecastStore.prepare`).
        device: that a process computes on.
        state: of the analysis; a worker that knows another one opens it again.
        neighbours: processes started together that share every state (see Forecaster).
        forcings, boundary: where they come from after the initial time (see Forecaster).
        ensemble: members, perturb, lagged and seed (see Forecaster).
        network: of a network that is a user's, the file that builds it.
    """

    checkpoint: str
    analysis: Stores = field(repr=False)  # these hold secrets
    opening: Mapping[str, Any] = field(repr=False)
    store: str
    lead_time: np.timedelta64
    batch_size: int
    layout: Layout = "axialcast"
    belongs_to: Mapping[str, Any] | None = None
    device: str = "auto"
    state: Any = None
    neighbours: int = 1
    forcings: Mapping[str, Source] = field(default_factory=dict, compare=False)
    boundary: Mapping[str, Any] | str | None = None
    ensemble: Mapping[str, Any] = field(default_factory=dict)
    network: str | None = None

    def open(self) -> Opened:
        """The forecaster, and its inputs."""
        forecaster = load(
            self.checkpoint,
            device=self.device,
            neighbours=self.neighbours,
            forcings=self.forcings,
            boundary=self.boundary,
            network=self.network,
            **self.ensemble,
        )
        return forecaster, forecaster.check(
            Analysis.of(open_analysis(self.analysis, **self.opening))
        )

    def blocks(self, init_times: Sequence[str]) -> list[list[str]]:
        """Initial times, dates as text, that are made together."""
        size = self.batch_size
        return [list(init_times[n : n + size]) for n in range(0, len(init_times), size)]

    def num_parts(self, opened: Opened) -> int:
        """Parts that a block is written in: a few lead times of a member each."""
        forecaster, analysis = opened
        leads = choose_lead_times(self.lead_time, forecaster.step)
        cut = chunkings(forecaster.template(analysis.times[:1], leads), Path(self.store))
        each = -(-len(leads) // leads_together(cut.values(), len(leads)))
        return each * len(forecaster.members)

    def write(self, blocks: Iterable[Sequence[str]], opened: Opened) -> Iterator[int]:
        """Makes blocks one after another in this process; yields for each part that is queued.

        When it ends, all of them are complete in the store, which must have room for them. Of
        neighbours, which make the same ones together, the first writes them.
        """
        forecaster, analysis = opened
        leads = choose_lead_times(self.lead_time, forecaster.step)
        template = forecaster.template(analysis.times[:1], leads)
        with ForecastWriter(
            self.store, template, belongs_to=self.belongs_to, layout=self.layout, joins=True
        ) as writer:
            for block in blocks:
                parts = forecaster.hindcast(
                    analysis,
                    init_times=datetimes(list(block), like=analysis.times),
                    lead_times=leads,
                    batch_size=self.batch_size,
                    leads_together=writer.leads_together,
                )
                for part, inputs in parts:
                    if launch().rank % self.neighbours == 0:
                        writer.write(part, inputs=inputs)
                    yield len(block)


def write_block(hindcast: Hindcast, block: Sequence[str]) -> int:
    """Makes one block as a task, in any process; how many initial times that were."""
    global _kept
    with _OPENING:
        if _kept is None or _kept[0] != hindcast:
            _kept = hindcast, hindcast.open()
        opened = _kept[1]
    for _ in hindcast.write([block], opened):
        pass
    return len(block)
