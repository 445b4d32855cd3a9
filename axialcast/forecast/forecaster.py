"""Forecaster: labelled analysis in, labelled forecast out.

Shapes: b initial times, t input states, k lead times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data import open_analysis
from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis
from axialcast.forecast.boundary import EdgeStates
from axialcast.forecast.boundary import Source as BoundarySource
from axialcast.forecast.checkpoint import Checkpoint, load_checkpoint
from axialcast.forecast.forcings import Forcings, Source
from axialcast.forecast.labels import labelled
from axialcast.forecast.members import Member, members_of
from axialcast.forecast.perturbations import Perturbations
from axialcast.forecast.places import checkpoint_at
from axialcast.forecast.selection import parse_lead_times
from axialcast.forecast.starting import Starting, together
from axialcast.forecast.stepping import Stepping
from axialcast.model import ForecastNetwork
from axialcast.names import FORCING, INIT_TIME, PROGNOSTIC
from axialcast.times.dates import Leads, Times, datetimes
from axialcast.times.months import dated_by_month
from axialcast.times.steps import in_months, multiple, step_text

__all__ = ["Forecaster", "load"]


def load(
    path: str | Path,
    *,
    device: str = "auto",
    neighbours: int = 1,
    forcings: Mapping[str, Source] | None = None,
    boundary: BoundarySource | None = None,
    network: str | Path | None = None,
    **ensemble: Any,
) -> "Forecaster":
    """The forecaster of a checkpoint.

    Args:
        path: of its folder; or its address: a URL of an object store, or `hf://org/name` on the
            Hugging Face hub (see `axialcast.forecast.places.checkpoint_at`).
        device, neighbours, forcings, boundary: see Forecaster.
        network: see `load_checkpoint`: of a network that is a user's, the file that builds it.
        ensemble: its keywords members, perturb, lagged and seed.

    Raises:
        FileNotFoundError: there is no checkpoint at `path`.
        ConnectionError: what is behind the address cannot be reached.
        ValueError: it is damaged, this machine lacks the device, or its network is built by a file
            that was not named.
    """
    with checkpoint_at(path) as folder:
        checkpoint = load_checkpoint(folder, network=network)
    return Forecaster(
        checkpoint,
        device=device,
        neighbours=neighbours,
        forcings=forcings,
        boundary=boundary,
        **ensemble,
    )


class Forecaster:
    """A trained network with the labels it was trained on.

    Args:
        checkpoint: what was trained.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: auto (bfloat16 on GPUs that compute in it), float32 or bfloat16.
        neighbours: processes started together that share every state, a band of latitudes each
            (see `axialcast.parallel`). All of them make the same calls; each gets whole forecasts.
        forcings: by variable, where the forcings of times after the initial one come from:
            "analysis", which has to hold them; "persist", as they were at the initial time; the
            path of a store of forecasts; a climatology. The analysis where nothing is said.
        boundary: of a network that was trained with one, where states along the region's edges come
            from after the initial time: "analysis", which has to hold them; another analysis, or a
            store of forecasts, that covers the region (see `axialcast.forecast.boundary`).
        members: of the ensemble, dealt out among networks and lags (see
            `axialcast.forecast.members`); None: one for each of them.
        perturb: size of the perturbations of all members' initial states but the first's, in units
            of the change over one step (see `axialcast.forecast.perturbations`).
        lagged: earlier initial times that members start from, too, a model step apart.
        seed: of all that is drawn for members.

    Raises:
        FileNotFoundError: there is no such store.
        ValueError: this machine lacks the device; the grid has fewer rows of patches than there
            are neighbours, or some of them share a GPU; a source of forcings does not fit; some
            members would be equal.

    Attributes:
        members: what makes each of them.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = "auto",
        precision: Any = "auto",
        neighbours: int = 1,
        forcings: Mapping[str, Source] | None = None,
        boundary: BoundarySource | None = None,
        members: int | None = None,
        perturb: float = 0.0,
        lagged: int = 0,
        seed: int = 0,
    ) -> None:
        self.checkpoint, self.seed = checkpoint, seed
        self.members = members_of(
            len(checkpoint.members),
            members,
            lagged=lagged,
            is_perturbed=perturb > 0,
            is_noisy=checkpoint.network.get("noise", 0) > 0,
        )
        channels = checkpoint.channels
        self.forcings = Forcings(channels.having(FORCING), forcings or {}, checkpoint.grid)
        self.edges = EdgeStates(
            channels.having(PROGNOSTIC),
            checkpoint.grid,
            checkpoint.network.get("boundary"),
            boundary,
        )
        self.stepping = Stepping(
            checkpoint, device, precision=precision, neighbours=neighbours, seed=seed
        )
        perturbations = None
        if any(member.perturbation for member in self.members):
            perturbations = Perturbations.by(checkpoint, perturb, seed, self.network.input_steps)
        self._starting = Starting(
            self.stepping.reads,
            self.step,
            self.network.input_steps,
            self.forcings,
            self.edges,
            self.members,
            perturbations,
        )

    @property
    def numbers(self) -> list[int] | None:
        """Of the members; None: there is one, and forecasts have no dimension of them."""
        return [member.number for member in self.members] if len(self.members) > 1 else None

    @property
    def network(self) -> ForecastNetwork:
        """The network of its first member, on the device that it forecasts on."""
        return self.stepping.network

    @property
    def reads(self) -> Channels:
        """What of an analysis forecasts are made from."""
        return self.stepping.reads

    def __repr__(self) -> str:
        channels = ", ".join(map(str, self.checkpoint.channels))
        return f"Forecaster({channels}; {self.checkpoint.grid}; step {step_text(self.step)})"

    @property
    def step(self) -> np.timedelta64:
        """From one state to the next, exact or months; lead times are multiples of it."""
        return self.checkpoint.step

    def predict(
        self,
        analysis: Analysis | xr.Dataset | str | Path,
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
            analysis: Dataset (time, [level], latitude, longitude), the path of one, or several as
                `open_analysis` takes them; holds every initial time and the input states before it,
                of forcings also what comes after it, unless the forecaster has them from elsewhere.
                Its calendar may be another than that of the training data: the network is told
                fractions of the year.
            init_times: datetimes, or one: "2010-01-01" or a sequence of such.
            lead_times: timedeltas, or one: "24h", "3 months" or a sequence of such; each a
                multiple of the model step.
            batch_size: initial times computed together.

        Returns:
            Dataset (init_time, [number], lead_time, [level], latitude, longitude) in physical
            units, with `valid_time` and CF attributes; `number` of an ensemble of several members.

        Raises:
            FileNotFoundError: there is no such store.
            ValueError: the analysis differs from what the model was trained on (variables,
                levels, units, grid, cadence), lacks a time, holds NaN in a channel that was
                trained without, or nothing else in any channel, or an infinity.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size: expected 1 or more, got {batch_size}; try 16")
        analysis = self.check(analysis)
        inits = datetimes(init_times, like=analysis.times)
        leads = parse_lead_times(lead_times, self.step)
        return self._predicted(analysis, inits, leads, batch_size)

    def predict_blocks(
        self,
        analysis: Analysis | xr.Dataset | str | Path,
        *,
        init_times: Any,
        lead_times: Any,
        batch_size: int = 16,
    ) -> Iterator[tuple[int, xr.Dataset]]:
        """As `predict`, but yields blocks of `batch_size` initial times with their position."""
        analysis = self.check(analysis)
        inits = datetimes(init_times, like=analysis.times)
        leads = parse_lead_times(lead_times, self.step)
        self._starting.rows(analysis, inits, leads)

        def blocks() -> Iterator[tuple[int, xr.Dataset]]:
            for first in range(0, len(inits), batch_size):
                chosen = inits[first : first + batch_size]
                yield first, self._predicted(analysis, chosen, leads, batch_size)

        return blocks()

    def hindcast(
        self,
        analysis: Analysis | xr.Dataset,
        *,
        init_times: Times,
        lead_times: Any,
        batch_size: int,
        leads_together: int | None = None,
    ) -> Iterator[tuple[xr.Dataset, list[str]]]:
        """Forecasts for a store, in blocks of initial times, and these by members, in parts of few
        lead times.

        Each part comes with checksums of what it and those before it of its initial times were
        made of. The network always computes whole batches, the last filled up with repetitions: so
        the bits of a forecast do not depend on which others are made with it.

        Args:
            analysis: as `check` returns it.
            init_times, lead_times, batch_size: as for `predict`.
            leads_together: lead times in a part, the last of a block may hold fewer; None: all.
        """
        analysis = Analysis.of(analysis, self.reads)
        leads = parse_lead_times(lead_times, self.step)
        length = leads_together or len(leads)
        blocks = self._starting.blocks(
            analysis, init_times, leads, batch_size=batch_size, is_filled=True
        )
        for block, starts in blocks:
            made_of: list[list[str]] = []
            for start in starts:
                steps = self.stepping.steps(start)
                start.let_go()
                for first in range(0, len(leads), length):
                    chosen = leads[first : first + length]
                    part = self._part(steps, init_times[block], chosen, start.member)
                    yield part, together([*made_of, start.checksums()])
                made_of.append(start.checksums())
                del steps  # its states are not held while the next are read

    def inputs(
        self,
        analysis: Analysis | xr.Dataset,
        init_times: Times,
        *,
        lead_times: Any,
        batch_size: int,
    ) -> Iterator[list[str]]:
        """The checksums that `hindcast` gives with its last parts, without making forecasts."""
        analysis = Analysis.of(analysis, self.reads)
        leads = parse_lead_times(lead_times, self.step)
        for _, starts in self._starting.blocks(analysis, init_times, leads, batch_size=batch_size):
            made_of = []
            for start in starts:
                for _ in start.coming:
                    pass
                made_of.append(start.checksums())
            yield together(made_of)

    def template(self, init_times: Any, lead_times: Any) -> xr.Dataset:
        """The forecast's labels without its values: coordinates and attributes alone."""
        inits, leads = datetimes(init_times), parse_lead_times(lead_times, self.step)
        num_channels = len(self.checkpoint.channels.forecast)
        members = () if self.numbers is None else (len(self.numbers),)
        shape = (len(inits), *members, len(leads), num_channels, *self.checkpoint.grid.shape)
        # A broadcast zero takes no memory, whatever its shape.
        return self._labelled(np.broadcast_to(np.float32(0), shape), inits, leads)

    def check(self, analysis: Analysis | xr.Dataset | str | Path) -> Analysis:
        """The analysis, read as the model's channels, if the model was trained on its like.

        The order of its variables and levels does not matter.

        Raises:
            ValueError: names what differs.
        """
        channels, grid = self.reads, self.checkpoint.grid
        if not isinstance(analysis, Analysis):
            levels = sorted({channel.level for channel in channels if channel.level is not None})
            # A gap harms no forecast but those that need the missing times, which are named.
            analysis = Analysis.of(
                open_analysis(
                    analysis, variables=channels.variables, levels=levels or None, gaps="keep"
                )
            )
        problem = channels.difference(_matching(analysis.channels, channels))
        problem = problem or grid.difference(analysis.grid)
        if problem:
            raise ValueError(f"analysis does not fit the checkpoint: {problem}")
        if len(analysis) > 1 and not multiple(self.step, analysis.cadence):
            raise ValueError(
                f"analysis does not fit the checkpoint: its cadence of "
                f"{step_text(analysis.cadence)} does not divide the model step of "
                f"{step_text(self.step)}"
            )
        if len(analysis) == 1 and in_months(self.step):
            analysis = Analysis.of(dated_by_month(analysis.dataset, known=True))
        return Analysis.of(analysis, channels)

    def has_inputs(
        self, analysis: Analysis | xr.Dataset, init_times: Times, *, lead_times: Any
    ) -> NDArray[np.bool_]:
        """(b,) whether all input states of each initial time are there, and all its forcings."""
        analysis = Analysis.of(analysis, self.reads)
        leads = parse_lead_times(lead_times, self.step)
        return self._starting.there(analysis, init_times, leads)

    def _predicted(
        self, analysis: Analysis, inits: Times, leads: Leads, batch_size: int
    ) -> xr.Dataset:
        """Forecasts from every initial time, at every lead time, in memory."""
        forecast, channels = self.template(inits, leads), self.checkpoint.channels.forecast
        for name, array in forecast.data_vars.items():
            forecast[name] = array.copy(data=np.empty(array.shape, np.float32))
        blocks = self._starting.blocks(
            analysis, inits, leads, batch_size=batch_size, are_told_apart=False
        )
        for block, starts in blocks:
            for start in starts:
                member = () if self.numbers is None else (start.member.number,)
                steps = self.stepping.steps(start)
                start.let_go()
                for lead, step in enumerate(steps):
                    for name, array in channels.unstack(step, {}, (INIT_TIME,)).items():
                        forecast[name].values[(block, *member, lead)] = array.values
        return forecast

    def _part(
        self,
        steps: Iterator[NDArray[np.float32]],
        inits: Times,
        leads: Leads,
        member: Member,
    ) -> xr.Dataset:
        """The next lead times of a member of a block of initial times, labelled."""
        values = [next(steps)[: len(inits)] for _ in leads]
        stacked = values[0][:, None] if len(values) == 1 else np.stack(values, 1)
        if self.numbers is None:
            return self._labelled(stacked, inits, leads)
        return self._labelled(stacked[:, None], inits, leads, [member.number])

    def _labelled(
        self,
        values: NDArray[np.float32],
        inits: Times,
        leads: Leads,
        numbers: list[int] | None = None,
    ) -> xr.Dataset:
        """(b, [m], k, c, h, w) values in physical units as a dataset that says what they are made
        of; of all members unless numbers are given."""
        found = labelled(values, self.checkpoint, inits, leads, numbers or self.numbers)
        return found.assign_attrs(self.forcings.attrs | self.edges.attrs)


def _matching(got: Channels, want: Channels) -> Channels:
    """Of the channels got, those that stand for a variable and level wanted, in their order."""
    known = {(channel.variable, channel.level): channel for channel in got}
    pairs = [(channel.variable, channel.level) for channel in want]
    return Channels([known[pair] for pair in pairs if pair in known])
