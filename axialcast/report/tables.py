"""Tables of scores: a row for each model, the best of each column marked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.report.wording import model_name, number

__all__ = ["table"]


def table(
    name: str,
    models: Sequence[str],
    *,
    heads: Sequence[str],
    leads: Sequence[str],
    columns: Sequence[tuple[str, NDArray[np.float64]]],
) -> dict[str, Any]:
    """What the page's template shows of some scores.

    Args:
        heads: each over as many columns as there are lead times.
        columns: metric, and its value for each model.
    """
    best = [_best(metric, values) for metric, values in columns]
    rows = [
        {
            "name": model_name(model),
            "is_own": model == "forecast",
            "cells": [
                (number(float(values[index])), index == which)
                for (_, values), which in zip(columns, best, strict=True)
            ],
        }
        for index, model in enumerate(models)
    ]
    return {"name": name, "heads": heads, "leads": leads, "rows": rows}


def _best(metric: str, values: NDArray[np.float64]) -> int | None:
    """Which model is best: the highest correlation, index, rate or skill, the frequency or spread
    nearest to what it should be, the least error or share of false alarms; None where all are NaN,
    or of a score of a user's, which does not say what is better."""
    match metric:
        case "acc" | "csi" | "hit_rate" | "ets" | "hss" | "sedi" | "fss":
            cost = -values
        case "frequency_bias" | "spread_skill":
            cost = np.abs(np.log(np.maximum(values, 1e-9)))
        case "rmse" | "mae" | "bias" | "crps" | "spread" | "member_rmse":
            cost = np.abs(values)
        case "false_alarm_ratio" | "seeps":
            cost = values
        case _:
            return None
    return int(np.nanargmin(cost)) if np.isfinite(cost).any() else None
