"""Statistics of forecast-truth pairs, and the metrics made of their means.

A statistic is averaged over cases and area, a metric is a function of those averages: so scores
are exact however the cases are split into blocks.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["METRICS", "STATISTICS"]

Means = Mapping[str, NDArray[np.float64]]

STATISTICS = (
    "error",
    "squared_error",
    "absolute_error",
    "anomaly_product",
    "squared_forecast_anomaly",
    "squared_truth_anomaly",
)
"""Of a forecast and the truth at a grid point; anomalies depart from the climatology there."""


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
