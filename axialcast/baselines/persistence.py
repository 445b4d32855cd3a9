"""Forecasts that any model must beat, fitted on the training years only.

Each baseline keeps what it learned and is handed the analysis to start from, so that nothing of
the verified years can leak in. `Climatology` and `LinearInverseModel` are baselines too.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines.climatology import (
    Climatology,
    blocks,
    spacing,
    with_valid_time,
)
from axialcast.names import INIT_TIME, LEAD_TIME, TIME
from axialcast.times.dates import Leads, Times

__all__ = ["Baseline", "DampedPersistence", "Persistence", "states_at", "whole_steps"]


class Baseline(Protocol):
    """A reference forecast.

    `forecast` returns dimensions (init_time, lead_time, [level], latitude, longitude) in the
    analysis's units, NaN where the analysis holds no state to start from. Its values follow from
    `parts` and from the analysis at the times `states`, and from nothing else: the sums of scores
    that are kept (`axialcast.verify.KeptSums`) are known by these. A baseline that only ever is
    scored without keeping needs neither.
    """

    def forecast(self, analysis: xr.Dataset, init_times: Times, lead_times: Leads) -> xr.Dataset:
        """Forecasts from the states of `analysis` at and before `init_times`."""
        ...

    def parts(self) -> Mapping[str, Any]:
        """What it consists of, by name: datasets, arrays, numbers, text, other baselines."""
        ...

    def states(self, init_times: Times) -> Times:
        """Times of the states that forecasts from `init_times` start from."""
        ...


@dataclass(frozen=True)
class Persistence:
    """The state at the initial time, unchanged (its anomaly is not carried along the seasons)."""

    def forecast(self, analysis: xr.Dataset, init_times: Times, lead_times: Leads) -> xr.Dataset:
        state = states_at(analysis, init_times).rename({TIME: INIT_TIME})
        return with_valid_time(state.expand_dims({LEAD_TIME: lead_times}, axis=1))

    def parts(self) -> dict[str, Any]:
        return {}

    def states(self, init_times: Times) -> Times:
        return init_times


@dataclass(frozen=True)
class DampedPersistence:
    """The initial anomaly times its lag regression at each grid point, on top of climatology.

    Args:
        damping: (lead_time, [level], latitude, longitude) regression coefficients.
    """

    climatology: Climatology
    damping: xr.Dataset

    @classmethod
    def fit(
        cls, training: xr.Dataset, climatology: Climatology, *, lead_times: Leads
    ) -> "DampedPersistence":
        """Regression through the origin of the anomaly on that of `lead_times` before.

        Pairs that lack either value are left out, point by point; a point without any pair has no
        memory, as one that is never analysed (land, for the sea's temperature) has no forecast.

        Raises:
            ValueError: a lead time is not a multiple of the training data's cadence, or reaches
                past its end.
        """
        steps = whole_steps("lead_times", lead_times, spacing(training[TIME].values))
        longest = int(steps.max())
        if training.sizes[TIME] <= longest:
            raise ValueError(
                f"lead_times: the training period of {training.sizes[TIME]} times is not longer "
                f"than the longest lead time of {longest} steps; train on more"
            )
        squares: dict[Any, Any] = defaultdict(float)
        products: dict[Any, Any] = defaultdict(float)
        for block in blocks(training, overlap=longest):
            for name, array in climatology.anomalies(block).data_vars.items():
                squared, product = _lagged_sums(array.values, steps)
                squares[name] += squared
                products[name] += product
        like = training.isel({TIME: 0}, drop=True)
        fields = {}
        for name, array in like.data_vars.items():
            damping = products[name] / np.maximum(squares[name], np.finfo(np.float64).tiny)
            fields[name] = ((LEAD_TIME, *array.dims), damping.astype(np.float32))
        return cls(climatology, xr.Dataset(fields, {LEAD_TIME: lead_times, **like.coords}))

    def forecast(self, analysis: xr.Dataset, init_times: Times, lead_times: Leads) -> xr.Dataset:
        fitted = self.damping[LEAD_TIME].values
        if not np.isin(lead_times, fitted).all():
            raise ValueError(
                f"lead_times: damped persistence was fitted for {_hours_text(fitted)} h, got "
                f"{_hours_text(lead_times)} h; fit it for these"
            )
        anomaly = self.climatology.anomalies(states_at(analysis, init_times))
        damping = self.damping
        if not np.array_equal(fitted, lead_times):
            damping = damping.sel({LEAD_TIME: lead_times})
        forecast = self.climatology.forecast(analysis, init_times, lead_times)
        for name, array in forecast.data_vars.items():
            factor = damping[name].transpose(LEAD_TIME, *anomaly[name].dims[1:]).values
            values = array.values  # its own: no other forecast shares them
            values += anomaly[name].values[:, None] * factor
        return forecast

    def parts(self) -> dict[str, Any]:
        return {"climatology": self.climatology, "damping": self.damping}

    def states(self, init_times: Times) -> Times:
        return init_times


def _lagged_sums(
    anomalies: NDArray[np.float32], steps: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of squares and of lagged products over all times but the last `steps.max()`.

    (l, ...) of the pairs that have both values; squares are (1, ...) where none is missing.
    """
    seen = np.isfinite(anomalies)
    known = np.where(seen, anomalies, 0.0)
    now = known[: len(known) - int(steps.max())]
    square = np.square(now)
    products = [np.einsum("t...,t...->...", now, known[s : s + len(now)]) for s in steps]
    squares = (
        [square.sum(0)]
        if seen.all()
        else [np.einsum("t...,t...->...", square, seen[s : s + len(now)]) for s in steps]
    )
    return np.stack(squares).astype(np.float64), np.stack(products).astype(np.float64)


def states_at(analysis: xr.Dataset, times: Times) -> xr.Dataset:
    """(time, ...) states of the analysis in memory, float32; NaN where it has none."""
    unique, inverse = np.unique(times, return_inverse=True)
    states = analysis.reindex({TIME: unique}).astype(np.float32, copy=False).load()
    return (
        states
        if len(unique) == len(times) and (unique == times).all()
        else states.isel({TIME: inverse})
    )


def whole_steps(name: str, leads: Leads, step: np.timedelta64) -> NDArray[np.int64]:
    """How many steps each lead time is; ValueError names `name` where it is not whole."""
    steps = np.atleast_1d(leads) // step
    if (steps * step != leads).any():
        raise ValueError(
            f"{name}: expected multiples of {_hours_text(step)} h, got {_hours_text(leads)} h; "
            "choose lead times on that cadence"
        )
    return steps.astype(np.int64)


def _hours_text(leads: Any) -> str:
    return ", ".join(f"{lead / np.timedelta64(1, 'h'):g}" for lead in np.atleast_1d(leads))
