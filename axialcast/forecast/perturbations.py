"""Perturbed initial states: differences of analyses of the training period.

Shapes: b initial times, t input states, p prognostic channels, h latitudes, w longitudes.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from axialcast.data.channels import Channels
from axialcast.data.normalize import Statistics, normalize_
from axialcast.data.reader import Analysis
from axialcast.forecast.checkpoint import Checkpoint
from axialcast.forecast.members import drawn_for
from axialcast.model import calendar
from axialcast.names import PROGNOSTIC
from axialcast.times.dates import Times, later, microseconds

__all__ = ["Perturbations", "perturbed"]

SEASON = 45 / 365
"""How far from an initial time's own day the analyses are drawn, in years."""

APART = 30 * 86_400 * 10**6
"""Microseconds between two analyses, at least, if any are so far apart: they are then unlike."""

PURPOSE = 1
"""What is drawn, told to `drawn_for`: noise of networks has a number of its own."""


class Perturbations:
    """Random-field perturbations of initial states.

    Each is the difference of two analyses of the training period, drawn from the season and the
    time of day of the initial time (Magnusson, Nycander and Källén 2009, Tellus 61A): what balances
    in the analyses does so in their difference. All input states are perturbed, by the differences
    of the states that led to these two, so that the perturbation moves as states do. One factor for
    all channels gives it its size: the mean over the channels of the squared area mean, in units of
    the change over one step, is the square of `amplitude`. Numbers 1 and 2 are the same with either
    sign, as are 3 and 4: so perturbed states have the analysis in their middle.

    Args:
        amplitude: in units of the root-mean-square change over one model step; 0.3 or so.
        seed: of what is drawn.
        channels: (p,) the prognostic ones.
        statistics: (p,) of them.
        period: [first, last] of the training period.
        step: from one state to the next.
        input_steps: t.
    """

    def __init__(
        self,
        amplitude: float,
        *,
        seed: int,
        channels: Channels,
        statistics: Statistics,
        period: tuple[Any, Any],
        step: np.timedelta64,
        input_steps: int,
    ) -> None:
        self.amplitude, self.seed, self.period = amplitude, seed, period
        self.channels, self.statistics = channels, statistics
        self._lags = np.arange(input_steps - 1, -1, -1) * step
        self._known: tuple[Analysis, Times, Tensor] | None = None

    @classmethod
    def by(
        cls, checkpoint: Checkpoint, amplitude: float, seed: int, input_steps: int
    ) -> "Perturbations":
        """Those of a network's states.

        Raises:
            ValueError: the checkpoint does not know what it was trained on.
        """
        place, provenance = checkpoint.channels.where(PROGNOSTIC), checkpoint.provenance
        if "train" not in provenance:
            raise ValueError(
                "perturb: perturbations are differences of analyses of the training period, which "
                "the checkpoint does not know; leave perturb at 0"
            )
        return cls(
            amplitude,
            seed=seed,
            channels=checkpoint.channels.having(PROGNOSTIC),
            statistics=checkpoint.statistics[place],
            period=provenance["train"],
            step=checkpoint.step,
            input_steps=input_steps,
        )

    def check(self, analysis: Analysis) -> None:
        """Refuses an analysis that has not two states to draw.

        Raises:
            ValueError: it has not.
        """
        if len(self._ends(analysis)[0]) < 2:
            first, last = self.period
            raise ValueError(
                f"perturb: perturbations are differences of analyses of the training period "
                f"{first} to {last}, of which this analysis holds less than two with those before "
                "them; open one that does, or leave perturb at 0"
            )

    def of(self, analysis: Analysis, inits: Times, number: int) -> NDArray[np.float32]:
        """(b, t, p, h, w) a perturbation of forecasts, of normalised states; 0 where not known.

        Args:
            analysis: that holds the training period.
            inits: (b,) initial times.
            number: of the perturbation, from 1.
        """
        source = Analysis.of(analysis, self.channels)
        found = np.empty((len(inits), len(self._lags), *source.shape), np.float32)
        for change, init in zip(found, inits, strict=True):  # few states are held at once
            pair = self._pair(analysis, init, (number + 1) // 2)
            rows = analysis.rows(later(pair[:, None], -self._lags))
            wanted, places = np.unique(rows, return_inverse=True)
            read = torch.from_numpy(np.array(source.read(wanted)))
            states = normalize_(read, self.statistics).numpy()
            one, other = places.reshape(rows.shape)
            change[:] = np.nan_to_num(states[one] - states[other], nan=0.0)
            size = self._size(change[-1], source.grid.area_weights)
            change *= (1 if number % 2 else -1) * self.amplitude / size if size > 0 else 0
        return found

    def _size(self, change: NDArray[np.float32], weights: NDArray[np.float64]) -> float:
        """Root mean square of a change (p, h, w), of all channels in units of their own."""
        squares = (np.square(change, dtype=np.float64) * weights).sum((1, 2)) / weights.sum()
        return float(np.sqrt(np.mean(squares / self.statistics.increment_scale**2)))

    def _pair(self, analysis: Analysis, init: Any, number: int) -> Times:
        """(2,) times of the analyses whose difference is a pair of perturbations."""
        every, then = self._ends(analysis)
        drawn = drawn_for(self.seed, init, PURPOSE, number)
        now = calendar(np.asarray(init)[None])[0]
        years, days = ((then - now).abs() % 1.0).unbind(-1)
        is_near = torch.minimum(years, 1 - years) <= SEASON
        is_alike = is_near & (torch.minimum(days, 1 - days) < 1e-4)
        for chosen in (is_alike, is_near, torch.ones_like(is_near)):
            if chosen.sum() > 1:
                every = every[chosen.numpy()]
                break
        one = every[drawn.integers(len(every))]
        ticks = microseconds(every)
        away = np.abs(ticks - ticks[every == one])
        others = every[away >= APART] if (away >= APART).any() else every[away > 0]
        return np.array([one, others[drawn.integers(len(others))]], every.dtype)

    def _ends(self, analysis: Analysis) -> tuple[Times, Tensor]:
        """Times of the training period that the analysis has, with the states before them, and
        these (t, 2) in the calendar."""
        if self._known is None or self._known[0] is not analysis:
            times = analysis.between(*self.period).times
            windows = later(times[:, None], -self._lags)
            every = times[(analysis.rows(windows) >= 0).all(1)]
            self._known = analysis, every, calendar(every)
        return self._known[1:]


def perturbed(states: Tensor, change: Tensor, statistics: Statistics) -> Tensor:
    """(b, t, p, h, w) states with a perturbation, both normalised; within what training saw.

    Args:
        statistics: (p,) of the channels.
    """
    ends = torch.tensor(np.stack([statistics.lowest, statistics.highest])[:, :, None, None])
    low, high = normalize_(ends, statistics).to(states.dtype)
    low, high = low.nan_to_num(-torch.inf), high.nan_to_num(torch.inf)
    # A state that is beyond what training saw stays where it is.
    moved = states + change
    return moved.clamp(torch.minimum(states, low), torch.maximum(states, high))
