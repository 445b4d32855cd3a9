"""The seasonal cycle at each grid point, fitted on the training years.

Shapes: t times, c grid cells (of all levels), m coefficients.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.names import COORDINATE_ATTRS, INIT_TIME, LEAD_TIME, TIME, VALID_TIME
from axialcast.times.dates import Leads, Times

__all__ = ["Climatology", "blocks", "spacing", "with_valid_time"]

Sums = tuple[NDArray[np.float64], NDArray[np.float64]]

BLOCK_VALUES = 2**22
"""Values read at once while fitting: keeps memory flat however long the training period."""

DAY = np.timedelta64(86_400_000_000_000, "ns")
YEAR_DAYS = 365.2425
EPOCH = np.datetime64("2000-01-01", "ns")
HOUR, COEFFICIENT = "hour", "coefficient"

SHORTEST_DAYS = 360
"""Training period that annual harmonics need (days)."""


@dataclass(frozen=True)
class Climatology:
    """Mean and harmonics of the year, for each hour of the day that was analysed.

    Hours are fitted apart, so the daily cycle is whatever it is, in every season. As a forecast
    (a `Baseline`) it is the climatology of the valid time.

    Args:
        coefficients: (hour, coefficient, [level], latitude, longitude), `hour` in UTC; the
            coefficients are the mean, the cosines, then the sines.
    """

    coefficients: xr.Dataset

    @classmethod
    def fit(cls, training: xr.Dataset, *, harmonics: int = 3) -> "Climatology":
        """Least squares on the training years; missing values are left out, point by point.

        A point with fewer values than twice its coefficients has a NaN climatology.

        Raises:
            ValueError: `training` covers less than a year, which harmonics of the year need; a
                field has no point with values enough; the calendar is not the standard one.
        """
        times = training[TIME].values
        span = (times[-1] - times[0] + spacing(times)) / DAY
        if harmonics and span < SHORTEST_DAYS:
            raise ValueError(
                f"harmonics: {harmonics} annual harmonics need a training period of a year or "
                f"more, got {span:.0f} days; extend it or take harmonics=0, the plain mean"
            )
        hours = np.unique(_hour(times))
        sums: dict[Any, Sums] = {}
        for block in blocks(training):
            for hour in hours:
                part = block.isel({TIME: _hour(block[TIME].values) == hour})
                design = _annual_basis(part[TIME].values, harmonics)
                for name, array in part.data_vars.items():
                    new = _normal_equations(design, array.values.reshape(len(design), -1))
                    old = sums.get((name, hour), (0.0, 0.0))
                    sums[name, hour] = (old[0] + new[0], old[1] + new[1])
        like = training.isel({TIME: 0}, drop=True)
        fields = {}
        for name, array in like.data_vars.items():
            values = np.stack([_solve(*sums[name, hour]) for hour in hours])
            dims = (HOUR, COEFFICIENT, *array.dims)
            fields[name] = (dims, values.reshape(*values.shape[:2], *array.shape))
            _refuse_unknown(name, fields[name][1], hours)
        return cls(xr.Dataset(fields, {HOUR: hours, **like.coords}))

    def at(self, times: Times) -> xr.Dataset:
        """(time, [level], latitude, longitude) climatology in float32."""
        hours, fitted = _hour(times), self.coefficients[HOUR].values
        unseen = sorted(set(hours.tolist()) - set(fitted.tolist()))
        if unseen:
            raise ValueError(
                f"times: the climatology was fitted at {fitted.tolist()} h UTC, got {unseen}; "
                "fit it on analyses of the cadence that is verified"
            )
        # Single precision rounds as the data do, and there is a field for every pair scored.
        design = _annual_basis(times, self.coefficients.sizes[COEFFICIENT] // 2).astype(np.float32)
        fields = {}
        for name, array in self.coefficients.data_vars.items():
            values = np.empty((len(times), *array.shape[2:]), dtype=np.float32)
            for hour, learned in zip(fitted, array.values.astype(np.float32), strict=True):
                values[hours == hour] = np.tensordot(design[hours == hour], learned, axes=1)
            fields[name] = ((TIME, *array.dims[2:]), values)
        coords = {name: c for name, c in self.coefficients.coords.items() if name != HOUR}
        return xr.Dataset(fields, {TIME: times, **coords})

    def forecast(self, analysis: xr.Dataset, init_times: Times, lead_times: Leads) -> xr.Dataset:
        """(init_time, lead_time, [level], latitude, longitude) climatology of the valid times."""
        valid = np.add.outer(init_times, lead_times)
        flat = self.at(valid.ravel())
        coords: dict[Any, Any] = {name: c for name, c in flat.coords.items() if name != TIME}
        coords[VALID_TIME] = ((INIT_TIME, LEAD_TIME), valid, COORDINATE_ATTRS[VALID_TIME])
        fields = {
            name: (
                (INIT_TIME, LEAD_TIME, *array.dims[1:]),
                array.values.reshape(*valid.shape, *array.shape[1:]),
            )
            for name, array in flat.data_vars.items()
        }
        return xr.Dataset(fields, {INIT_TIME: init_times, LEAD_TIME: lead_times, **coords})

    def parts(self) -> dict[str, Any]:
        return {"coefficients": self.coefficients}

    def states(self, init_times: Times) -> Times:
        return init_times[:0]

    def anomalies(self, states: xr.Dataset) -> xr.Dataset:
        """`states` (time, ...) less the climatology of their dates, in its order of variables.

        Raises:
            ValueError: the states are not on the grid and levels of the training data.
        """
        climatology = self.at(states[TIME].values)
        # On arrays: blocks of initial times may be small, where xarray's care is most of the time.
        for dim in set(climatology.dims) - {TIME}:
            if not np.array_equal(states[dim].values, climatology[dim].values):
                raise ValueError(
                    f"states: their {dim} does not align with the climatology's; fit it on the "
                    "analysis that is verified"
                )
        fields = {
            name: (array.dims, states[name].transpose(*array.dims).values - array.values)
            for name, array in climatology.data_vars.items()
        }
        return xr.Dataset(fields, climatology.coords)


def blocks(training: xr.Dataset, *, overlap: int = 0) -> Iterator[xr.Dataset]:
    """Consecutive stretches of the training data in memory, each with `overlap` times of the next.

    The last stretch ends where a whole overlap no longer fits behind it.
    """
    per_time = sum(array.size for array in training.data_vars.values()) // training.sizes[TIME]
    size = max(1, overlap, BLOCK_VALUES // per_time)
    for start in range(0, training.sizes[TIME] - overlap, size):
        stop = min(start + size, training.sizes[TIME] - overlap)
        yield (
            training.isel({TIME: slice(start, stop + overlap)})
            .astype(np.float32, copy=False)
            .load()
        )


def spacing(times: Times) -> np.timedelta64:
    """The even spacing of sorted times.

    Raises:
        ValueError: there are fewer than two, they are unevenly spaced, or their calendar is not
            the standard one.
    """
    if times.dtype == object:
        raise ValueError(
            f"time: verification needs the standard calendar, got {times[0].calendar}; score the "
            "forecasts elsewhere, or convert the analysis before training"
        )
    steps = np.unique(np.diff(times))
    if len(steps) != 1:
        raise ValueError(
            f"time: expected two or more evenly spaced times to fit baselines on, got {len(times)} "
            f"with {len(steps)} different spacings; choose another training period"
        )
    return np.timedelta64(steps[0])


def with_valid_time(forecast: xr.Dataset) -> xr.Dataset:
    """The forecast with its coordinate `valid_time` (init_time, lead_time)."""
    valid = np.add.outer(forecast[INIT_TIME].values, forecast[LEAD_TIME].values)
    dims = (INIT_TIME, LEAD_TIME)
    return forecast.assign_coords({VALID_TIME: (dims, valid, COORDINATE_ATTRS[VALID_TIME])})


def _hour(times: Times) -> NDArray[np.int64]:
    return ((times - EPOCH) // np.timedelta64(1, "h")).astype(np.int64) % 24


def _annual_basis(times: Times, harmonics: int) -> NDArray[np.float64]:
    """(t, m = 2 harmonics + 1): one, cosines, sines of the harmonics of the year."""
    phase = 2 * np.pi * ((times - EPOCH) / DAY)[:, None] / YEAR_DAYS * np.arange(1, harmonics + 1)
    return np.concatenate([np.ones((len(times), 1)), np.cos(phase), np.sin(phase)], axis=1)


def _normal_equations(design: NDArray[np.float64], values: NDArray[Any]) -> Sums:
    """(m, m, c) moments of the design where there are values, (m, c) its products with them.

    Moments are (m, m, 1) where no value is missing.
    """
    seen = np.isfinite(values)
    outer = design[:, :, None] * design[:, None, :]
    if seen.all():
        return outer.sum(0)[..., None], design.T @ values
    return np.tensordot(outer, seen, axes=(0, 0)), design.T @ np.where(seen, values, 0.0)


def _solve(moments: NDArray[np.float64], products: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m, c) coefficients; NaN where values are too few."""
    num, counts = len(products), moments[0, 0]
    # A touch of ridge, far below rounding of the data: a cell that is never seen stays solvable.
    systems = np.moveaxis(moments, -1, 0) + 1e-12 * max(counts.max(), 1.0) * np.eye(num)
    if len(systems) == 1:
        solved = np.linalg.solve(systems[0], products)
    else:
        solved = np.linalg.solve(systems, products.T[..., None])[..., 0].T
    return np.where(counts >= 2 * num, solved, np.nan)


def _refuse_unknown(name: Any, coefficients: NDArray[np.float64], hours: NDArray[np.int64]) -> None:
    """Raises where a field, (hour, m, [z], h, w), has no point with a climatology."""
    known = np.isfinite(coefficients).any((1, -2, -1))
    if not known.all():
        raise ValueError(
            f"{name}: no point has the {2 * coefficients.shape[1]} values or more that its "
            f"climatology needs at {hours[np.argwhere(~known)[0, 0]]} h UTC; extend the training "
            "period, take fewer harmonics or leave the variable out"
        )
