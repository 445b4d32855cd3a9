"""What forecasts start from, and what they are told of later: for each member of an ensemble.

Shapes: b initial times, t input states, r channels read, p prognostic ones, k lead times,
h latitudes, w longitudes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis
from axialcast.forecast.boundary import EdgeStates
from axialcast.forecast.forcings import Coming, Forcings
from axialcast.forecast.inputs import Inputs, checksums
from axialcast.forecast.members import Member
from axialcast.forecast.perturbations import Perturbations
from axialcast.names import FORCING
from axialcast.times.calendars import time_text
from axialcast.times.dates import Leads, Times, later
from axialcast.times.steps import in_months, step_text

__all__ = ["Start", "Starting", "together"]


@dataclass(eq=False)
class Start:
    """What one member of some forecasts is made from.

    Args:
        member: which.
        windows: (b, t, r, h, w) input states in physical units; whoever uses them overwrites them.
        times: (b, t) of them, earlier by the member's lag.
        leads: (k,) lead times counted from the last of them.
        coming: forcings, and states along the edges, of the times after it.
        change: (b, t, p, h, w) that its normalised states are perturbed by; None: by nothing.
        made_of: a checksum of the states of each forecast, as many as are wanted.
    """

    member: Member
    windows: NDArray[np.float32]
    times: Times
    leads: Leads
    coming: Coming
    change: NDArray[np.float32] | None
    made_of: list[str]

    def let_go(self) -> None:
        """Holds its states no longer."""
        self.windows, self.change = np.empty(0, np.float32), None

    def checksums(self) -> list[str]:
        """Of all that each forecast was made of so far."""
        return self.coming.checksums(self.made_of)


@dataclass(frozen=True, eq=False)
class Starting:
    """Finds in an analysis what forecasts start from.

    Args:
        reads: (r,) channels that are read.
        step: from one state to the next.
        input_steps: t.
        forcings, edges: where what comes later is from.
        members: of the ensemble.
        perturbations: of those members that are perturbed; None: none is.
    """

    reads: Channels
    step: np.timedelta64
    input_steps: int
    forcings: Forcings
    edges: EdgeStates
    members: Sequence[Member]
    perturbations: Perturbations | None

    def there(self, analysis: Analysis, inits: Times, leads: Leads) -> NDArray[np.bool_]:
        """(b,) whether all input states of each initial time are there, and what comes later."""
        found = np.ones(len(inits), np.bool_)
        for lag in self._lags:
            begun, steps = self._begun(inits, lag), self._steps(leads, lag)
            found &= (analysis.rows(self._times(begun)) >= 0).all(1)
            found &= self.forcings.there(analysis, begun, steps)
            found &= self.edges.there(analysis, begun, steps)
        return found

    def rows(self, analysis: Analysis, inits: Times, leads: Leads) -> dict[int, NDArray[np.int64]]:
        """By lag, (b, t) positions of the input states in the analysis, which has all else, too.

        Raises:
            ValueError: it lacks something: names the initial time and what it needs.
        """
        found = {}
        for lag in self._lags:
            begun, steps = self._begun(inits, lag), self._steps(leads, lag)
            wanted = self._times(begun)
            found[lag] = rows = analysis.rows(wanted)
            if (rows < 0).any():
                init, time = inits[(rows < 0).any(1)][0], wanted[rows < 0][0]
                raise ValueError(_lacking(analysis, init, time, lag, self.step))
            for source in (self.forcings, self.edges):
                if problem := source.lacking(analysis, begun, steps):
                    raise ValueError(problem)
        if self.perturbations is not None:
            self.perturbations.check(analysis)
        return found

    def blocks(
        self,
        analysis: Analysis,
        inits: Times,
        leads: Leads,
        *,
        batch_size: int,
        is_filled: bool = False,
        are_told_apart: bool = True,
    ) -> Iterator[tuple[slice, Iterator[Start]]]:
        """Which initial times come next, and what each member of them starts from, in order.

        Args:
            is_filled: give whole batches always, the last filled up with repetitions.
            are_told_apart: whether checksums are wanted.
        """
        rows = self.rows(analysis, inits, leads)
        states = {}
        for lag, index in rows.items():
            more = -len(index) % batch_size if is_filled else 0
            rows[lag] = np.pad(index, ((0, more), (0, 0)), mode="edge")
            states[lag] = Inputs(analysis, rows[lag])
        for start in range(0, len(inits), batch_size):
            stop = min(start + batch_size, len(inits))
            num = stop - start if are_told_apart else 0
            chosen = {lag: of[start : start + batch_size] for lag, of in rows.items()}
            windows = {lag: of.read(start, start + batch_size) for lag, of in states.items()}
            yield slice(start, stop), self._starts(analysis, windows, chosen, leads, num)

    def _starts(
        self,
        analysis: Analysis,
        windows: dict[int, NDArray[np.float32]],
        index: dict[int, NDArray[np.int64]],
        leads: Leads,
        num: int,
    ) -> Iterator[Start]:
        """What each member starts from, of states by lag, which are let go of with their last."""
        last = {member.lag: member for member in self.members}
        for member in self.members:
            lag = member.lag
            times = analysis.times[index[lag]]
            is_last = last[lag] is member
            given = windows.pop(lag) if is_last else windows[lag].copy()
            made_of = checksums(given[:num], index[lag][:num])
            steps = self._steps(leads, lag)
            change = None
            if self.perturbations is not None and member.perturbation:
                begun = later(times[:, -1], lag * self.step)
                change = self.perturbations.of(analysis, begun, member.perturbation)
                made_of = together([made_of, [_sum_of(field) for field in change[:num]]])
            coming = self._coming(analysis, given, times[:, -1], steps, num, member.number)
            start = Start(member, given, times, leads + lag * self.step, coming, change, made_of)
            del given
            yield start

    @property
    def _lags(self) -> list[int]:
        return sorted({member.lag for member in self.members})

    def _begun(self, inits: Times, lag: int) -> Times:
        """When members of a lag start."""
        return later(inits, -lag * self.step) if lag else inits

    def _times(self, inits: Times) -> Times:
        """(b, t) times of the input states."""
        steps = np.arange(self.input_steps - 1, -1, -1)
        return later(inits[:, None], -steps * self.step)

    def _steps(self, leads: Leads, lag: int) -> Leads:
        """Times from a member's first one to each state up to the longest lead time."""
        return np.arange(1, leads.max() // self.step + lag + 1) * self.step

    def _coming(
        self,
        analysis: Analysis,
        windows: NDArray[np.float32],
        inits: Times,
        steps: Leads,
        num: int,
        member: int,
    ) -> Coming:
        """Forcings, and states along the edges, of the times after the last of windows."""
        latest = windows[:, -1, self.reads.where(FORCING)].copy()
        parts = []
        if self.forcings:
            parts.append(self.forcings.coming(analysis, latest, inits, steps, member))
        if self.edges:
            parts.append(self.edges.coming(analysis, inits, steps, member))
        both = (np.concatenate(fields, 1) for fields in zip(*parts, strict=True))
        return Coming(both if parts else None, num)


def together(parts: Iterable[Sequence[str]]) -> list[str]:
    """Of several checksums of each forecast, one of those that differ."""
    found = []
    for each in zip(*parts, strict=True):
        unlike = list(dict.fromkeys(each))
        is_one = len(unlike) == 1
        found.append(unlike[0] if is_one else sha256(" ".join(unlike).encode()).hexdigest()[:32])
    return found


def _sum_of(field: NDArray[np.float32]) -> str:
    return sha256(np.ascontiguousarray(field).data).hexdigest()[:32]


def _lacking(analysis: Analysis, init: Times, time: Times, lag: int, step: np.timedelta64) -> str:
    have = [time_text(time) for time in analysis.times[[0, -1]]]
    dated = ", months by their first days" if in_months(step) else ""
    line = (
        f"init_times: {time_text(init)} needs the analysis of {time_text(time)}, which is not "
        f"among its times {have[0]} to {have[1]}{dated}"
    )
    if lag:
        line += f"; a member starts {step_text(lag * step)} earlier, so begin later, or lag less"
    return line
