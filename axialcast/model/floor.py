"""A linear floor: the vector autoregression that is also a baseline, as a part of a network.

What linear dynamics forecast of departures from the climatology, a network need not learn. All is
that of `axialcast.baselines.VectorAutoregression`, in single precision, on normalised states, and
can be differentiated.

Shapes: b windows, m states (the last is the latest), p prognostic channels, h latitudes,
w longitudes, H, W of coarse cells, x = p H W, k patterns, r functions of the season, q = r m k.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from axialcast.model.calendar import dates
from axialcast.model.departures import Departures, departures_of
from axialcast.times.dates import Times, later

__all__ = ["Floor"]


class Floor(nn.Module):
    """Departures one step ahead: patterns propagated, and what they leave out on its own.

    Args:
        num_channels: p.
        shape: (h, w).
        patterns: k.
        lags: states that patterns are propagated from.
        rest: states that what is left out is forecast from.
        seasons: whether the weights vary with the season.
        coarse: (H, W) that patterns are on, where cells are averaged; None: (h, w).
        departures: as of `departures_of`, where the network has none to share, or others.
    """

    folds: Tensor | None
    patterns: Tensor
    scale: Tensor
    weights: Tensor
    rest: Tensor
    rows: Tensor
    columns: Tensor
    rows_back: Tensor
    columns_back: Tensor
    areas: Tensor

    def __init__(
        self,
        num_channels: int,
        shape: tuple[int, int],
        *,
        patterns: int,
        lags: int,
        rest: int,
        seasons: bool,
        coarse: Sequence[int] | None = None,
        departures: bool | Mapping[str, Any] = False,
    ) -> None:
        super().__init__()
        height, width = shape if coarse is None else coarse
        cells = num_channels * height * width
        self.lags, self.seasons, self.is_coarse = lags, seasons, coarse is not None
        self.num_states = max(lags, rest)
        sizes: dict[str, tuple[int, ...]] = {
            "patterns": (cells, patterns),
            "scale": (cells,),
            "weights": ((3 if seasons else 1) * lags * patterns, patterns),
            "rest": (rest, num_channels),
        }
        if self.is_coarse:
            sizes |= {"rows": (height, shape[0]), "columns": (width, shape[1]), "areas": shape}
            sizes |= {"rows_back": (shape[0], height), "columns_back": (shape[1], width)}
        for name, size in sizes.items():
            self.register_buffer(name, torch.zeros(size))
        self.register_buffer("folds", None, persistent=False)
        self._fold_of: Callable[[Times], NDArray[np.int64]] | None = None
        self._left_out: Tensor | None = None
        self.departures = departures_of(departures, num_channels, shape)
        self._coarse = (num_channels, height, width)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Floor":
        """Itself: constants, and large ones, need not be there twice."""
        return self

    def set(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Fills in the buffers, by their names."""
        for name, values in arrays.items():
            getattr(self, name).copy_(torch.from_numpy(np.ascontiguousarray(values)))

    def set_folds(
        self, weights: NDArray[np.float32], fold_of: Callable[[Times], NDArray[np.int64]]
    ) -> None:
        """Gives it, for training alone, (f, q, k) weights that never saw the times of a fold."""
        self.folds, self._fold_of = torch.from_numpy(weights).to(self.weights), fold_of

    @contextmanager
    def crossed(self, times: Times) -> Iterator[None]:
        """Windows of these (b,) times are forecast by weights that never saw their fold: those that
        did have smaller errors there than elsewhere, and would be trusted too much."""
        if self._fold_of is None:
            yield
            return
        self._left_out = torch.from_numpy(self._fold_of(times)).to(self.weights.device)
        try:
            yield
        finally:
            self._left_out = None

    def following(self, states: Tensor, dates: Tensor, usual: Departures | None) -> Tensor:
        """(b, p, h, w) the state one step after the last.

        Args:
            states: (b, m, p, h, w) normalised, at least `num_states`.
            dates: (b, m, 5) of them.
            usual: what departures are from, where the floor has nothing of its own.
        """
        usual = self._usual(usual)
        with torch.autocast(states.device.type, enabled=False):
            states = states[:, -self.num_states :].float()
            dates = dates[:, -self.num_states :]
            apart, series = self._encoded(states, dates, usual)
            ahead = self._propagated(list(reversed(series)), dates[:, -1])
            departures = self._decoded(ahead)
            for lag, weight in enumerate(self.rest):
                left = apart[-1 - lag] - self._decoded(series[-1 - lag])
                departures = departures + weight[:, None, None] * left
            return departures + usual.usual_at(dates[:, -1], later=1)

    def steps(
        self,
        states: Tensor,
        times: Times,
        step: np.timedelta64,
        num_steps: int,
        usual: Departures | None,
    ) -> Iterator[Tensor]:
        """Yields the states (b, p, h, w) one, two, … steps after the last of (b, m, p, h, w) at
        (b, m) times, propagated as amplitudes."""
        num = self.num_states
        coming = later(times[:, -1:], np.arange(num_steps + 1) * step)
        told = dates(np.concatenate([times[:, -num:-1], coming], 1)).to(states.device)
        series, left = self.begun(states, told[:, :num], usual)
        for number in range(num, num + num_steps):
            now, then = told[:, number - 1], told[:, number]
            following, series, left = self.ahead(series, left, now, then, usual)
            yield following

    def begun(
        self, states: Tensor, dates: Tensor, usual: Departures | None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """What `ahead` goes on from: of each state, the latest first, (b, k) amplitudes, and what
        they leave out, (b, p, h, w).

        Args:
            states: (b, m, p, h, w) normalised, at least `num_states`.
            dates: (b, num_states, 5) of the last of them.
            usual: as for `following`.
        """
        with torch.autocast(states.device.type, enabled=False):
            states = states[:, -self.num_states :].float()
            apart, series = self._encoded(states, dates, self._usual(usual))
            left = [a - self._decoded(s) for a, s in zip(apart, series, strict=True)]
        return list(reversed(series)), left[::-1]

    def ahead(
        self,
        series: list[Tensor],
        left: list[Tensor],
        now: Tensor,
        then: Tensor,
        usual: Departures | None,
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """(b, p, h, w) the state one step ahead, and what the next step goes on from.

        Args:
            series, left: as `begun` gives them, or this.
            now, then: (b, 5) dates of the latest state and of the one ahead.
            usual: as for `following`.
        """
        with torch.autocast(now.device.type, enabled=False):
            series = [self._propagated(series, now), *series[:-1]]
            pairs = zip(self.rest, left[: len(self.rest)], strict=True)
            rest = sum((w[:, None, None] * part for w, part in pairs), torch.zeros(()))
            left = [rest, *left[:-1]]
            following = self._decoded(series[0]) + rest
            return following + self._usual(usual).usual_at(then), series, left

    def _usual(self, shared: Departures | None) -> Departures:
        found = shared if self.departures is None else self.departures
        assert found is not None
        return found

    def _encoded(
        self, states: Tensor, dates: Tensor, usual: Departures
    ) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """For each state (b, p, h, w) departures, 0 where a value is missing, which a state of 0
        stands for, and (b, k) amplitudes of these."""
        known = states != 0
        apart = torch.where(known, states - usual.usual_at(dates), 0.0)
        means = apart
        if self.is_coarse:
            area = self.areas * known
            shares = self.rows @ area @ self.columns.mT
            means = self.rows @ (apart * area) @ self.columns.mT
            means = torch.where(shares > 1e-6, means / shares.clamp(min=1e-6), 0.0)
        amplitudes = (means.flatten(2) * self.scale) @ self.patterns
        return apart.unbind(1), amplitudes.unbind(1)

    def _propagated(self, series: Sequence[Tensor], dates: Tensor) -> Tensor:
        """(b, k) amplitudes one step after the first of them, the latest, at (b, 5) dates."""
        given = torch.cat(list(series[: self.lags]), 1)
        if self.seasons:
            phase = 2 * math.pi * dates[:, :1]
            given = torch.cat([given, given * phase.cos(), given * phase.sin()], 1)
        if self._left_out is None:
            return given @ self.weights
        assert self.folds is not None
        return (given[:, None] @ self.folds[self._left_out])[:, 0]

    def _decoded(self, amplitudes: Tensor) -> Tensor:
        """(b, p, h, w) departures of (b, k) amplitudes."""
        scaled = amplitudes @ self.patterns.mT
        means = torch.where(self.scale > 0, scaled / self.scale.clamp(min=1e-30), scaled)
        means = means.reshape(-1, *self._coarse)
        if self.is_coarse:
            means = self.rows_back @ means @ self.columns_back.mT
        return means
