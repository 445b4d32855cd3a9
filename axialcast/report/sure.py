"""How sure scores are, where they say so: intervals, and differences from the best baseline."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channel
from axialcast.names import LEVEL

__all__ = ["differences", "interval_of"]


def interval_of(
    scores: xr.Dataset, channel: Channel, metric: str
) -> tuple[xr.DataArray, xr.DataArray] | None:
    """(model, lead_time) lower and upper ends of a score's intervals; None: they are not known."""
    ends = [_beside(scores, channel, end, metric) for end in ("lower", "upper")]
    lower, upper = ends
    return None if lower is None or upper is None or not lower.notnull().any() else (lower, upper)


def differences(
    scores: xr.Dataset, channels: Sequence[Channel], metric: str
) -> tuple[xr.DataArray, NDArray[np.bool_]] | None:
    """(row, lead_time) per cent by which the forecast's score is above the best baseline's, of each
    channel, and whether that is significant; None: it is not known of all."""
    skill, sure = [], []
    for channel in channels:
        difference = _beside(scores, channel, "difference", metric)
        answer = _beside(scores, channel, "difference_significant", metric)
        if difference is None or answer is None:
            return None
        own = channel.of(scores).sel(metric=metric, model="forecast")
        baseline = own.drop_vars((LEVEL, "metric", "model"), errors="ignore") - difference
        skill.append((100 * difference / baseline).rename("skill"))
        sure.append(answer.values == 1)
    if not any(row.notnull().any() for row in skill):
        return None
    whole = xr.concat(skill, "row", coords="minimal", compat="override")
    return whole, np.stack(sure)


def _beside(scores: xr.Dataset, channel: Channel, what: str, metric: str) -> xr.DataArray | None:
    """What is known beside a channel's score, without its level."""
    name = f"{channel.variable}_{what}"
    if name not in scores or metric not in scores["metric"].values:
        return None
    found = replace(channel, variable=name).of(scores).sel(metric=metric)
    return found.drop_vars((LEVEL, "metric"), errors="ignore")
