"""Forecasts that any model must beat, fitted on the training years only.

Each baseline keeps what it learned and is handed the analysis to start from, so that nothing of
the verified years can leak in. Shapes: t times, c grid cells (of all levels), m coefficients.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.names import COORDINATE_ATTRS, INIT_TIME, LEAD_TIME, TIME, VALID_TIME

__all__ = [
    "Baseline",
    "Climatology",
    "DampedPersistence",
    "Persistence",
    "blocks",
    "spacing",
    "states_at",
    "whole_steps",
]

Times = NDArray[np.datetime64]
Leads = NDArray[np.timedelta64]

BLOCK_VALUES = 2**22
"""Values read at once while fitting: keeps memory flat however long the training period."""

DAY = np.timedelta64(86_400_000_000_000, "ns")
YEAR_DAYS = 365.2425
EPOCH = np.datetime64("2000-01-01", "ns")


class Baseline(Protocol):
    """A reference forecast.

    `forecast` returns dimensions (init_time, lead_time, [level], latitude, longitude) in the
    analysis's units, NaN where the analysis holds no state to start from.
    """

    def forecast(self, analysis: xr.Dataset, init_times: Times, lead_times: Leads) -> xr.Dataset:
        """Forecasts from the states of `analysis` at and before `init_times`."""
        ...


@dataclass(frozen=True)
class Persistence:
    """The state at the initial time, unchanged (its anomaly is not carried along the seasons)."""

    def forecast(self, analysis: xr.Dataset, init_times: Times, lead_times: Leads) -> xr.Dataset:
        state = states_at(analysis, init_times).rename({TIME: INIT_TIME})
        return _with_valid_time(state.expand_dims({LEAD_TIME: lead_times}, axis=1))


@dataclass(frozen=True)
class Climatology:
    """The seasonal cycle, for each hour of the day that was analysed.

    Mean and harmonics of the year by least squares at each grid point; hours are fitted apart,
    so the daily cycle is whatever it is, in every season.

    Args:
        coefficients: hour of the day -> (coefficient, [level], latitude, longitude).
    """

    coefficients: dict[int, xr.Dataset]
    harmonics: int

    @classmethod
    def fit(cls, training: xr.Dataset, *, harmonics: int = 3) -> "Climatology":
        """Least squares on the training years; missing values are left out, point by point.

        A point with fewer values than twice its coefficients has a NaN climatology.

        Raises:
            ValueError: `training` covers less than a year, which harmonics of the year need.
        """
        times = training[TIME].values
        span = (times[-1] - times[0] + spacing(times)) / DAY
        if harmonics and span < 360:
            raise ValueError(
                f"harmonics: {harmonics} annual harmonics need a training period of a year or "
                f"more, got {span:.0f} days; extend it or take harmonics=0, the plain mean"
            )
        moments: dict[tuple[int, str], list[Any]] = {}
        for block in blocks(training):
            hours = _hour(block[TIME].values)
            for hour in np.unique(hours):
                part = block.isel({TIME: hours == hour})
                design = _annual_basis(part[TIME].values, harmonics)
                for name, array in part.data_vars.items():
                    sums = _normal_equations(design, array.values.reshape(len(design), -1))
                    old = moments.setdefault((int(hour), str(name)), [0.0, 0.0])
                    moments[int(hour), str(name)] = [a + b for a, b in zip(old, sums, strict=True)]
        like = training.isel({TIME: 0}, drop=True)
        return cls(
            {
                hour: xr.Dataset(
                    {
                        name: (
                            ("coefficient", *array.dims),
                            _solve(*moments[hour, str(name)], array.shape),
                        )
                        for name, array in like.data_vars.items()
                    },
                    like.coords,
                )
                for hour in sorted({hour for hour, _ in moments})
            },
            harmonics,
        )

    def at(self, times: Times) -> xr.Dataset:
        """(time, [level], latitude, longitude) climatology in float32."""
        hours, design = _hour(times), _annual_basis(times, self.harmonics)
        unseen = sorted(set(hours.tolist()) - set(self.coefficients))
        if unseen:
            raise ValueError(
                f"times: the climatology was fitted at hours {sorted(self.coefficients)} UTC, got "
                f"{unseen}; fit it on analyses of the cadence that is verified"
            )
        like = next(iter(self.coefficients.values()))
        fields = {}
        for name, array in like.data_vars.items():
            values = np.empty((len(times), *array.shape[1:]), dtype=np.float32)
            for hour in np.unique(hours):
                learned = self.coefficients[int(hour)][name].values
                values[hours == hour] = np.tensordot(design[hours == hour], learned, axes=1)
            fields[name] = ((TIME, *array.dims[1:]), values)
        return xr.Dataset(fields, {TIME: times, **like.coords})

    def forecast(self, analysis: xr.Dataset, init_times: Times, lead_times: Leads) -> xr.Dataset:
        valid = init_times[:, None] + lead_times[None, :]
        flat = self.at(valid.ravel())
        coords = {name: flat.coords[name] for name in flat.coords if name != TIME}
        fields = {
            name: (
                (INIT_TIME, LEAD_TIME, *array.dims[1:]),
                array.values.reshape(*valid.shape, *array.shape[1:]),
            )
            for name, array in flat.data_vars.items()
        }
        return _with_valid_time(
            xr.Dataset(fields, {INIT_TIME: init_times, LEAD_TIME: lead_times, **coords})
        )

    def anomalies(self, states: xr.Dataset) -> xr.Dataset:
        """`states` (time, ...) less the climatology of their dates."""
        return states - self.at(states[TIME].values)


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

        A missing value counts as no anomaly.

        Raises:
            ValueError: a lead time is not a multiple of the training data's cadence.
        """
        steps = whole_steps("lead_times", lead_times, spacing(training[TIME].values))
        squares: dict[str, Any] = {}
        products: dict[str, Any] = {}
        for block in blocks(training, overlap=steps.max()):
            anomalies = climatology.anomalies(block).fillna(0.0)
            for name, array in anomalies.data_vars.items():
                later = array.values
                now = later[: len(later) - steps.max()]
                lagged = [np.einsum("t...,t...->...", now, later[n : n + len(now)]) for n in steps]
                products[str(name)] = products.get(str(name), 0.0) + np.stack(lagged)
                square = np.einsum("t...,t...->...", now, now)
                squares[str(name)] = squares.get(str(name), 0.0) + square
        if not squares:
            raise ValueError(
                f"lead_times: the training period of {training.sizes[TIME]} times is shorter than "
                f"the longest lead time of {steps.max()} steps; train on more"
            )
        like = training.isel({TIME: 0}, drop=True)
        fields = {
            name: (
                (LEAD_TIME, *array.dims),
                (products[str(name)] / np.maximum(squares[str(name)], 1e-30)).astype(np.float32),
            )
            for name, array in like.data_vars.items()
        }
        return cls(climatology, xr.Dataset(fields, {LEAD_TIME: lead_times, **like.coords}))

    def forecast(self, analysis: xr.Dataset, init_times: Times, lead_times: Leads) -> xr.Dataset:
        fitted = self.damping[LEAD_TIME].values
        if not np.isin(lead_times, fitted).all():
            raise ValueError(
                f"lead_times: damped persistence was fitted for {_hours_text(fitted)} h, got "
                f"{_hours_text(lead_times)} h; fit it for these"
            )
        anomaly = self.climatology.anomalies(states_at(analysis, init_times))
        anomaly = anomaly.rename({TIME: INIT_TIME}).expand_dims({LEAD_TIME: lead_times}, axis=1)
        damped = anomaly * self.damping.sel({LEAD_TIME: lead_times})
        return self.climatology.forecast(analysis, init_times, lead_times) + damped


