"""Statistics of forecast-truth pairs, and the metrics made of their means.

A statistic is averaged over cases and area, a metric is a function of those averages: so scores
are exact however the cases are split into blocks. Shapes: ... cases, lead times, levels (any
number of leading axes), h latitudes, w longitudes, r regions.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["METRICS", "STATISTICS", "area_sums", "pair_statistics"]

Field = NDArray[np.floating[Any]]
Means = Mapping[str, NDArray[np.float64]]

STATISTICS = (
    "error",
    "squared_error",
    "absolute_error",
    "anomaly_product",
    "squared_forecast_anomaly",
    "squared_truth_anomaly",
)


def pair_statistics(
    forecast: Field,
    truth: Field,
    climatology: Field,
    valid: NDArray[np.bool_],
    out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """(6, ..., h, w) the `STATISTICS` at every grid point; zero where the pair is not valid.

    Args:
        forecast: (..., h, w) in physical units.
        truth: (..., h, w) the analysis at the same valid times.
        climatology: (..., h, w) that anomalies are taken from, at the same valid times.
        valid: (..., h, w) false where any of them is missing.
        out: where to write the result, to save allocations.
    """
    out = np.empty((len(STATISTICS), *forecast.shape)) if out is None else out
    error, forecast_anomaly, truth_anomaly = out[0], out[4], out[5]
    np.subtract(forecast, truth, out=error, dtype=np.float64)
    np.subtract(forecast, climatology, out=forecast_anomaly, dtype=np.float64)
    np.subtract(truth, climatology, out=truth_anomaly, dtype=np.float64)
    if not valid.all():
        for field in (error, forecast_anomaly, truth_anomaly):
            field[~valid] = 0.0
    np.multiply(error, error, out=out[1])
    np.abs(error, out=out[2])
    np.multiply(forecast_anomaly, truth_anomaly, out=out[3])
    np.square(forecast_anomaly, out=out[4])
    np.square(truth_anomaly, out=out[5])
    return out


def area_sums(field: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., r) sums over the grid of a (..., h, w) field times each region's weights (r, h, w)."""
    cells = field.reshape(*field.shape[:-2], -1)
    return np.asarray(cells @ weights.reshape(len(weights), -1).T)


def rmse(means: Means) -> NDArray[np.float64]:
    """Root-mean-square error, in the variable's units."""
    return np.sqrt(means["squared_error"])


def mae(means: Means) -> NDArray[np.float64]:
    """Mean absolute error, in the variable's units."""
    return means["absolute_error"]


def bias(means: Means) -> NDArray[np.float64]:
    """Mean of forecast minus truth, in the variable's units."""
    return means["error"]


def acc(means: Means) -> NDArray[np.float64]:
    """Anomaly correlation, mean(f' o') / sqrt(mean(f'^2) mean(o'^2)), uncentred.

    f' and o' depart from the climatology of the training years. Means run over cases and area
    before the ratio is taken (not a mean of each case's correlation). NaN where the forecast never
    departs from climatology: climatology itself has none.
    """
    spread = means["squared_forecast_anomaly"] * means["squared_truth_anomaly"]
    correlation = np.full_like(spread, np.nan)
    return np.divide(means["anomaly_product"], np.sqrt(spread), out=correlation, where=spread > 0)


METRICS: dict[str, Callable[[Means], NDArray[np.float64]]] = {
    "rmse": rmse,
    "mae": mae,
    "bias": bias,
    "acc": acc,
}
"""Metrics by name; `units` are the variable's, except that `acc` has none."""
