"""What a network is trained on: the analysis of a config, its statistics and static fields."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.baselines.kept import KeptFits
from axialcast.data import (
    Analysis,
    Channels,
    Static,
    Statistics,
    cadence,
    grid_of,
    open_analysis,
    statistics,
)
from axialcast.data.plausible import warn_implausible
from axialcast.data.preparing.prepared import stored_statistics
from axialcast.data.transform import log_scales
from axialcast.grid import Grid
from axialcast.names import FORCING
from axialcast.parallel import leader_first
from axialcast.run.config import Config
from axialcast.run.stamps import training_data
from axialcast.run.static_fields import static_fields
from axialcast.times.calendars import times_per_step

__all__ = ["TrainingData"]


@dataclass(frozen=True)
class TrainingData:
    """States to train on and to validate by, not yet read, and what is known of them.

    Args:
        train, validate: times of the analysis.
        channels: (c,) of it, with their roles.
        grid: (h, w) of it.
        stride: times of the analysis from one state to the next.
        step: the same as a time.
        statistics: of the training period.
        static: fields that do not change, normalised.
        fitted: what else was fitted on it, by name, once for all who ask.
    """

    train: xr.Dataset
    validate: xr.Dataset
    channels: Channels
    grid: Grid
    stride: int
    step: np.timedelta64
    statistics: Statistics
    static: Static
    fitted: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Config) -> "TrainingData":
        """That of a config; every process calls it.

        Raises:
            OSError, ValueError: a store cannot be read, or its values are not what they should be.
        """
        data = config.data
        assert data is not None
        analysis = open_analysis(config.analysis_store, **config.opening)
        train, validate = (analysis.sel(time=slice(*p)) for p in (data.train, data.validate))
        channels, grid = Channels.of(analysis, data.roles), grid_of(analysis)
        stride = times_per_step(cadence(analysis), data.model_step)
        log1p = log_scales(channels, data.transform)
        stats = stored_statistics(
            config.analysis_store, channels, train=data.train, step=stride, log1p=log1p
        )
        if stats is None:
            with leader_first():
                stats = _kept_statistics(config, Analysis.of(train, channels), stride, log1p)
        else:
            warn_implausible(channels, stats.lowest, stats.highest)
        static = static_fields(config, grid)
        step = cadence(analysis) * stride
        return cls(train, validate, channels, grid, stride, step, stats, static)

    def missing(self) -> list[str]:
        """Which channels have missing values, how many, and what becomes of them."""
        shares = zip(self.channels, self.statistics.missing, strict=True)
        return [
            f"{channel} is NaN on {100 * share:.3g} % of the area: "
            + ("0 for the network" if channel.role == FORCING else "masked in the loss")
            for channel, share in shares
            if share
        ]


def _kept_statistics(
    config: Config, training: Analysis, step: int, log1p: NDArray[np.float64]
) -> Statistics:
    """Statistics of the training period, gathered once for as long as it stays as it is."""
    kept = KeptFits(config.output / ".fitted", training_data(config))
    how = {"step": step, **({"log1p": log1p.tolist()} if log1p.any() else {})}
    found = kept.load("statistics", training, how)
    if found is None:
        found = vars(statistics(training, training.channels, step=step, log1p=log1p))
        kept.save("statistics", training, how, found)
    else:
        warn_implausible(training.channels, found["lowest"], found["highest"])
    return Statistics(**found)