def states_at(analysis: xr.Dataset, times: Times) -> xr.Dataset:
    """(time, ...) states of the analysis in memory, float32; NaN where it has none."""
    unique, inverse = np.unique(times, return_inverse=True)
    states = analysis.reindex({TIME: unique}).astype(np.float32).load()
    return states.isel({TIME: inverse})


def blocks(training: xr.Dataset, *, overlap: int = 0) -> Iterator[xr.Dataset]:
    """Consecutive stretches of the training data in memory, each with `overlap` times of the next.

    The last stretch ends where a whole overlap no longer fits behind it.
    """
    per_time = sum(array.size for array in training.data_vars.values()) // training.sizes[TIME]
    size = max(1, overlap, BLOCK_VALUES // per_time)
    for start in range(0, training.sizes[TIME] - overlap, size):
        stop = min(start + size, training.sizes[TIME] - overlap)
        yield training.isel({TIME: slice(start, stop + overlap)}).astype(np.float32).load()


def spacing(times: Times) -> np.timedelta64:
    """The even spacing of sorted times.

    Raises:
        ValueError: there are fewer than two, or they are unevenly spaced.
    """
    steps = np.unique(np.diff(times))
    if len(steps) != 1:
        raise ValueError(
            f"time: expected two or more evenly spaced times to fit baselines on, got {len(times)} "
            f"with {len(steps)} different spacings; choose another training period"
        )
    return np.timedelta64(steps[0])


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


def _hour(times: Times) -> NDArray[np.int64]:
    return ((times - EPOCH) // np.timedelta64(1, "h")).astype(np.int64) % 24


def _annual_basis(times: Times, harmonics: int) -> NDArray[np.float64]:
    """(t, m = 2 harmonics + 1): one, and cosine and sine of each harmonic of the year."""
    phase = 2 * np.pi * ((times - EPOCH) / DAY)[:, None] / YEAR_DAYS * np.arange(1, harmonics + 1)
    return np.concatenate([np.ones((len(times), 1)), np.cos(phase), np.sin(phase)], axis=1)


def _normal_equations(design: NDArray[np.float64], values: NDArray[Any]) -> tuple[Any, Any]:
    """(m, m, c) moments of the design where there are values, (m, c) its products with them."""
    seen = np.isfinite(values)
    outer = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    num = design.shape[1]
    if seen.all():
        moments = np.broadcast_to(outer.sum(0)[:, None], (num * num, values.shape[1]))
        return moments.reshape(num, num, -1), design.T @ values
    return (outer.T @ seen).reshape(num, num, -1), design.T @ np.where(seen, values, 0.0)


def _solve(moments: Any, products: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(m, *shape) coefficients; NaN where values are too few."""
    num = len(products)
    counts = moments[0, 0]
    system = np.moveaxis(moments, -1, 0) + 1e-12 * counts.max() * np.eye(num)
    solved = np.linalg.solve(system, products.T[..., None])[..., 0].T
    return np.where(counts >= 2 * num, solved, np.nan).reshape(num, *shape)


def _with_valid_time(forecast: xr.Dataset) -> xr.Dataset:
    valid = forecast[INIT_TIME] + forecast[LEAD_TIME]
    return forecast.assign_coords({VALID_TIME: valid.assign_attrs(COORDINATE_ATTRS[VALID_TIME])})
